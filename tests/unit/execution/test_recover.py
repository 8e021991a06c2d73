"""Recover: every job ends, and paid images are stored."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.execution.outcomes import Orphaned, Over, Watch
from heliograph.jobs.deadlines import END_GRACE, ORPHAN_GRACE, lost_call_deadline
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.retry_policy import CALL_LIMIT, GIVE_UP, RESULT_PATIENCE
from heliograph.kernel.errors import PublishFailed, ResultUnusable, StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import (
    Accepted,
    CreateOutcome,
    NoAnswer,
    NoResultYet,
    Refused,
    StillRunning,
    TaskFailed,
    TaskState,
)
from heliograph.webhooks.event_catalogue import JobFailed, event_type

from tests.fakes.deployment import BETA, InMemoryDeployment
from tests.fakes.provider import result_urls_of
from tests.fakes.script import Crash

TORN = ResultUnusable("its download broke off", again=True, host_failed=True)
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


def call_on_its_way(here: InMemoryDeployment) -> str:
    """A job whose create call left and whose answer is not written down."""
    job_id = here.job_id()
    here.provider.will_answer_create(Crash())
    with pytest.raises(Crash):
        here.dispatch(job_id)
    return job_id


def test_a_job_whose_call_got_no_answer_ends_with_its_cost_unknown_and_without_another_call(
    here: InMemoryDeployment,
) -> None:
    job_id = call_on_its_way(here)
    here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)))

    here.close(job_id)

    failure = failure_of(here.jobs.peek(job_id))
    assert (failure.charged, failure.retryable) == (Charged.UNKNOWN, False)
    assert here.provider.create_calls == 1
    (event,) = here.bus
    assert isinstance(event, JobFailed)
    assert event.data.price_usd is None


def test_a_job_whose_call_may_still_be_answered_is_not_ended_yet(here: InMemoryDeployment) -> None:
    job_id = call_on_its_way(here)
    here.clock.step(CALL_LIMIT.total_seconds() - 1)

    assert here.close(job_id) == Orphaned(job_id=job_id)

    assert not here.jobs.peek(job_id).is_over
    assert len(here.bus) == 0


def test_a_job_whose_task_may_still_announce_itself_is_not_ended_yet(here: InMemoryDeployment) -> None:
    job_id = call_on_its_way(here)
    here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)) - timedelta(seconds=1))

    assert here.close(job_id) == Orphaned(job_id=job_id)

    assert not here.jobs.peek(job_id).is_over
    assert len(here.bus) == 0


def test_a_task_that_announces_itself_after_its_workflow_ended_is_stored(here: InMemoryDeployment) -> None:
    job_id = call_on_its_way(here)
    here.close(job_id)
    here.clock.step(600)
    here.hear(job_id, "token-1", "task-9")

    here.sweep()

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.attempt
    assert job.attempt.task_id == "task-9"
    assert here.provider.create_calls == 1


def test_a_lost_call_that_was_waited_for_in_vain_is_ended_by_the_sweep(here: InMemoryDeployment) -> None:
    here.callback_base = None
    job_id = call_on_its_way(here)
    called_at = here.clock.now()
    here.close(job_id)
    here.clock.go_to(called_at + CALL_LIMIT - timedelta(seconds=1))
    assert here.sweep() == [f"recovered {job_id}: orphaned"]

    here.clock.step(ORPHAN_GRACE.total_seconds())

    assert here.sweep() == [f"recovered {job_id}: over"]
    assert failure_of(here.jobs.peek(job_id)).charged is Charged.UNKNOWN
    assert here.provider.create_calls == 1


def test_a_call_that_is_answered_after_all_is_stored(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    def meanwhile() -> CreateOutcome:
        here.clock.step(100)
        here.close(job_id)
        return Accepted("task-9")

    here.provider.will_answer_create(meanwhile)
    here.dispatch(job_id)
    assert not here.jobs.peek(job_id).is_over

    here.clock.step(CALL_LIMIT.total_seconds())
    here.sweep()

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert here.provider.questions == ["task-9"]
    assert here.provider.create_calls == 1


def test_a_call_that_is_refused_after_all_ends_the_job_for_free(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    def meanwhile() -> CreateOutcome:
        here.close(job_id)
        return Refused(Failure(code=FailureCode.RATE_LIMITED, message="busy", retryable=True, charged=Charged.NO))

    here.provider.will_answer_create(meanwhile)
    here.dispatch(job_id)
    here.clock.step((CALL_LIMIT + ORPHAN_GRACE).total_seconds())
    here.sweep()

    assert failure_of(here.jobs.peek(job_id)).charged is Charged.NO
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("refused", [False, True], ids=["without an attempt", "with a refused one"])
def test_a_job_that_never_came_to_a_task_expires_after_its_deadline(here: InMemoryDeployment, refused: bool) -> None:
    job_id = here.job_id()
    if refused:
        here.provider.will_answer_create(
            Refused(Failure(code=FailureCode.RATE_LIMITED, message="busy", retryable=True, charged=Charged.NO))
        )
        here.dispatch(job_id)
    here.clock.go_to(here.jobs.peek(job_id).deadline_at)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.EXPIRED)

    failure = here.jobs.peek(job_id).failure
    assert failure
    assert (failure.charged, failure.retryable) == (Charged.NO, True)
    assert [event_type(event) for event in here.bus] == ["image.job.expired"]


def test_a_task_that_only_the_workflow_knew_is_stored(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 9)
    watch = here.watched(job_id)
    here.jobs.repair()
    assert here.jobs.peek(job_id).status is JobStatus.QUEUED

    assert here.close(job_id, watch=watch) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)
    assert here.jobs.peek(job_id).price_microusd == 60_000


def test_a_running_task_that_only_the_workflow_knew_is_recorded_for_the_sweep(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 9)
    watch = here.watched(job_id)
    here.jobs.repair()
    here.provider.will_say(StillRunning())

    assert here.close(job_id, watch=watch) == Orphaned(job_id=job_id)

    attempt = here.jobs.peek(job_id).attempt
    assert attempt
    assert attempt.task_id == watch.task_id


@pytest.mark.parametrize("known", [True, False], ids=["a known task", "no task"])
def test_a_watch_of_something_else_changes_nothing(here: InMemoryDeployment, known: bool) -> None:
    job_id = here.job_id()
    watch = Watch(
        attempt_id="att_other", provider="apimodels", model=BETA, task_id="task-9", deadline_at=here.clock.now()
    )
    if known:
        here.watched(job_id)
    else:
        here.provider.will_answer_create(Crash())
        with pytest.raises(Crash):
            here.dispatch(job_id)
        here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)))

    here.close(job_id, watch=watch)

    assert "task-9" not in here.provider.questions
    job = here.jobs.peek(job_id)
    assert job.status is (JobStatus.SUCCEEDED if known else JobStatus.FAILED)


@pytest.mark.parametrize("state", [StillRunning(), NoResultYet(), NoAnswer("502")])
def test_a_task_that_may_still_produce_an_image_is_left_to_the_sweep_which_stores_it(
    here: InMemoryDeployment, state: TaskState
) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.provider.will_say(state, state)

    assert here.close(job_id) == Orphaned(job_id=job_id)
    assert len(here.bus) == 0
    assert here.sweep() == []

    for outcome in ("orphaned", "over"):
        here.clock.step(ORPHAN_GRACE.total_seconds())
        assert here.sweep() == [f"recovered {job_id}: {outcome}"]
    job = here.jobs.peek(job_id)
    assert (job.status, job.announced) == (JobStatus.SUCCEEDED, True)
    assert job.results
    assert here.workflow.executions == [job_id]
    assert here.provider.create_calls == 1


def test_an_orphan_is_polled_until_its_deadline_and_no_longer(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    ends_at = here.watched(job_id).deadline_at
    here.provider.will_say(*[StillRunning()] * 1000)
    here.close(job_id)

    while not here.jobs.peek(job_id).is_over:
        here.clock.step(ORPHAN_GRACE.total_seconds())
        here.sweep()

    assert timedelta(0) <= here.clock.now() - ends_at <= ORPHAN_GRACE
    assert failure_of(here.jobs.peek(job_id)).charged is Charged.UNKNOWN
    assert here.provider.create_calls == 1


def test_an_orphan_whose_task_fails_ends_with_the_providers_reason(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.provider.will_say(StillRunning(), TaskFailed(BLOCKED))
    here.close(job_id)
    here.clock.step(ORPHAN_GRACE.total_seconds())

    here.sweep()

    assert failure_of(here.jobs.peek(job_id)) == BLOCKED


def test_if_the_job_moved_during_the_poll_the_run_raises_for_a_retry(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    finished = here.finished(job_id)
    here.provider.will_say(StillRunning())
    here.jobs.on("save", lambda: here.finalize(finished))

    with pytest.raises(StaleJob):
        here.close(job_id)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)


def test_a_finished_task_is_stored(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)

    job = here.jobs.peek(job_id)
    assert [result.key for result in job.results] == [f"api/{job_id}/1.png"]
    assert job.price_microusd == 60_000
    assert len(here.bus) == 1


@pytest.mark.parametrize("status", [JobStatus.PROCESSING, JobStatus.QUEUED], ids=["noted", "not noted"])
def test_a_result_whose_host_fails_is_left_to_the_sweep_which_stores_it(
    here: InMemoryDeployment, status: JobStatus
) -> None:
    job_id = here.job_id()
    if status is JobStatus.QUEUED:
        here.jobs.on("save", None, *[StorageFailed("throttled")] * 9)
    watch = here.watched(job_id)
    here.jobs.repair()
    assert here.jobs.peek(job_id).status is status
    here.source.will_refuse(result_urls_of(watch.task_id)[0], TORN)

    assert here.close(job_id, watch=watch) == Orphaned(job_id=job_id)

    here.clock.step(ORPHAN_GRACE.total_seconds())
    assert here.sweep() == [f"recovered {job_id}: over"]
    assert here.jobs.peek(job_id).results
    assert len(here.source.fetched) == 2


def test_a_host_that_fails_for_a_day_is_given_up_and_the_links_to_the_image_kept(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    urls = result_urls_of(watch.task_id)
    here.source.will_refuse(urls[0], *[TORN] * 100)
    here.clock.go_to(watch.deadline_at + GIVE_UP - timedelta(seconds=1))
    here.sweep()
    assert not here.jobs.peek(job_id).is_over

    here.clock.step(ORPHAN_GRACE.total_seconds())
    here.sweep()

    job = here.jobs.peek(job_id)
    assert (failure_of(job).code, failure_of(job).charged) == (FailureCode.RESULT_UNUSABLE, Charged.YES)
    assert job.provider_urls == urls
    assert job.price_microusd == 60_000


def test_a_store_that_fails_for_a_day_is_given_up_and_the_links_to_the_image_kept(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.objects.on("put", *[StorageFailed("AccessDenied")] * 1000)
    here.clock.go_to(watch.deadline_at + GIVE_UP - timedelta(seconds=1))
    assert here.sweep() == [f"left {job_id}: StorageFailed: AccessDenied"]
    assert not here.jobs.peek(job_id).is_over

    here.clock.step(ORPHAN_GRACE.total_seconds())
    assert here.sweep() == [f"recovered {job_id}: over"]

    job = here.jobs.peek(job_id)
    assert (failure_of(job).charged, failure_of(job).retryable) == (Charged.YES, False)
    assert "AccessDenied" in failure_of(job).message
    assert job.provider_urls == result_urls_of(watch.task_id)
    assert job.price_microusd == 60_000


def test_a_store_that_fails_before_that_day_is_over_raises_for_a_retry(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.objects.on("put", StorageFailed("slow down"))

    with pytest.raises(StorageFailed):
        here.close(job_id)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)


def test_an_image_that_was_stored_after_a_day_is_not_given_up_if_publishing_fails(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    here.clock.go_to(here.watched(job_id).deadline_at + GIVE_UP)
    here.bus.on("publish", PublishFailed("throttled"))

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)
    assert [event_type(event) for event in here.bus] == ["image.job.succeeded"]


def test_a_permanently_unusable_image_ends_the_job_and_keeps_its_links(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    urls = result_urls_of(here.watched(job_id).task_id)
    here.source.will_refuse(urls[0], ResultUnusable("it is no picture", again=False))

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
    # Without an answer nobody knows whether there is a picture: that is worth a day.
    here.clock.go_to(watch.deadline_at + (GIVE_UP if isinstance(state, NoAnswer) else END_GRACE))
    here.provider.will_say(state)

    here.close(job_id)

    job = here.jobs.peek(job_id)
    assert (failure_of(job).charged, failure_of(job).retryable) == (Charged.UNKNOWN, False)
    assert watch.task_id in failure_of(job).message
    assert job.attempt
    assert job.attempt.task_id == watch.task_id


def test_a_task_that_never_names_an_image_is_given_up_some_minutes_after_its_deadline(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(NoResultYet(), NoResultYet())
    here.clock.go_to(watch.deadline_at + RESULT_PATIENCE - timedelta(seconds=1))
    assert here.close(job_id) == Orphaned(job_id=job_id)

    here.clock.step(1)
    here.close(job_id)

    failure = failure_of(here.jobs.peek(job_id))
    assert (failure.code, failure.charged, failure.retryable) == (
        FailureCode.RESULT_UNUSABLE,
        Charged.UNKNOWN,
        False,
    )
    assert "without a result" in failure.message


def test_a_job_that_is_over_is_announced_again_and_stays_as_it_is(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    job = here.run(job_id)

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)

    assert here.jobs.peek(job_id) == job
    first, again = here.bus
    assert first == again


def test_recovering_twice_changes_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.close(job_id, "first")
    job = here.jobs.peek(job_id)
    here.clock.step(60)

    here.close(job_id, "second")

    assert here.jobs.peek(job_id) == job
    assert len({event.event_id for event in here.bus}) == 1


def test_an_unknown_job_is_ignored(here: InMemoryDeployment) -> None:
    assert here.close("job_nobody") == Over(job_id="job_nobody", status=JobStatus.FAILED)
    assert len(here.bus) == 0


def test_if_the_workflow_was_faster_after_all_its_end_counts(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    finished = here.finished(job_id)
    here.provider.will_say(TaskFailed(BLOCKED))
    here.jobs.on("save", lambda: here.finalize(finished))

    assert here.close(job_id) == Over(job_id=job_id, status=JobStatus.SUCCEEDED)
