"""The life of a job: one record, and everything that happened to it. (Its legal moves: jobs/status.py.)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from heliograph.budgets.ledger import Booking, BudgetAccount, Usage, accounts_of, key_account
from heliograph.jobs.request import JobRequest, OnUncertain
from heliograph.jobs.result_order import KeyHolder, ResultOrder
from heliograph.jobs.retry_policy import CALL_LIMIT, GIVE_UP
from heliograph.jobs.status import MOVES as MOVES  # noqa: PLC0414 - whoever has jobs has these too
from heliograph.jobs.status import JobStatus as JobStatus  # noqa: PLC0414
from heliograph.kernel.failures import Charged, Failure
from heliograph.kernel.ids import derived_id
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.money import usd
from heliograph.kernel.tenants import DEFAULT_TENANT, Tenants
from heliograph.providers.books import SETTLED_AFTER, Books, can_prove
from heliograph.providers.protocol import TaskFacts
from heliograph.routes.config import Route
from heliograph.storage.layout import OutputKeys, record_key

START_GRACE = timedelta(minutes=2)
ORPHAN_GRACE = timedelta(minutes=1)
END_GRACE = timedelta(minutes=15)
# Minutes are usual, a quarter of an hour is the most that was seen [client].
LONGEST_TASK = timedelta(hours=1)
# The vendor's own clients give up after ten minutes [vendor].
LONGEST_UNCERTAINTY = timedelta(minutes=10)
# How far a provider's clock may be from ours.
CLOCKS_DIFFER = timedelta(minutes=2)
# How soon after a job's end its uncertain tasks are polled, and by how much each gap is longer than the time before it.
FIRST_LATE_LOOK = timedelta(minutes=5)
_LATE_LOOKS_GROW = 0.5


class _Record(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Source(_Record):
    """What started a job. `version_id` and `preset_version` are S3 version ids (or ETags in unversioned buckets)."""

    kind: Literal["upload", "document", "api"]
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    preset: str | None = None
    preset_version: str | None = None


class KeyBudget(_Record):
    """The API key that a job was submitted with, and what may be spent with it in a UTC day, in micro-dollars."""

    key_id: str
    daily_microusd: int


class Attempt(_Record):
    """One create call on a route. Written before the call leaves, completed when its answer is known.

    No `task_id` and no `ended_at`: nobody knows (yet) whether the call arrived. If not, `uncertainty` says why.
    """

    attempt_id: str
    # Which run of `dispatch` wrote the intent: only that one may call.
    run_id: str
    route: str
    provider: str
    model: str
    price_microusd: int
    intended_at: AwareDatetime
    accepted_at: AwareDatetime | None = None
    task_id: str | None = None
    uncertainty: str | None = None
    # When that was known, and the provider's books from before the call left.
    lost_at: AwareDatetime | None = None
    books_before: Books | None = None
    # Those books proved that no task was made of it. (A callback may prove otherwise.)
    absent: bool = False
    # Of the token in the attempt's callback URL, in hex; none where no callback can reach us.
    callback_sha256: str | None = None
    # Since when its pictures were waiting at the provider's, as far as that is known.
    ready_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    failure: Failure | None = None
    # How long the provider asked to be left alone.
    retry_after_seconds: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still bring a picture (and a bill)."""
        return self.ended_at is None

    @property
    def is_uncertain(self) -> bool:
        """Whether it has ended, and its task may have been made and charged all the same."""
        is_unknown = self.failure is not None and self.failure.charged is Charged.UNKNOWN
        return self.ended_at is not None and (is_unknown or self.absent)

    @property
    def proof_is_due_at(self) -> datetime | None:
        """From when on the provider's books may prove that it made no task; `None` if they never will."""
        if self.task_id or self.lost_at is None or not can_prove(self.books_before):
            return None
        return self.lost_at + SETTLED_AFTER

    def may_have_made(self, facts: TaskFacts) -> bool:
        """Whether the task may be of this very call, by what its provider says of it.

        A repeated token decides. Without, the task was made while the call was on its way, by two clocks that may
        differ. What says nothing excludes nothing.
        """
        if facts.callback_sha256:
            return facts.callback_sha256 == self.callback_sha256
        if facts.made_at is None:
            return True
        return self.intended_at - CLOCKS_DIFFER <= facts.made_at <= self.intended_at + CALL_LIMIT + CLOCKS_DIFFER

    def told(self) -> dict[str, Any]:
        """What its owner is told of it, as JSON."""
        internal = {"price_microusd", "run_id", "callback_sha256", "ready_at", "lost_at", "books_before", "absent"}
        return {**self.model_dump(mode="json", exclude=internal), "price_usd": usd(self.price_microusd)}

    @property
    def unknown_cost_microusd(self) -> int:
        """Micro-dollars that nobody can tell whether they were charged."""
        return self.price_microusd if self.failure and self.failure.charged is Charged.UNKNOWN else 0


