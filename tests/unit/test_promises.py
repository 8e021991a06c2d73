"""What the pipeline promises about money and pictures, held against everything that can go wrong at once.

Hypothesis plays the outside world: clients that repeat themselves, a queue that delivers twice, workflows whose steps
are repeated, doubled, lost, aborted and timed out, functions that die or fail at any call, services that are away for
a moment or for long, a vendor with every fault that is known of it, and time. Nothing here knows how the pipeline
works; it is judged by the vendor's books, the results bucket, the event bus and the stored jobs alone:

1. A wish is billed once at most, and no create call leaves while an earlier one may still bill.
2. What was charged is in the bucket and the job `succeeded`; or the job `failed` and says that it was charged (then it
   names the links) or that nobody knows. No job says `charged: no` while the vendor holds or took money for it.
3. Every job ends, once and for good; a job that succeeded cost what the vendor charged.
4. Every ended job has its event: always the same one, never before the end is stored, never another story than the job.
5. Nothing that may have been charged is called retryable.
6. The vendor's bill is the sum of the prices of the jobs that succeeded and of the losses that were reported.
7. Nothing paid is given up early: a task that somebody still knows of has as long as its deadline, and a picture whose
   host is away a day.
8. A step fails only in ways that are drawn in `errors.py`.

(`--hypothesis-profile=default` looks for new stories; see `conftest.py`.)
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any, TypeVar

import pytest
from heliograph.domain.errors import HeliographError, WorkflowFailed
from heliograph.domain.events import JobExpired, JobFailed, JobSucceeded
from heliograph.domain.failures import Charged
from heliograph.domain.jobs import Job, JobStatus
from heliograph.domain.outcomes import Crashed, FinalizeInput, Processing, Turn
from heliograph.domain.references import ObjectLocation
from heliograph.steps.submission import Submission
from heliograph.steps.submit_upload import Upload
from hypothesis import currently_in_test_context, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter

from tests.contract.asl_workflow import STATES, WORKFLOW, branches_of, function_of
from tests.fakes.deployment import BETA, DEADLINE, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.runs import Incident, Run, Through, What
from tests.fakes.script import Crash
from tests.fakes.vendor import Creating, End, Fate, Host, Mood, Task, Vendor, picture_at

PORTS = ("jobs", "objects", "bus", "workflow", "provider", "source")
# How long a run may last before its process is ended: the functions' time-outs.
LIMITS = {
    "DispatchFunctionArn": timedelta(seconds=180),
    "PollFunctionArn": timedelta(seconds=45),
    "FinalizeFunctionArn": timedelta(seconds=600),
    "CloseFunctionArn": timedelta(seconds=600),
}
SUBMISSION_LIMIT = timedelta(seconds=60)
SWEEP_LIMIT = timedelta(seconds=900)
WORKFLOW_LIMIT = timedelta(seconds=WORKFLOW["TimeoutSeconds"])
A_DAY = timedelta(hours=24)
MOST_JOBS = 3
Thing = TypeVar("Thing")

_read_finalize_input: TypeAdapter[FinalizeInput] = TypeAdapter(FinalizeInput)

whiches = st.integers(0, 5)
# A run has two to thirty moments; most of what matters happens in the first eight.
moments = st.sampled_from([*range(9)] * 4 + [*range(9, 16)] * 2 + [*range(16, 30)])
incidents = st.builds(Incident, moment=moments, what=st.sampled_from(list(What)))
troubles = st.one_of(st.none(), incidents)
fates = st.builds(
    Fate,
    end=st.sampled_from([End.PICTURES, End.PICTURES, End.PICTURES, End.PICTURES, *End]),
    after_seconds=st.sampled_from([20, 0, 90, 1500, 3 * 3600, 30 * 3600]),
    pictures=st.sampled_from([1, 1, 2]),
)
moods = st.builds(
    Mood,
    creating=st.sampled_from([Creating.ACCEPTED, Creating.ACCEPTED, Creating.ACCEPTED, Creating.ACCEPTED, *Creating]),
    fate=fates,
    answers_questions=st.sampled_from([True, True, True, False]),
    host=st.sampled_from([Host.WELL, Host.WELL, *Host]),
)


class Execution:
    """One execution of the real state machine: where it is, what it carries, and when it goes on."""

    def __init__(self, job_id: str, at: datetime) -> None:
        self.job_id = job_id
        self.started_at = at
        self.goes_on_at = at
        self.carries: dict[str, Any] = {"job_id": job_id}
        self.run: Run | None = None
        self.end: str | None = None
        self.state = ""
        # The vendor's tasks that its steps learned of before they ended well.
        self.told: set[str] = set()
        self._enter(WORKFLOW["StartAt"], at)

    def function(self) -> str:
        return function_of(STATES[self.state])

    def call(self, here: InMemoryDeployment) -> Any:
        """What its step invokes. JSON lies between the two, both ways."""
        document = json.loads(json.dumps(self.carries))
        match self.function():
            case "DispatchFunctionArn":
                outcome: Any = here.dispatch(Turn.model_validate(document))
            case "PollFunctionArn":
                waiting = Processing.model_validate(document)
                outcome = here.poll(waiting.job_id, waiting.watch)
            case "FinalizeFunctionArn":
                outcome = here.finalize(_read_finalize_input.validate_python(document))
            case _:
                crashed = Crashed.model_validate(document)
                outcome = here.close(crashed.job_id, crashed.error, watch=crashed.watch)
        return outcome.model_dump(mode="json")

    def went_well(self, answer: dict[str, Any], at: datetime) -> None:
        self.carries = answer
        self._enter(STATES[self.state]["Next"], at)

    def went_wrong(self, error: str, at: datetime, *, for_good: bool) -> None:
        """Repeats the step; or, for good, goes where the state machine goes when a step's retries are used up."""
        self.goes_on_at = at + timedelta(seconds=2)
        if not for_good:
            return
        catchers = STATES[self.state].get("Catch")
        if not catchers:
            self.end = "FAILED"
            return
        caught = {"outcome": "crashed", "job_id": self.job_id, "error": error}
        if "watch" in catchers[0]["Output"]:
            caught["watch"] = self.carries["watch"]
        self.carries = caught
        self._enter(catchers[0]["Next"], at)

    def _enter(self, name: str, at: datetime) -> None:
        state = STATES[name]
        match state["Type"]:
            case "Choice":
                self._enter(branches_of(state).get(self.carries["outcome"], state["Default"]), at)
            case "Wait":
                self._enter(state["Next"], at + timedelta(seconds=self.carries["wait_seconds"]))
            case "Task":
                self.state, self.goes_on_at = name, at
            case "Succeed":
                self.end = "SUCCEEDED"
            case _:
                self.end = "FAILED"


