"""Logs, metrics and traces: one structured line per event, with the ids that it is about.

A log never contains a raw event, an environment, a key, a presigned link or a prompt.

Log events are lower-case past tense phrases ("endpoint registered"): docs/operations.md queries them by text
(tests/contract/test_log_events.py).
"""

from __future__ import annotations

import gc
import logging
import os
import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

if TYPE_CHECKING:
    from heliograph.monitoring.metrics import Measure

Response = TypeVar("Response")
Handler = Callable[[Any, LambdaContext], Response]

logger = Logger()

# They log requests with their URLs, and answers with their headers. Both may sign.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# Fields of an outcome that are safe in a log.
_LOGGED_FIELDS = ("wait_seconds", "status", "deliveries", "unanswered", "reason", "error")


def instrumented(handler: Handler[Response]) -> Handler[Response]:
    """A Lambda handler whose log lines have the request id; if tracing is on, traced without its response."""

    @wraps(handler)
    def called(event: Any, context: LambdaContext) -> Response:
        return handler(event, context)

    # What start-up has made lives as long as the process: the collector need not look at it.
    gc.freeze()
    gc.enable()
    with_request_id: Handler[Response] = logger.inject_lambda_context(_traced(called), clear_state=True)
    return with_request_id


def log_outcome(outcome: BaseModel) -> None:
    """Logs the outcome of a workflow step."""
    name = str(getattr(outcome, "outcome", type(outcome).__name__))
    facts: dict[str, Any] = {"job_id": getattr(outcome, "job_id", None), "outcome": name}
    facts |= {field: value for field in _LOGGED_FIELDS if (value := getattr(outcome, field, None)) is not None}
    if watch := getattr(outcome, "watch", None):
        facts |= {"task_id": watch.task_id, "model": watch.model, "polls": watch.polls}
    if failure := getattr(outcome, "failure", None):
        facts |= {"failure": failure.model_dump(mode="json")}
    logger.info("step decided", extra=facts)


def id_or_none(text: str, form: re.Pattern[str]) -> str | None:
    """The text if it is an id of that form, else `None`: nothing else that a caller without a key sends is logged."""
    return text if form.fullmatch(text) else None


def log_event(name: str, **facts: str | int | None) -> None:
    """Logs one event. `facts`: its ids, and never a credential."""
    logger.info(name, extra={fact: value for fact, value in facts.items() if value is not None})


def emit_metrics(measures: Iterable[Measure], **properties: str | None) -> None:
    """Logs one line per series in CloudWatch's embedded metric format.

    `properties` are fields of the line, to find the job of a value, and no dimensions. Never raises: a metric is worth
    less than the work that it measures.
    """
    try:
        lines: dict[tuple[str, str] | None, AmazonCloudWatchEMFProvider] = {}
        for measure in measures:
            metric = measure.metric
            series = (metric.dimension, measure.of) if metric.dimension and measure.of else None
            if series not in lines:
                # With a service, the function's name would be a dimension of every metric.
                lines[series] = AmazonCloudWatchEMFProvider(service="")
                if series:
                    lines[series].add_dimension(*series)
            lines[series].add_metric(metric.name, metric.unit, measure.value)
        for line in lines.values():
            for name, value in properties.items():
                if value is not None:
                    line.add_metadata(name, value)
            line.flush_metrics()
    except Exception:
        logger.exception("metrics not emitted")


def _is_traced() -> bool:
    """Whether calls are traced. Read from the environment, because it decides what is imported."""
    return os.environ.get("POWERTOOLS_TRACE_DISABLED") == "0"


def _traced(handler: Handler[Response]) -> Handler[Response]:
    if not _is_traced():
        return handler
    # Imports AWS's whole tracing SDK, which every cold start would wait for.
    from aws_lambda_powertools import Tracer  # noqa: PLC0415

    # AWS's calls only: a patched HTTP client would send our trace ids to the provider.
    tracer = Tracer(patch_modules=["botocore"])
    traced: Handler[Response] = tracer.capture_lambda_handler(handler, capture_response=False)
    return traced
