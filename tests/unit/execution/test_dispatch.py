"""Dispatch: no job is paid twice, and no paid task is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from heliograph.budgets.ledger import Booking
from heliograph.execution.outcomes import DispatchOutcome, Failed, Finished, NotYet, Over, Processing
from heliograph.execution.reference_links import REFERENCE_LINK_SECONDS
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.deadlines import lost_call_deadline
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.retry_policy import CALL_LIMIT, MAX_ATTEMPTS, wait_before_attempt
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.kernel.jitter import jittered
from heliograph.providers.protocol import Accepted, CreateOutcome, TaskFailed, Uncertain
from heliograph.routes.circuit_breaker import IN_A_ROW, Circuit
from heliograph.routes.config import Routes
from heliograph.routes.fair_queue import SLOT
from heliograph.routes.poll_schedule import Latencies, poll_times
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import event_type

from tests.fakes.deployment import BETA, CALLBACKS, DEADLINE, ROUTES, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.jobs import InMemoryJobStore
from tests.fakes.provider import refusal
from tests.fakes.route_states import InMemoryRouteStates
from tests.fakes.script import Afterwards, Crash
from tests.pictures import PNG

CALL_LIMIT_SECONDS = CALL_LIMIT.total_seconds()


def waited(job_id: str) -> NotYet:
    """What the workflow passes on after a wait."""
    return NotYet(job_id=job_id, wait_seconds=1, reason="")


def outcomes_of(here: InMemoryDeployment, job_id: str) -> list[DispatchOutcome]:
    """What every turn brings, as the workflow takes them, until it is something other than a wait.

    The route's pace is fresh each time: it has tests of its own.
    """
    outcomes = [here.dispatch(job_id)]
    while isinstance(last := outcomes[-1], NotYet):
        here.states = InMemoryRouteStates()
        outcomes.append(here.dispatch(last))
    return outcomes


BUSY = refusal(FailureCode.RATE_LIMITED, again=True)
# How a write looks whose answer is lost: repeated by the client below us, it meets its own first try.
LOST = [StaleJob("retried by the client"), StorageFailed("timed out")]


def test_the_task_is_created_once_and_then_watched(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.wait_seconds == poll_times(Latencies(), has_callback=True)[0]
    assert (outcome.watch.task_id, outcome.watch.provider, outcome.watch.model) == ("task-1", "apimodels", BETA)
    assert here.provider.create_calls == 1


def test_a_task_is_polled_by_the_latencies_of_its_routes_last_tasks(here: InMemoryDeployment) -> None:
    for _ in range(30):
        here.control.record_success(ROUTES.default, here.clock.now(), learn=lambda seen: seen.with_latency(52.4))

    outcome = here.dispatch(here.job_id())
    other = here.dispatch(here.post({"prompt": "a pier", "model": SECOND}, call="call-2").job.job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.poll_at_seconds == poll_times(Latencies(seconds=(52.4,) * 30), has_callback=True)
    assert outcome.watch.began_at == here.clock.now()
    assert isinstance(other, Processing)
    # Routes have nothing to do with each other.
    assert other.watch.poll_at_seconds == poll_times(Latencies(), has_callback=True)


def test_a_run_that_takes_over_a_task_polls_it_by_the_same_schedule(here: InMemoryDeployment) -> None:
    for _ in range(30):
        here.control.record_success(ROUTES.default, here.clock.now(), learn=lambda seen: seen.with_latency(52.4))
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.step(40)

    again = here.dispatch(job_id)

    assert isinstance(again, Processing)
    assert again.watch == watch
    # It has run for 40 s.
    assert again.wait_seconds == next(moment for moment in watch.poll_at_seconds if moment > 40.6) - 40


def test_a_task_is_polled_even_if_the_routes_latencies_can_not_be_read(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.states.on("snapshot", StorageFailed("throttled"))

    again = here.dispatch(job_id)

    assert isinstance(again, Processing)
    assert again.watch.poll_at_seconds == poll_times(Latencies(), has_callback=True)


def test_the_create_call_carries_every_parameter_of_the_request(here: InMemoryDeployment) -> None:
    links = [f"https://images.example.com/{name}.png" for name in "bac"]
    here.dispatch(here.job_id(prompt="fuse", model=SECOND, aspect_ratio="21:9", nsfw_checker=True, references=links))

    (request,) = here.provider.requests
    assert (request.model, request.prompt, request.nsfw_checker) == (SECOND, "fuse", True)
    assert request.aspect_ratio is AspectRatio.LANDSCAPE_21_9
    assert request.reference_urls == tuple(links)


def test_the_filter_is_sent_as_off_unless_requested(here: InMemoryDeployment) -> None:
    here.dispatch(here.job_id())

    assert here.provider.requests[0].nsfw_checker is False


def test_an_object_is_sent_as_a_link_to_its_version_that_outlives_the_providers_queue(
    here: InMemoryDeployment,
) -> None:
    first = here.objects.drop(UPLOADS, "a.png", PNG)
    job_id = here.job_id(references=[f"s3://{UPLOADS}/a.png?versionId={first}"])
    here.objects.drop(UPLOADS, "a.png", b"something else by now")

    here.dispatch(job_id)

    assert set(here.objects.presigned) == {(ObjectLocation(UPLOADS, "a.png", first), REFERENCE_LINK_SECONDS)}
    assert set(here.objects.unencoded) == {ObjectLocation(UPLOADS, "a.png", first)}
    assert here.provider.requests[0].reference_urls == (f"https://signed.test/{UPLOADS}/a.png?version={first}",)


def test_the_attempt_is_written_before_the_call_leaves(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    seen: list[Job] = []

    def look() -> CreateOutcome:
        seen.append(here.jobs.peek(job_id))
        return Accepted("task-1")

    here.provider.will_answer_create(look)
    here.dispatch(job_id, run_id="run-7")

    (attempt,) = seen[0].attempts
    assert attempt.is_open
    assert attempt.run_id == "run-7"
    assert attempt.task_id is None


def test_no_call_leaves_if_the_attempt_can_not_be_written(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        here.dispatch(job_id)

    assert here.provider.create_calls == 0
    assert isinstance(here.dispatch(job_id), Processing)
    assert here.provider.create_calls == 1


def test_the_answer_is_recorded(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.dispatch(job_id)

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.PROCESSING
    assert job.attempt
    assert (job.attempt.task_id, job.attempt.accepted_at) == ("task-1", here.clock.now())


def test_a_task_that_is_finished_at_once_is_not_polled(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Accepted("task-1", ("https://results.test/a.png",)))

    outcome = here.dispatch(here.job_id())

    assert isinstance(outcome, Finished)
    assert outcome.result_urls == ("https://results.test/a.png",)


def test_a_repeated_run_finds_the_task_of_the_first(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    first, second = here.dispatch(job_id), here.dispatch(job_id)

    assert first == second
    assert here.provider.create_calls == 1


def test_of_two_runs_at_once_one_calls_if_the_second_begins_before_the_attempt(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    inner: list[DispatchOutcome] = []
    # The first run has read the job and is about to write its intent; the second runs in between, from end to end.
    here.jobs.on("save", lambda: inner.append(here.dispatch(job_id)))

    outer = here.dispatch(job_id)

    assert isinstance(inner[0], Processing)
    assert isinstance(outer, NotYet)
    assert here.provider.create_calls == 1
    assert here.dispatch(job_id) == inner[0]


def test_of_two_runs_at_once_one_calls_if_the_second_begins_between_attempt_and_answer(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    inner: list[DispatchOutcome] = []

    def meanwhile() -> CreateOutcome:
        here.clock.step(30)
        inner.append(here.dispatch(job_id))
        return Accepted("task-1")

    here.provider.will_answer_create(meanwhile)
    outer = here.dispatch(job_id)

    assert isinstance(inner[0], NotYet)
    assert isinstance(outer, Processing)
    assert here.provider.create_calls == 1


def test_of_two_runs_at_once_one_calls_if_the_second_begins_before_the_record(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    inner: list[DispatchOutcome] = []
    here.jobs.on("save", None, lambda: inner.append(here.dispatch(job_id)))

    outer = here.dispatch(job_id)

    assert isinstance(inner[0], NotYet)
    assert isinstance(outer, Processing)
    assert here.provider.create_calls == 1


@pytest.mark.parametrize(
    ("callbacks", "waits"), [(None, CALL_LIMIT), (CALLBACKS, DEADLINE)], ids=["no callbacks", "callbacks"]
)
@pytest.mark.parametrize("crash", [Crash(), Afterwards(Crash())], ids=["before the task", "after the task"])
def test_a_crash_between_attempt_and_answer_never_leads_to_a_second_call(
    here: InMemoryDeployment, crash: Crash | Afterwards, callbacks: str | None, waits: timedelta
) -> None:
    here.callback_base = callbacks
    job_id = here.job_id()
    here.provider.will_answer_create(crash)
    with pytest.raises(Crash):
        here.dispatch(job_id)

    begun_at, outcome = here.clock.now(), here.dispatch(job_id)
    while isinstance(outcome, NotYet):
        here.clock.step(outcome.wait_seconds)
        outcome = here.dispatch(outcome)

    assert here.clock.now() - begun_at == waits
    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.SUBMISSION_UNCERTAIN, Charged.UNKNOWN)
    assert outcome.failure.retryable is False
    assert here.provider.create_calls == 1


def test_a_crash_between_answer_and_record_never_leads_to_a_second_call(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, Crash())
    with pytest.raises(Crash):
        here.dispatch(job_id)

    job = here.run(job_id)

    assert here.provider.create_calls == 1
    assert job.failure
    assert job.failure.code is FailureCode.SUBMISSION_UNCERTAIN


def test_a_crash_after_the_record_loses_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, Afterwards(Crash()))
    with pytest.raises(Crash):
        here.dispatch(job_id)

    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


def test_a_crash_before_the_attempt_costs_nothing_and_the_next_run_calls(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", Crash())
    with pytest.raises(Crash):
        here.dispatch(job_id)

    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


def test_a_task_that_can_not_be_recorded_is_carried_by_the_workflow(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 3)

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-1"
    assert here.jobs.peek(job_id).status is JobStatus.QUEUED
    here.jobs.repair()
    finished = here.poll(job_id, outcome.watch)
    assert isinstance(finished, Finished)
    here.finalize(finished)
    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.attempt
    assert job.attempt.task_id == "task-1"


def test_a_record_that_fails_once_is_written_again(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, StorageFailed("throttled"))

    here.dispatch(job_id)

    assert here.jobs.peek(job_id).status is JobStatus.PROCESSING


def test_a_record_whose_answer_was_lost_changes_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, Afterwards(StorageFailed("timed out")))

    assert isinstance(here.dispatch(job_id), Processing)
    assert here.run(job_id).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("error", LOST)
def test_an_attempt_whose_write_had_no_answer_is_recognised_and_its_call_leaves(
    here: InMemoryDeployment, error: Exception
) -> None:
    job_id = here.job_id()
    here.jobs.on("save", Afterwards(error))

    assert isinstance(here.dispatch(job_id), Processing)

    assert here.provider.create_calls == 1
    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("error", LOST)
def test_an_attempt_that_another_run_wrote_first_is_respected(here: InMemoryDeployment, error: Exception) -> None:
    job_id = here.job_id()
    inner: list[DispatchOutcome] = []

    def meanwhile() -> None:
        inner.append(here.dispatch(job_id))
        raise error

    here.jobs.on("save", meanwhile)

    outer = here.dispatch(job_id)

    assert isinstance(inner[0], Processing)
    assert isinstance(outer, NotYet)
    assert here.provider.create_calls == 1
    assert here.dispatch(job_id) == inner[0]


@pytest.mark.parametrize("error", LOST)
def test_an_attempt_of_another_run_whose_call_is_on_its_way_is_respected(
    here: InMemoryDeployment, error: Exception
) -> None:
    job_id = here.job_id()

    def meanwhile() -> None:
        here.provider.will_answer_create(Crash())
        with pytest.raises(Crash):
            here.dispatch(job_id)
        raise error

    here.jobs.on("save", meanwhile)

    assert isinstance(here.dispatch(job_id), NotYet)
    assert here.provider.create_calls == 1


def test_an_attempt_that_was_not_written_because_the_job_changed_is_left_to_the_next_run(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.jobs.on("save", StaleJob(job_id))

    assert isinstance(here.dispatch(job_id), NotYet)
    assert here.provider.create_calls == 0
    assert here.run(job_id).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("error", LOST)
def test_an_attempt_that_can_not_be_read_back_never_leads_to_a_call(here: InMemoryDeployment, error: Exception) -> None:
    job_id = here.job_id()
    here.jobs.on("save", Afterwards(error))
    here.jobs.on("get", None, StorageFailed("throttled"))
    with pytest.raises(StorageFailed):
        here.dispatch(job_id)

    job = here.run(job_id)

    # Nobody can tell any more that it was not made: no second intent, no call.
    assert here.provider.create_calls == 0
    assert job.failure
    assert (job.failure.charged, job.failure.retryable) == (Charged.UNKNOWN, False)


def test_a_runs_second_attempt_is_not_mistaken_for_its_first(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(BUSY)
    here.dispatch(job_id, run_id="run-7")
    here.jobs.on("save", StaleJob(job_id))

    assert isinstance(here.dispatch(job_id, run_id="run-7"), NotYet)
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("error", LOST)
def test_a_record_that_fails_and_can_not_be_read_back_loses_nothing(here: InMemoryDeployment, error: Exception) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, error)
    here.jobs.on("get", None, StorageFailed("throttled"))

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-1"


def test_a_store_that_fails_after_the_attempt_does_not_lose_the_task(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, *[StorageFailed("gone")] * 9)
    here.jobs.on("get", None, *[StorageFailed("gone")] * 9)

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-1"


def test_a_refusal_whose_record_fails_once_is_recorded_again_and_retried(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(BUSY)
    here.jobs.on("save", None, StorageFailed("throttled"))

    assert isinstance(here.dispatch(job_id), NotYet)
    assert here.run(job_id).status is JobStatus.SUCCEEDED


def test_a_refusal_that_can_not_be_recorded_ends_the_job_with_it_and_for_free(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(BUSY)
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 9)

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Failed)
    assert outcome.failure == BUSY.failure
    here.jobs.repair()
    here.finalize(outcome)
    job = here.jobs.peek(job_id)
    assert here.provider.create_calls == 1
    assert (job.failure, job.price_microusd) == (BUSY.failure, 0)
    assert job.failure
    assert (job.failure.charged, job.failure.retryable) == (Charged.NO, True)


def test_a_job_that_ends_during_the_call_keeps_its_end_and_learns_of_the_task(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    def meanwhile() -> CreateOutcome:
        # Later than any call is waited for.
        here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)))
        here.close(job_id)
        return Accepted("task-9")

    here.provider.will_answer_create(meanwhile)
    here.dispatch(job_id)

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.FAILED
    assert job.attempt
    assert job.attempt.task_id == "task-9"


def test_a_job_that_is_over_is_left_alone(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.close(job_id)

    assert here.dispatch(job_id) == Over(job_id=job_id, status=JobStatus.FAILED)
    assert here.provider.create_calls == 0


def test_a_job_that_does_not_exist_costs_nothing(here: InMemoryDeployment) -> None:
    outcome = here.dispatch("job_nobody")

    assert isinstance(outcome, Failed)
    assert outcome.failure.charged is Charged.NO
    assert here.provider.create_calls == 0


def test_a_busy_provider_is_tried_again_after_a_growing_wait(here: InMemoryDeployment) -> None:
    job_id = here.job_id(model=BETA)
    here.provider.will_answer_create(BUSY, BUSY)

    *waits, last = outcomes_of(here, job_id)

    assert waits == [
        NotYet(job_id=job_id, wait_seconds=wait_before_attempt(job_id, n, None, patience=DEADLINE), reason="refused")
        for n in (1, 2)
    ]
    assert isinstance(last, Processing)


def test_a_job_outlives_refusals_and_remembers_each(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(BUSY, BUSY)

    job = here.run(here.job_id())

    assert job.status is JobStatus.SUCCEEDED
    assert [attempt.failure is not None for attempt in job.attempts] == [True, True, False]
    assert len({attempt.attempt_id for attempt in job.attempts}) == 3
    assert job.price_microusd == 60_000


def test_a_retry_after_of_the_provider_is_respected(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(refusal(FailureCode.RATE_LIMITED, again=True, after=77))

    outcome = here.dispatch(here.job_id(model=BETA))

    assert isinstance(outcome, NotYet)
    # And a little later, so that not everybody who was told so comes back at once.
    assert 77 < outcome.wait_seconds <= 77 + 3


def test_a_wait_beyond_the_deadline_is_not_begun(here: InMemoryDeployment) -> None:
    after = int(DEADLINE.total_seconds())
    here.provider.will_answer_create(refusal(FailureCode.RATE_LIMITED, again=True, after=after))

    outcome = here.dispatch(here.job_id(model=BETA))

    assert isinstance(outcome, Failed)
    assert outcome.failure.code is FailureCode.RATE_LIMITED
    assert outcome.failure.charged is Charged.NO


def test_attempts_are_bounded(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(*[BUSY] * (MAX_ATTEMPTS + 5))

    job_id = here.job_id(model=BETA)
    outcomes = outcomes_of(here, job_id)

    assert here.provider.create_calls == MAX_ATTEMPTS
    assert outcomes[-1] == Failed(job_id=job_id, failure=BUSY.failure)


def test_a_provider_that_stays_busy_is_tried_until_the_deadline(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(*[BUSY] * (MAX_ATTEMPTS + 5))

    job = here.run(here.job_id(model=BETA))

    assert here.clock.now() < job.deadline_at <= here.clock.now() + timedelta(seconds=91)
    assert here.provider.create_calls < MAX_ATTEMPTS
    assert job.failure == BUSY.failure
    assert job.price_microusd == 0


def test_the_last_refusal_ends_the_job_without_another_wait(here: InMemoryDeployment) -> None:
    job_id = here.job_id(model=BETA)
    here.provider.will_answer_create(*[BUSY] * MAX_ATTEMPTS)

    outcomes = outcomes_of(here, job_id)

    assert [outcome.outcome for outcome in outcomes] == ["not_yet"] * (MAX_ATTEMPTS - 1) + ["failed"]


def test_a_run_after_the_last_attempt_makes_no_other(here: InMemoryDeployment) -> None:
    job_id = here.job_id(model=BETA)
    here.provider.will_answer_create(*[BUSY] * MAX_ATTEMPTS)
    outcomes_of(here, job_id)

    assert here.dispatch(waited(job_id)) == Failed(job_id=job_id, failure=BUSY.failure)
    assert here.provider.create_calls == MAX_ATTEMPTS


@pytest.mark.parametrize(
    "code", [FailureCode.ROUTE_UNAVAILABLE, FailureCode.INVALID_INPUT, FailureCode.CONTENT_BLOCKED]
)
def test_a_refusal_that_will_not_change_stops_at_once(here: InMemoryDeployment, code: FailureCode) -> None:
    # A wrong key (401) and an empty account (402) arrive as route_unavailable.
    here.provider.will_answer_create(refusal(code, again=False, after=5))

    job = here.run(here.job_id(model=BETA))

    assert here.provider.create_calls == 1
    assert job.status is JobStatus.FAILED
    assert job.failure
    assert (job.failure.code, job.failure.charged) == (code, Charged.NO)


def test_an_uncertain_create_ends_the_job_without_a_second_call(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(Uncertain("the connection was cut"))

    job = here.run(job_id)

    assert job.failure
    assert (job.failure.code, job.failure.charged) == (FailureCode.SUBMISSION_UNCERTAIN, Charged.UNKNOWN)
    assert job.failure.retryable is False
    assert "the connection was cut" in job.failure.message
    assert here.provider.create_calls == 1


def test_an_uncertain_create_stays_the_last_call_even_if_its_end_is_never_reported(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(Uncertain("the connection was cut"))
    here.dispatch(job_id)

    for _ in range(5):
        here.dispatch(job_id)
        here.clock.step(CALL_LIMIT_SECONDS)

    assert here.provider.create_calls == 1


def test_a_job_whose_deadline_passed_before_a_call_expires(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.clock.go_to(here.jobs.peek(job_id).deadline_at)

    job = here.run(job_id)

    assert here.provider.create_calls == 0
    assert job.status is JobStatus.EXPIRED
    assert job.failure
    assert job.failure.charged is Charged.NO


def test_a_job_with_a_call_on_its_way_does_not_expire(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(Crash())
    here.clock.go_to(here.jobs.peek(job_id).deadline_at - timedelta(seconds=1))
    with pytest.raises(Crash):
        here.dispatch(job_id)
    here.clock.step(CALL_LIMIT_SECONDS)

    job = here.run(job_id)

    assert job.status is JobStatus.FAILED
    assert job.failure
    assert job.failure.charged is Charged.UNKNOWN


def test_a_job_with_a_task_does_not_expire(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.clock.go_to(here.jobs.peek(job_id).deadline_at + timedelta(hours=1))

    assert isinstance(here.dispatch(job_id), Processing)


def test_a_model_that_is_no_longer_configured_ends_the_job_for_free(here: InMemoryDeployment) -> None:
    outcome = here.dispatch(here.job_id(model=SECOND), routes=Routes((ROUTES.default,)))

    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.ROUTE_UNAVAILABLE, Charged.NO)
    assert here.provider.create_calls == 0


def test_a_link_that_can_not_be_signed_raises_and_makes_no_attempt(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "a.png", PNG)
    job_id = here.job_id(references=[f"s3://{UPLOADS}/a.png"])
    here.objects.on("presigned_get", StorageFailed("no credentials"))

    with pytest.raises(StorageFailed):
        here.dispatch(job_id)

    assert here.jobs.peek(job_id).attempts == ()
    assert here.run(job_id).status is JobStatus.SUCCEEDED


# --- our turn


def posted(here: InMemoryDeployment, count: int, *, tenant: str = "default", **document: Any) -> list[str]:
    """The ids of so many jobs of one tenant."""
    return [
        here.post({"prompt": "x", **document}, call=f"{tenant}-{number}", tenant=tenant).job.job_id
        for number in range(count)
    ]


def not_yet(outcome: DispatchOutcome) -> NotYet:
    assert isinstance(outcome, NotYet)
    return outcome


def served_at(here: InMemoryDeployment, waits: dict[str, NotYet]) -> dict[str, float]:
    """When each job's call is made, if each comes back when it was told to."""
    begun, due = here.clock.now(), {job_id: here.clock.now() for job_id in waits}
    due = {job_id: due[job_id] + timedelta(seconds=wait.wait_seconds) for job_id, wait in waits.items()}
    served: dict[str, float] = {}
    while due:
        job_id = min(due, key=lambda one: due[one])
        here.clock.go_to(due.pop(job_id))
        outcome = here.dispatch(waits[job_id])
        if isinstance(outcome, NotYet):
            waits[job_id] = outcome
            due[job_id] = here.clock.now() + timedelta(seconds=outcome.wait_seconds)
        else:
            served[job_id] = (here.clock.now() - begun).total_seconds()
    return served