class Judge:
    """Looks on and compares; remembers each broken promise."""

    def __init__(self, here: InMemoryDeployment, vendor: Vendor, executions: dict[str, Execution]) -> None:
        self._here = here
        self._vendor = vendor
        self._executions = executions
        self._ended: dict[str, Job] = {}
        self._events: dict[str, JobSucceeded | JobFailed | JobExpired] = {}
        self.broken: list[str] = []

    def witness(self, port: str, method: str) -> None:
        """After each call that anybody made."""
        match port, method:
            case "provider", "create":
                self._judge_the_last_create_call()
            case "jobs", "save":
                for job in self._here.jobs:
                    self._judge_job(job)
            case "bus", "publish":
                self._judge_the_last_event()

    def judge_the_end(self) -> None:
        """When nothing more will happen."""
        now = self._here.clock.now()
        jobs = list(self._here.jobs)
        for job in jobs:
            self._promise(job.is_over, f"every job ends: {job.status}")
            self._promise(job.job_id in self._events, "every ended job has its event")
            self._judge_job(job)
            self._judge_the_bill(job, now)
        self._promise(not self._here.jobs.needing_attention(now + 100 * A_DAY, limit=1000), "nothing is left to do")
        charged = sum(task.charge(now) for task in self._vendor.tasks.values())
        lost = sum(
            task.charge(now)
            for job in jobs
            if job.failure and job.failure.charged is not Charged.NO
            for task in self._vendor.made_for(job.request.prompt)
        )
        paid = sum(job.price_microusd for job in jobs if job.status is JobStatus.SUCCEEDED)
        self._promise(charged == paid + lost, f"the bill is {charged}: {paid} for pictures, {lost} lost and reported")

    def _promise(self, kept: bool, promise: str) -> None:
        if not kept:
            self.broken.append(promise)

    def _judge_the_last_create_call(self) -> None:
        *earlier, last = self._vendor.calls
        prompt = last.prompt
        known = all(call.creating.is_refusal or call.creating.makes_a_task for call in earlier if call.prompt == prompt)
        tasks = self._vendor.made_for(prompt)
        others = tasks[:-1] if last.creating.makes_a_task else tasks
        free = not any(task.may_bill(self._here.clock.now()) for task in others)
        self._promise(known and free, f"no create call leaves while an earlier one may still bill: {prompt}")

    def _judge_job(self, job: Job) -> None:
        if not job.is_over:
            self._promise(job.job_id not in self._ended, "an ended job stays ended")
        elif before := self._ended.get(job.job_id):
            told = ("status", "failure", "results", "price_microusd", "finished_at", "provider_urls")
            same = all(getattr(before, name) == getattr(job, name) for name in told)
            self._promise(same, "an ended job stays as it ended")
        else:
            self._ended[job.job_id] = job
            self._judge_the_moment_of_the_end(job)

    def _judge_the_moment_of_the_end(self, job: Job) -> None:
        now = self._here.clock.now()
        failure = job.failure
        if failure is None:
            self._promise(job.status is JobStatus.SUCCEEDED, "no failure without a reason")
            return
        self._promise(not failure.retryable or failure.charged is Charged.NO, "nothing possibly charged is retryable")
        execution = self._executions.get(job.job_id)
        known = {attempt.task_id for attempt in job.attempts}
        if execution and execution.end is None:
            known |= execution.told
        for task in self._vendor.made_for(job.request.prompt):
            match failure.charged:
                case Charged.NO:
                    self._promise(not task.may_bill(now), f"`charged: no` is never said of money: {failure.message}")
                case Charged.UNKNOWN if task.task_id in known:
                    given_time = now >= task.made_at + DEADLINE
                    alive = task.is_running(now) or task.links(now)
                    self._promise(given_time or not alive, f"no known task is given up early: {failure.message}")
                case Charged.YES if task.may_bill(now):
                    self._promise(self._is_beyond_hope(task, now), f"no picture is given up early: {failure.message}")

    def _is_beyond_hope(self, task: Task, now: datetime) -> bool:
        is_no_picture = task.fate.end is End.BROKEN_PICTURE or self._vendor.pages_served & set(task.links(now))
        return bool(is_no_picture) or now >= task.made_at + DEADLINE + A_DAY

    def _judge_the_last_event(self) -> None:
        *_, event = self._here.bus
        assert isinstance(event, JobSucceeded | JobFailed | JobExpired)
        job = self._here.jobs.peek(event.data.job_id)
        self._promise(event.data.status == job.status, f"no event tells another story than its {job.status} job")
        if isinstance(event, JobSucceeded):
            same = event.data.results == job.results
        else:
            same = event.data.failure == job.failure
        self._promise(same, "no event tells other results, nor another failure, than its job")
        if isinstance(event, JobFailed):
            self._promise(event.data.provider_urls == job.provider_urls, "an event names the job's links")
        first = self._events.setdefault(job.job_id, event)
        self._promise(event == first, f"a job's event is always the same one: {first} … {event}")

    def _judge_the_bill(self, job: Job, now: datetime) -> None:
        billed = [task for task in self._vendor.made_for(job.request.prompt) if task.charge(now)]
        self._promise(len(billed) <= 1, "a wish is billed once at most")
        if job.status is JobStatus.SUCCEEDED:
            self._promise(len(billed) == 1, "a job succeeds only with what is paid")
        for task in billed:
            if job.status is JobStatus.SUCCEEDED:
                self._promise(job.price_microusd == task.charge(now), "a job costs what the vendor charged")
                stored = [
                    self._here.objects.peek(ObjectLocation(result.bucket, result.key, result.version_id))
                    for result in job.results
                ]
                bodies = [found.body if found else b"" for found in stored]
                pictures = [picture_at(link) for link in task.links(now)]
                self._promise(bodies == pictures, "what was charged is in the bucket")
            else:
                charged = job.failure.charged if job.failure else None
                self._promise(charged in {Charged.YES, Charged.UNKNOWN}, f"a loss is reported, not {job.status}")
                if charged is Charged.YES:
                    self._promise(job.provider_urls == task.links(now), "a known loss names its links")


