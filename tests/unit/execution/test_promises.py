"""What the pipeline promises about money and pictures, held against everything that can go wrong at once.

Hypothesis plays the outside world: clients that repeat themselves, a queue that delivers twice, workflows whose steps
are repeated, doubled, lost, aborted and timed out, functions that die or fail at any call, services that are away for
a moment or for long, a vendor with every fault that is known of it, who calls back early, late, twice or never, others
who call back in its name, people at the switches, and time. Nothing here knows how the pipeline works; it is judged by
the vendor's books, the results bucket, the event bus, the ledger and the stored jobs alone:

 1. A wish is billed once at most, and no create call leaves while an earlier one may still bill. (A lost call that made
    no task may be followed by another, but only if the vendor's books proved that.) Where the wish accepts
    a second bill (`on_uncertain: resubmit`), one call without an answer is followed by another, once its task had its
    time to announce itself and did not; it is on record then that it may have billed.
 2. What was charged is in the bucket and the job `succeeded`; or the job `failed` and says that it was charged (then it
    names the links) or that nobody knows. No job says `charged: no` while the vendor holds or took money for it.
    What is charged after its job's end is delivered then, if anybody knows of the task: it stands in a settlement, with
    its images or its links, and in the ledger.
 3. Every job ends, once and for good; a job that succeeded cost what the vendor charged. A settlement never changes.
 4. Every ended job has its event: always the same one, never before the end is stored, telling the job's own story. So
    has every settlement.
 5. Nothing that may have been charged is called retryable.
 6. The vendor's bill is what the ledger calls spent, and at most what it calls unknown besides, job by job. At every
    moment the ledger is the sum of the jobs, page by page, within every limit, and at the end nothing is reserved.
 7. Nothing paid is given up early: a task that somebody still knows of has as long as its deadline, and a picture whose
    host is away a day. A lost task that announced itself in time is found again.
 8. A step fails only in ways that are drawn in `errors.py`.
 9. What a callback says is never believed: a forged one costs a question at most, and no job ever has a task that was
    made for another.
10. After the kill switch was pulled, a create call leaves only from a run that had looked before. As many tasks are
    counted on a route as run there, and never more than may.

11. A job is canceled only if its owner asked for that. From then on no new call of it leaves; one that was canceled is
    never delivered, and costs nothing if no call ever left.
12. A job has one retry at most, which is a job of its own, and every promise is kept for each of the two.
13. Of uploads of the same bytes under the same key and recipe, one task is charged at most, however often they are
    written and announced; another only where somebody asked for a retry. A job that reuses a result makes no call,
    costs nothing, and has the very bytes of a job of the same tenant and recipe.
14. With a stable key, the result of an older upload never replaces that of a newer one.

(`--hypothesis-profile=default` looks for new stories; see `conftest.py`.)
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, product
from typing import TypeVar

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.budgets.ledger import Booking, BudgetAccount, accounts_of
from heliograph.execution.receive_callback import CallbackResult
from heliograph.intake.create_job import Submission
from heliograph.intake.submit_upload import Upload
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.attempt import Attempt
from heliograph.jobs.audit_ledger import check_usage
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.provenance import MARKER
from heliograph.jobs.request import OnUncertain
from heliograph.jobs.results import Result, Settlement
from heliograph.kernel.errors import Conflict, HeliographError, StorageFailed, WorkflowFailed
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.kernel.tenants import Limits, Tenant, Tenants
from heliograph.routes.config import Route
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import (
    JobCanceled,
    JobExpired,
    JobFailed,
    JobSettled,
    JobSucceeded,
    UploadRejected,
)
from hypothesis import currently_in_test_context, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.contract.asl_workflow import WORKFLOW
from tests.fakes.deployment import BETA, CALLBACKS, DEADLINE, RESULTS, ROUTES, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.executions import Execution
from tests.fakes.jobs import InMemoryJobStore
from tests.fakes.results import picture_at
from tests.fakes.runs import Incident, Run, Through, What
from tests.fakes.script import Crash
from tests.fakes.vendor import Call, Creating, End, Fate, Host, Mood, Task, Vendor
from tests.pictures import JPEG, PNG

# The document that is written over again and again, each time for a result at the same key.
SHOP = "jobs/shop.json"
PORTS = ("jobs", "ledger", "states", "objects", "index", "bus", "workflow", "provider", "source")
# How long a run may last before its process is ended: the functions' time-outs.
LIMITS = {
    "DispatchJobFunctionArn": timedelta(seconds=180),
    "PollTaskFunctionArn": timedelta(seconds=45),
    "FinalizeJobFunctionArn": timedelta(seconds=600),
    "RecoverJobFunctionArn": timedelta(seconds=600),
}
API_LIMIT = timedelta(seconds=30)
SUBMISSION_LIMIT = timedelta(seconds=60)
SWEEP_LIMIT = timedelta(seconds=900)
WORKFLOW_LIMIT = timedelta(seconds=WORKFLOW["TimeoutSeconds"])
A_DAY = timedelta(hours=24)
# A vendor goes on calling back for so long, until it is answered that its task is known.
CALLS_BACK_FOR = timedelta(minutes=30)
# A lost task has so long to announce itself, where a second bill is accepted; or half of the time that is left.
A_WHILE = timedelta(minutes=10)
MOST_JOBS = 3
MOST_IMAGES = 5
RECIPE = {"prompt": "the preset's"}
NOBODYS_TASK = "task-of-nobody"
Thing = TypeVar("Thing")

RESUBMIT = {"on_uncertain": "resubmit"}
WISHES: list[dict[str, str]] = [
    {"model": BETA},
    {"model": BETA, **RESUBMIT},
    {},
    RESUBMIT,
    {"model": SECOND},
    {"policy": "cheapest"},
    {"policy": "cheapest", **RESUBMIT},
]
TENANTS = [
    Tenants(),
    Tenants(),
    Tenants(named={"default": Tenant(daily_budget_usd="0.06")}),
    Tenants(named={"default": Tenant(weight=3)}, together=Limits(daily_budget_usd="0.11", monthly_budget_usd="0.17")),
]


@dataclass(frozen=True)
class Terms:
    """What a deployment and its world are like, for the whole of a story.

    `heals`: in the end somebody releases all switches. `calls_back`: the vendor announces each end in time, by itself.
    `repeats_calls`: its answers about a task tell for which call it was made, not only when.
    """

    workflows_survive: bool = True
    heals: bool = True
    hears_callbacks: bool = True
    calls_back: bool = False
    repeats_calls: bool = False
    tenants: Tenants = TENANTS[0]
    most_in_flight: int = 100


whiches = st.integers(0, 5)
wishes = st.sampled_from(WISHES)
# A run has two to thirty moments; most of what matters happens in the first twelve.
moments = st.sampled_from([*range(13)] * 4 + [*range(13, 20)] * 2 + [*range(20, 34)])
incidents = st.builds(Incident, moment=moments, what=st.sampled_from(list(What)))
troubles = st.one_of(st.none(), incidents)
fates = st.builds(
    Fate,
    end=st.sampled_from([End.PICTURES, End.PICTURES, End.PICTURES, End.PICTURES, *End]),
    after_seconds=st.sampled_from([20, 0, 90, 1500, 3 * 3600, 30 * 3600]),
    pictures=st.sampled_from([1, 1, 2]),
    named_after_seconds=st.sampled_from([0, 0, 0, 3, 250]),
)
moods = st.builds(
    Mood,
    creating=st.sampled_from(
        [Creating.ACCEPTED, Creating.ACCEPTED, Creating.ACCEPTED, Creating.CUT_AFTER, Creating.CUT_AFTER, *Creating]
    ),
    fate=fates,
    answers_questions=st.sampled_from([True, True, True, False]),
    host=st.sampled_from([Host.WELL, Host.WELL, *Host]),
    announces_early=st.booleans(),
)
terms = st.builds(
    Terms,
    workflows_survive=st.booleans(),
    heals=st.booleans(),
    hears_callbacks=st.sampled_from([True, True, True, False]),
    calls_back=st.booleans(),
    repeats_calls=st.booleans(),
    tenants=st.sampled_from(TENANTS),
    most_in_flight=st.sampled_from([100, 100, 1]),
)


@dataclass(frozen=True)
class Callback:
    """What somebody calls: genuine, or forged."""

    job_id: str
    token: str
    task_id: str | None
    is_genuine: bool = True

    @property
    def digest(self) -> str:
        """What the record keeps of the token."""
        return hashlib.sha256(self.token.encode()).hexdigest()

    @classmethod
    def of(cls, callback_url: str, task_id: str | None, *, is_genuine: bool = True) -> Callback:
        """At a link that the vendor was given."""
        job_id, token = callback_url.removeprefix(f"{CALLBACKS}/v1/callbacks/").split("/")
        return cls(job_id, token, task_id, is_genuine)


class Judge:
    """Looks on and compares; remembers each broken promise."""

    def __init__(self, here: InMemoryDeployment, vendor: Vendor, executions: dict[str, Execution]) -> None:
        self._here = here
        self._vendor = vendor
        self._executions = executions
        self._ended: dict[str, Job] = {}
        self._settled: dict[str, JobSettled] = {}
        # The jobs as they were written last.
        self._last: dict[str, Job] = {}
        # Of each attempt, those before it of the same job whose task was known when its intent was written.
        self._known_before: dict[str, set[str]] = {}
        self._events: dict[str, JobSucceeded | JobFailed | JobExpired | JobCanceled] = {}
        # Whose task it is: known of each create call by the run that made it.
        self.works_for: dict[Run, str] = {}
        self._callers: list[str] = []
        self._owners: dict[str, str] = {}
        # The jobs whose owner asked for their end, and how many attempts each had when that was first on record.
        self.asked_to_cancel: set[str] = set()
        self._attempts_at_the_wish: dict[str, int] = {}
        # Of each create call, in their order: the attempt that had its intent on record.
        self._attempts: list[str | None] = []
        self._was_halted = False
        self._pulls = 0
        self._pulls_when_it_looked: dict[Run, int] = {}
        self._questions: Counter[Run] = Counter()
        # The tokens with which a task announced itself and was told that it is known.
        self._confirmed: set[str] = set()
        self.callbacks: dict[Run, Callback] = {}
        self.most_in_flight = 100
        self.broken: list[str] = []

    def promise(self, kept: bool, promise: str) -> None:
        if not kept:
            self.broken.append(promise)

    def witness(self, run: Run, port: str, method: str) -> None:
        """After each call that anybody made."""
        match port, method:
            case "provider", "create":
                self._judge_the_last_create_call(run)
            case "provider", "poll":
                self._questions[run] += 1
            case "objects", "put":
                self._judge_the_shared_key()
            case "jobs", "save" | "add":
                jobs = list(self._here.jobs)
                for job in jobs:
                    self._judge_job(job)
                self._judge_the_ledger(jobs)
                if run in self.callbacks and not self.callbacks[run].is_genuine:
                    same = all(_but_for_looks(job) == self._last.get(job.job_id) for job in jobs)
                    self.promise(same, "a forged callback changes nothing; at most a look that was due comes sooner")
                self._last = {job.job_id: _but_for_looks(job) for job in jobs}
            case "bus", "publish":
                self._judge_the_last_event()
            case "states", "snapshot":
                self._pulls_when_it_looked.setdefault(run, self._pulls)
            case "states", "set_spending_pause":
                was, self._was_halted = self._was_halted, self._is_halted
                self._pulls += self._was_halted and not was

    def judge_a_callback(self, run: Run) -> None:
        """When it was answered."""
        callback = self.callbacks[run]
        drawn = isinstance(run.error, StorageFailed | Crash) if run.error else isinstance(run.answer, CallbackResult)
        self.promise(drawn, f"a callback is answered in drawn ways only: {run.error or run.answer!r}")
        self.promise(self._questions[run] <= 1, "a callback costs one question at most")
        if not callback.is_genuine:
            self.promise(run.answer is not CallbackResult.ADOPTED, "what was forged is not adopted")
        elif run.answer in {CallbackResult.ADOPTED, CallbackResult.KNOWN}:
            self._confirmed.add(callback.digest)

    def links(self) -> list[str]:
        """Where the vendor was asked to call back."""
        return [call.callback_url for call in self._vendor.calls if call.callback_url]

    def is_awaited(self, callback: Callback) -> bool:
        """Whether it is about an attempt that may still bring a picture, before its job's end or after it."""
        job = self._here.jobs.peek(callback.job_id)
        meant = [attempt for attempt in job.attempts if attempt.callback_sha256 == callback.digest]
        return any(attempt in job.uncertain_attempts or (attempt.is_open and not job.is_over) for attempt in meant)

    def judge_the_end(self) -> None:
        """When nothing more will happen."""
        now = self._here.clock.now()
        jobs = list(self._here.jobs)
        for job in jobs:
            self.promise(job.is_over, f"every job ends: {job.status}")
            self.promise(job.job_id in self._events, "every ended job has its event")
            told = [event.data.attempt_id for event in self._settled.values() if event.data.job_id == job.job_id]
            settled = [settlement.attempt_id for settlement in job.settlements]
            self.promise(sorted(told) == sorted(settled), "every settlement has its event")
            self._judge_job(job)
            self._judge_the_bill(job, now)
        self.promise(not self._here.jobs.needing_attention(now + 100 * A_DAY, limit=1000), "nothing is left to do")
        self._judge_the_ledger(jobs)
        self._judge_uploads(jobs, now)
        charged = sum(task.charge(now) for task in self._vendor.tasks.values())
        again = Counter(job.retry_of for job in jobs if job.retry_of)
        self.promise(all(number == 1 for number in again.values()), "a job has one retry at most")
        usage = check_usage(jobs, self._here.ledger.usage("0001-01-01", "9999-12-31"), complete_since=now - 999 * A_DAY)
        self.promise(all(told.agrees for told in usage), "what was done is told as it was")
        booked = [accounting_of(job).booking for job in jobs]
        spent, unknown = sum(booking.spent for booking in booked), sum(booking.unknown for booking in booked)
        self.promise(spent <= charged <= spent + unknown, f"the bill is {charged}: {spent} spent, {unknown} unknown")
        self.promise(not any(page.reserved for page in self._here.ledger.pages.values()), "nothing stays reserved")
        self.promise(not any(self._here.jobs.running.values()), "nothing runs for ever")

    @property
    def _is_halted(self) -> bool:
        return self._here.states.snapshot([]).spending_pause is not None

    def _made_for(self, job: Job) -> list[Task]:
        """The tasks of that job's own calls, in the order they were made."""
        return [task for task in self._vendor.tasks.values() if self._owners.get(task.task_id) == job.job_id]

    def _judge_the_last_create_call(self, run: Run) -> None:
        *earlier, last = self._vendor.calls
        job = self._here.jobs.peek(self.works_for[run])
        self._callers.append(job.job_id)
        if last.task:
            self._owners[last.task.task_id] = job.job_id
        attempt = job.attempt
        intended = bool(attempt and attempt.is_open and attempt.attempt_id not in self._attempts)
        self.promise(intended, "each create call has an intent of its own on record")
        self._attempts.append(attempt.attempt_id if attempt else None)
        looked_before = self._pulls_when_it_looked.get(run, self._pulls) < self._pulls
        self.promise(looked_before or not self._is_halted, "no create call leaves after the kill switch was pulled")
        now = self._here.clock.now()
        for call, caller, attempt_id in zip(earlier, self._callers, self._attempts, strict=False):
            if caller != job.job_id or call.creating.is_refusal:
                continue
            free = call.task is not None and not call.task.may_bill(now)
            given_up = self._is_given_up(job, call, attempt_id)
            attempt = next((attempt for attempt in job.attempts if attempt.attempt_id == attempt_id), None)
            proven = call.task is None and attempt is not None and attempt.absent
            self.promise(
                free or given_up or proven, f"no create call leaves while an earlier one may still bill: {call.prompt}"
            )

    def _is_given_up(self, job: Job, call: Call, attempt_id: str | None) -> bool:
        """Whether the wish accepts a second bill, and the call's task had its time, and nobody knows of it."""
        attempt = next((attempt for attempt in job.attempts if attempt.attempt_id == attempt_id), None)
        if attempt is None or attempt.ended_at is None or job.request.on_uncertain is OnUncertain.FAIL:
            return False
        half = (job.deadline_at - attempt.intended_at) / 2
        had_time = call.callback_url is None or attempt.ended_at >= attempt.intended_at + min(A_WHILE, half)
        known = attempt.attempt_id in self._known_before.get(job.attempts[-1].attempt_id, set()) or (
            call.task is not None and call.task.task_id in self._told(job)
        )
        return _is_uncertain(attempt) and had_time and not known

    def _told(self, job: Job) -> set[str]:
        """The tasks that the job's workflow knows of, if that still lives."""
        execution = self._executions.get(job.job_id)
        return execution.told if execution and execution.end is None else set()

    def _judge_job(self, job: Job) -> None:
        for attempt in job.attempts:
            task = self._vendor.tasks.get(attempt.task_id or "")
            # A task may announce itself before its create call is over.
            own = self._owners.get(task.task_id, job.job_id) == job.job_id if task else attempt.task_id is None
            self.promise(own, f"no job has a task that was made for another: {attempt.task_id}, {task}")
            found = attempt.task_id is not None or attempt.callback_sha256 not in self._confirmed
            self.promise(found, "a lost task that announced itself in time is found again")
        if job.attempts:
            earlier = {attempt.attempt_id for attempt in job.attempts[:-1] if attempt.task_id}
            self._known_before.setdefault(job.attempts[-1].attempt_id, earlier)
        if job.cancel_requested_at:
            self.promise(job.job_id in self.asked_to_cancel, "nobody but its owner cancels a job")
            attempts = self._attempts_at_the_wish.setdefault(job.job_id, len(job.attempts))
            self.promise(attempts == len(job.attempts), "no new call leaves for a job that is not wanted any more")
        if not job.is_over:
            self.promise(job.job_id not in self._ended, "an ended job stays ended")
        elif before := self._ended.get(job.job_id):
            told = ("status", "failure", "results", "price_microusd", "finished_at", "provider_urls")
            same = all(getattr(before, name) == getattr(job, name) for name in told)
            self.promise(same, "an ended job stays as it ended")
            self._judge_settlements(before, job)
            self._ended[job.job_id] = job
        else:
            self._ended[job.job_id] = job
            self._judge_the_moment_of_the_end(job)

    def _judge_settlements(self, before: Job, job: Job) -> None:
        now = self._here.clock.now()
        kept = [_untold(new) == _untold(old) for old, new in zip(before.settlements, job.settlements, strict=False)]
        self.promise(len(kept) == len(before.settlements) and all(kept), "a settlement never changes")
        more = job.settlements[len(kept) :]
        self.promise(
            bool(more) or accounting_of(before).booking == accounting_of(job).booking,
            "only a settlement changes what an ended job cost",
        )
        for settlement in more:
            task = self._vendor.tasks.get(job.attempt_of(settlement.attempt_id).task_id or "")
            if task is None:
                self.promise(False, "a settlement is of a task that was made")
            elif settlement.charged is Charged.YES:
                self.promise(task.charge(now) > 0, "a settlement says charged only of what was")
                self._judge_the_images(settlement, task, job)
            else:
                self.promise(not task.may_bill(now), "a settlement says free only of what is")

    def _judge_the_images(self, settlement: Settlement, task: Task, job: Job) -> None:
        now = self._here.clock.now()
        if settlement.provider_urls:
            self.promise(settlement.provider_urls == task.links(now), "a late loss names its links")
            hopeless = job.status is JobStatus.CANCELED or self._is_beyond_hope(task, now)
            self.promise(hopeless, f"no late picture is given up early: {settlement.message}")
        else:
            self.promise(job.status is not JobStatus.CANCELED, "a canceled job is not delivered late, either")
            bodies = [self._stored(result) for result in settlement.results]
            self.promise(bodies == [picture_at(link) for link in task.links(now)], "what came late is in the bucket")

    def _stored(self, result: Result) -> bytes:
        found = self._here.objects.peek(ObjectLocation(result.bucket, result.key, result.version_id))
        return found.body if found else b""

    def _judge_the_moment_of_the_end(self, job: Job) -> None:
        now = self._here.clock.now()
        failure = job.failure
        is_canceled = job.status is JobStatus.CANCELED
        if is_canceled:
            self.promise(job.cancel_requested_at is not None, "a job is canceled only if its owner asked for that")
            self.promise(not job.results, "a canceled job is not delivered")
            self.promise(
                bool(job.attempts) or not any(accounting_of(job).booking), "a job without a call costs nothing"
            )
        elif failure is None:
            self.promise(job.status is JobStatus.SUCCEEDED, "no failure without a reason")
            return
        charged, said = (failure.charged, failure.message) if failure else (job.charged, "canceled")
        if failure:
            self.promise(not failure.retryable or charged is Charged.NO, "nothing possibly charged is retryable")
        # One that was given up as lost, and found again too late to be waited for, is delivered after the end.
        known = self._told(job) | {
            attempt.task_id
            for attempt in job.attempts
            if not _is_uncertain(attempt) or attempt.ended_at == job.finished_at
        }
        for task in self._made_for(job):
            match charged:
                case Charged.NO:
                    self.promise(not task.may_bill(now), f"`charged: no` is never said of money: {said}")
                case Charged.UNKNOWN if task.task_id in known:
                    given_time = now >= task.made_at + DEADLINE
                    alive = task.is_running(now) or task.pictures
                    self.promise(given_time or not alive, f"no known task is given up early: {said}")
                case Charged.YES if task.task_id in known and task.may_bill(now) and not is_canceled:
                    self.promise(self._is_beyond_hope(task, now), f"no picture is given up early: {said}")

    def _is_beyond_hope(self, task: Task, now: datetime) -> bool:
        is_no_picture = task.fate.end is End.BROKEN_PICTURE or self._vendor.pages_served & set(task.links(now))
        return bool(is_no_picture) or now >= task.made_at + DEADLINE + A_DAY

    def _judge_the_shared_key(self) -> None:
        stored = self._here.objects.history(ObjectLocation(RESULTS, "shop/shop.png"))
        uploads = [self._here.jobs.peek(found.metadata[MARKER]).sequencer for found in stored]
        self.promise(uploads == sorted(uploads), f"no older upload's result replaces a newer one's: {uploads}")

    def _judge_the_last_event(self) -> None:
        *_, event = self._here.bus
        if isinstance(event, UploadRejected):
            this = (event.data.key, event.data.version_id)
            taken = [job for job in self._here.jobs if (job.source.key, job.source.version_id) == this]
            self.promise(not taken, "no upload is taken and rejected")
        if isinstance(event, JobSettled):
            self._judge_the_event_of_a_settlement(event)
        if not isinstance(event, JobSucceeded | JobFailed | JobExpired | JobCanceled):
            return
        job = self._here.jobs.peek(event.data.job_id)
        self.promise(event.data.status == job.status, f"no event tells another story than its {job.status} job")
        if isinstance(event, JobSucceeded):
            same = event.data.results == job.results
        elif isinstance(event, JobCanceled):
            same = event.data.charged == job.as_it_ended.charged
        else:
            same = event.data.failure == job.failure
        self.promise(same, "no event tells other results, nor another failure, than its job")
        links = [link for link in job.all_provider_urls if link in event.model_dump_json()]
        self.promise(not links, f"no event holds a provider's link: {links}")
        first = self._events.setdefault(job.job_id, event)
        self.promise(event == first, f"a job's event is always the same one: {first} … {event}")

    def _judge_the_event_of_a_settlement(self, event: JobSettled) -> None:
        job = self._here.jobs.peek(event.data.job_id)
        said = (event.data.attempt_id, event.data.charged, event.data.results)
        stored = [(one.attempt_id, one.charged, one.results) for one in job.settlements]
        self.promise(said in stored, f"no event tells another settlement than its job: {said}")
        self.promise(job.job_id in self._events, "a settlement is told after the end of its job")
        first = self._settled.setdefault(event.event_id, event)
        self.promise(event == first, f"a settlement's event is always the same one: {first} … {event}")

    def _judge_the_ledger(self, jobs: list[Job]) -> None:
        sums: dict[BudgetAccount, Booking] = defaultdict(Booking)
        for job in jobs:
            for page, period in accounts_of(job.tenant, job.created_at):
                sums[page] = sums[page].plus(accounting_of(job).booking)
                limit = self._here.ledger.tenants.limit(page.account, period)
                self.promise(limit is None or sums[page].committed <= limit, f"no limit is passed: {page} {limit}")
        booked = {page: booking for page, booking in self._here.ledger.pages.items() if any(booking)}
        self.promise(booked == {page: booking for page, booking in sums.items() if any(booking)}, "the ledger agrees")
        running = Counter(accounting_of(job).running_on for job in jobs if accounting_of(job).running_on)
        self.promise(running == +self._here.jobs.running, f"as many are counted as run: {running}")
        self.promise(all(number <= self.most_in_flight for number in running.values()), "no more run than may")

    def _judge_reuse(self, job: Job) -> None:
        made_by = self._here.jobs.peek(job.reused_from or "")
        free = not job.attempts and not any(accounting_of(job).booking) and job.charged is Charged.NO
        self.promise(free and not self._made_for(job), "a job that reuses a result makes no call and costs nothing")
        equal = (made_by.tenant, made_by.reuse_key) == (job.tenant, job.reuse_key) and job.reuse_key is not None
        self.promise(equal, "a result is reused for equal jobs of its tenant alone")
        bodies = [self._stored(result) for result in job.results]
        theirs = [self._stored(result) for result in made_by.all_results]
        self.promise(bool(bodies) and bodies == theirs, "a reused result has the bytes of the other job's")

    def _judge_uploads(self, jobs: list[Job], now: datetime) -> None:
        charged: Counter[tuple[str, str]] = Counter()
        for job in jobs:
            if job.source.kind == "upload" and job.retry_of is None:
                tasks = [task for task in self._made_for(job) if task.charge(now)]
                charged[job.source.key or "", job.reuse_key or ""] += len(tasks)
        self.promise(all(number <= 1 for number in charged.values()), f"an upload is charged once at most: {charged}")

    def _judge_the_bill(self, job: Job, now: datetime) -> None:
        if job.reused_from:
            self._judge_reuse(job)
            return
        billed = [task for task in self._made_for(job) if task.charge(now)]
        in_doubt = any(_is_uncertain(attempt) for attempt in job.attempts)
        most = 2 if in_doubt and job.request.on_uncertain is OnUncertain.RESUBMIT else 1
        self.promise(len(billed) <= most, "a wish is billed once at most, or twice where it accepts that")
        late = {
            job.attempt_of(settlement.attempt_id).task_id
            for settlement in job.settlements
            if settlement.charged is Charged.YES
        }
        settled = [task for task in billed if task.task_id in late]
        billed = [task for task in billed if task.task_id not in late]
        self.promise(len(settled) == len(late), "what is settled as charged is billed")
        charged = job.as_it_ended.charged
        paid: Task | None = None
        if job.status is JobStatus.SUCCEEDED:
            bodies = [self._stored(result) for result in job.results]
            paid = next((task for task in billed if bodies == [picture_at(link) for link in task.links(now)]), None)
            self.promise(paid is not None, "a job succeeds only with what is paid, and that is in the bucket")
            self.promise(paid is None or job.price_microusd == paid.charge(now), "a job costs what the vendor charged")
        elif charged is Charged.YES:
            paid = next((task for task in billed if job.attempt and job.attempt.task_id == task.task_id), None)
            self.promise(paid is not None and job.provider_urls == paid.links(now), "a known loss names its links")
        else:
            self.promise(not billed or charged is Charged.UNKNOWN, f"a loss is reported, not {job.status}")
        spent = sum(task.charge(now) for task in [*settled, *([paid] if paid else [])])
        left = [task for task in billed if task is not paid]
        rest = sum(task.charge(now) for task in left)
        noted = {attempt.task_id for attempt in job.attempts}
        for task in left:
            self.promise(task.task_id not in noted or self._could_not_be_had(task, job), f"{task} is delivered late")
        booking = accounting_of(job).booking
        self.promise(booking.spent == spent, f"the ledger says {booking.spent} spent; it is {spent}")
        self.promise(rest <= booking.unknown, f"the ledger says {booking.unknown} unknown; it is {rest}")

    def _could_not_be_had(self, task: Task, job: Job) -> bool:
        """Whether a task that was charged brought nothing for longer than a day, or nobody could say how it was."""
        assert job.finished_at
        assert task.ends_at
        too_late = task.ends_at > job.finished_at + A_DAY
        return task.fate.end is End.NOTHING_BUT_A_BILL or too_late or task.task_id in self._vendor.refused_questions


