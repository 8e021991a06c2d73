"""Attempts: the create calls that were made for a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime

from heliograph.jobs.base import Record
from heliograph.jobs.retry_policy import CALL_LIMIT
from heliograph.kernel.failures import Charged, Failure
from heliograph.kernel.money import usd
from heliograph.providers.books import SETTLED_AFTER, Books, can_prove
from heliograph.providers.protocol import TaskFacts

# How far a provider's clock may be from ours.
CLOCKS_DIFFER = timedelta(minutes=2)


class Attempt(Record):
    """One create call on a route. Written before the call leaves, completed when its answer is known.

    Without `task_id` and `ended_at`, it is unknown whether the call arrived; `uncertainty` says why, once it is lost.
    """

    attempt_id: str
    # The run of `dispatch` that wrote the intent: only that one may call.
    run_id: str
    route: str
    provider: str
    model: str
    price_microusd: int
    intended_at: AwareDatetime
    accepted_at: AwareDatetime | None = None
    task_id: str | None = None
    uncertainty: str | None = None
    # Time when the answer was known to be lost, and the provider's books from before the call.
    lost_at: AwareDatetime | None = None
    books_before: Books | None = None
    # The books proved that the call created no task. (A callback may prove otherwise.)
    absent: bool = False
    # Digest of the secret in the attempt's callback URL, in hex; `None` if no callback can reach us.
    callback_sha256: str | None = None
    # Time since when its images were ready at the provider, if known.
    ready_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    failure: Failure | None = None
    # The provider's Retry-After.
    retry_after_seconds: int | None = None

    @property
    def is_open(self) -> bool:
        """True while it may still bring an image and a charge."""
        return self.ended_at is None

    @property
    def is_uncertain(self) -> bool:
        """True if it has ended and its task may have been created and charged all the same."""
        is_unknown = self.failure is not None and self.failure.charged is Charged.UNKNOWN
        return self.ended_at is not None and (is_unknown or self.absent)

    @property
    def proof_is_due_at(self) -> datetime | None:
        """Time from which the provider's books can prove that it created no task; `None` if they never can."""
        if self.task_id or self.lost_at is None or not can_prove(self.books_before):
            return None
        return self.lost_at + SETTLED_AFTER

    def may_have_made(self, facts: TaskFacts) -> bool:
        """True if the task may be the one of this call, by the facts that its provider gives.

        A repeated callback secret decides. Otherwise the task must have been created while the call was on its way, by
        two clocks that may differ. Missing facts exclude nothing.
        """
        if facts.callback_sha256:
            return facts.callback_sha256 == self.callback_sha256
        if facts.made_at is None:
            return True
        return self.intended_at - CLOCKS_DIFFER <= facts.made_at <= self.intended_at + CALL_LIMIT + CLOCKS_DIFFER

    def public_fields(self) -> dict[str, Any]:
        """Its fields that the API and the record show, as JSON."""
        internal = {"price_microusd", "run_id", "callback_sha256", "ready_at", "lost_at", "books_before", "absent"}
        return {**self.model_dump(mode="json", exclude=internal), "price_usd": usd(self.price_microusd)}

    @property
    def unknown_cost_microusd(self) -> int:
        """Micro-dollars that may have been charged."""
        return self.price_microusd if self.failure and self.failure.charged is Charged.UNKNOWN else 0
