"""Logs, metrics and traces: one structured line per decision, keyed by the job.

Never in a log: a raw event, an environment, a key, a presigned link, a prompt.
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

Answer = TypeVar("Answer")
Handler = Callable[[Any, LambdaContext], Answer]

logger = Logger()

# They log requests with their URLs, and answers with their headers. Both may sign.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# The fields of an outcome that are worth a line and safe in one.
_TOLD = ("wait_seconds", "status", "deliveries", "unanswered", "reason", "error")


def observed(handler: Handler[Answer]) -> Handler[Answer]:
    """A Lambda handler with its request id in every line; where calls are traced, with a trace without the answer."""

    @wraps(handler)
    def called(event: Any, context: LambdaContext) -> Answer:
        return handler(event, context)

    # All that is there by now stays: no search for garbage looks at it.
    gc.freeze()
    gc.enable()
    named: Handler[Answer] = logger.inject_lambda_context(_traced(called), clear_state=True)
    return named


def decided(outcome: BaseModel) -> None:
    """One line for what a step of the workflow decided."""
    name = str(getattr(outcome, "outcome", type(outcome).__name__))
    facts: dict[str, Any] = {"job_id": getattr(outcome, "job_id", None), "outcome": name}
    facts |= {field: value for field in _TOLD if (value := getattr(outcome, field, None)) is not None}
    if watch := getattr(outcome, "watch", None):
        facts |= {"task_id": watch.task_id, "model": watch.model, "polls": watch.polls}
    if failure := getattr(outcome, "failure", None):
        facts |= {"failure": failure.model_dump(mode="json")}
    logger.info("decided", extra=facts)


def only_an_id(text: str, form: re.Pattern[str]) -> str | None:
    """The text, if it is an id of that form: all that a log line may hold of what somebody without a key has sent."""
    return text if form.fullmatch(text) else None


def noted(name: str, **facts: str | int | None) -> None:
    """One line for something that was done. `facts`: ids, and nothing that opens anything."""
    logger.info(name, extra={fact: value for fact, value in facts.items() if value is not None})


def tell(measures: Iterable[Measure], **properties: str | None) -> None:
    """One line for each series, which CloudWatch makes metrics of (the embedded metric format).

    `properties` are in the line, to lead from a number to its job, and make no series. Never raises: to tell of what
    was done is worth nothing against it.
    """
    try:
        lines: dict[tuple[str, str] | None, AmazonCloudWatchEMFProvider] = {}
        for measure in measures:
            metric = measure.metric
            series = (metric.dimension, measure.of) if metric.dimension and measure.of else None
            if series not in lines:
                # Otherwise the function's name would be a dimension of everything.
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
        logger.exception("not told")


def _is_traced() -> bool:
    """Whether calls are traced: known before anything else is, because it decides what is imported."""
    return os.environ.get("POWERTOOLS_TRACE_DISABLED") == "0"


def _traced(handler: Handler[Answer]) -> Handler[Answer]:
    if not _is_traced():
        return handler
    # It brings AWS's whole SDK for traces, which every cold start would wait for.
    from aws_lambda_powertools import Tracer  # noqa: PLC0415

    # AWS's calls only: a patched HTTP client would send our trace ids to the vendor.
    tracer = Tracer(patch_modules=["botocore"])
    traced: Handler[Answer] = tracer.capture_lambda_handler(handler, capture_response=False)
    return traced