def _but_for_looks(job: Job) -> Job:
    return job.model_copy(update={"late_since": None, "late_look_at": None, "revision": 0})


def _untold(settlement: Settlement) -> Settlement:
    return settlement.model_copy(update={"announced": False})


def _is_uncertain(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.code is FailureCode.SUBMISSION_UNCERTAIN


class Promises(RuleBasedStateMachine):
    """The outside world; each rule is something that it may do."""

    def __init__(self) -> None:
        super().__init__()
        self.here = InMemoryDeployment()
        self.vendor = Vendor(self.here.clock)
        self.vendor.announce = self._announce
        setattr(self.here, "provider", self.vendor)  # noqa: B010 - a vendor with books in place of the scripted one
        setattr(self.here, "source", self.vendor)  # noqa: B010 - and its host
        self.executions: dict[str, Execution] = {}
        self.judge = Judge(self.here, self.vendor, self.executions)
        self.messages: list[Upload] = []
        self.uploads = 0
        self.images = 0
        self.wishes: dict[int, dict[str, str]] = {}
        self.status_events: list[str] = []
        # Runs that nobody waits for (any more); a workflow knows its own.
        self.strays: list[Run] = []
        self.last_run: Run | None = None
        self.terms = Terms()
        # The tasks of which the vendor was told that they are known: it calls back no more.
        self.acknowledged: set[str] = set()

    # ---- Clients and the queue

    @initialize(terms=terms, wish=wishes)
    def a_client_posts(self, terms: Terms = Terms(), wish: dict[str, str] = WISHES[0]) -> None:
        self.terms = terms
        self.here.callback_base = CALLBACKS if terms.hears_callbacks else None
        self.here.ledger.tenants = terms.tenants
        self.here.jobs = InMemoryJobStore(self.here.ledger, {route.name: terms.most_in_flight for route in ROUTES})
        self.judge.most_in_flight = terms.most_in_flight
        self.vendor.repeats_calls = terms.repeats_calls
        self._post(0, wish, None)

    @rule(key=st.integers(0, MOST_JOBS - 1), wish=wishes, trouble=troubles)
    def a_client_posts_perhaps_again(self, key: int, wish: dict[str, str], trouble: Incident | None) -> None:
        if key in self.wishes or self._number_of_wishes() < MOST_JOBS:
            self._post(key, wish, trouble)

    @precondition(lambda self: len(self.here.jobs) > 0)
    @rule(which=whiches, trouble=troubles)
    def an_owner_cancels(self, which: int, trouble: Incident | None) -> None:
        job = self._one_of(list(self.here.jobs), which)
        self.judge.asked_to_cancel.add(job.job_id)
        run = self._run("cancel", lambda here: here.cancel(job.job_id, tenant=job.tenant), API_LIMIT, trouble=trouble)
        if run.ended and run.error is None:
            wished = self.here.jobs.peek(job.job_id).cancel_requested_at
            self.judge.promise(wished is not None, "a wish that was answered is on record")
        elif isinstance(run.error, Conflict):
            self.judge.promise(self.here.jobs.peek(job.job_id).is_over, "only what is over can not be canceled")

    @precondition(lambda self: any(job.is_over for job in self.here.jobs) and len(self.here.jobs) < MOST_JOBS + 2)
    @rule(which=whiches, trouble=troubles)
    def an_owner_has_a_job_done_again(self, which: int, trouble: Incident | None) -> None:
        job = self._one_of([job for job in self.here.jobs if job.is_over], which)
        caller = Caller(tenant=job.tenant, scopes=frozenset({Scope.JOBS_WRITE}))
        run = self._run("retry", lambda here: here.retry(job.job_id, caller=caller), SUBMISSION_LIMIT, trouble=trouble)
        if run.ended and run.error is None:
            again = run.answer.job
            self.judge.promise(again.retry_of == job.job_id, "what does a job again says so")
            self.judge.promise(job.status is not JobStatus.SUCCEEDED, "what succeeded is not done again")

    @precondition(lambda self: self._number_of_wishes() < MOST_JOBS)
    @rule(wish=wishes, same_key=st.booleans())
    def somebody_uploads_a_job_document(self, wish: dict[str, str], same_key: bool) -> None:
        self.uploads += 1
        key = SHOP if same_key else f"jobs/{self.uploads}.json"
        stable = {"output_key": "shop/{name}.{ext}"} if same_key else {}
        body = json.dumps({"prompt": f"uploaded wish {self.uploads}", **wish, **stable}).encode()
        version = self.here.objects.drop(UPLOADS, key, body)
        self.messages.append(Upload(UPLOADS, key, version, "etag", f"{self.uploads:02}"))

    @precondition(lambda self: self.images < MOST_IMAGES)
    @rule(key=st.sampled_from("aab"), body=st.sampled_from([JPEG, JPEG, PNG]), is_copy=st.booleans())
    def somebody_uploads_an_image_perhaps_again(self, key: str, body: bytes, is_copy: bool) -> None:
        self.images += 1
        if self.images == 1:
            self.here.objects.drop(UPLOADS, "presets/p.json", json.dumps(RECIPE).encode())
        version = self.here.objects.drop(UPLOADS, f"uploads/p/{key}.jpg", body)
        reason = "CopyObject" if is_copy else "PutObject"
        sequencer = f"{self.images:02X}"
        self.messages.append(Upload(UPLOADS, f"uploads/p/{key}.jpg", version, "etag", sequencer, reason))

    @precondition(lambda self: self.messages)
    @rule(which=whiches, again=st.booleans(), trouble=troubles)
    def the_queue_delivers_a_message(self, which: int, again: bool, trouble: Incident | None) -> None:
        message = self._one_of(self.messages, which)
        run = self._run("submit_upload", self._taking(message), SUBMISSION_LIMIT, Mood(), trouble)
        if run.ended and run.error is None and not again:
            self.messages.remove(message)

    # ---- Step Functions

    @precondition(lambda self: self.alive())
    @rule(which=whiches, mood=moods, trouble=incidents, for_good=st.booleans())
    def a_workflow_has_trouble_with_its_next_step(
        self, which: int, mood: Mood, trouble: Incident | None, for_good: bool
    ) -> None:
        self._step(self._one_of(self.alive(), which), mood, trouble, for_good=for_good)

    @precondition(lambda self: self.alive())
    @rule(which=whiches, mood=moods, steps=st.integers(1, 8))
    def a_workflow_goes_on_for_a_while(self, which: int, mood: Mood, steps: int) -> None:
        self._steps(self._one_of(self.alive(), which), mood, steps)

    @precondition(lambda self: self.alive())
    @rule(which=whiches, mood=moods, moment=moments, then=moods, steps=st.integers(0, 4), wakes=st.booleans())
    def a_workflow_loses_sight_of_a_step_and_takes_it_again(
        self, which: int, mood: Mood, moment: int, then: Mood, steps: int, wakes: bool
    ) -> None:
        execution = self._one_of(self.alive(), which)
        if execution.run is None:
            self._step(execution, mood, Incident(moment, What.STANDS_STILL))
        if execution.run is None:
            return
        lost, execution.run = execution.run, None
        self.strays.append(lost)
        self._steps(execution, then, steps)
        if wakes and not lost.ended:
            self._wake(lost, mood)

    @precondition(lambda self: self.alive())
    @rule(which=whiches, is_told=st.booleans())
    def a_workflow_is_aborted(self, which: int, is_told: bool) -> None:
        self._end_early(self._one_of(self.alive(), which), "ABORTED", is_told=is_told)

    @precondition(lambda self: self.status_events)
    @rule(which=whiches, again=st.booleans(), mood=moods, trouble=troubles)
    def a_status_event_arrives(self, which: int, again: bool, mood: Mood, trouble: Incident | None) -> None:
        job_id = self._one_of(self.status_events, which)
        run = self._run("close", lambda here: here.close(job_id), LIMITS["RecoverJobFunctionArn"], mood, trouble)
        if run.ended and run.error is None and not again:
            self.status_events.remove(job_id)

    # ---- The vendor's callbacks, and those in its name

    @precondition(lambda self: self.vendor.to_announce())
    @rule(which=whiches, mood=moods, trouble=troubles)
    def the_vendor_announces_a_task(self, which: int, mood: Mood, trouble: Incident | None) -> None:
        self._announce(self._one_of(self.vendor.to_announce(), which), mood, trouble)

    @precondition(lambda self: self.judge.links())
    @rule(which=whiches, guess=st.sampled_from(["", "token-0", "the token of another"]), mood=moods, trouble=troubles)
    def somebody_guesses_a_callback(self, which: int, guess: str, mood: Mood, trouble: Incident | None) -> None:
        link = self._one_of(self.judge.links(), which)
        known = Callback.of(link, None)
        others = [Callback.of(other, None) for other in self.judge.links()]
        other = next((other.token for other in others if other.job_id != known.job_id), "token-0")
        claim = next((task.task_id for task in self.vendor.tasks.values() if task.callback_url == link), NOBODYS_TASK)
        token = other if guess == "the token of another" else guess
        run = self._hear(Callback(known.job_id, token, claim, is_genuine=False), mood, trouble)
        if run.ended and run.error is None:
            self.judge.promise(run.answer is CallbackResult.UNKNOWN, "a wrong token is not known")

    @precondition(lambda self: self.judge.links())
    @rule(which=whiches, claims=whiches, mood=moods, trouble=troubles)
    def somebody_calls_back_with_a_stolen_token(
        self, which: int, claims: int, mood: Mood, trouble: Incident | None
    ) -> None:
        link = self._one_of(self.judge.links(), which)
        claim = self._one_of([NOBODYS_TASK, None, *self._tasks_of_others(link)], claims)
        self._hear(Callback.of(link, claim, is_genuine=False), mood, trouble)

    # ---- The people at the switches

    @rule(pull=st.sampled_from([True, False, False]), trouble=troubles)
    def somebody_pulls_or_releases_the_kill_switch(self, pull: bool, trouble: Incident | None) -> None:
        def switch(here: InMemoryDeployment) -> None:
            if pull:
                here.control.pause_spending("a drill")
            else:
                here.control.resume_spending()

        self._run("kill switch", switch, API_LIMIT, trouble=trouble)

    @rule(route=st.sampled_from(tuple(ROUTES)), hold=st.sampled_from([True, False, False]), trouble=troubles)
    def somebody_opens_or_closes_a_route(self, route: Route, hold: bool, trouble: Incident | None) -> None:
        def switch(here: InMemoryDeployment) -> None:
            if hold:
                here.control.disable(route, "a drill")
            else:
                here.control.enable(route)

        self._run("route switch", switch, API_LIMIT, trouble=trouble)

    # ---- Time, and what it brings

    @rule(mood=moods, trouble=troubles)
    def the_sweep_comes(self, mood: Mood, trouble: Incident | None) -> None:
        self._run("sweep", lambda here: here.sweep(), SWEEP_LIMIT, mood, trouble)

    @rule(seconds=st.sampled_from([5, 20, 61, 61, 130, 130, 215, 215, 610, 905, 1801, 3 * 3600, 25 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self._go_to(self.here.clock.now() + timedelta(seconds=seconds))

    @precondition(lambda self: self._standing())
    @rule(which=whiches, mood=moods, trouble=troubles)
    def a_run_that_stood_still_goes_on(self, which: int, mood: Mood, trouble: Incident | None) -> None:
        self._wake(self._one_of(self._standing(), which), mood, trouble)

    @precondition(lambda self: self._standing())
    @rule(which=whiches)
    def a_run_that_stood_still_dies(self, which: int) -> None:
        self._one_of(self._standing(), which).die()
        self._look_around()

    # ---- The promises

    @invariant()
    def no_promise_is_broken(self) -> None:
        assert not self.judge.broken, self.judge.broken

    def teardown(self) -> None:
        """Everything heals, and far more time passes than anybody has patience for: then all must be well."""
        if self.judge.broken:
            self._bury()
            self.no_promise_is_broken()
        if self.terms.heals:
            self.here.control.resume_spending()
            for route in ROUTES:
                self.here.control.enable(route)
        if self.terms.workflows_survive:
            for execution in self.alive():
                self._steps(execution, Mood(), 200)
        self._bury()
        for seconds in [300, 300, 1800, 1800, 3600, 6 * 3600, *[24 * 3600] * 5]:
            while self.messages:
                self._run("submit_upload", self._taking(self.messages.pop()), SUBMISSION_LIMIT)
            self._run("sweep", lambda here: here.sweep(), SWEEP_LIMIT)
            self._go_to(self.here.clock.now() + timedelta(seconds=seconds))
        # Of what the vendor called back about last.
        self._run("sweep", lambda here: here.sweep(), SWEEP_LIMIT)
        if not self.judge.broken:
            self.judge.judge_the_end()
        self.no_promise_is_broken()

    # ---- How it is done

    @staticmethod
    def _taking(message: Upload) -> Callable[[InMemoryDeployment], object]:
        def take(here: InMemoryDeployment) -> object:
            outcome = here.announce_upload(message)
            assert isinstance(outcome, Submission | UploadRejected)
            if isinstance(outcome, Submission) and not outcome.started:
                raise WorkflowFailed("to be delivered again")
            return outcome

        return take

    def _number_of_wishes(self) -> int:
        return len(self.wishes) + self.uploads

    def alive(self) -> list[Execution]:
        return [execution for execution in self.executions.values() if execution.end is None]

    def the_job(self) -> Job:
        """Of a story that has only one."""
        (job,) = self.here.jobs
        return job

    def _standing(self) -> list[Run]:
        runs = [*self.strays, *(execution.run for execution in self.executions.values() if execution.run)]
        return [run for run in runs if not run.ended]

    @staticmethod
    def _one_of(things: list[Thing], which: int) -> Thing:
        return things[which % len(things)]

    def _tasks_of_others(self, link: str) -> list[str]:
        """Those of other calls: all, where the vendor tells for which call each was made; else those on record.

        (Of two calls that are lost in the same minutes nobody could tell the tasks apart: decision 52.)
        """
        known = {attempt.task_id for job in self.here.jobs for attempt in job.attempts}
        tasks = [task for task in self.vendor.tasks.values() if task.callback_url != link]
        return [task.task_id for task in tasks if self.terms.repeats_calls or task.task_id in known]

    def _post(self, key: int, wish: dict[str, str], trouble: Incident | None) -> None:
        wish = self.wishes.setdefault(key, wish)
        document = {"prompt": f"wish {key}", **wish}
        tenant = "second" if key == MOST_JOBS - 1 else "default"
        self._run(
            "POST", lambda here: here.post(document, key=str(key), tenant=tenant), SUBMISSION_LIMIT, trouble=trouble
        )

    def _announce(self, task: Task, mood: Mood | None = None, trouble: Incident | None = None) -> None:
        """The vendor calls back, and heeds the answer."""
        assert task.callback_url
        callback = Callback.of(task.callback_url, task.task_id)
        awaited = self.judge.is_awaited(callback) and (mood is None or mood.answers_questions) and trouble is None
        run = self._hear(callback, mood, trouble)
        if run.answer in {CallbackResult.ADOPTED, CallbackResult.KNOWN}:
            self.acknowledged.add(task.task_id)
        else:
            self.judge.promise(not awaited, f"a task that announces itself in time is heard: {run.answer}")

    def _hear(self, callback: Callback, mood: Mood | None, trouble: Incident | None) -> Run:
        def hear(here: InMemoryDeployment) -> object:
            return here.hear(callback.job_id, callback.token, callback.task_id)

        name = "callback" if callback.is_genuine else "forged callback"
        return self._run(name, hear, API_LIMIT, mood, trouble, callback=callback)

    def _steps(self, execution: Execution, mood: Mood, steps: int) -> None:
        for _ in range(steps):
            if execution.end is None:
                self._step(execution, mood, None)

    def _step(self, execution: Execution, mood: Mood, trouble: Incident | None, *, for_good: bool = False) -> None:
        """Until its step is done, unless that stands still."""
        now = self._go_to(max(execution.goes_on_at, self.here.clock.now()))
        if execution.end is not None:
            return
        if execution.run is None:
            function = execution.function()
            execution.run = self._run(
                execution.state,
                execution.call,
                LIMITS[function],
                mood,
                trouble,
                waited_for=True,
                works_for=execution.job_id,
            )
        run = execution.run
        if not run.ended:
            return
        execution.run = None
        if run.error is None:
            execution.told |= run.learned
            execution.went_well(run.answer, now)
        else:
            execution.went_wrong(type(run.error).__name__, now, for_good=for_good)
            if execution.end is not None:
                self.status_events.append(execution.job_id)

    def _run(
        self,
        name: str,
        work: Callable[[InMemoryDeployment], object],
        limit: timedelta,
        mood: Mood | None = None,
        trouble: Incident | None = None,
        *,
        waited_for: bool = False,
        callback: Callback | None = None,
        works_for: str | None = None,
    ) -> Run:
        run = Run(name, started_at=self.here.clock.now(), limit=limit)
        if works_for:
            self.judge.works_for[run] = works_for
        if callback:
            self.judge.callbacks[run] = callback
        here = copy.copy(self.here)
        for port in PORTS:
            setattr(here, port, Through(port, getattr(self.here, port), run, self.judge.witness))
        self._move(run, mood or Mood(), lambda: run.begin(lambda: work(here), trouble))
        if not run.ended and not waited_for:
            self.strays.append(run)
        self._look_around(run)
        self.last_run = run
        return run

    def _wake(self, run: Run, mood: Mood, trouble: Incident | None = None) -> None:
        self._move(run, mood, lambda: run.go_on(trouble))
        self._look_around(run)

    def _move(self, run: Run, mood: Mood, move: Callable[[], None]) -> None:
        before, self.vendor.mood, tasks = self.vendor.mood, mood, set(self.vendor.tasks)
        move()
        # An announcement may be on its way while a create call is.
        self.vendor.mood = before
        if mood.creating in {Creating.ACCEPTED, Creating.DONE_AT_ONCE}:
            run.learned |= self.vendor.tasks.keys() - tasks

    def _look_around(self, run: Run | None = None) -> None:
        """What has come of the last run."""
        for job_id in self.here.workflow.executions:
            if job_id not in self.executions:
                self.executions[job_id] = Execution(job_id, self.here.clock.now())
        self.strays = [stray for stray in self.strays if not stray.ended]
        if run is None:
            return
        if currently_in_test_context():
            said = run.answer["outcome"] if isinstance(run.answer, dict) else "done"
            said = run.answer if isinstance(run.answer, CallbackResult) else said
            came_to = (repr(run.error) if run.error else said) if run.ended else "…"
            note(f"    {run.name}: {'; '.join([*run.story, came_to])}")
        if run.error and not isinstance(run.error, HeliographError | Crash):
            self.judge.promise(False, f"a step fails only in ways that are drawn: {run.name}: {run.error!r}")
        if run.ended and run in self.judge.callbacks:
            self.judge.judge_a_callback(run)

    def _go_to(self, at: datetime) -> datetime:
        """Lets time pass; ends what has lasted too long."""
        for due, task in self._due_by(at):
            self._pass_time(max(due, self.here.clock.now()))
            self._announce(task)
        self._pass_time(at)
        return at

    def _due_by(self, at: datetime) -> list[tuple[datetime, Task]]:
        """What a vendor that calls back by itself has to say until then, as long as it is not acknowledged."""
        if not self.terms.calls_back:
            return []
        due = [
            (max(task.ends_at, self.here.clock.now()), task)
            for task in self.vendor.tasks.values()
            if task.callback_url and task.ends_at and task.task_id not in self.acknowledged
        ]
        return sorted(
            ((when, task) for when, task in due if task.ends_at and when <= min(at, task.ends_at + CALLS_BACK_FOR)),
            key=lambda found: found[0],
        )

    def _pass_time(self, at: datetime) -> None:
        self.here.clock.go_to(at)
        for run in self._standing():
            if at >= run.ends_at:
                run.die()
        for execution in self.alive():
            if at >= execution.started_at + WORKFLOW_LIMIT:
                self._end_early(execution, "TIMED_OUT", is_told=True)
        self._look_around()

    def _end_early(self, execution: Execution, status: str, *, is_told: bool) -> None:
        execution.end = status
        if execution.run:
            self.strays.append(execution.run)
        execution.run = None
        if is_told:
            self.status_events.append(execution.job_id)

    def _bury(self) -> None:
        for run in self._standing():
            run.die()
        self._look_around()


TestPromises = pytest.mark.slow(Promises.TestCase)
TestPromises.settings = settings(max_examples=300, stateful_step_count=30)


# ---- Stories too rare to be met by chance

# To the caller, a 5xx is the same as no answer.
CREATING = [creating for creating in Creating if creating not in {Creating.BROKEN, Creating.BROKEN_AFTER}]
AT_ONCE = Fate(after_seconds=0)
FAILS_AT_ONCE = Fate(End.UPSTREAM_BUSY, after_seconds=0)
LATE = Fate(after_seconds=3 * 3600)
RISKY = WISHES[1]


def at_every_moment(story: Callable[[Incident], Run | None], *whats: What) -> None:
    """Tells a story again and again, with each kind of trouble at each moment of the run that it returns."""
    for what in whats or What:
        for moment in count():
            run = story(Incident(moment, what))
            if run is None or 2 * len(run.calls) <= moment:
                break


def first_call(method: str, *, occurrence: int = 1) -> int:
    """The moment before such a call in the first step of a plain job."""
    world = Promises()
    world.a_client_posts()
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1)
    assert world.last_run
    calls = [number for number, (_, name) in enumerate(world.last_run.calls) if name == method]
    return 2 * calls[occurrence - 1]


def a_lost_call(
    creating: Creating = Creating.CUT_AFTER, fate: Fate = AT_ONCE, wish: dict[str, str] = RISKY
) -> Promises:
    """A world with one job whose create call got no answer."""
    world = Promises()
    world.a_client_posts(wish=wish)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating, fate), steps=1)
    return world


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("creating", CREATING)
def test_one_trouble_at_any_moment_of_any_step_breaks_no_promise(creating: Creating, for_good: bool) -> None:
    for steps in range(3):

        def story(trouble: Incident, steps: int = steps) -> Run | None:
            world = Promises()
            world.a_client_posts()
            world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=steps)
            if not world.alive():
                return None
            world.a_workflow_has_trouble_with_its_next_step(
                which=0, mood=Mood(creating), trouble=trouble, for_good=for_good
            )
            run = world.last_run
            world.teardown()
            return run

        at_every_moment(story)


