"""Logs and metrics: one structured line per decision, keyed by the job.

Never in a log: a raw event, an environment, a key, a presigned link, a prompt.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

Answer = TypeVar("Answer")

logger = Logger()
metrics = Metrics(namespace="Heliograph")

# It logs every request with its URL, and URLs sign.
logging.getLogger("httpx").setLevel(logging.WARNING)

# The fields of an outcome that are worth a line and safe in one.
_TOLD = ("wait_seconds", "status", "deliveries", "unanswered", "reason", "error")


def observed(handler: Callable[[Any, LambdaContext], Answer]) -> Callable[[Any, LambdaContext], Answer]:
    """A Lambda handler with its request id in every line and its metrics flushed."""

    @wraps(handler)
    def counted(event: Any, context: LambdaContext) -> Answer:
        try:
            return handler(event, context)
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    # All that is there by now stays: no later search for garbage looks at it.
    gc.freeze()
    named: Callable[..., Any] = logger.inject_lambda_context(counted, clear_state=True)
    return named


def decided(outcome: BaseModel) -> None:
    """One line and one count for what a step of the workflow decided."""
    name = str(getattr(outcome, "outcome", type(outcome).__name__))
    facts: dict[str, Any] = {"job_id": getattr(outcome, "job_id", None), "outcome": name}
    facts |= {field: value for field in _TOLD if (value := getattr(outcome, field, None)) is not None}
    if watch := getattr(outcome, "watch", None):
        facts |= {"task_id": watch.task_id, "model": watch.model, "questions": watch.questions}
    if failure := getattr(outcome, "failure", None):
        facts |= {"failure": failure.model_dump(mode="json")}
    logger.info("decided", extra=facts)
    count(f"Outcome_{name}")


def count(name: str) -> None:
    """One more of `name`."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)


def noted(name: str, **facts: str | int | None) -> None:
    """One line and one count for something that was done. `facts`: ids, and nothing that opens anything."""
    logger.info(name, extra={fact: value for fact, value in facts.items() if value is not None})
    count(name)
