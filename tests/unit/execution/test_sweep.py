"""Sweep: jobs that should have moved are started, recovered, settled or announced, one after another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.execution.outcomes import Orphaned, Over
from heliograph.execution.sweep import ONE_JOB
from heliograph.jobs.job import END_GRACE, START_GRACE, Job, JobStatus
from heliograph.jobs.retry_policy import GIVE_UP
from heliograph.kernel.errors import PublishFailed, StaleJob, StorageFailed, WorkflowFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import (
    Completed,
    NoAnswer,
    StillRunning,
    TaskFailed,
    TaskState,
)
from heliograph.webhooks.event_catalogue import event_type

from tests.fakes.deployment import InMemoryDeployment
from tests.fakes.provider import result_urls_of

BLOCKED = Failure(code=FailureCode.CONTENT_BLOCKED, message="blocked", retryable=False, charged=Charged.NO)


def failure_of(job: Job) -> Failure:
    assert job.status is JobStatus.FAILED
    assert job.failure
    return job.failure


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
    assert here.workflow.executions == [job_id]


def test_a_job_that_waits_long_for_its_slot_is_checked_once(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.clock.step(START_GRACE.total_seconds())

    assert here.sweep() == [f"waited for {job_id}"]

    here.clock.go_to(here.jobs.peek(job_id).deadline_at)
    assert here.sweep() == []
    here.clock.step(END_GRACE.total_seconds())
    assert here.sweep() == [f"recovered {job_id}: over"]
    assert here.jobs.peek(job_id).status is JobStatus.EXPIRED


@pytest.mark.parametrize("error", [StaleJob("it moved on"), StorageFailed("throttled")])
def test_a_start_that_can_not_be_recorded_raises_nothing(here: InMemoryDeployment, error: Exception) -> None:
    job_id = here.job_id()
    here.clock.step(START_GRACE.total_seconds())
    here.jobs.on("save", error)

    assert here.sweep() == [f"waited for {job_id}"]
    assert here.sweep() == [f"waited for {job_id}"]
    assert here.sweep() == []
    assert here.run(job_id).status is JobStatus.SUCCEEDED


def test_a_job_that_works_is_left_alone(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.clock.go_to(here.jobs.peek(job_id).result_deadline)

    assert here.sweep() == []
    assert not here.jobs.peek(job_id).is_over


def test_a_job_whose_workflow_vanished_is_recovered_and_its_image_stored(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.clock.go_to(here.watched(job_id).deadline_at + END_GRACE)

    assert here.sweep() == [f"recovered {job_id}: over"]
    assert here.jobs.peek(job_id).results
    assert here.sweep() == []


def test_a_task_whose_polls_get_no_answer_is_not_given_up_at_its_deadline(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at + END_GRACE)
    here.provider.will_say(NoAnswer("401"))

    assert here.close(job_id) == Orphaned(job_id=job_id)

    here.clock.step(3600)
    here.sweep()
    assert here.jobs.peek(job_id).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("state", [StillRunning(), TaskFailed(BLOCKED), Completed(("https://a.test/1",))])
def test_no_job_outlives_its_deadline_by_more_than_the_grace(here: InMemoryDeployment, state: TaskState) -> None:
    begun, unbegun = (here.post(call=f"call-{number}").job.job_id for number in (1, 2))
    here.clock.go_to(here.watched(begun).deadline_at + END_GRACE)
    here.provider.will_say(state)

    here.sweep()

    assert here.jobs.peek(begun).is_over
    assert here.jobs.peek(unbegun).is_over
    assert len(here.bus) == 2


def test_one_job_that_fails_does_not_keep_the_others_waiting(here: InMemoryDeployment) -> None:
    jobs = [here.post(call=f"call-{number}").job for number in range(3)]
    here.clock.go_to(jobs[0].deadline_at)
    here.jobs.on("save", StorageFailed("throttled"))

    done = here.sweep()

    assert [line.split()[0] for line in done] == ["left", "recovered", "recovered"]
    assert here.sweep() == [f"recovered {jobs[0].job_id}: over"]


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


def test_an_end_that_could_not_be_published_is_published_by_the_sweep_once(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.bus.on("publish", *[PublishFailed("throttled")] * 2)
    with pytest.raises(PublishFailed):
        here.finalize(finished)
    assert here.sweep() == []

    here.clock.step(START_GRACE.total_seconds())
    assert here.sweep() == [f"left {finished.job_id}: PublishFailed: throttled"]
    assert here.sweep() == [f"announced {finished.job_id}"]
    assert here.sweep() == []
    assert [event_type(event) for event in here.bus] == ["image.job.succeeded"]


def test_a_sweep_that_could_not_publish_an_end_publishes_it_later(here: InMemoryDeployment) -> None:
    job = here.post().job
    here.clock.go_to(job.deadline_at)
    here.bus.on("publish", PublishFailed("throttled"))
    here.sweep()
    here.clock.step(START_GRACE.total_seconds())

    assert here.sweep() == [f"announced {job.job_id}"]
    assert [event_type(event) for event in here.bus] == ["image.job.expired"]


@pytest.mark.parametrize("error", [StaleJob("somebody"), StorageFailed("throttled")])
def test_a_publication_that_can_not_be_recorded_raises_nothing(here: InMemoryDeployment, error: Exception) -> None:
    finished = here.finished(here.job_id())
    here.jobs.on("save", None, error)

    assert here.finalize(finished) == Over(job_id=finished.job_id, status=JobStatus.SUCCEEDED)

    here.clock.step(START_GRACE.total_seconds())
    assert here.sweep() == [f"announced {finished.job_id}"]
    first, again = here.bus
    assert first == again


def test_a_bug_in_one_job_does_not_keep_the_others_waiting(here: InMemoryDeployment) -> None:
    broken = here.job_id()
    here.clock.go_to(here.watched(broken).deadline_at + END_GRACE)
    here.source.will_refuse(result_urls_of("task-1")[0], ValueError("Invalid IPv6 URL"))
    here.workflow.on("start", WorkflowFailed("throttled"))
    waiting = here.post(call="call-2").job.job_id
    here.clock.step(START_GRACE.total_seconds())

    assert here.sweep() == [f"left {broken}: ValueError: Invalid IPv6 URL", f"started {waiting}"]


def test_a_sweep_stops_while_there_is_time_for_one_more_job(here: InMemoryDeployment) -> None:
    here.workflow.on("start", *[WorkflowFailed("throttled")] * 3)
    jobs = [here.post(call=f"call-{number}").job.job_id for number in range(3)]
    here.clock.step(START_GRACE.total_seconds())
    left = iter([ONE_JOB * 2, ONE_JOB, ONE_JOB - timedelta(seconds=1)])

    assert here.sweep(time_left=lambda: next(left)) == [f"started {job_id}" for job_id in sorted(jobs)[:2]]


def test_a_job_that_keeps_failing_makes_way_for_the_others_and_ends_after_days(here: InMemoryDeployment) -> None:
    hopeless = here.job_id()
    watch = here.watched(hopeless)
    unforeseen = [ValueError("nobody thought of this")] * 1000
    here.source.will_refuse(result_urls_of(watch.task_id)[0], *unforeseen)
    here.clock.go_to(watch.deadline_at + END_GRACE)
    waiting = here.post(call="call-2").job.job_id
    here.clock.step(START_GRACE.total_seconds())

    first, second = here.sweep(limit=1), here.sweep(limit=1)

    assert first == [f"left {hopeless}: ValueError: nobody thought of this"]
    assert second == [f"waited for {waiting}"]
    here.clock.go_to(watch.deadline_at + 2 * GIVE_UP)
    here.sweep()
    assert failure_of(here.jobs.peek(hopeless)).charged is Charged.UNKNOWN