@pytest.mark.slow
@pytest.mark.parametrize("creating", CREATING)
def test_a_step_taken_twice_at_once_breaks_no_promise(creating: Creating) -> None:
    for steps, more in product(range(3), [1, 4]):

        def story(trouble: Incident, steps: int = steps, more: int = more) -> Run | None:
            world = Promises()
            world.a_client_posts()
            world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=steps)
            if not world.alive():
                return None
            world.a_workflow_has_trouble_with_its_next_step(
                which=0, mood=Mood(creating), trouble=trouble, for_good=False
            )
            run = world.last_run
            if run and not run.ended:
                world.a_workflow_loses_sight_of_a_step_and_takes_it_again(
                    which=0, mood=Mood(creating), moment=0, then=Mood(creating), steps=more, wakes=True
                )
                world.teardown()
            return run

        at_every_moment(story, What.STANDS_STILL)


@pytest.mark.slow
@pytest.mark.parametrize("announced", ["early", "in time", "never"])
@pytest.mark.parametrize("creating", [Creating.CUT_BEFORE, Creating.CUT_AFTER])
@pytest.mark.parametrize("wish", [WISHES[0], RISKY])
def test_one_trouble_at_any_moment_of_a_call_that_is_lost_breaks_no_promise(
    wish: dict[str, str], creating: Creating, announced: str
) -> None:
    def story(trouble: Incident) -> Run | None:
        world = Promises()
        world.a_client_posts(Terms(calls_back=announced != "never"), wish)
        mood = Mood(creating, AT_ONCE, announces_early=announced == "early")
        world.a_workflow_has_trouble_with_its_next_step(which=0, mood=mood, trouble=trouble, for_good=False)
        run = world.last_run
        world.teardown()
        return run

    at_every_moment(story)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("creating", "fate"),
    [(Creating.CUT_AFTER, AT_ONCE), (Creating.CUT_AFTER, FAILS_AT_ONCE), (Creating.ACCEPTED, AT_ONCE)],
)
def test_one_trouble_at_any_moment_of_a_callback_breaks_no_promise(creating: Creating, fate: Fate) -> None:
    """Before the answer is read, before it is noted, and after; the run that called goes on meanwhile, or later."""
    creates = first_call("create")
    for stands_at, wakes_first in product([creates + 1, creates + 3], [True, False]):

        def story(trouble: Incident, stands_at: int = stands_at, wakes_first: bool = wakes_first) -> Run | None:
            world = Promises()
            world.a_client_posts(wish=RISKY)
            mood = Mood(creating, fate)
            world.a_workflow_has_trouble_with_its_next_step(
                which=0, mood=mood, trouble=Incident(stands_at, What.STANDS_STILL), for_good=False
            )
            world.the_vendor_announces_a_task(which=0, mood=Mood(), trouble=trouble)
            run = world.last_run
            if wakes_first:
                world.a_workflow_goes_on_for_a_while(which=0, mood=mood, steps=1)
                if run and not run.ended:
                    world._wake(run, Mood())
            world.terms = Terms(calls_back=True)
            world.teardown()
            return run

        at_every_moment(story)


