"""`close` and `sweep`: every job ends, and what was paid is delivered."""

from __future__ import annotations

import pytest
from heliograph.domain.errors import ResultUnusable, StorageFailed, WorkflowFailed
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.jobs import END_GRACE, START_GRACE, Job, JobStatus
from heliograph.domain.outcomes import Over
from heliograph.domain.provider import Completed, NoAnswer, Refused, StillRunning, TaskFailed, TaskState
from heliograph.domain.retrying import MAX_DELIVERIES

from tests.fakes.deployment import InMemoryDeployment
from tests.fakes.provider import result_urls_of
from tests.fakes.script import Crash

BLOCKED = Failure(code=FailureCode.CONTENT_BLOCKED, message="blocked", retryable=False, charged=Charged.NO)


def failure_of(job: Job) -> Failure:
    assert job.status is JobStatus.FAILED
    assert job.failure
    return job.failure


def test_a_job_without_an_attempt_ends_for_free(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    assert here.close(job_id, "States.Runtime") == Over(job_id=job_id, status=JobStatus.FAILED)

    failure = failure_of(here.jobs.peek(job_id))
    assert (failure.code, failure.charged) == (FailureCode.INTERNAL, Charged.NO)
    assert "States.Runtime" in failure.message
    assert len(here.bus) == 1


def test_a_job_whose_attempts_were_all_refused_ends_for_free(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(
        Refused(Failure(code=FailureCode.RATE_LIMITED, message="busy", retryable=True, charged=Charged.NO))
    )
    here.dispatch(job_id)

    here.close(job_id)

    assert failure_of(here.jobs.peek(job_id)).charged is Charged.NO


def test_a_job_with_a_call_on_its_way_ends_with_its_cost_unknown_and_without_another_call(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.provider.will_answer_create(Crash())
    with pytest.raises(Crash):
        here.dispatch(job_id)
    # Long enough for the call to have ended, whatever came of it.
    here.clock.step(3600)

    here.close(job_id)

    assert failure_of(here.jobs.peek(job_id)).charged is Charged.UNKNOWN
    assert here.provider.create_calls == 1


def test_a_task_that_is_done_is_delivered(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)

    job = here.jobs.peek(job_id)
    assert [result.key for result in job.results] == [f"api/{job_id}/1.png"]
    assert job.price_microusd == 60_000
    assert len(here.bus) == 1


def test_a_delivery_by_close_is_tried_as_often_as_any_other(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    urls = result_urls_of(here.watched(job_id).task_id)
    here.source.will_refuse(urls[0], *[ResultUnusable("its download broke off", again=True)] * (MAX_DELIVERIES - 1))

    assert here.close(job_id).status is JobStatus.SUCCEEDED


def test_a_delivery_that_close_can_not_make_keeps_the_way_to_the_picture(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    urls = result_urls_of(here.watched(job_id).task_id)
    here.source.will_refuse(urls[0], *[ResultUnusable("its download broke off", again=True)] * 100)

    here.close(job_id)

    job = here.jobs.peek(job_id)
    assert failure_of(job).charged is Charged.YES
    assert job.provider_urls == urls


def test_a_task_that_failed_ends_the_job_with_the_providers_reason(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.provider.will_say(TaskFailed(BLOCKED))

    here.close(job_id)

    assert failure_of(here.jobs.peek(job_id)) == BLOCKED


@pytest.mark.parametrize("state", [StillRunning(), NoAnswer("502")])
def test_a_task_that_does_not_end_with_its_deadline_leaves_its_name_and_an_unknown_cost(
    here: InMemoryDeployment, state: TaskState
) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at + END_GRACE)
    here.provider.will_say(state)

    here.close(job_id)

    job = here.jobs.peek(job_id)
    assert failure_of(job).charged is Charged.UNKNOWN
    assert watch.task_id in failure_of(job).message
    assert job.attempt
    assert job.attempt.task_id == watch.task_id


def test_a_job_that_is_over_is_announced_again_and_stays_as_it_is(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    job = here.run(job_id)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)

    assert here.jobs.peek(job_id) == job
    first, again = here.bus
    assert first == again


def test_closing_twice_changes_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.close(job_id, "first")
    job = here.jobs.peek(job_id)
    here.clock.step(60)

    here.close(job_id, "second")

    assert here.jobs.peek(job_id) == job
    assert len({event.event_id for event in here.bus}) == 1


def test_a_job_that_nobody_knows_is_nobodys_business(here: InMemoryDeployment) -> None:
    assert here.close("job_nobody") == Over(job_id="job_nobody", status=JobStatus.FAILED)
    assert len(here.bus) == 0


def test_where_the_workflow_was_faster_after_all_its_end_counts(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    finished = here.finished(job_id)
    here.provider.will_say(TaskFailed(BLOCKED))
    here.jobs.on("save", lambda: here.finalize(finished))

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)


def test_a_young_job_is_left_to_its_workflow(here: InMemoryDeployment) -> None:
    here.job_id()
    here.clock.step(START_GRACE.total_seconds() - 1)

    assert here.sweep() == []


def test_a_job_that_never_started_is_started(here: InMemoryDeployment) -> None:
    here.workflow.on("start", WorkflowFailed("throttled"))
    job_id = here.job_id()
    here.clock.step(START_GRACE.total_seconds())

    assert here.sweep() == [f"started {job_id}"]
    assert here.workflow.executions == [job_id]
    assert here.sweep() == []


def test_a_job_that_works_is_left_alone(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.clock.go_to(here.jobs.peek(job_id).deadline_at)

    assert here.sweep() == []
    assert not here.jobs.peek(job_id).is_over


def test_a_job_whose_workflow_vanished_is_closed_and_its_picture_delivered(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.clock.go_to(here.watched(job_id).deadline_at + END_GRACE)

    assert here.sweep() == [f"closed {job_id} as succeeded"]
    assert here.jobs.peek(job_id).results
    assert here.sweep() == []


@pytest.mark.parametrize(
    "state", [StillRunning(), NoAnswer("502"), TaskFailed(BLOCKED), Completed(("https://a.test/1",))]
)
def test_no_job_outlives_its_deadline_by_more_than_the_grace(here: InMemoryDeployment, state: TaskState) -> None:
    begun, unbegun = (here.post(call=f"call-{number}").job.job_id for number in (1, 2))
    here.clock.go_to(here.watched(begun).deadline_at + END_GRACE)
    here.provider.will_say(state)

    here.sweep()

    assert here.jobs.peek(begun).is_over
    assert here.jobs.peek(unbegun).is_over
    assert len(here.bus) == 2


def test_one_job_that_can_not_be_helped_does_not_keep_the_others_waiting(here: InMemoryDeployment) -> None:
    jobs = [here.post(call=f"call-{number}").job for number in range(3)]
    here.clock.go_to(jobs[0].deadline_at)
    here.jobs.on("save", StorageFailed("throttled"))

    done = here.sweep()

    assert [line.split()[0] for line in done] == ["left", "closed", "closed"]
    assert here.sweep() == [f"closed {jobs[0].job_id} as failed"]


def test_one_workflow_that_can_not_start_does_not_keep_the_others_waiting(here: InMemoryDeployment) -> None:
    here.workflow.on("start", *[WorkflowFailed("throttled")] * 3)
    jobs = [here.post(call=f"call-{number}").job.job_id for number in range(2)]
    here.clock.step(START_GRACE.total_seconds())

    assert [line.split()[0] for line in here.sweep()] == ["left", "started"]
    assert here.sweep() == [f"started {jobs[0]}"]


def test_the_longest_overdue_comes_first(here: InMemoryDeployment) -> None:
    jobs = []
    for number in range(3):
        here.workflow.on("start", WorkflowFailed("throttled"))
        jobs.append(here.post(call=f"call-{number}").job.job_id)
        here.clock.step(1)
    here.clock.step(START_GRACE.total_seconds())

    assert here.sweep(limit=2) == [f"started {job_id}" for job_id in jobs[:2]]