class Promises(RuleBasedStateMachine):
    """The outside world; each rule is something that it may do."""

    def __init__(self) -> None:
        super().__init__()
        self.here = InMemoryDeployment()
        self.vendor = Vendor(self.here.clock)
        setattr(self.here, "provider", self.vendor)  # noqa: B010 - a vendor with books in place of the scripted one
        setattr(self.here, "source", self.vendor)  # noqa: B010 - and its host
        self.executions: dict[str, Execution] = {}
        self.judge = Judge(self.here, self.vendor, self.executions)
        self.messages: list[Upload] = []
        self.uploads = 0
        self.keys: set[int] = set()
        self.status_events: list[str] = []
        # Runs that nobody waits for (any more); a workflow knows its own.
        self.strays: list[Run] = []
        self.workflows_survive = True

    # ---- Clients and the queue

    @initialize(survive=st.booleans())
    def a_client_posts(self, survive: bool) -> None:
        self.workflows_survive = survive
        self._post(0, None)

    @rule(key=st.integers(0, MOST_JOBS - 1), trouble=troubles)
    def a_client_posts_perhaps_again(self, key: int, trouble: Incident | None) -> None:
        if key in self.keys or self._wishes() < MOST_JOBS:
            self._post(key, trouble)

    @precondition(lambda self: self._wishes() < MOST_JOBS)
    @rule()
    def somebody_uploads_a_job_document(self) -> None:
        self.uploads += 1
        key = f"jobs/{self.uploads}.json"
        body = json.dumps({"prompt": f"uploaded wish {self.uploads}"}).encode()
        version = self.here.objects.drop(UPLOADS, key, body)
        self.messages.append(Upload(UPLOADS, key, version, "etag", "1"))

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
        run = self._run("close", lambda here: here.close(job_id), LIMITS["CloseFunctionArn"], mood, trouble)
        if run.ended and run.error is None and not again:
            self.status_events.remove(job_id)

    # ---- Time, and what it brings

    @rule(mood=moods, trouble=troubles)
    def the_sweep_comes(self, mood: Mood, trouble: Incident | None) -> None:
        self._run("sweep", lambda here: here.sweep(), SWEEP_LIMIT, mood, trouble)

    @rule(seconds=st.sampled_from([5, 20, 61, 61, 130, 130, 215, 215, 905, 1801, 3 * 3600, 25 * 3600]))
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
        if self.workflows_survive:
            for execution in self.alive():
                self._steps(execution, Mood(), 200)
        self._bury()
        for seconds in [300, 300, 1800, 1800, 3600, 6 * 3600, *[24 * 3600] * 5]:
            while self.messages:
                self._run("submit_upload", self._taking(self.messages.pop()), SUBMISSION_LIMIT)
            self._run("sweep", lambda here: here.sweep(), SWEEP_LIMIT)
            self.here.clock.step(seconds)
        if not self.judge.broken:
            self.judge.judge_the_end()
        self.no_promise_is_broken()

    # ---- How it is done

    @staticmethod
    def _taking(message: Upload) -> Callable[[InMemoryDeployment], object]:
        def take(here: InMemoryDeployment) -> object:
            submission = here.announce_upload(message)
            assert isinstance(submission, Submission)
            if not submission.started:
                raise WorkflowFailed("to be delivered again")
            return submission

        return take

    def _wishes(self) -> int:
        return len(self.keys) + self.uploads

    def alive(self) -> list[Execution]:
        return [execution for execution in self.executions.values() if execution.end is None]

    def _standing(self) -> list[Run]:
        runs = [*self.strays, *(execution.run for execution in self.executions.values() if execution.run)]
        return [run for run in runs if not run.ended]

    @staticmethod
    def _one_of(things: list[Thing], which: int) -> Thing:
        return things[which % len(things)]

    def _post(self, key: int, trouble: Incident | None) -> None:
        self.keys.add(key)
        document = {"prompt": f"wish {key}", "model": SECOND if key == 1 else BETA}
        self._run("POST", lambda here: here.post(document, key=str(key)), SUBMISSION_LIMIT, Mood(), trouble)

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
            execution.run = self._run(execution.state, execution.call, LIMITS[function], mood, trouble, waited_for=True)
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
    ) -> Run:
        run = Run(name, started_at=self.here.clock.now(), limit=limit)
        here = copy.copy(self.here)
        for port in PORTS:
            setattr(here, port, Through(port, getattr(self.here, port), run, self.judge.witness))
        self._move(run, mood or Mood(), lambda: run.begin(lambda: work(here), trouble))
        if not run.ended and not waited_for:
            self.strays.append(run)
        self._look_around(run)
        return run

    def _wake(self, run: Run, mood: Mood, trouble: Incident | None = None) -> None:
        self._move(run, mood, lambda: run.go_on(trouble))
        self._look_around(run)

    def _move(self, run: Run, mood: Mood, move: Callable[[], None]) -> None:
        before = set(self.vendor.tasks)
        self.vendor.mood = mood
        move()
        if mood.creating in {Creating.ACCEPTED, Creating.DONE_AT_ONCE}:
            run.learned |= self.vendor.tasks.keys() - before

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
            came_to = (repr(run.error) if run.error else said) if run.ended else "…"
            note(f"    {run.name}: {'; '.join([*run.story, came_to])}")
        if run.error and not isinstance(run.error, HeliographError | Crash):
            self.judge.broken.append(f"a step fails only in ways that are drawn: {run.name}: {run.error!r}")

    def _go_to(self, at: datetime) -> datetime:
        """Lets time pass; ends what has lasted too long."""
        self.here.clock.go_to(at)
        for run in self._standing():
            if at >= run.ends_at:
                run.die()
        for execution in self.alive():
            if at >= execution.started_at + WORKFLOW_LIMIT:
                self._end_early(execution, "TIMED_OUT", is_told=True)
        self._look_around()
        return at

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


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=800, stateful_step_count=30)