def test_a_job_whose_slot_starts_later_waits_for_it_and_keeps_it(here: InMemoryDeployment) -> None:
    # Two calls a second; what comes within half a second is now.
    first, second, third, fourth = (here.dispatch(job_id) for job_id in posted(here, 4))

    assert isinstance(first, Processing)
    assert isinstance(second, Processing)
    assert (not_yet(third).wait_seconds, not_yet(fourth).wait_seconds) == (1, 2)
    assert [wait.ticket.finish_tag for wait in (not_yet(third), not_yet(fourth)) if wait.ticket] == [
        3_000_000,
        4_000_000,
    ]
    assert "queued" in not_yet(third).reason
    assert here.provider.create_calls == 2


def test_a_slot_is_kept_while_waiting_and_waited_for_once(here: InMemoryDeployment) -> None:
    waiting = not_yet([here.dispatch(job_id) for job_id in posted(here, 10)][-1])
    writes = here.states.writes
    here.clock.step(1)

    again = not_yet(here.dispatch(waiting))

    assert again.ticket == waiting.ticket
    assert again.wait_seconds == waiting.wait_seconds - 1
    # To look again costs no write.
    assert here.states.writes == writes
    here.clock.step(again.wait_seconds)
    assert isinstance(here.dispatch(again), Processing)


