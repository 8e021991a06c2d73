"""Poll: one poll of the provider, and the wait until the next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.execution.outcomes import Failed, Finished, PollOutcome, Processing, Watch
from heliograph.jobs.retry_policy import GIVE_UP, RESULT_PATIENCE
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import Completed, NoAnswer, NoResultYet, StillRunning, TaskFailed, TaskState

from tests.fakes.deployment import InMemoryDeployment

BLOCKED = Failure(code=FailureCode.CONTENT_BLOCKED, message="blocked", retryable=False, charged=Charged.NO)
NOTHING_USABLE = NoAnswer("the provider said 502")


def test_a_completed_task_is_finished_with_all_its_images(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(Completed(("https://a.test/1", "https://a.test/2")))

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Finished)
    assert outcome.watch == watch
    assert outcome.result_urls == ("https://a.test/1", "https://a.test/2")
    assert here.provider.questions == [watch.task_id]


def test_a_failed_task_ends_the_job_with_the_providers_reason_and_without_another_call(
    here: InMemoryDeployment,
) -> None:
    here.provider.will_say(StillRunning(), TaskFailed(BLOCKED))

    job = here.run(here.job_id())

    assert job.failure == BLOCKED
    assert here.provider.create_calls == 1
    assert job.price_microusd == 0


@pytest.mark.parametrize("state", [StillRunning(), NOTHING_USABLE], ids=["running or unknown", "no answer"])
def test_the_same_task_is_polled_again(here: InMemoryDeployment, state: TaskState) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(state)

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Processing)
    running_at = here.clock.now() if isinstance(state, StillRunning) else None
    assert outcome.watch == watch.model_copy(update={"polls": 1, "running_at": running_at})
    assert outcome.unanswered == (state.reason if isinstance(state, NoAnswer) else None)


@pytest.mark.parametrize("state", [StillRunning(), NOTHING_USABLE], ids=["running or unknown", "no answer"])
def test_polling_goes_on_until_the_deadline_and_no_longer(here: InMemoryDeployment, state: TaskState) -> None:
    job_id = here.job_id()
    here.provider.will_say(*[state] * 1000)

    job = here.run(job_id)

    late = GIVE_UP if state is NOTHING_USABLE else timedelta(0)
    assert timedelta(0) <= here.clock.now() - job.deadline_at - late < timedelta(seconds=1)
    assert len(here.provider.questions) > 50
    assert here.provider.create_calls == 1
    assert job.failure
    assert (job.failure.code, job.failure.charged) == (FailureCode.PROVIDER_TIMEOUT, Charged.UNKNOWN)
    assert job.failure.retryable is False
    assert "task-1" in job.failure.message


def test_a_task_that_answers_again_after_failed_polls_is_stored(here: InMemoryDeployment) -> None:
    here.provider.will_say(*[NOTHING_USABLE] * 40)

    assert here.run(here.job_id()).results


def test_a_task_that_is_done_at_the_deadline_is_not_lost(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at + timedelta(hours=1))

    assert isinstance(here.poll(job_id, watch), Finished)


def test_polls_without_an_answer_go_on_for_a_day_beyond_the_deadline(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at)
    here.provider.will_say(NOTHING_USABLE)
    assert isinstance(here.poll(job_id, watch), Processing)
    here.clock.go_to(watch.deadline_at + GIVE_UP)
    here.provider.will_say(NOTHING_USABLE)

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Failed)
    assert "502" in outcome.failure.message


def test_a_task_is_polled_by_its_schedule(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    assert watch.began_at
    here.provider.will_say(StillRunning(), NOTHING_USABLE, StillRunning())
    asked_at: list[float] = []

    outcome: PollOutcome = Processing(job_id=job_id, watch=watch, wait_seconds=watch.poll_at_seconds[0])
    while isinstance(outcome, Processing):
        here.clock.go_to(watch.began_at + timedelta(seconds=outcome.wait_seconds + sum(asked_at[-1:])))
        asked_at.append((here.clock.now() - watch.began_at).total_seconds())
        outcome = here.poll(job_id, outcome.watch)

    assert tuple(asked_at) == watch.poll_at_seconds[:4]


def test_a_tasks_duration_is_the_one_that_its_provider_reports(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    assert watch.began_at
    here.clock.go_to(watch.began_at + timedelta(seconds=30))
    here.provider.will_say(Completed(("https://a.test/1",), took_seconds=21.5))

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Finished)
    assert outcome.took_seconds == 21.5


def test_a_tasks_duration_is_otherwise_the_middle_of_the_possible_ones(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    assert watch.began_at
    here.provider.will_say(StillRunning(), NOTHING_USABLE, Completed(("https://a.test/1",)))

    outcome: PollOutcome | None = None
    for seconds in (20, 22, 24):
        here.clock.go_to(watch.began_at + timedelta(seconds=seconds))
        outcome = here.poll(job_id, outcome.watch if isinstance(outcome, Processing) else watch)

    assert isinstance(outcome, Finished)
    # That nobody answered says nothing of the task.
    assert outcome.took_seconds == pytest.approx(22, abs=0.1)


def test_an_execution_of_an_older_version_is_polled_and_its_latency_not_learned(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    added = {"began_at", "running_at", "poll_at_seconds"}
    watch = Watch.model_validate(here.watched(job_id).model_dump(exclude=added))
    here.provider.will_say(StillRunning(), Completed(("https://a.test/1",), took_seconds=21.5))

    first = here.poll(job_id, watch)
    assert isinstance(first, Processing)
    assert first.wait_seconds == 5
    last = here.poll(job_id, first.watch)
    assert isinstance(last, Finished)
    assert last.took_seconds is None


def test_polling_writes_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    before = here.jobs.peek(job_id)

    here.poll(job_id, watch)

    assert here.jobs.peek(job_id) == before


# --- completed, and no picture is named


def test_a_task_that_names_its_images_late_is_stored(here: InMemoryDeployment) -> None:
    here.provider.will_say(StillRunning(), *[NoResultYet()] * 5)

    job = here.run(here.job_id())

    assert job.results
    assert job.charged is Charged.YES
    assert here.provider.create_calls == 1


def test_a_completed_task_without_a_result_is_polled_again(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    before = here.jobs.peek(job_id)
    here.provider.will_say(NoResultYet())

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Processing)
    assert (outcome.wait_seconds, outcome.unanswered) == (2, None)
    assert (outcome.watch.completed_at, outcome.watch.polls) == (here.clock.now(), 1)
    assert here.jobs.peek(job_id) == before


def test_a_completed_task_without_a_result_is_polled_for_minutes_with_growing_gaps(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_say(*[NoResultYet()] * 1000)
    outcome: PollOutcome = here.poll(job_id, here.watched(job_id))
    began_at, waits = here.clock.now(), []

    while isinstance(outcome, Processing):
        waits.append(outcome.wait_seconds)
        here.clock.step(outcome.wait_seconds)
        outcome = here.poll(job_id, outcome.watch)

    assert here.clock.now() - began_at == RESULT_PATIENCE
    assert waits[:6] == [2, 2, 4, 8, 16, 30]
    assert len(waits) == 14
    assert isinstance(outcome, Failed)
    failure = outcome.failure
    assert (failure.code, failure.charged) == (FailureCode.RESULT_UNUSABLE, Charged.UNKNOWN)
    # Whoever repeats it may pay twice.
    assert failure.retryable is False


def test_a_job_whose_task_never_names_an_image_ends_with_an_unknown_cost(here: InMemoryDeployment) -> None:
    here.provider.will_say(*[NoResultYet()] * 1000)

    job = here.run(here.job_id())

    assert job.failure
    assert "without a result" in job.failure.message
    assert (job.charged, job.price_usd) == (Charged.UNKNOWN, None)
    assert here.provider.create_calls == 1


def test_the_deadline_does_not_end_the_wait_for_a_paid_image(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at + timedelta(minutes=1))
    here.provider.will_say(NoResultYet())

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Processing)
    here.clock.step(outcome.wait_seconds)
    assert isinstance(here.poll(job_id, outcome.watch), Finished)


def test_a_tasks_duration_ends_when_it_was_first_completed(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    assert watch.began_at
    here.provider.will_say(StillRunning(), NoResultYet(), Completed(("https://a.test/1",)))

    outcome: PollOutcome | None = None
    for seconds in (20, 22, 200):
        here.clock.go_to(watch.began_at + timedelta(seconds=seconds))
        outcome = here.poll(job_id, outcome.watch if isinstance(outcome, Processing) else watch)

    assert isinstance(outcome, Finished)
    assert outcome.took_seconds == pytest.approx(21, abs=0.1)


def test_another_answer_in_between_does_not_restart_the_wait_for_a_result(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_say(NoResultYet(), NOTHING_USABLE, StillRunning(), NoResultYet())
    outcome: PollOutcome = here.poll(job_id, here.watched(job_id))

    for seconds in (100, 100, 100):
        assert isinstance(outcome, Processing)
        here.clock.step(seconds)
        outcome = here.poll(job_id, outcome.watch)

    assert isinstance(outcome, Failed)
    assert outcome.failure.code is FailureCode.RESULT_UNUSABLE


# --- callbacks


def test_a_task_waits_for_a_callback_where_its_provider_can_call_back(here: InMemoryDeployment) -> None:
    listening = here.watched(here.job_id())
    here.callback_base = None
    alone = here.watched(here.post(call="another").job.job_id)

    assert listening.callbacks_left > 0
    assert alone.callbacks_left == 0
    # What was said since the call began is news.
    assert listening.asked_at_ms == alone.asked_at_ms == here.clock.now().timestamp() * 1000


def test_every_poll_records_its_beginning_so_that_later_callbacks_are_recognised(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.step(20)
    asked_at = here.clock.now()

    def slowly() -> TaskState:
        here.clock.step(5)
        return StillRunning()

    # What is heard while the answer is on its way is news.
    here.provider.will_say(slowly)

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Processing)
    assert outcome.watch.asked_at_ms == asked_at.timestamp() * 1000 < here.clock.now().timestamp() * 1000


def test_early_callbacks_end_a_few_waits_and_then_none(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(*[StillRunning()] * 20)
    heard = 0
    while watch.callbacks_left:
        outcome = here.poll(job_id, watch.model_copy(update={"called_back": True}))
        assert isinstance(outcome, Processing)
        watch, heard = outcome.watch, heard + 1
        assert not watch.called_back

    assert 2 <= heard <= 10
    outcome = here.poll(job_id, watch)
    assert isinstance(outcome, Processing)
    assert outcome.watch.callbacks_left == 0


def test_a_wait_without_a_callback_uses_up_none(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(StillRunning())

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Processing)
    assert outcome.watch.callbacks_left == watch.callbacks_left


@pytest.mark.parametrize("state", [StillRunning(), NOTHING_USABLE], ids=["not shown yet", "no answer"])
def test_a_poll_after_a_callback_that_finds_nothing_is_followed_by_one_other_soon(
    here: InMemoryDeployment, state: TaskState
) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(state, state)

    first = here.poll(job_id, watch.model_copy(update={"called_back": True}))
    assert isinstance(first, Processing)
    second = here.poll(job_id, first.watch)
    assert isinstance(second, Processing)

    assert first.wait_seconds <= 2 < second.wait_seconds