# ---- Stories too rare to be met by chance


@pytest.mark.parametrize("creating", Creating)
def test_one_trouble_at_any_moment_of_any_step_breaks_no_promise(creating: Creating) -> None:
    for steps, moment, what, for_good in product(range(3), range(16), What, [False, True]):
        world = Promises()
        world.a_client_posts(survive=True)
        world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=steps)
        if not world.alive():
            continue
        world.a_workflow_has_trouble_with_its_next_step(
            which=0, mood=Mood(creating), trouble=Incident(moment, what), for_good=for_good
        )

        world.teardown()


@pytest.mark.parametrize("creating", Creating)
def test_a_step_taken_twice_at_once_breaks_no_promise(creating: Creating) -> None:
    for steps, moment, more in product(range(3), range(16), [1, 4]):
        # A run that stands before it knows anything is a story of its own, below.
        if creating.is_refusal and steps + moment == 0:
            continue
        world = Promises()
        world.a_client_posts(survive=True)
        world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(creating), steps=steps)
        if not world.alive():
            continue
        world.a_workflow_loses_sight_of_a_step_and_takes_it_again(
            which=0, mood=Mood(creating), moment=moment, then=Mood(creating), steps=more, wakes=True
        )

        world.teardown()


@pytest.mark.parametrize("steps", [0, 1])
def test_a_task_that_could_not_be_noted_is_carried_through_a_crash(steps: int) -> None:
    world = Promises()
    world.a_client_posts(survive=True)
    world.a_workflow_has_trouble_with_its_next_step(
        which=0, mood=Mood(), trouble=Incident(6, What.KEEPS_FAILING), for_good=False
    )
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=steps)
    world.a_workflow_has_trouble_with_its_next_step(which=0, mood=Mood(), trouble=Incident(0, What.DIES), for_good=True)
    world.time_passes(seconds=215)

    world.teardown()