def test_no_second_sees_more_calls_than_the_rate(here: InMemoryDeployment) -> None:
    waits = {job_id: outcome for job_id in posted(here, 40) if isinstance(outcome := here.dispatch(job_id), NotYet)}

    served = served_at(here, waits)

    assert len(here.provider.requests) == 40
    for second in range(1, 19):
        assert sum(second <= at < second + 1 for at in served.values()) <= 2
    assert max(served.values()) <= 20


def test_a_tenant_with_one_job_does_not_wait_for_the_thousand_of_another(here: InMemoryDeployment) -> None:
    for job_id in posted(here, 100):
        here.dispatch(job_id)
    (job_id,) = posted(here, 1, tenant="small")

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing) or not_yet(outcome).wait_seconds == 1


def test_a_slot_that_would_start_after_the_deadline_is_not_reserved(here: InMemoryDeployment) -> None:
    six = {"creates_per_minute": 6, "slowest_per_minute": 6, "fastest_per_minute": 6}
    slow = Routes((ROUTES.default.model_copy(update=six),))
    in_time = int(DEADLINE.total_seconds()) // 10
    jobs = posted(here, in_time + 3)
    for job_id in jobs[:in_time]:
        here.dispatch(job_id, routes=slow)
    writes = here.states.writes

    too_late = not_yet(here.dispatch(jobs[-1], routes=slow))

    assert here.states.writes == writes
    assert too_late.ticket is None
    assert "longer than the time left" in too_late.reason
    # The queue may get shorter: it looks again, once it has half of its time left.
    assert too_late.wait_seconds == DEADLINE.total_seconds() / 2
    here.clock.go_to(here.jobs.peek(jobs[-1]).deadline_at)
    assert here.dispatch(too_late).outcome == "expired"


