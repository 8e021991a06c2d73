"""Query parameters, validated by a model as bodies are."""

from __future__ import annotations

from typing import TypeVar

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from pydantic import BaseModel, ValidationError

from heliograph.kernel.errors import Fault, InvalidRequest
from heliograph.kernel.validation import faults_of

Query = TypeVar("Query", bound=BaseModel)


def read_query(model: type[Query], event: APIGatewayProxyEvent) -> Query:
    """The query, checked. Raises `InvalidRequest` that names every fault, each as `?<parameter>`.

    A parameter given twice is refused, because it is unclear which value counts.
    """
    given: dict[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    twice = [Fault(f"?{name[:128]}", "is given more than once") for name, values in given.items() if len(values) > 1]
    try:
        query = model.model_validate({name: values[-1] for name, values in given.items()}, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [Fault(f"?{fault.pointer.removeprefix('/')}", _detail(fault.detail)) for fault in faults_of(error)]
        raise InvalidRequest(*found, *twice) from None
    if twice:
        raise InvalidRequest(*twice)
    return query


def _detail(detail: str) -> str:
    return "there is no such parameter" if detail == "there is no such field" else detail