@pytest.mark.slow
@pytest.mark.parametrize("second", [Creating.ACCEPTED, Creating.CUT_AFTER, Creating.BUSY, Creating.BAD_REQUEST])
@pytest.mark.parametrize("for_good", [False, True])
def test_one_trouble_at_any_moment_of_another_call_breaks_no_promise(second: Creating, for_good: bool) -> None:
    for fate in [AT_ONCE, LATE]:

        def story(trouble: Incident, fate: Fate = fate) -> Run | None:
            world = a_lost_call(fate=fate)
            world.time_passes(seconds=610)
            world.a_workflow_has_trouble_with_its_next_step(
                which=0, mood=Mood(second), trouble=trouble, for_good=for_good
            )
            run = world.last_run
            world.teardown()
            return run

        at_every_moment(story)


@pytest.mark.slow
@pytest.mark.parametrize("creating", [Creating.ACCEPTED, Creating.DONE_AT_ONCE, Creating.CUT_AFTER, Creating.BUSY])
def test_a_wish_to_cancel_at_any_moment_of_any_step_breaks_no_promise(creating: Creating) -> None:
    for steps, wish in product(range(3), [WISHES[0], RISKY]):

        def story(trouble: Incident, steps: int = steps, wish: dict[str, str] = wish) -> Run | None:
            world = Promises()
            world.a_client_posts(wish=wish)
            world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=steps)
            if not world.alive():
                return None
            world.a_workflow_has_trouble_with_its_next_step(
                which=0, mood=Mood(creating), trouble=trouble, for_good=False
            )
            run = world.last_run
            world.an_owner_cancels(which=0, trouble=None)
            if run and not run.ended:
                world.a_run_that_stood_still_goes_on(which=0, mood=Mood(creating), trouble=None)
            world.teardown()
            return run

        at_every_moment(story, What.STANDS_STILL, What.DIES)


