"""`poll`: one question, one answer, one next wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.outcomes import Failed, Finished, Processing
from heliograph.domain.provider import Completed, NoAnswer, StillRunning, TaskFailed, TaskState
from heliograph.domain.retrying import GIVE_UP

from tests.fakes.deployment import InMemoryDeployment

BLOCKED = Failure(code=FailureCode.CONTENT_BLOCKED, message="blocked", retryable=False, charged=Charged.NO)
NOTHING_USABLE = NoAnswer("the provider said 502")


def test_a_completed_task_is_finished_with_all_its_pictures(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(Completed(("https://a.test/1", "https://a.test/2")))

    outcome = here.poll(job_id, watch)

    assert outcome == Finished(job_id=job_id, watch=watch, result_urls=("https://a.test/1", "https://a.test/2"))
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
def test_the_same_task_is_asked_for_again(here: InMemoryDeployment, state: TaskState) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(state)

    outcome = here.poll(job_id, watch)

    assert isinstance(outcome, Processing)
    assert outcome.watch == watch.model_copy(update={"questions": 1})
    assert outcome.unanswered == (state.reason if isinstance(state, NoAnswer) else None)


@pytest.mark.parametrize("state", [StillRunning(), NOTHING_USABLE], ids=["running or unknown", "no answer"])
def test_asking_goes_on_until_the_deadline_and_no_longer(here: InMemoryDeployment, state: TaskState) -> None:
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


def test_a_task_that_answers_again_after_silence_is_delivered(here: InMemoryDeployment) -> None:
    here.provider.will_say(*[NOTHING_USABLE] * 40)

    assert here.run(here.job_id()).results


def test_a_task_that_is_done_at_the_deadline_is_not_lost(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at + timedelta(hours=1))

    assert isinstance(here.poll(job_id, watch), Finished)


def test_silence_is_borne_for_a_day_beyond_the_deadline_and_then_told(here: InMemoryDeployment) -> None:
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


def test_asking_writes_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    before = here.jobs.peek(job_id)

    here.poll(job_id, watch)

    assert here.jobs.peek(job_id) == before