@pytest.mark.parametrize("refusal", [Creating.BAD_REQUEST, Creating.NO_BALANCE])
def test_a_run_that_wakes_after_another_was_refused_is_not_reported_as_free(refusal: Creating) -> None:
    world = Promises()
    world.a_client_posts(survive=True)
    (execution,) = world.executions.values()
    world.a_workflow_loses_sight_of_a_step_and_takes_it_again(
        which=0, mood=Mood(), moment=0, then=Mood(refusal), steps=1, wakes=False
    )
    world.a_run_that_stood_still_goes_on(which=0, mood=Mood(), trouble=Incident(5, What.STANDS_STILL))
    assert execution.state == "Report"
    world.a_workflow_goes_on_for_a_while(which=0, mood=Mood(), steps=1)

    world.teardown()


def test_a_task_that_only_the_workflow_knows_has_its_time() -> None:
    world = Promises()
    world.a_client_posts(survive=True)
    world.time_passes(seconds=29 * 60)
    late = Mood(fate=Fate(after_seconds=25 * 60))
    world.a_workflow_has_trouble_with_its_next_step(
        which=0, mood=late, trouble=Incident(6, What.KEEPS_FAILING), for_good=False
    )
    world.time_passes(seconds=17 * 60)
    world.the_sweep_comes(mood=Mood(), trouble=None)

    world.teardown()