@pytest.mark.slow
@pytest.mark.parametrize("steps", range(4))
def test_one_trouble_at_any_moment_of_a_cancel_breaks_no_promise(steps: int) -> None:
    def story(trouble: Incident) -> Run | None:
        world = Promises()
        world.a_client_posts(wish={})
        world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=steps)
        world.an_owner_cancels(which=0, trouble=trouble)
        run = world.last_run
        if run and not run.ended:
            world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1) if world.alive() else None
            world._wake(run, Mood())
        world.an_owner_cancels(which=0, trouble=None)
        world.teardown()
        return run

    at_every_moment(story)


@pytest.mark.slow
@pytest.mark.parametrize("how", [Creating.CUT_AFTER, Creating.BAD_REQUEST])
def test_one_trouble_at_any_moment_of_a_retry_breaks_no_promise(how: Creating) -> None:
    def story(trouble: Incident) -> Run | None:
        world = Promises()
        world.a_client_posts()
        world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(how), steps=1)
        world.time_passes(seconds=1801)
        world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=2)
        assert world.the_job().is_over
        world.an_owner_has_a_job_done_again(which=0, trouble=trouble)
        run = world.last_run
        if run and not run.ended:
            world.an_owner_has_a_job_done_again(which=0, trouble=None)
            world._wake(run, Mood())
        world.an_owner_has_a_job_done_again(which=0, trouble=None)
        world.teardown()
        assert len(world.here.jobs) == 2
        return run

    at_every_moment(story)


