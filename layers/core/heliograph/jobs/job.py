"""The job: one record with everything that happened to it. (Its legal moves: jobs/status.py.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from heliograph.budgets.ledger import Booking, Usage
from heliograph.jobs.attempt import Attempt
from heliograph.jobs.base import Record
from heliograph.jobs.late_polls import FIRST_LATE_LOOK, next_late_poll
from heliograph.jobs.request import JobRequest, OnUncertain
from heliograph.jobs.result_order import KeyHolder, ResultOrder
from heliograph.jobs.results import Result, Settlement
from heliograph.jobs.retry_policy import GIVE_UP
from heliograph.jobs.status import MOVES as MOVES  # noqa: PLC0414 - whoever has jobs has these too
from heliograph.jobs.status import JobStatus as JobStatus  # noqa: PLC0414
from heliograph.kernel.failures import Charged, Failure
from heliograph.kernel.ids import derived_id
from heliograph.kernel.money import usd
from heliograph.providers.books import Books
from heliograph.routes.config import Route
from heliograph.storage.layout import OutputKeys, record_key


class Source(Record):
    """The origin of a job. `version_id` and `preset_version` are S3 version ids, or ETags in unversioned buckets."""

    kind: Literal["upload", "document", "api"]
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    preset: str | None = None
    preset_version: str | None = None


class KeyBudget(Record):
    """The API key that a job was submitted with, and what may be spent with it in a UTC day, in micro-dollars."""

    key_id: str
    daily_microusd: int


class JobAccounting(Record):
    """Sums that the ledger and the routes' counters hold for one job. jobs/accounting.py computes them.

    `running_on`: the route whose running tasks include this job's.
    """

    booking: Booking = Booking()
    usage_by_route: Mapping[str, Usage] = {}
    running_on: str | None = None


class Job(Record):
    """Everything about one job. Immutable: every change makes a new value, and the store checks `revision`."""

    job_id: str
    tenant: str
    status: JobStatus = JobStatus.QUEUED
    request: JobRequest
    source: Source
    # Of the API key that it was submitted with, if that has one.
    key_budget: KeyBudget | None = None
    output_key_template: str
    output_stem: str
    # Of a job whose results go to a key that later jobs of its source write to as well: who holds that key, and the
    # number that S3 gave the upload.
    key_holder: KeyHolder | None = None
    sequencer: str = ""
    created_at: AwareDatetime
    deadline_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    # Its owner no longer wants the image; a running task can't be stopped.
    cancel_requested_at: AwareDatetime | None = None
    # The job that this one was made to do again.
    retry_of: str | None = None
    # The digest under which equal jobs find its result, if they may: jobs/fingerprints.py.
    reuse_key: str | None = None
    # Of the upload's bytes; where those are a result of ours, of what that was made of in the first place.
    origin: str | None = None
    # The job whose result it has a copy of, and the provider that made that.
    reused_from: str | None = None
    reused_provider: str | None = None
    # Its event is published.
    announced: bool = False
    # Its workflow is known to have begun.
    started: bool = False
    # Time of the last poll by `sweep`, which polls the task of a job whose workflow ended before the task.
    orphaned_at: AwareDatetime | None = None
    attempts: tuple[Attempt, ...] = ()
    results: tuple[Result, ...] = ()
    # Links to the images at the provider, valid for a few days: a person can still get an image that was never stored.
    provider_urls: tuple[str, ...] = ()
    failure: Failure | None = None
    price_microusd: int = 0
    # Facts that became known after its end. All other fields stay as they were then: the job's event is made of them.
    settlements: tuple[Settlement, ...] = ()
    # Start of the polls of its uncertain tasks after its end, and the time of the next one.
    late_since: AwareDatetime | None = None
    late_look_at: AwareDatetime | None = None
    # Micro-dollars reserved at its submission: the price of the route that it is meant for.
    quote_microusd: int = 0
    # The accounting that was written with this record. Only job stores set it.
    accounted: JobAccounting = JobAccounting()
    # Digest of the request as it was sent: distinguishes a repeat from a reused idempotency key.
    fingerprint: str = ""
    revision: int = 0

    @property
    def is_over(self) -> bool:
        """True once the job has a terminal status."""
        return self.status.is_terminal

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def may_resubmit(self) -> bool:
        """True if another call may follow a lost one: once, if the request accepts a second bill."""
        lost = sum(attempt.failure is not None and attempt.unknown_cost_microusd > 0 for attempt in self.attempts)
        return self.request.on_uncertain is OnUncertain.RESUBMIT and lost == 0

    @property
    def charged(self) -> Charged | None:
        """Charge of the job: yes, no or unknown; `None` until it is over."""
        if not self.is_over:
            return None
        if self.settlements:
            if self.price_microusd or any(settlement.charged is Charged.YES for settlement in self.settlements):
                return Charged.YES
            return Charged.UNKNOWN if self.unknown_cost_microusd else Charged.NO
        if self.failure:
            return self.failure.charged
        if self.price_microusd:
            return Charged.YES
        return Charged.UNKNOWN if self.unknown_cost_microusd else Charged.NO

    @property
    def spent_microusd(self) -> int:
        """Micro-dollars that were certainly charged, including charges that became known after the end."""
        return self.price_microusd + sum(map(self.cost_of, self.settlements))

    @property
    def price_usd(self) -> str | None:
        """Price of the job, as decimal USD; `None` until it is over, and if its charge is unknown."""
        if not self.is_over or self.unknown_cost_microusd or self.charged is Charged.UNKNOWN:
            return None
        return usd(self.spent_microusd)

    @property
    def unknown_cost_microusd(self) -> int:
        """Micro-dollars of its attempts whose charge is unknown."""
        return sum(attempt.unknown_cost_microusd for attempt in self.unsettled)

    @property
    def unsettled(self) -> tuple[Attempt, ...]:
        """Its attempts without a settlement."""
        known = {settlement.attempt_id for settlement in self.settlements}
        return tuple(attempt for attempt in self.attempts if attempt.attempt_id not in known)

    def cost_of(self, settlement: Settlement) -> int:
        """Micro-dollars that a settled attempt cost for certain."""
        charged = settlement.charged is Charged.YES
        return self.attempt_of(settlement.attempt_id).price_microusd if charged else 0

    @property
    def uncertain_attempts(self) -> tuple[Attempt, ...]:
        """Attempts that have ended and may still turn out to have created a task, or to have been charged."""
        return tuple(attempt for attempt in self.unsettled if attempt.is_uncertain)

    @property
    def all_results(self) -> tuple[Result, ...]:
        """All stored images, including those that arrived after the end."""
        return self.results + tuple(late for settlement in self.settlements for late in settlement.results)

    @property
    def all_provider_urls(self) -> tuple[str, ...]:
        """Links to images at the provider that were not stored, including those of tasks that ended after the job."""
        return self.provider_urls + tuple(url for settlement in self.settlements for url in settlement.provider_urls)

    @property
    def delivered_late_at(self) -> datetime | None:
        """Time of the first image that arrived after the end."""
        return min((settlement.at for settlement in self.settlements if settlement.results), default=None)

    @property
    def attempts_now(self) -> tuple[Attempt, ...]:
        """Attempts, with the charges that became known after the end."""
        known = {settlement.attempt_id: settlement.charged for settlement in self.settlements}
        return tuple(
            attempt.model_copy(update={"failure": _charged(attempt.failure, known.get(attempt.attempt_id))})
            for attempt in self.attempts
        )

    @property
    def failure_now(self) -> Failure | None:
        """Failure, with the charge that became known after the end."""
        return _charged(self.failure, self.charged if self.settlements else None)

    @property
    def as_it_ended(self) -> Job:
        """The job without the facts that became known after its end."""
        return self._changed(settlements=())

    @property
    def is_found_again(self) -> bool:
        """True if the last attempt was given up as lost and its task is known after all."""
        attempt = self.attempt
        return bool(not self.is_over and attempt and attempt.is_uncertain and attempt.task_id)

    @property
    def output_keys(self) -> OutputKeys:
        """Keys of the job's results."""
        return OutputKeys(self.output_key_template, self.job_id, self.output_stem, self.source.preset)

    @property
    def record_key(self) -> str:
        """Key of the job's record in the results bucket."""
        return record_key(self.job_id, self.tenant)

    @property
    def shares_key(self) -> bool:
        """True if later jobs of the same source write their results to the same key."""
        return self.source.key is not None and self.output_keys.is_shared

    @property
    def result_order(self) -> ResultOrder:
        """Order of its results among all that are written to the same key."""
        key_id = derived_id("key", self.output_keys.first_key() if self.shares_key else self.job_id)
        return ResultOrder.of(key_id, holder=self.key_holder, sequencer=self.sequencer, accepted_at=self.created_at)

    @property
    def superseded_by(self) -> str | None:
        """The job whose newer result has the key that this one's was meant for."""
        return next((result.superseded_by for result in self.all_results if result.superseded_by), None)

    def held_by(self, holder: KeyHolder) -> Job:
        """Sets the holder of the key of its results."""
        return self._changed(key_holder=holder)

    def attempting(
        self,
        attempt_id: str,
        run_id: str,
        route: Route,
        at: datetime,
        *,
        callback_sha256: str | None = None,
        books_before: Books | None = None,
    ) -> Job:
        """Adds an attempt: the intent to call `route`. Raises `ValueError` while another one may be charged."""
        if self.is_over or self.is_found_again or (self.attempt and self.attempt.is_open):
            raise ValueError(f"{self.job_id} can't begin another attempt now")
        attempt = Attempt(
            attempt_id=attempt_id,
            run_id=run_id,
            route=route.name,
            provider=route.provider,
            model=route.model,
            price_microusd=route.price_microusd,
            intended_at=at,
            callback_sha256=callback_sha256,
            books_before=books_before,
        )
        return self._changed(attempts=(*self.attempts, attempt))

    def accepted(self, attempt_id: str, task_id: str, at: datetime) -> Job:
        """Records the provider's task. A job that is over keeps its status; `sweep` polls the task."""
        if self.is_over:
            return self.found(attempt_id, task_id, at)
        return self._moved(
            JobStatus.PROCESSING, attempts=self._attempts_with(attempt_id, task_id=task_id, accepted_at=at)
        )

    def found(self, attempt_id: str, task_id: str, at: datetime) -> Job:
        """Records the task of an attempt that was given up. After the job's end, the task is polled soon."""
        found = self._changed(attempts=self._attempts_with(attempt_id, task_id=task_id))
        return found.called_late(at) if self.is_over else found

    def found_again(self) -> Job:
        """Opens the last attempt again, which was given up as lost and whose task is known now."""
        if self.attempt is None or not self.is_found_again:
            raise ValueError(f"{self.job_id} has no attempt that was found again")
        attempts = self._attempts_with(self.attempt.attempt_id, ended_at=None, failure=None, absent=False)
        return self._moved(JobStatus.PROCESSING, attempts=attempts)

    def mark_uncertain(self, attempt_id: str, uncertainty: str, at: datetime | None = None) -> Job:
        """Records that the answer to the attempt's call was lost. (A callback may have named its task already.)"""
        return self._changed(attempts=self._attempts_with(attempt_id, uncertainty=uncertainty, lost_at=at))

    def with_task_id(self, attempt_id: str, task_id: str, at: datetime) -> Job:
        """Records the task that the workflow knows, if the latest attempt lacks it."""
        attempt = self.attempt
        if attempt is None or attempt.attempt_id != attempt_id or attempt.task_id:
            return self
        return self.accepted(attempt_id, task_id, at)

    def attempt_failed(
        self, attempt_id: str, failure: Failure, at: datetime, *, retry_after_seconds: int | None = None
    ) -> Job:
        """Ends an attempt: its call was refused, its task failed, or it was given up. The job goes on."""
        attempts = self._attempts_with(
            attempt_id, ended_at=at, failure=failure, retry_after_seconds=retry_after_seconds
        )
        return self._changed(attempts=attempts)

    def without_a_task(self, attempt_id: str, failure: Failure, at: datetime) -> Job:
        """Ends a lost attempt: the provider's books prove that the call created no task. The job goes on."""
        return self._changed(attempts=self._attempts_with(attempt_id, ended_at=at, failure=failure, absent=True))

    def succeeded(self, results: Sequence[Result], at: datetime, *, ready_at: datetime | None = None) -> Job:
        """Ends the job with stored and paid images. Ignores a `ready_at` before the call: clocks differ."""
        attempt = self.attempt
        if attempt is None or not results:
            raise ValueError(f"{self.job_id} can't succeed without an attempt and a result")
        if ready_at and not attempt.intended_at <= ready_at <= at:
            ready_at = None
        return self._moved(
            JobStatus.SUCCEEDED,
            attempts=self._attempts_with(attempt.attempt_id, ended_at=at, ready_at=ready_at),
            results=tuple(results),
            price_microusd=attempt.price_microusd,
            finished_at=at,
        )

    def reusing(self, results: Sequence[Result], at: datetime, *, made_by: Job) -> Job:
        """Ends the job with copies of another job's results. No call was made and nothing was paid."""
        if self.attempts or not results:
            raise ValueError(f"{self.job_id} can't reuse a result after a call, nor without one")
        provider = made_by.attempt.provider if made_by.attempt else made_by.reused_provider
        return self._moved(
            JobStatus.SUCCEEDED,
            results=tuple(results),
            reused_from=made_by.job_id,
            reused_provider=provider,
            finished_at=at,
        )

    def failed(
        self,
        failure: Failure,
        at: datetime,
        *,
        results: Sequence[Result] = (),
        provider_urls: Sequence[str] = (),
    ) -> Job:
        """Ends the job without all of its images. Keeps those that were stored, and links to the others."""
        attempts = self.attempts
        if self.attempt and self.attempt.is_open:
            attempts = self._attempts_with(self.attempt.attempt_id, ended_at=at, failure=failure)
        if self.unknown_cost_microusd and failure.charged is Charged.NO:
            # The last attempt was free; an earlier one may not have been.
            failure = failure.model_copy(update={"charged": Charged.UNKNOWN, "retryable": False})
        paid = self.attempt.price_microusd if self.attempt and failure.charged is Charged.YES else 0
        return self._moved(
            JobStatus.FAILED,
            attempts=attempts,
            failure=failure,
            results=tuple(results),
            provider_urls=tuple(provider_urls),
            price_microusd=paid,
            finished_at=at,
        )

    def expired(self, failure: Failure, at: datetime) -> Job:
        """Ends the job after its deadline. Raises `ValueError` unless every attempt has ended without a charge."""
        if self.unknown_cost_microusd or (self.attempt and self.attempt.is_open):
            raise ValueError(f"{self.job_id} has an attempt that may have been or may still be charged")
        return self._moved(JobStatus.EXPIRED, failure=failure, finished_at=at)

    def with_cancel_requested(self, at: datetime) -> Job:
        """Records that its owner asked to cancel it. A running task goes on; no other call follows."""
        if self.is_over:
            raise ValueError(f"{self.job_id} is {self.status} already")
        return self if self.cancel_requested_at else self._changed(cancel_requested_at=at)

    def canceled(self, at: datetime, *, failure: Failure | None = None, provider_urls: Sequence[str] = ()) -> Job:
        """Ends the job because its owner canceled it.

        `failure`: of the open attempt, if its task failed. `provider_urls`: links to its images at the provider, valid
        for some days, if it succeeded: they are paid and not stored.
        """
        attempts = self.attempts
        paid = 0
        if self.attempt and self.attempt.is_open:
            if not failure and not provider_urls:
                raise ValueError(f"{self.job_id} has an open attempt: give its failure or its provider_urls")
            attempts = self._attempts_with(self.attempt.attempt_id, ended_at=at, failure=failure)
            paid = self.attempt.price_microusd if not failure or failure.charged is Charged.YES else 0
        return self._moved(
            JobStatus.CANCELED,
            attempts=attempts,
            cancel_requested_at=self.cancel_requested_at or at,
            provider_urls=tuple(provider_urls),
            price_microusd=paid,
            finished_at=at,
        )

    def rebased_on(self, current: Job) -> Job:
        """This end of the job, based on the revision in which its owner asked to cancel it."""
        return self._changed(revision=current.revision, cancel_requested_at=current.cancel_requested_at)

    def called_late(self, at: datetime) -> Job:
        """Plans polls of its uncertain tasks, from the next sweep on and for a day: the provider called back."""
        if not any(attempt.task_id for attempt in self.uncertain_attempts) or (
            self.late_look_at and self.late_look_at <= at
        ):
            return self
        return self._changed(late_since=at, late_look_at=at)

    def looking_late(self, at: datetime) -> Job:
        """Plans the next poll of its uncertain tasks before the present one is made, in case that one dies."""
        since = self.late_since or at
        return self._changed(late_since=since, late_look_at=next_late_poll(since, at))

    def looked_late(self, at: datetime) -> Job:
        """Plans no other poll once no uncertain task is left, or after a day."""
        is_last = self.late_since is None or at >= self.late_since + GIVE_UP
        if is_last or not any(attempt.task_id for attempt in self.uncertain_attempts):
            return self._changed(late_look_at=None)
        return self

    def settled(self, settlement: Settlement) -> Job:
        """Adds the settlement of an uncertain attempt. The job's end stays as it was."""
        if not self.is_over or all(attempt.attempt_id != settlement.attempt_id for attempt in self.uncertain_attempts):
            raise ValueError(f"{self.job_id} has no such uncertain attempt: {settlement.attempt_id}")
        return self._changed(settlements=(*self.settlements, settlement))

    def as_announced(self) -> Job:
        """Records that its event is published."""
        return self._changed(announced=True)

    def as_settlements_announced(self) -> Job:
        """Records that the events of its settlements are published."""
        told = (settlement.model_copy(update={"announced": True}) for settlement in self.settlements)
        return self._changed(settlements=tuple(told))

    def attempt_of(self, attempt_id: str) -> Attempt:
        """The attempt with that id."""
        return next(attempt for attempt in self.attempts if attempt.attempt_id == attempt_id)

    def as_started(self) -> Job:
        """Records that its workflow has begun: from now on the job may wait for long."""
        return self._changed(started=True)

    def as_orphaned(self, at: datetime) -> Job:
        """Records that its workflow has ended although its task may still bring an image."""
        return self._changed(orphaned_at=at)

    def timings(self) -> Timings:
        """Durations of its parts, as far as they have ended."""
        attempt = self.attempt
        accepted_at = attempt.accepted_at if attempt else None
        return Timings(
            queued_seconds=_seconds(self.created_at, accepted_at or self.finished_at),
            processing_seconds=_seconds(accepted_at, self.finished_at) if accepted_at else None,
            total_seconds=_seconds(self.created_at, self.finished_at),
        )

    def _moved(self, status: JobStatus, **changes: object) -> Job:
        if status is not self.status and status not in MOVES[self.status]:
            raise ValueError(f"{self.job_id} can't go from {self.status} to {status}")
        if self.is_over:
            raise ValueError(f"{self.job_id} is {self.status} already")
        moved = self._changed(status=status, **changes)
        if moved.finished_at is None or not any(attempt.task_id for attempt in moved.uncertain_attempts):
            return moved
        return moved._changed(late_since=moved.finished_at, late_look_at=moved.finished_at + FIRST_LATE_LOOK)

    def _changed(self, **changes: object) -> Job:
        return self.model_copy(update=changes)

    def _attempts_with(self, attempt_id: str, **changes: object) -> tuple[Attempt, ...]:
        if all(attempt.attempt_id != attempt_id for attempt in self.attempts):
            raise ValueError(f"{self.job_id} has no attempt {attempt_id}")
        return tuple(
            attempt.model_copy(update=changes) if attempt.attempt_id == attempt_id else attempt
            for attempt in self.attempts
        )


class Timings(Record):
    """Durations in seconds, to the millisecond: until a task was created, until its image was stored, and both."""

    queued_seconds: float | None = None
    processing_seconds: float | None = None
    total_seconds: float | None = None


def _charged(failure: Failure | None, charged: Charged | None) -> Failure | None:
    """The failure with the charge that is known now."""
    if failure is None or charged in (None, failure.charged):
        return failure
    return failure.model_copy(update={"charged": charged, "retryable": False})


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)
