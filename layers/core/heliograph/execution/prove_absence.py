"""Prove by a provider's books that a call whose answer was lost made no task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.jobs.job import Attempt
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.books import no_task_was_made

if TYPE_CHECKING:
    from heliograph.providers.ports import ImageProvider


def proven_absence(attempt: Attempt, now: datetime, providers: Mapping[str, ImageProvider]) -> Failure | None:
    """Failure of a lost call, if its provider's books prove that it made no task; else `None`.

    Free. The books are read only where they can prove it.
    """
    provider = providers.get(attempt.provider)
    if provider is None or attempt.proof_is_due_at is None or now < attempt.proof_is_due_at:
        return None
    if not no_task_was_made(attempt.books_before, provider.books(), lost_at=attempt.lost_at, now=now):
        return None
    return Failure(
        code=FailureCode.ROUTE_UNAVAILABLE,
        message=f"by the provider's books, the call created no task; its answer was lost: {attempt.uncertainty}",
        retryable=True,
        charged=Charged.NO,
    )