def test_a_job_that_is_canceled_before_any_call_costs_nothing_and_makes_none() -> None:
    world = Promises()
    world.a_client_posts()
    world.an_owner_cancels(which=0, trouble=None)

    world.teardown()

    assert world.the_job().status is JobStatus.CANCELED
    assert not world.vendor.calls


@pytest.mark.parametrize("creating", [Creating.ACCEPTED, Creating.DONE_AT_ONCE, Creating.CUT_AFTER])
def test_a_job_that_is_canceled_while_its_task_runs_is_never_delivered(creating: Creating) -> None:
    world = Promises()
    world.a_client_posts(Terms(calls_back=True))
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=1)
    world.an_owner_cancels(which=0, trouble=None)

    world.teardown()

    job = world.the_job()
    assert (job.status, job.charged, job.results) == (JobStatus.CANCELED, Charged.YES, ())


@pytest.mark.parametrize("is_canceled", [True, False])
@pytest.mark.parametrize("aborted", [True, False])
def test_a_task_that_ends_hours_after_its_job_is_settled_once(is_canceled: bool, aborted: bool) -> None:
    world = Promises()
    world.a_client_posts()
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(fate=LATE), steps=1)
    if is_canceled:
        world.an_owner_cancels(which=0, trouble=None)
    if aborted:
        world.a_workflow_is_aborted(which=0, is_told=True)

    world.teardown()

    job = world.the_job()
    assert (job.status, job.charged) == (JobStatus.CANCELED if is_canceled else JobStatus.FAILED, Charged.YES)
    assert (len(job.all_results), len(job.all_provider_urls)) == ((0, 1) if is_canceled else (1, 0))


