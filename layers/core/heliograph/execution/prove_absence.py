"""Look into a provider's books for a task of a call whose answer was lost."""

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
    """The failure of a lost call of which no task was made, as its provider's books prove; `None` if they don't.

    Free; asks only where the answer can be a proof.
    """
    provider = providers.get(attempt.provider)
    if provider is None or attempt.proof_is_due_at is None or now < attempt.proof_is_due_at:
        return None
    if not no_task_was_made(attempt.books_before, provider.books(), lost_at=attempt.lost_at, now=now):
        return None
    return Failure(
        code=FailureCode.ROUTE_UNAVAILABLE,
        message=f"the provider made no task of the call, by its books; its answer was lost: {attempt.uncertainty}",
        retryable=True,
        charged=Charged.NO,
    )