def test_no_wait_leads_past_the_deadline(here: InMemoryDeployment) -> None:
    job = here.post().job
    here.clock.go_to(job.deadline_at - timedelta(seconds=5))
    here.control.pause_spending("a drill")

    waiting = not_yet(here.dispatch(job.job_id))

    assert waiting.wait_seconds == 5
    here.clock.step(5)
    assert here.dispatch(waiting).outcome == "expired"


def test_a_wait_for_a_slot_does_not_add_to_the_wait_after_a_refusal(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(refusal(FailureCode.PROVIDER_FAILED, again=True))
    job_id = here.job_id(model=BETA)
    refused = not_yet(here.dispatch(job_id))
    here.clock.step(refused.wait_seconds)

    assert isinstance(here.dispatch(refused), Processing)


def test_a_retry_after_of_the_provider_holds_every_job(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(refusal(FailureCode.RATE_LIMITED, again=True, after=77))
    first, *others = posted(here, 5, model=BETA)
    here.dispatch(first)

    waits = [not_yet(here.dispatch(job_id)) for job_id in others]

    assert all(wait.wait_seconds >= 77 for wait in waits)
    assert here.provider.create_calls == 1


def test_a_failed_store_of_routes_raises_and_makes_no_attempt(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    for method in ("snapshot", "save"):
        here.states.on(method, StorageFailed("throttled"))
        with pytest.raises(StorageFailed):
            here.dispatch(job_id)

    assert here.jobs.peek(job_id).attempts == ()
    assert here.run(job_id).status is JobStatus.SUCCEEDED


# --- full routes


def test_a_full_route_is_waited_for_and_the_slot_kept(here: InMemoryDeployment) -> None:
    here.jobs = InMemoryJobStore(here.ledger, {BETA: 1})
    first, second = posted(here, 2, model=BETA)
    here.watched(first)

    waiting = not_yet(here.dispatch(second))

    assert "at its limit of running tasks" in waiting.reason
    assert waiting.ticket
    assert here.jobs.peek(second).attempts == ()
    assert here.provider.create_calls == 1
    here.close(first)
    here.clock.step(waiting.wait_seconds)
    outcome: DispatchOutcome = waiting
    while isinstance(outcome, NotYet):
        outcome = here.dispatch(outcome)
        here.clock.step(1)
    assert isinstance(outcome, Processing)


@pytest.mark.parametrize("end", ["refused", "task failed", "succeeded", "closed", "given up"])
def test_whatever_ends_an_attempt_makes_room_for_another(here: InMemoryDeployment, end: str) -> None:
    here.jobs = InMemoryJobStore(here.ledger, {BETA: 1})
    (first,) = posted(here, 1, model=BETA)
    if end == "refused":
        here.provider.will_answer_create(refusal(FailureCode.CONTENT_BLOCKED, again=False))
    if end == "given up":
        here.provider.will_answer_create(Uncertain("cut"))
    if end == "task failed":
        blocked = Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO)
        here.provider.will_say(TaskFailed(blocked))
    if end == "closed":
        here.watched(first)
        here.close(first)
    else:
        here.run(first)

    assert here.jobs.peek(first).is_over
    assert here.jobs.running[BETA] == 0
    (second,) = posted(here, 1, model=BETA, tenant="another")
    assert isinstance(here.dispatch(second), Processing)


def test_a_full_route_keeps_its_circuit_closed(here: InMemoryDeployment) -> None:
    here.jobs = InMemoryJobStore(here.ledger, {BETA: 0})
    for job_id in posted(here, 30, model=BETA):
        here.dispatch(job_id)

    assert here.states.snapshot(ROUTES).routes[BETA].breaker.circuit(here.clock.now()) is Circuit.CLOSED
    assert list(here.bus) == []


# --- open circuits

UNREACHABLE = refusal(FailureCode.ROUTE_UNAVAILABLE, again=True)
COOLDOWN_SECONDS = 30


def opened(here: InMemoryDeployment, *names: str) -> None:
    """These routes failed too often, just now."""
    for route in ROUTES:
        if route.name in names:
            for _ in range(IN_A_ROW):
                here.control.record_failure(route, UNREACHABLE.failure, here.clock.now())


def test_a_route_with_an_open_circuit_is_passed_over(here: InMemoryDeployment) -> None:
    opened(here, BETA)
    job_id = here.job_id()

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.model == SECOND
    assert [attempt.model for attempt in here.jobs.peek(job_id).attempts] == [SECOND]


@pytest.mark.parametrize("code", [FailureCode.ROUTE_UNAVAILABLE, FailureCode.PROVIDER_TIMEOUT])
def test_failed_tasks_of_one_tenants_jobs_leave_a_route_to_the_others(
    here: InMemoryDeployment, code: FailureCode
) -> None:
    failed = Failure(code=code, message="the task hung", retryable=False, charged=Charged.UNKNOWN)
    started = []
    for job_id in posted(here, IN_A_ROW, tenant="careless", model=BETA):
        started.append(here.dispatch(job_id))
        here.clock.step(1)
    here.clock.step(10 * ROUTES.default.usual_seconds)
    for processing in started:
        assert isinstance(processing, Processing)
        ended = Failed(job_id=processing.job_id, failure=failed, attempt_id=processing.watch.attempt_id)
        here.dispatch(ended)

    breaker, now = here.states.snapshot(ROUTES).routes[BETA].breaker, here.clock.now()
    assert breaker.circuit(now, "careless") is not Circuit.CLOSED
    assert breaker.circuit(now, "another") is Circuit.CLOSED
    (job_id,) = posted(here, 1, tenant="another")
    outcome = here.dispatch(job_id)
    assert isinstance(outcome, Processing)
    assert outcome.watch.model == BETA


def test_failed_calls_of_many_tenants_open_the_circuit_for_all_of_them(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(*[UNREACHABLE] * IN_A_ROW)
    for job_id in posted(here, IN_A_ROW):
        here.dispatch(job_id)
        here.clock.step(1)

    (job_id,) = posted(here, 1, tenant="another")

    # They were refused before anything was made of a job: that is nobody's doing.
    assert [event_type(event) for event in here.bus] == ["image.route.opened"]
    assert here.run(job_id).attempts[0].model == SECOND


def test_a_pinned_job_waits_for_its_route_and_expires_if_it_stays_disabled(here: InMemoryDeployment) -> None:
    here.control.disable(ROUTES.default, "a drill")
    job_id = here.job_id(model=BETA)

    waiting = not_yet(here.dispatch(job_id))
    job = here.run(job_id)

    assert waiting.wait_seconds == jittered(60, job_id)
    assert waiting.reason == "no route is available; the job checks again once a minute"
    assert here.provider.create_calls == 0
    assert job.status is JobStatus.EXPIRED


def test_if_all_circuits_are_open_a_job_waits_until_one_may_be_probed(here: InMemoryDeployment) -> None:
    opened(here, BETA, SECOND)
    job_id = here.job_id()

    waiting = not_yet(here.dispatch(job_id))
    assert waiting.wait_seconds == jittered(COOLDOWN_SECONDS, job_id)
    assert waiting.reason == "no route is available; the job checks again when one of them may be probed"
    assert here.provider.create_calls == 0
    here.clock.step(COOLDOWN_SECONDS)

    assert isinstance(here.dispatch(waiting), Processing)


def test_a_route_is_probed_by_one_job_and_the_others_wait_for_its_result(here: InMemoryDeployment) -> None:
    opened(here, BETA)
    jobs = posted(here, 4, model=BETA)
    here.clock.step(COOLDOWN_SECONDS)
    others: list[DispatchOutcome] = []

    def meanwhile() -> CreateOutcome:
        others.extend(here.dispatch(job_id) for job_id in jobs[1:])
        return UNREACHABLE

    here.provider.will_answer_create(meanwhile)
    here.dispatch(jobs[0])

    assert here.provider.create_calls == 1
    assert all(isinstance(outcome, NotYet) for outcome in others)
    # It failed: twice the cooldown.
    assert not_yet(here.dispatch(jobs[1])).wait_seconds == jittered(2 * COOLDOWN_SECONDS, jobs[1])


def test_of_two_jobs_at_once_one_probes_and_the_other_keeps_its_slot(here: InMemoryDeployment) -> None:
    opened(here, BETA)
    first, second = posted(here, 2, model=BETA)
    here.clock.step(COOLDOWN_SECONDS)
    inner: list[DispatchOutcome] = []
    # The first has its turn, and is about to take the probe.
    here.states.on("save", None, lambda: inner.append(here.dispatch(second)))

    outer = not_yet(here.dispatch(first))

    assert isinstance(inner[0], Processing)
    assert "being probed" in outer.reason
    assert outer.ticket
    assert here.provider.create_calls == 1


def test_a_probe_whose_task_produces_its_image_closes_the_circuit_for_all(here: InMemoryDeployment) -> None:
    opened(here, BETA)
    first, second = posted(here, 2, model=BETA)
    here.clock.step(COOLDOWN_SECONDS)

    probe = here.dispatch(first)
    here.clock.step(1)
    # To be accepted is not enough: a broken model accepts tasks and fails them.
    assert isinstance(here.dispatch(second), NotYet)
    assert isinstance(probe, Processing)
    finished = here.poll(first, probe.watch)
    assert isinstance(finished, Finished)
    here.finalize(finished)
    assert isinstance(here.dispatch(second), Processing)
    assert [event_type(event) for event in here.bus if "route" in event_type(event)] == [
        "image.route.opened",
        "image.route.closed",
    ]


def test_a_run_that_another_run_of_its_job_overtook_returns_its_probe(here: InMemoryDeployment) -> None:
    opened(here, BETA)
    first, other = posted(here, 2, model=BETA)
    here.clock.step(COOLDOWN_SECONDS)
    attempt_id = derived_id("att", first, "1")

    def overtake() -> None:
        intended = here.jobs.peek(first).attempting(attempt_id, "another run", ROUTES.default, here.clock.now())
        here.jobs.save(intended)

    here.jobs.on("save", overtake)

    assert "another run" in not_yet(here.dispatch(first)).reason

    assert here.provider.create_calls == 0
    here.clock.step(5)
    assert isinstance(here.dispatch(other), Processing)


def test_a_probe_that_finds_the_route_full_is_returned(here: InMemoryDeployment) -> None:
    here.jobs = InMemoryJobStore(here.ledger, {BETA: 1})
    running, probing, other = posted(here, 3, model=BETA)
    here.watched(running)
    opened(here, BETA)
    here.clock.step(COOLDOWN_SECONDS)
    waiting = not_yet(here.dispatch(probing))
    assert here.provider.create_calls == 1
    here.close(running)
    here.clock.step(waiting.wait_seconds + 2)

    # There is room now, and no probe is on its way: whoever comes first may go.
    assert isinstance(here.dispatch(other), Processing)


def test_a_task_that_failed_counts_against_its_route_once(here: InMemoryDeployment) -> None:
    here.provider.will_say(TaskFailed(UNREACHABLE.failure))
    job_id = here.job_id()
    failed = here.poll(job_id, here.watched(job_id))
    assert isinstance(failed, Failed)

    here.dispatch(failed)
    here.dispatch(failed)

    samples = here.states.snapshot(ROUTES).routes[BETA].breaker.samples
    assert [sample.succeeded for sample in samples] == [False]


# --- another route, where the first is busy


def test_a_full_route_is_passed_over_for_another(here: InMemoryDeployment) -> None:
    here.jobs = InMemoryJobStore(here.ledger, {BETA: 1})
    first, second = posted(here, 2)
    here.watched(first)
    here.clock.step(5)

    assert isinstance(here.dispatch(second), Processing)
    assert [attempt.model for attempt in here.jobs.peek(second).attempts] == [SECOND]


def test_a_route_with_a_long_queue_is_passed_over_for_another(here: InMemoryDeployment) -> None:
    crowded(here)
    job_id = here.job_id()

    assert isinstance(here.dispatch(job_id), Processing)
    assert [attempt.model for attempt in here.jobs.peek(job_id).attempts] == [SECOND]


def test_a_job_for_the_cheapest_route_or_one_model_waits_for_it(here: InMemoryDeployment) -> None:
    crowded(here)
    pinned = here.job_id(model=BETA)

    waiting = not_yet(here.dispatch(pinned))

    assert waiting.ticket
    assert waiting.ticket.route == BETA
    assert waiting.wait_seconds > 60


def crowded(here: InMemoryDeployment) -> None:
    """Ten minutes of calls wait for the first route."""
    state = here.states.snapshot(ROUTES).routes[BETA]
    now = here.clock.now()
    queue = state.queue.with_slot("default", now, here.control.weights)
    tags = {"default": queue.finish_tags["default"] + 1200 * SLOT}
    assert here.states.save(state, state.with_queue(queue.model_copy(update={"finish_tags": tags})))


# --- the kill switch


def test_while_spending_is_paused_no_call_leaves(here: InMemoryDeployment) -> None:
    here.control.pause_spending("the bill looks odd")
    job_id = here.job_id()

    waiting = not_yet(here.dispatch(job_id))

    assert waiting.wait_seconds == jittered(60, job_id)
    assert waiting.reason == "spending is paused by the operator; the job checks once a minute whether it may go on"
    assert here.provider.create_calls == 0
    assert here.states.writes == 0
    here.control.resume_spending()
    here.clock.step(60)
    assert isinstance(here.dispatch(waiting), Processing)


def test_an_operators_reason_is_shown_to_no_job(here: InMemoryDeployment) -> None:
    job_ids = posted(here, 2)
    for route in ROUTES:
        here.control.disable(route, "the rival is suing us")
    disabled = here.dispatch(job_ids[0])
    here.control.pause_spending("the rival is suing us")
    paused = here.dispatch(job_ids[1])

    assert not_yet(disabled).reason != not_yet(paused).reason
    assert all("suing" not in outcome.model_dump_json() for outcome in (disabled, paused))
    assert all("suing" not in event.model_dump_json() for event in here.bus)


def test_a_spending_pause_loses_no_running_task(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.control.pause_spending("a drill")

    assert here.run(job_id).status is JobStatus.SUCCEEDED


def test_a_spending_pause_stops_second_attempts_too(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(UNREACHABLE)
    waiting = not_yet(here.dispatch(here.job_id()))
    here.control.pause_spending("a drill")
    here.clock.step(waiting.wait_seconds)

    assert "spending is paused" in not_yet(here.dispatch(waiting)).reason
    assert here.provider.create_calls == 1


def test_a_lost_call_is_not_given_up_for_another_one_while_no_call_may_leave(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    here.dispatch(job_id)
    here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)))
    here.control.pause_spending("a drill")

    waiting = not_yet(here.dispatch(job_id))

    assert "spending is paused" in waiting.reason
    assert "a drill" not in waiting.model_dump_json()
    attempt = here.jobs.peek(job_id).attempts[0]
    assert (attempt.is_open, waiting.attempt_id) == (True, attempt.attempt_id)
    assert accounting_of(here.jobs.peek(job_id)).booking == Booking(reserved=60_000)
    here.control.resume_spending()
    assert isinstance(here.dispatch(waiting), Processing)
    assert here.provider.create_calls == 2


def test_a_lost_call_is_given_up_in_the_end_though_no_call_may_leave(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    halted = here.job_id(on_uncertain="resubmit")
    here.dispatch(halted)
    here.control.pause_spending("a drill")

    job = here.run(halted)

    assert (job.status, job.charged) == (JobStatus.FAILED, Charged.UNKNOWN)
    assert here.provider.create_calls == 1


def test_a_job_that_is_paused_until_its_deadline_expires_for_free(here: InMemoryDeployment) -> None:
    here.control.pause_spending("a drill")

    job = here.run(here.job_id())

    assert (job.status, job.price_usd) == (JobStatus.EXPIRED, "0.00")
    assert here.provider.create_calls == 0


# --- calls without an answer


def test_a_call_without_an_answer_is_waited_for_and_no_longer_than_its_task_would_be(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id()
    outcome, waits = here.dispatch(job_id), []
    while isinstance(outcome, NotYet):
        waits.append(outcome.wait_seconds)
        here.clock.step(outcome.wait_seconds)
        outcome = here.dispatch(outcome)

    # The longer it is ago, the longer the waits.
    assert waits[0] == 5
    assert waits[:-1] == sorted(waits[:-1])
    assert max(waits) <= 60
    assert sum(waits) == DEADLINE.total_seconds()
    assert isinstance(outcome, Failed)
    assert outcome.failure.code is FailureCode.SUBMISSION_UNCERTAIN
    assert "cut" in outcome.failure.message
    assert outcome.attempt_id
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("on_uncertain", ["fail", "resubmit"])
def test_a_task_that_announces_itself_meanwhile_is_watched(here: InMemoryDeployment, on_uncertain: str) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain=on_uncertain)
    waiting = not_yet(here.dispatch(job_id))
    here.hear(job_id, "token-1", "task-9")
    here.clock.step(waiting.wait_seconds)

    outcome = here.dispatch(waiting)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-9"
    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


def test_without_a_callback_address_a_lost_call_is_not_waited_for(here: InMemoryDeployment) -> None:
    here.callback_base = None
    here.provider.will_answer_create(Uncertain("cut"))

    outcome = here.dispatch(here.job_id())

    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.SUBMISSION_UNCERTAIN, Charged.UNKNOWN)


def test_a_call_that_may_be_repeated_is_given_up_after_ten_minutes_and_both_attempts_stay_on_record(
    here: InMemoryDeployment,
) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    begun_at = here.clock.now()

    job = here.run(job_id)

    assert job.status is JobStatus.SUCCEEDED
    first, second = job.attempts
    assert first.failure
    assert (first.failure.code, first.failure.charged) == (FailureCode.SUBMISSION_UNCERTAIN, Charged.UNKNOWN)
    assert (first.uncertainty, first.task_id) == ("cut", None)
    assert first.ended_at == begun_at + timedelta(minutes=10)
    assert second.intended_at >= first.ended_at
    assert second.task_id == "task-1"
    assert here.provider.create_calls == 2


def test_a_call_that_may_be_repeated_is_given_half_of_the_time_that_is_left(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    deadline_at = here.jobs.peek(job_id).deadline_at
    here.clock.go_to(deadline_at - timedelta(minutes=10))
    waiting = not_yet(here.dispatch(job_id))

    assert lost_call_deadline(here.jobs.peek(job_id)) == deadline_at - timedelta(minutes=5)
    here.clock.go_to(deadline_at - timedelta(minutes=5, seconds=1))
    assert isinstance(here.dispatch(waiting), NotYet)
    assert here.provider.create_calls == 1
    here.clock.step(1)
    assert isinstance(here.dispatch(waiting), Processing)


def test_a_call_whose_function_died_is_never_repeated_while_it_may_be_on_its_way(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Crash())
    job_id = here.job_id(on_uncertain="resubmit")
    begun_at = here.clock.now() + timedelta(minutes=29)
    here.clock.go_to(begun_at)
    with pytest.raises(Crash):
        here.dispatch(job_id)

    # Half of the time would be thirty seconds.
    assert lost_call_deadline(here.jobs.peek(job_id)) == begun_at + CALL_LIMIT


def test_a_second_charge_is_risked_once_and_no_third(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(*[Uncertain("cut")] * 50)

    job = here.run(here.job_id(on_uncertain="resubmit"))

    # "The risk of a second bill is accepted": not of ten.
    assert here.provider.create_calls == 2
    assert job.failure
    assert job.failure.charged is Charged.UNKNOWN


@pytest.mark.parametrize("callbacks", [None, CALLBACKS], ids=["no callbacks", "callbacks"])
@pytest.mark.parametrize("then", ["refused for good", "refused until the deadline", "stopped", "crashed"])
def test_a_job_that_ends_after_a_call_that_may_have_been_charged_says_so(
    here: InMemoryDeployment, then: str, callbacks: str | None
) -> None:
    here.callback_base = callbacks
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(model=BETA, on_uncertain="resubmit")
    here.dispatch(job_id)
    match then:
        case "refused for good":
            here.provider.will_answer_create(refusal(FailureCode.ROUTE_UNAVAILABLE, again=False))
        case "refused until the deadline":
            here.provider.will_answer_create(*[BUSY] * MAX_ATTEMPTS)
        case "stopped":
            here.control.pause_spending("a drill")
    if then == "crashed":
        here.control.pause_spending("a drill")
        here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)))
        here.dispatch(job_id)
        here.close(job_id)
    job = here.run(job_id) if then != "crashed" else here.jobs.peek(job_id)

    assert job.is_over
    assert accounting_of(job).booking.unknown == 60_000
    assert job.status is not JobStatus.EXPIRED  # "nothing was charged"
    assert job.failure
    assert (job.failure.charged, job.failure.retryable) == (Charged.UNKNOWN, False)
    assert job.price_usd is None


def test_an_image_after_a_call_that_may_have_been_charged_has_no_known_price(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))

    job = here.run(here.job_id(on_uncertain="resubmit"))

    assert job.status is JobStatus.SUCCEEDED
    assert accounting_of(job).booking.unknown == 60_000
    # "What the job cost so far; `None` where nobody can tell."
    assert job.price_usd is None
