"""`dispatch`: nobody pays twice for one job, and what was paid is never forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.domain.errors import StaleJob, StorageFailed
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.jobs import Job, JobStatus
from heliograph.domain.outcomes import DispatchOutcome, Failed, Finished, NotYet, Over, Processing
from heliograph.domain.polling import QUIET_SECONDS
from heliograph.domain.provider import Accepted, CreateOutcome, Refused, Uncertain
from heliograph.domain.references import ObjectLocation
from heliograph.domain.retrying import CALL_LIMIT, MAX_ATTEMPTS, wait_before_attempt
from heliograph.domain.routes import AspectRatio, Routes
from heliograph.steps.dispatch import REFERENCE_LINK_SECONDS

from tests.fakes.deployment import BETA, DEADLINE, ROUTES, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.results import PNG_HEAD
from tests.fakes.script import Afterwards, Crash

CALL_LIMIT_SECONDS = CALL_LIMIT.total_seconds()


def waited(job_id: str) -> NotYet:
    """What the workflow passes on after a wait."""
    return NotYet(job_id=job_id, wait_seconds=1)


def refusal(code: FailureCode, *, again: bool, after: int | None = None) -> Refused:
    return Refused(Failure(code=code, message="refused", retryable=again, charged=Charged.NO), after)


BUSY = refusal(FailureCode.RATE_LIMITED, again=True)
# How a write looks whose answer is lost: repeated by the client below us, it meets its own first try.
LOST = [StaleJob("retried by the client"), StorageFailed("timed out")]


def test_the_task_is_created_once_and_then_watched(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.wait_seconds == QUIET_SECONDS
    assert (outcome.watch.task_id, outcome.watch.provider, outcome.watch.model) == ("task-1", "apimodels", BETA)
    assert here.provider.create_calls == 1


def test_the_provider_hears_every_wish_of_the_request(here: InMemoryDeployment) -> None:
    links = [f"https://images.example.com/{name}.png" for name in "bac"]
    here.dispatch(here.job_id(prompt="fuse", model=SECOND, aspect_ratio="21:9", nsfw_checker=True, references=links))

    (request,) = here.provider.requests
    assert (request.model, request.prompt, request.nsfw_checker) == (SECOND, "fuse", True)
    assert request.aspect_ratio is AspectRatio.LANDSCAPE_21_9
    assert request.reference_urls == tuple(links)


def test_the_filter_is_off_and_said_to_be_off_where_nobody_asked_for_it(here: InMemoryDeployment) -> None:
    here.dispatch(here.job_id())

    assert here.provider.requests[0].nsfw_checker is False


def test_an_object_is_handed_over_as_a_link_to_its_very_version_that_outlives_the_providers_queue(
    here: InMemoryDeployment,
) -> None:
    first = here.objects.drop(UPLOADS, "a.png", PNG_HEAD)
    job_id = here.job_id(references=[f"s3://{UPLOADS}/a.png?versionId={first}"])
    here.objects.drop(UPLOADS, "a.png", b"something else by now")

    here.dispatch(job_id)

    assert here.objects.presigned == [(ObjectLocation(UPLOADS, "a.png", first), REFERENCE_LINK_SECONDS)]
    assert here.provider.requests[0].reference_urls == (f"https://signed.test/{UPLOADS}/a.png?version={first}",)


def test_the_intent_is_written_before_the_call_leaves(here: InMemoryDeployment) -> None:
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


def test_no_call_leaves_when_the_intent_can_not_be_written(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        here.dispatch(job_id)

    assert here.provider.create_calls == 0
    assert isinstance(here.dispatch(job_id), Processing)
    assert here.provider.create_calls == 1


def test_the_answer_is_noted(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.dispatch(job_id)

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.PROCESSING
    assert job.attempt
    assert (job.attempt.task_id, job.attempt.accepted_at) == ("task-1", here.clock.now())


def test_a_task_that_is_done_at_once_is_not_asked_for(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Accepted("task-1", ("https://results.test/a.png",)))

    outcome = here.dispatch(here.job_id())

    assert isinstance(outcome, Finished)
    assert outcome.result_urls == ("https://results.test/a.png",)


def test_a_repeated_run_finds_the_task_of_the_first(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    first, second = here.dispatch(job_id), here.dispatch(job_id)

    assert first == second
    assert here.provider.create_calls == 1


def test_of_two_runs_at_once_one_calls_when_the_second_begins_before_the_intent(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    inner: list[DispatchOutcome] = []
    # The first run has read the job and is about to write its intent; the second runs in between, from end to end.
    here.jobs.on("save", lambda: inner.append(here.dispatch(job_id)))

    outer = here.dispatch(job_id)

    assert isinstance(inner[0], Processing)
    assert isinstance(outer, NotYet)
    assert here.provider.create_calls == 1
    assert here.dispatch(job_id) == inner[0]


def test_of_two_runs_at_once_one_calls_when_the_second_begins_between_intent_and_answer(
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

    assert inner == [NotYet(job_id=job_id, wait_seconds=int(CALL_LIMIT_SECONDS) - 30 + 1)]
    assert isinstance(outer, Processing)
    assert here.provider.create_calls == 1


def test_of_two_runs_at_once_one_calls_when_the_second_begins_before_the_note(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    inner: list[DispatchOutcome] = []
    here.jobs.on("save", None, lambda: inner.append(here.dispatch(job_id)))

    outer = here.dispatch(job_id)

    assert isinstance(inner[0], NotYet)
    assert isinstance(outer, Processing)
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("crash", [Crash(), Afterwards(Crash())], ids=["before the task", "after the task"])
def test_a_crash_between_intent_and_answer_never_leads_to_a_second_call(
    here: InMemoryDeployment, crash: Crash | Afterwards
) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(crash)
    with pytest.raises(Crash):
        here.dispatch(job_id)

    waiting = here.dispatch(job_id)
    assert isinstance(waiting, NotYet)
    here.clock.step(waiting.wait_seconds)
    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.SUBMISSION_UNCERTAIN, Charged.UNKNOWN)
    assert outcome.failure.retryable is False
    assert here.provider.create_calls == 1


def test_a_crash_between_answer_and_note_never_leads_to_a_second_call(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, Crash())
    with pytest.raises(Crash):
        here.dispatch(job_id)

    job = here.run(job_id)

    assert here.provider.create_calls == 1
    assert job.failure
    assert job.failure.code is FailureCode.SUBMISSION_UNCERTAIN


def test_a_crash_after_the_note_loses_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, Afterwards(Crash()))
    with pytest.raises(Crash):
        here.dispatch(job_id)

    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


def test_a_crash_before_the_intent_costs_nothing_and_is_made_good(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", Crash())
    with pytest.raises(Crash):
        here.dispatch(job_id)

    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


def test_a_task_that_can_not_be_noted_is_carried_by_the_workflow(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 3)

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-1"
    assert here.jobs.peek(job_id).status is JobStatus.QUEUED
    here.jobs.mend()
    finished = here.poll(job_id, outcome.watch)
    assert isinstance(finished, Finished)
    here.finalize(finished)
    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.attempt
    assert job.attempt.task_id == "task-1"


def test_a_note_that_fails_once_is_written_again(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, StorageFailed("throttled"))

    here.dispatch(job_id)

    assert here.jobs.peek(job_id).status is JobStatus.PROCESSING


def test_a_note_whose_answer_was_lost_is_not_an_obstacle(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, Afterwards(StorageFailed("timed out")))

    assert isinstance(here.dispatch(job_id), Processing)
    assert here.run(job_id).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("error", LOST)
def test_an_intent_whose_answer_was_lost_is_recognised_and_its_call_goes_out(
    here: InMemoryDeployment, error: Exception
) -> None:
    job_id = here.job_id()
    here.jobs.on("save", Afterwards(error))

    assert isinstance(here.dispatch(job_id), Processing)

    assert here.provider.create_calls == 1
    assert here.run(job_id).status is JobStatus.SUCCEEDED
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("error", LOST)
def test_an_intent_that_another_run_wrote_first_is_respected(here: InMemoryDeployment, error: Exception) -> None:
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
def test_an_intent_of_another_run_whose_call_is_on_its_way_is_respected(
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


def test_an_intent_that_was_not_written_while_the_job_changed_is_left_to_the_next_run(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.jobs.on("save", StaleJob(job_id))

    assert isinstance(here.dispatch(job_id), NotYet)
    assert here.provider.create_calls == 0
    assert here.run(job_id).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("error", LOST)
def test_an_intent_that_can_not_be_looked_up_again_never_leads_to_a_call(
    here: InMemoryDeployment, error: Exception
) -> None:
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


def test_the_second_attempt_of_one_run_does_not_take_the_first_ones_intent_for_its_own(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(BUSY)
    here.dispatch(job_id, run_id="run-7")
    here.jobs.on("save", StaleJob(job_id))

    assert isinstance(here.dispatch(job_id, run_id="run-7"), NotYet)
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("error", LOST)
def test_a_note_that_fails_and_can_not_be_looked_up_loses_nothing(here: InMemoryDeployment, error: Exception) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, error)
    here.jobs.on("get", None, StorageFailed("throttled"))

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-1"


def test_a_store_that_is_gone_after_the_intent_does_not_lose_the_task(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, *[StorageFailed("gone")] * 9)
    here.jobs.on("get", None, *[StorageFailed("gone")] * 9)

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Processing)
    assert outcome.watch.task_id == "task-1"


def test_a_refusal_that_fails_to_be_noted_once_is_noted_again_and_tried_again(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(BUSY)
    here.jobs.on("save", None, StorageFailed("throttled"))

    assert isinstance(here.dispatch(job_id), NotYet)
    assert here.run(job_id).status is JobStatus.SUCCEEDED


def test_a_refusal_that_can_not_be_noted_ends_the_job_as_that_refusal_and_for_free(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(BUSY)
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 9)

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Failed)
    assert outcome.failure == BUSY.failure
    here.jobs.mend()
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
        here.clock.step(CALL_LIMIT_SECONDS)
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

    waits = [here.dispatch(job_id), here.dispatch(waited(job_id))]

    assert waits == [NotYet(job_id=job_id, wait_seconds=wait_before_attempt(job_id, n, None)) for n in (1, 2)]
    assert isinstance(here.dispatch(waited(job_id)), Processing)


def test_a_job_outlives_refusals_and_remembers_each(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(BUSY, BUSY)

    job = here.run(here.job_id())

    assert job.status is JobStatus.SUCCEEDED
    assert [attempt.failure is not None for attempt in job.attempts] == [True, True, False]
    assert len({attempt.attempt_id for attempt in job.attempts}) == 3
    assert job.price_microusd == 60_000


def test_the_providers_own_wish_for_a_wait_is_respected(here: InMemoryDeployment) -> None:
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
    outcome = here.dispatch(job_id)
    while isinstance(outcome, NotYet):
        outcome = here.dispatch(outcome)

    assert here.provider.create_calls == MAX_ATTEMPTS
    assert outcome == Failed(job_id=job_id, failure=BUSY.failure)


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

    outcomes = [here.dispatch(waited(job_id)) for _ in range(MAX_ATTEMPTS)]

    assert [outcome.outcome for outcome in outcomes] == ["not_yet"] * (MAX_ATTEMPTS - 1) + ["failed"]


def test_a_run_after_the_last_attempt_makes_no_other(here: InMemoryDeployment) -> None:
    job_id = here.job_id(model=BETA)
    here.provider.will_answer_create(*[BUSY] * MAX_ATTEMPTS)
    for _ in range(MAX_ATTEMPTS):
        here.dispatch(waited(job_id))

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


def test_a_link_that_can_not_be_signed_is_a_reason_to_come_back_and_no_attempt(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "a.png", PNG_HEAD)
    job_id = here.job_id(references=[f"s3://{UPLOADS}/a.png"])
    here.objects.on("presigned_get", StorageFailed("no credentials"))

    with pytest.raises(StorageFailed):
        here.dispatch(job_id)

    assert here.jobs.peek(job_id).attempts == ()
    assert here.run(job_id).status is JobStatus.SUCCEEDED