@pytest.mark.slow
def test_one_trouble_at_any_moment_of_a_late_delivery_breaks_no_promise() -> None:
    def story(trouble: Incident) -> Run | None:
        world = Promises()
        world.a_client_posts()
        world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(fate=Fate(after_seconds=1900)), steps=200)
        assert world.the_job().charged is Charged.UNKNOWN
        world.time_passes(seconds=610)
        world.the_sweep_comes(mood=Mood(), trouble=trouble)
        run = world.last_run
        world.the_vendor_announces_a_task(which=0, mood=Mood(), trouble=None) if run and not run.ended else None
        world.teardown()
        assert len(world.the_job().all_results) == 1
        return run

    at_every_moment(story)


@pytest.mark.parametrize("wakes", [True, False])
def test_a_task_that_announces_itself_while_it_is_given_up_breaks_no_promise(wakes: bool) -> None:
    for who_stands in ["the step", "the callback"]:

        def story(trouble: Incident, who_stands: str = who_stands) -> Run | None:
            world = a_lost_call()
            world.time_passes(seconds=601)
            if who_stands == "the step":
                world.a_workflow_has_trouble_with_its_next_step(which=0, mood=Mood(), trouble=trouble, for_good=False)
                stands = world.last_run
                world.the_vendor_announces_a_task(which=0, mood=Mood(), trouble=None)
            else:
                world.the_vendor_announces_a_task(which=0, mood=Mood(), trouble=trouble)
                stands = world.last_run
                world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1)
            if wakes and stands and not stands.ended:
                world._wake(stands, Mood())
            world.teardown()
            return stands

        at_every_moment(story, What.STANDS_STILL)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("wish", WISHES)
def test_a_lost_task_that_announces_itself_is_delivered(wish: dict[str, str], early: bool) -> None:
    world = Promises()
    world.a_client_posts(Terms(calls_back=True), wish)
    lost = Mood(Creating.CUT_AFTER, AT_ONCE if early else Fate(after_seconds=290), announces_early=early)
    world.a_workflow_goes_on_for_a_while(which=0, mood=lost, steps=1)

    world.teardown()

    assert world.the_job().status is JobStatus.SUCCEEDED
    assert len(world.vendor.calls) == 1


def test_a_lost_task_that_announces_itself_after_its_workflow_was_aborted_is_delivered() -> None:
    world = a_lost_call(fate=Fate(after_seconds=1500), wish=WISHES[0])
    world.terms = Terms(calls_back=True)
    world.a_workflow_is_aborted(which=0, is_told=True)
    world.a_status_event_arrives(which=0, again=False, mood=Mood(), trouble=None)
    world.time_passes(seconds=1510)

    world.teardown()

    assert world.the_job().status is JobStatus.SUCCEEDED


def test_a_lost_task_that_announces_itself_before_its_loss_is_reported_is_delivered() -> None:
    world = a_lost_call(wish=WISHES[0])
    (execution,) = world.executions.values()
    world.time_passes(seconds=1801)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1)
    assert execution.state == "FinalizeWithoutImage"
    world.the_vendor_announces_a_task(which=0, mood=Mood(), trouble=None)

    world.teardown()

    assert world.the_job().status is JobStatus.SUCCEEDED


def test_a_callback_in_the_name_of_the_vendor_changes_nothing() -> None:
    """Neither a guess at a token, nor with a stolen one a task that does not exist, nor one that another job has."""
    for key, lost in product([0, 1], [Creating.CUT_BEFORE, Creating.CUT_AFTER]):
        world = Promises()
        world.a_client_posts()
        world.a_client_posts_perhaps_again(key=1, wish=RISKY, trouble=None)
        world.a_workflow_goes_on_for_a_while(which=key, mood=Mood(), steps=1)
        world.a_workflow_goes_on_for_a_while(which=1 - key, mood=Mood(lost), steps=1)
        for which, guess in product(range(2), ["", "token-0", "the token of another"]):
            world.somebody_guesses_a_callback(which=which, guess=guess, mood=Mood(), trouble=None)
        for which, claims in product(range(2), range(4)):
            world.somebody_calls_back_with_a_stolen_token(which=which, claims=claims, mood=Mood(), trouble=None)

        world.teardown()


@pytest.mark.parametrize("wish", [WISHES[0], RISKY])
def test_a_lost_call_is_followed_by_another_only_where_that_is_wished(wish: dict[str, str]) -> None:
    world = a_lost_call(wish=wish)

    world.teardown()

    resubmits = wish is RISKY
    assert len(world.vendor.calls) == 1 + resubmits
    assert world.the_job().status is (JobStatus.SUCCEEDED if resubmits else JobStatus.FAILED)
    assert accounting_of(world.the_job()).booking.unknown == 60_000


def test_a_job_that_expires_after_a_call_was_given_up_does_not_say_that_it_was_free() -> None:
    world = a_lost_call()
    world.time_passes(seconds=610)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(Creating.BUSY_FOR_LONG), steps=30)

    world.teardown()

    failure = world.the_job().failure
    assert failure
    assert failure.charged is Charged.UNKNOWN


def test_a_job_that_is_refused_after_a_call_was_given_up_does_not_say_that_it_was_free() -> None:
    world = a_lost_call()
    world.time_passes(seconds=610)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(Creating.BAD_REQUEST), steps=2)

    world.teardown()

    failure = world.the_job().failure
    assert failure
    assert failure.charged is Charged.UNKNOWN


def test_a_job_that_is_closed_after_a_call_was_given_up_does_not_say_that_it_was_free() -> None:
    world = a_lost_call()
    world.somebody_pulls_or_releases_the_kill_switch(pull=True, trouble=None)
    world.time_passes(seconds=610)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1)
    world.a_workflow_is_aborted(which=0, is_told=True)
    world.a_status_event_arrives(which=0, again=False, mood=Mood(), trouble=None)

    world.teardown()

    failure = world.the_job().failure
    assert failure
    assert failure.charged is Charged.UNKNOWN


@pytest.mark.parametrize("creating", [Creating.CUT_BEFORE, Creating.BROKEN])
@pytest.mark.parametrize("hears_callbacks", [True, False])
def test_a_lost_call_of_which_no_task_was_made_is_followed_by_another(
    creating: Creating, hears_callbacks: bool
) -> None:
    world = Promises()
    world.a_client_posts(Terms(hears_callbacks=hears_callbacks), wish={})
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=1)

    world.teardown()

    assert world.the_job().status is JobStatus.SUCCEEDED
    assert len(world.vendor.calls) == 2
    assert world.the_job().finished_at - world.the_job().created_at < timedelta(minutes=5)  # type: ignore[operator]


@pytest.mark.parametrize("end", [End.PICTURES, End.NEVER, End.NOTHING_BUT_A_BILL, End.BROKEN_PICTURE])
@pytest.mark.parametrize("after_seconds", [0, 20, 90, 1500])
def test_a_lost_call_of_which_a_task_was_made_is_never_followed_by_another(end: End, after_seconds: int) -> None:
    world = Promises()
    world.a_client_posts(wish={})
    lost = Mood(Creating.CUT_AFTER, Fate(end, after_seconds))
    world.a_workflow_goes_on_for_a_while(which=0, mood=lost, steps=1)

    world.teardown()

    assert len(world.vendor.calls) == 1
    assert world.the_job().charged is Charged.UNKNOWN