class Result(_Record):
    """One stored picture. `version_id` pins its bytes; `sha256` in hex; sizes in bytes and pixels.

    `superseded_by`: the job whose newer result has the key that this one was meant for. This one has a key of its own.
    """

    bucket: str
    key: str
    version_id: str | None
    content_type: MediaType
    size_bytes: int
    sha256: str
    width: int
    height: int
    superseded_by: str | None = None


class Settlement(_Record):
    """What an attempt came to that was uncertain when its job ended: known later, and never changed again.

    `charged`: yes or no. `results`: the images that arrived late. `provider_urls`: where the provider keeps paid images
    that were not stored, and `message` says why. `record_key`: of the job's record, written anew with the results.
    """

    attempt_id: str
    at: AwareDatetime
    charged: Charged
    message: str
    results: tuple[Result, ...] = ()
    provider_urls: tuple[str, ...] = ()
    record_key: str | None = None
    # Its event is on the bus.
    announced: bool = False


class Job(_Record):
    """Everything about one job. Immutable: every change makes a new value, and the store checks `revision`."""

    job_id: str
    tenant: str
    status: JobStatus = JobStatus.QUEUED
    request: JobRequest
    source: Source
    # Of the API key that it was submitted with, if that has one.
    key_budget: KeyBudget | None = None
    output_key: str
    output_stem: str
    # Of a job whose results go to a key that later jobs of its source write to as well: who holds that key, and the
    # number that S3 gave the upload.
    key_holder: KeyHolder | None = None
    sequencer: str = ""
    created_at: AwareDatetime
    deadline_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    # Its owner wants no picture any more; a task that runs can't be stopped.
    cancel_requested_at: AwareDatetime | None = None
    # The job that this one was made to do again.
    retry_of: str | None = None
    # The digest under which equal jobs find its result, if they may: jobs/recipes.py.
    reuse_key: str | None = None
    # Of the upload's bytes; where those are a result of ours, of what that was made of in the first place.
    origin: str | None = None
    # The job whose result it has a copy of, and the provider that made that.
    reused_from: str | None = None
    reused_provider: str | None = None
    # Its event is on the bus.
    announced: bool = False
    # Its workflow is known to have begun.
    started: bool = False
    # When it was last looked after, since its workflow ended while its task ran: `sweep` asks in its place.
    orphaned_at: AwareDatetime | None = None
    attempts: tuple[Attempt, ...] = ()
    results: tuple[Result, ...] = ()
    # Where the provider keeps the pictures for a few days: what is left to a person if delivery fails for good.
    provider_urls: tuple[str, ...] = ()
    failure: Failure | None = None
    price_microusd: int = 0
    # What became known after its end. All other fields stay as they were then: its event is made of them.
    settlements: tuple[Settlement, ...] = ()
    # Since when its uncertain tasks are polled after its end, and when they are polled next.
    late_since: AwareDatetime | None = None
    late_look_at: AwareDatetime | None = None
    # What was reserved for it at its submission: the price of the route that it is meant for.
    quote_microusd: int = 0
    # What the ledger held for it, and on which route it ran, when this was last written.
    booked: Booking = Booking()
    used: Mapping[str, Usage] = {}
    ran_on: str | None = None
    # The same of the places of its tenant on a route; a job of the tenant `default` needs none.
    held_share_of: str | None = None
    # Of the request as it was sent, to tell a repeat from a reused idempotency key.
    fingerprint: str = ""
    revision: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the job has reached a terminal status."""
        return self.status.is_terminal

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def attention_at(self) -> datetime | None:
        """When somebody should look whether the job is stuck; `None` once it is over and announced.

        A workflow starts within seconds and ends soon after the deadline: later than that, something went wrong.
        """
        if self.finished_at:
            untold = [settlement.at + START_GRACE for settlement in self.settlements if not settlement.announced]
            if not self.announced:
                untold.append(self.finished_at + START_GRACE)
            return min([*untold, *([self.late_look_at] if self.late_look_at else [])], default=None)
        if self.orphaned_at:
            return self.orphaned_at + ORPHAN_GRACE
        if self.attempts or self.started:
            return self.result_deadline + END_GRACE
        return self.created_at + START_GRACE

    @property
    def result_deadline(self) -> datetime:
        """Until when to wait: for a task, the deadline; for its picture, as long again from then (an hour at most).

        A task that was made at the last moment is paid like any other: it gets its time. So does a call whose answer
        is not noted: the workflow may know its task.
        """
        attempt = self.attempt
        if attempt and attempt.is_open:
            as_long_again = min(self.deadline_at - self.created_at, LONGEST_TASK)
            return (attempt.accepted_at or attempt.intended_at) + as_long_again
        return self.deadline_at

    @property
    def lost_call_deadline(self) -> datetime:
        """How long an attempt without an answer may announce itself before it is given up.

        Where the risk of a second bill is accepted, half of the time that is left goes to the next attempt.
        """
        attempt = self.attempt
        if attempt is None:
            return self.deadline_at
        # Until then its call may be on its way, and its answer be noted after all.
        answered_by = attempt.intended_at if attempt.uncertainty else attempt.intended_at + CALL_LIMIT
        answered_by = max(answered_by, attempt.proof_is_due_at or answered_by)
        if attempt.callback_sha256 is None:
            return answered_by
        if not self.may_resubmit or attempt.intended_at >= self.deadline_at:
            return max(answered_by, self.result_deadline)
        half = (self.deadline_at - attempt.intended_at) / 2
        return max(answered_by, attempt.intended_at + min(half, LONGEST_UNCERTAINTY))

    @property
    def may_resubmit(self) -> bool:
        """Whether a lost call may be followed by another: once, if the request accepts a second bill."""
        lost = sum(attempt.failure is not None and attempt.unknown_cost_microusd > 0 for attempt in self.attempts)
        return self.request.on_uncertain is OnUncertain.RESUBMIT and lost == 0

    @property
    def booking(self) -> Booking:
        """What the ledger must hold for it."""
        unknown = self.unknown_cost_microusd
        if self.is_over:
            return Booking(0, self.spent_microusd, unknown)
        running = self.attempt.price_microusd if self.attempt and self.attempt.is_open else 0
        return Booking(max(self.quote_microusd, running), 0, unknown)

    @property
    def usage(self) -> dict[str, Usage]:
        """What it brought and cost on each route, as far as that is known."""
        usage = {attempt.route: Usage() for attempt in self.attempts}
        for attempt in self._unsettled:
            usage[attempt.route] = usage[attempt.route].plus(Usage(unknown=attempt.unknown_cost_microusd))
        for settlement in self.settlements:
            attempt = self.attempt_of(settlement.attempt_id)
            late = Usage(pictures=len(settlement.results), spent=self._cost_of(settlement))
            usage[attempt.route] = usage[attempt.route].plus(late)
        if self.is_over and self.attempt:
            route = self.attempt.route
            usage[route] = usage[route].plus(Usage(pictures=len(self.results), spent=self.price_microusd))
        return {route: used for route, used in usage.items() if any(used)}

    @property
    def usage_changes(self) -> dict[str, Usage]:
        """What is to be added to each route's usage: what it brought and cost, less what was written already."""
        usage = self.usage
        changes = {
            route: usage.get(route, Usage()).minus(self.used.get(route, Usage())) for route in [*usage, *self.used]
        }
        return {route: change for route, change in changes.items() if any(change)}

    def ledger_pages(self, tenants: Tenants) -> Iterator[tuple[BudgetAccount, int | None]]:
        """The pages that it is written on, each with its limit in micro-dollars."""
        for page, period in accounts_of(self.tenant, self.created_at):
            yield page, tenants.limit(page.account, period)
        if self.key_budget:
            yield key_account(self.key_budget.key_id, self.created_at), self.key_budget.daily_microusd

    @property
    def runs_on(self) -> str | None:
        """The route whose tasks it is counted among."""
        return self.attempt.route if self.attempt and self.attempt.is_open and not self.is_over else None

    @property
    def places(self) -> dict[str, str | None]:
        """What a writer of the job notes of its places: on a route, and among those of its tenant there."""
        held = self.held_share_of
        if self.runs_on != self.ran_on:
            held = None if self.tenant == DEFAULT_TENANT else self.runs_on
        return {"ran_on": self.runs_on, "held_share_of": held}

    @property
    def is_ending(self) -> bool:
        """Whether to write this is what ends it: what was reserved for it is released by that write and no other.

        For one that was meant to reuse a result, nothing was: it is the first write before it is announced.
        """
        return self.is_over and (self.booked.reserved > 0 or (self.quote_microusd == 0 and not self.announced))

    @property
    def charged(self) -> Charged | None:
        """Whether it cost money: known once it is over."""
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
        """Micro-dollars that it cost for certain, with what became known after its end."""
        return self.price_microusd + sum(map(self._cost_of, self.settlements))

    @property
    def price_usd(self) -> str | None:
        """What the job cost; `None` until it is over, and where nobody can tell."""
        if not self.is_over or self.unknown_cost_microusd or self.charged is Charged.UNKNOWN:
            return None
        return usd(self.spent_microusd)

    @property
    def unknown_cost_microusd(self) -> int:
        """Micro-dollars of its attempts of which nobody can tell whether they were charged."""
        return sum(attempt.unknown_cost_microusd for attempt in self._unsettled)

    @property
    def uncertain_attempts(self) -> tuple[Attempt, ...]:
        """Its attempts that may turn out to have made a task, or their known task to have been charged."""
        return tuple(attempt for attempt in self._unsettled if attempt.is_uncertain)

    @property
    def all_results(self) -> tuple[Result, ...]:
        """Every image in the bucket, also those that arrived after its end."""
        return self.results + tuple(late for settlement in self.settlements for late in settlement.results)

    @property
    def all_provider_urls(self) -> tuple[str, ...]:
        """Where the provider keeps images that were not stored, also of tasks that ended after the job."""
        return self.provider_urls + tuple(url for settlement in self.settlements for url in settlement.provider_urls)

    @property
    def delivered_late_at(self) -> datetime | None:
        """When the first image arrived after its end."""
        return min((settlement.at for settlement in self.settlements if settlement.results), default=None)

    @property
    def attempts_now(self) -> tuple[Attempt, ...]:
        """Its attempts, with what became known of their charges after its end."""
        known = {settlement.attempt_id: settlement.charged for settlement in self.settlements}
        return tuple(
            attempt.model_copy(update={"failure": _charged(attempt.failure, known.get(attempt.attempt_id))})
            for attempt in self.attempts
        )

    @property
    def failure_now(self) -> Failure | None:
        """Its failure, with what became known of its charge after its end."""
        return _charged(self.failure, self.charged if self.settlements else None)

    @property
    def as_it_ended(self) -> Job:
        """Without what became known after its end."""
        return self._changed(settlements=())

    @property
    def is_found_again(self) -> bool:
        """Whether its last attempt was given up as lost, and its task is known after all."""
        attempt = self.attempt
        return bool(not self.is_over and attempt and attempt.is_uncertain and attempt.task_id)

    @property
    def output_place(self) -> OutputKeys:
        """Where its results go."""
        return OutputKeys(self.output_key, self.job_id, self.output_stem, self.source.preset)

    @property
    def record_key(self) -> str:
        """Where its record lies in the results bucket."""
        return record_key(self.job_id, self.tenant)

    @property
    def shares_key(self) -> bool:
        """Whether later jobs of its source write their results to the same key."""
        return self.source.key is not None and self.output_place.is_shared

    @property
    def result_order(self) -> ResultOrder:
        """Its results' place among all that are written to the same key."""
        key_id = derived_id("key", self.output_place.first_key() if self.shares_key else self.job_id)
        return ResultOrder.of(key_id, holder=self.key_holder, sequencer=self.sequencer, accepted_at=self.created_at)

    @property
    def superseded_by(self) -> str | None:
        """The job whose newer result has the key that this one's was meant for."""
        return next((result.superseded_by for result in self.all_results if result.superseded_by), None)

    def held_by(self, holder: KeyHolder) -> Job:
        """With the holder of its results' key."""
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
        """With the intent to call `route` written down. Illegal while another attempt may still bill."""
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
        """With the provider's task noted. A terminal job keeps its status: its task is looked after by `sweep`."""
        if self.is_over:
            return self.found(attempt_id, task_id, at)
        return self._moved(
            JobStatus.PROCESSING, attempts=self._attempts_with(attempt_id, task_id=task_id, accepted_at=at)
        )

    def found(self, attempt_id: str, task_id: str, at: datetime) -> Job:
        """With the task of an attempt noted that was given up. After the job's end, it is polled soon."""
        found = self._changed(attempts=self._attempts_with(attempt_id, task_id=task_id))
        return found.called_late(at) if self.is_over else found

    def found_again(self) -> Job:
        """With its last attempt open again, which was given up as lost: its task is waited for."""
        if self.attempt is None or not self.is_found_again:
            raise ValueError(f"{self.job_id} has no attempt that was found again")
        attempts = self._attempts_with(self.attempt.attempt_id, ended_at=None, failure=None, absent=False)
        return self._moved(JobStatus.PROCESSING, attempts=attempts)

    def mark_uncertain(self, attempt_id: str, uncertainty: str, at: datetime | None = None) -> Job:
        """With the attempt's answer known to be lost. (Its task may have announced itself already.)"""
        return self._changed(attempts=self._attempts_with(attempt_id, uncertainty=uncertainty, lost_at=at))

    def with_task_id(self, attempt_id: str, task_id: str, at: datetime) -> Job:
        """With the task that the workflow knows, where the latest attempt's own record lacks it."""
        attempt = self.attempt
        if attempt is None or attempt.attempt_id != attempt_id or attempt.task_id:
            return self
        return self.accepted(attempt_id, task_id, at)

    def refused(
        self, attempt_id: str, failure: Failure, at: datetime, *, retry_after_seconds: int | None = None
    ) -> Job:
        """With the attempt ended: refused, its task failed, or given up. The job goes on."""
        attempts = self._attempts_with(
            attempt_id, ended_at=at, failure=failure, retry_after_seconds=retry_after_seconds
        )
        return self._changed(attempts=attempts)

    def without_a_task(self, attempt_id: str, failure: Failure, at: datetime) -> Job:
        """With the lost attempt ended: the provider's books prove that no task was made of it. The job goes on."""
        return self._changed(attempts=self._attempts_with(attempt_id, ended_at=at, failure=failure, absent=True))

    def succeeded(self, results: Sequence[Result], at: datetime, *, ready_at: datetime | None = None) -> Job:
        """Terminal, with its pictures stored and paid. A `ready_at` before the call is none: clocks differ."""
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
        """Terminal, with copies of another job's results: no call was made, and nothing was paid."""
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
        """Terminal, without (all of) its pictures; keeps what could be stored and where the rest can be found."""
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
        """Terminal: its deadline passed, and every attempt there was has ended for free."""
        if self.unknown_cost_microusd or (self.attempt and self.attempt.is_open):
            raise ValueError(f"{self.job_id} has an attempt that may have been or may still be charged")
        return self._moved(JobStatus.EXPIRED, failure=failure, finished_at=at)

    def with_cancel_requested(self, at: datetime) -> Job:
        """With its owner's wish noted that it be canceled. What runs goes on; what follows respects it."""
        if self.is_over:
            raise ValueError(f"{self.job_id} is {self.status} already")
        return self if self.cancel_requested_at else self._changed(cancel_requested_at=at)

    def canceled(self, at: datetime, *, failure: Failure | None = None, provider_urls: Sequence[str] = ()) -> Job:
        """Terminal, as its owner wished.

        `failure`: of the attempt that was open and brought no picture. `provider_urls`: where its pictures are, for
        some days, if it did: they are paid, and not delivered.
        """
        attempts = self.attempts
        paid = 0
        if self.attempt and self.attempt.is_open:
            if not failure and not provider_urls:
                raise ValueError(f"{self.job_id} has an attempt of which nobody said how it ended")
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
        """This end of the job, written over the wish to cancel it that came in between."""
        return self._changed(revision=current.revision, cancel_requested_at=current.cancel_requested_at)

    def called_late(self, at: datetime) -> Job:
        """With its uncertain tasks to be polled by the next sweep, and for a day from now: the provider called."""
        if not any(attempt.task_id for attempt in self.uncertain_attempts) or (
            self.late_look_at and self.late_look_at <= at
        ):
            return self
        return self._changed(late_since=at, late_look_at=at)

    def looking_late(self, at: datetime) -> Job:
        """With the look after the present one planned: should nobody come back from this one."""
        since = self.late_since or at
        gap = max(FIRST_LATE_LOOK, (at - since) * _LATE_LOOKS_GROW)
        # The last one that was planned is at the end of the day.
        planned = min(at + gap, since + GIVE_UP) if at < since + GIVE_UP else at + gap
        return self._changed(late_since=since, late_look_at=planned)

    def looked_late(self, at: datetime) -> Job:
        """After a look at its uncertain tasks: where none is left, or a day is over, no other is planned."""
        is_last = self.late_since is None or at >= self.late_since + GIVE_UP
        if is_last or not any(attempt.task_id for attempt in self.uncertain_attempts):
            return self._changed(late_look_at=None)
        return self

    def settled(self, settlement: Settlement) -> Job:
        """With what an uncertain attempt came to. The job's end stays what it was."""
        if not self.is_over or all(attempt.attempt_id != settlement.attempt_id for attempt in self.uncertain_attempts):
            raise ValueError(f"{self.job_id} has no such uncertain attempt: {settlement.attempt_id}")
        return self._changed(settlements=(*self.settlements, settlement))

    def as_announced(self) -> Job:
        """With its event known to be on the bus."""
        return self._changed(announced=True)

    def as_settlements_announced(self) -> Job:
        """With the events of its settlements known to be on the bus."""
        told = (settlement.model_copy(update={"announced": True}) for settlement in self.settlements)
        return self._changed(settlements=tuple(told))

    def attempt_of(self, attempt_id: str) -> Attempt:
        """Its attempt of that id."""
        return next(attempt for attempt in self.attempts if attempt.attempt_id == attempt_id)

    def as_started(self) -> Job:
        """With its workflow known to have begun: it may wait for its turn for long."""
        return self._changed(started=True)

    def as_orphaned(self, at: datetime) -> Job:
        """Without a workflow, but with a task that may still bring a picture."""
        return self._changed(orphaned_at=at)

    def timings(self) -> Timings:
        """How long each part took, as far as it has come."""
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

    @property
    def _unsettled(self) -> tuple[Attempt, ...]:
        known = {settlement.attempt_id for settlement in self.settlements}
        return tuple(attempt for attempt in self.attempts if attempt.attempt_id not in known)

    def _cost_of(self, settlement: Settlement) -> int:
        charged = settlement.charged is Charged.YES
        return self.attempt_of(settlement.attempt_id).price_microusd if charged else 0

    def _changed(self, **changes: object) -> Job:
        return self.model_copy(update=changes)

    def _attempts_with(self, attempt_id: str, **changes: object) -> tuple[Attempt, ...]:
        if all(attempt.attempt_id != attempt_id for attempt in self.attempts):
            raise ValueError(f"{self.job_id} has no attempt {attempt_id}")
        return tuple(
            attempt.model_copy(update=changes) if attempt.attempt_id == attempt_id else attempt
            for attempt in self.attempts
        )


class JobFilter(_Record):
    """Which jobs are wanted: those that match everything that is said."""

    status: JobStatus | None = None
    tag: str | None = None
    preset: str | None = None
    created_after: AwareDatetime | None = None

    def wants(self, job: Job) -> bool:
        """Whether the job is one of them."""
        return (
            self.status in (None, job.status)
            and (self.tag is None or self.tag in job.request.tags)
            and self.preset in (None, job.source.preset)
            and (self.created_after is None or job.created_at > self.created_after)
        )


class Timings(_Record):
    """Seconds, to the millisecond: waiting for a task, the task until its picture was stored, and both."""

    queued_seconds: float | None = None
    processing_seconds: float | None = None
    total_seconds: float | None = None


def _charged(failure: Failure | None, charged: Charged | None) -> Failure | None:
    """The failure, as it is told once it is known whether it was charged."""
    if failure is None or charged in (None, failure.charged):
        return failure
    return failure.model_copy(update={"charged": charged, "retryable": False})


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)