@pytest.mark.parametrize("creating", [Creating.CUT_BEFORE, Creating.CUT_AFTER])
@pytest.mark.parametrize("other", [Fate(), AT_ONCE, FAILS_AT_ONCE, Fate(End.UPSTREAM_BUSY, after_seconds=90)])
def test_another_jobs_task_hides_no_lost_one(creating: Creating, other: Fate) -> None:
    """Its hold or its charge is in the same books, and its failure may cancel out the lost task's hold."""
    for other_first in (True, False):
        world = Promises()
        world.a_client_posts(wish={})
        world.a_client_posts_perhaps_again(key=1, wish={}, trouble=None)
        first, second = (1, 0) if other_first else (0, 1)
        moods = {0: Mood(creating, Fate(after_seconds=1500)), 1: Mood(fate=other)}
        for which in (first, second):
            world.a_workflow_goes_on_for_a_while(which=which, mood=moods[which], steps=1)

        world.teardown()


@pytest.mark.parametrize("is_halted", [True, False])
def test_a_job_that_waits_at_a_switch_expires_for_free(is_halted: bool) -> None:
    world = Promises()
    world.a_client_posts(Terms(heals=False))
    if is_halted:
        world.somebody_pulls_or_releases_the_kill_switch(pull=True, trouble=None)
    else:
        world.somebody_opens_or_closes_a_route(route=ROUTES.default, hold=True, trouble=None)

    world.teardown()

    assert world.the_job().status is JobStatus.EXPIRED
    assert not world.vendor.calls


def test_a_run_that_stands_before_its_look_obeys_the_kill_switch() -> None:
    for moment in range(first_call("snapshot") + 1):
        world = Promises()
        world.a_client_posts(Terms(heals=False))
        world.a_workflow_has_trouble_with_its_next_step(
            which=0, mood=Mood(), trouble=Incident(moment, What.STANDS_STILL), for_good=False
        )
        world.somebody_pulls_or_releases_the_kill_switch(pull=True, trouble=None)
        world.a_run_that_stood_still_goes_on(which=0, mood=Mood(), trouble=None)

        world.teardown()

        assert not world.vendor.calls


def test_a_second_bill_needs_room_in_the_budget() -> None:
    world = a_lost_call()
    world.here.ledger.tenants = TENANTS[2]

    world.teardown()

    assert len(world.vendor.calls) == 1
    assert world.the_job().failure


@pytest.mark.parametrize("steps", [0, 1])
def test_a_task_that_could_not_be_noted_is_carried_through_a_crash(steps: int) -> None:
    world = Promises()
    world.a_client_posts()
    noting = Incident(first_call("save", occurrence=3), What.KEEPS_FAILING)
    world.a_workflow_has_trouble_with_its_next_step(which=0, mood=Mood(), trouble=noting, for_good=False)
    assert world.the_job().attempts[0].task_id is None
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=steps)
    world.a_workflow_has_trouble_with_its_next_step(which=0, mood=Mood(), trouble=Incident(0, What.DIES), for_good=True)
    world.time_passes(seconds=215)

    world.teardown()


@pytest.mark.parametrize("refusal", [Creating.BAD_REQUEST, Creating.NO_BALANCE])
def test_a_run_that_wakes_after_another_was_refused_is_not_reported_as_free(refusal: Creating) -> None:
    world = Promises()
    world.a_client_posts()
    (execution,) = world.executions.values()
    world.a_workflow_loses_sight_of_a_step_and_takes_it_again(
        which=0, mood=Mood(), moment=0, then=Mood(refusal), steps=1, wakes=False
    )
    created = Incident(first_call("create") + 1, What.STANDS_STILL)
    world.a_run_that_stood_still_goes_on(which=0, mood=Mood(), trouble=created)
    assert execution.state == "FinalizeWithoutImage"
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1)

    world.teardown()


def test_a_task_that_only_the_workflow_knows_has_its_time() -> None:
    world = Promises()
    world.a_client_posts()
    world.time_passes(seconds=29 * 60)
    late = Mood(fate=Fate(after_seconds=25 * 60))
    noting = Incident(first_call("save", occurrence=3), What.KEEPS_FAILING)
    world.a_workflow_has_trouble_with_its_next_step(which=0, mood=late, trouble=noting, for_good=False)
    world.time_passes(seconds=17 * 60)
    world.the_sweep_comes(mood=Mood(), trouble=None)

    world.teardown()


# ---- A stolen token


@pytest.mark.parametrize(("repeats_calls", "apart_seconds"), [(True, 0), (False, 400)])
def test_a_stolen_token_does_not_take_the_task_of_another_job_that_is_not_noted_yet(
    repeats_calls: bool, apart_seconds: int
) -> None:
    world = a_lost_call(Creating.CUT_BEFORE)
    world.vendor.repeats_calls = repeats_calls
    world.time_passes(seconds=apart_seconds)
    world.a_client_posts_perhaps_again(key=1, wish=WISHES[0], trouble=None)
    world.a_workflow_goes_on_for_a_while(which=1, mood=Mood(Creating.CUT_AFTER), steps=1)
    first, _ = world.judge.links()
    world._hear(Callback.of(first, "task-1", is_genuine=False), Mood(), None)

    world.teardown()


def test_a_stolen_token_does_not_take_an_earlier_task_of_the_same_job() -> None:
    """It failed for free; so the call in doubt counts as free, and another leaves while its task runs."""
    world = Promises()
    world.a_client_posts(wish={})
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(fate=FAILS_AT_ONCE), steps=2)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(Creating.CUT_AFTER, Fate(after_seconds=600)), steps=2)
    assert len(world.vendor.calls) == 2
    _, second = world.judge.links()
    world._hear(Callback.of(second, "task-1", is_genuine=False), Mood(), None)
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=12)

    world.teardown()


def test_a_stolen_token_does_not_take_an_earlier_task_of_another_job() -> None:
    world = a_lost_call(Creating.CUT_BEFORE)
    world.a_client_posts_perhaps_again(key=1, wish=WISHES[0], trouble=None)
    world.a_workflow_goes_on_for_a_while(which=1, mood=Mood(fate=FAILS_AT_ONCE), steps=4)
    world.a_workflow_goes_on_for_a_while(which=1, mood=Mood(), steps=1)
    first, *_ = world.judge.links()
    world._hear(Callback.of(first, "task-1", is_genuine=False), Mood(), None)

    world.teardown()


def two_equal_uploads(keys: str = "ab") -> Promises:
    """A world with two jobs of the same bytes and recipe, beside the client's."""
    world = Promises()
    world.a_client_posts()
    for key in keys:
        world.somebody_uploads_an_image_perhaps_again(key, JPEG, is_copy=False)
        world.the_queue_delivers_a_message(which=0, again=False, trouble=None)
    return world


@pytest.mark.slow
@pytest.mark.parametrize("creating", [Creating.ACCEPTED, Creating.CUT_AFTER])
@pytest.mark.parametrize("steps", [0, 3])
def test_one_trouble_at_any_moment_of_an_equal_jobs_step_breaks_no_promise(creating: Creating, steps: int) -> None:
    """Before the first one calls, while its task runs, and when its result is there."""

    def story(trouble: Incident) -> Run | None:
        world = two_equal_uploads()
        _, first, second = list(world.executions.values())
        world._steps(first, Mood(creating, AT_ONCE), steps)
        world._step(second, Mood(creating, AT_ONCE), trouble)
        run = world.last_run
        world._steps(second, Mood(fate=AT_ONCE), 1)
        world._steps(first, Mood(fate=AT_ONCE), 1)
        world.teardown()
        return run

    at_every_moment(story, What.DIES, What.KEEPS_FAILING, What.STANDS_STILL)


def test_two_equal_jobs_that_begin_at_the_same_moment_are_paid_once() -> None:
    for moment in range(24):
        world = two_equal_uploads()
        _, first, second = list(world.executions.values())
        world._step(first, Mood(fate=AT_ONCE), Incident(moment, What.STANDS_STILL))
        world._step(second, Mood(fate=AT_ONCE), None)
        if first.run:
            world._wake(first.run, Mood(fate=AT_ONCE))
        world._steps(second, Mood(fate=AT_ONCE), 4)
        world.teardown()
        jobs = [job for job in world.here.jobs if job.source.kind == "upload"]
        paid = [job for job in jobs if any(task.charge(world.here.clock.now()) for task in world.judge._made_for(job))]
        assert len(paid) == 1
        assert {job.status for job in jobs} == {JobStatus.SUCCEEDED}


@pytest.mark.slow
def test_one_trouble_at_any_moment_of_an_uploads_announcement_breaks_no_promise() -> None:
    """Also where the message comes again, and the same bytes with another version."""

    def story(trouble: Incident) -> Run | None:
        world = Promises()
        world.a_client_posts()
        for _ in range(2):
            world.somebody_uploads_an_image_perhaps_again("a", JPEG, is_copy=False)
        world.the_queue_delivers_a_message(which=0, again=True, trouble=trouble)
        run = world.last_run
        world.the_queue_delivers_a_message(which=1, again=False, trouble=None)
        if run and not run.ended:
            world._wake(run, Mood())
        world.the_queue_delivers_a_message(which=0, again=True, trouble=None)
        world.teardown()
        return run

    at_every_moment(story)
