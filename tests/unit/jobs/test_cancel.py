"""`POST /v1/jobs/{id}/cancel`: free while no call has left; else the task goes on, and nothing is delivered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from heliograph.budgets.ledger import Booking, Usage
from heliograph.execution.outcomes import Canceled, Failed, NotYet, Over, Processing
from heliograph.jobs.job import Job, JobStatus
from heliograph.kernel.errors import Conflict, PublishFailed, StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import Limits, Tenants
from heliograph.providers.protocol import Completed, Refused, StillRunning, TaskFailed, Uncertain
from heliograph.webhooks.event_catalogue import JobCanceled, JobSucceeded, event_type

from tests.fakes.deployment import BETA, RESULTS, InMemoryDeployment
from tests.fakes.script import Afterwards, Crash

BUSY = Failure(code=FailureCode.RATE_LIMITED, message="429", retryable=True, charged=Charged.NO)
BLOCKED = Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO)


def canceled(here: InMemoryDeployment, job_id: str) -> Job:
    job = here.cancel(job_id)
    assert job
    return job


def lost(here: InMemoryDeployment, **document: object) -> str:
    """A job whose create call got no answer."""
    job_id = here.job_id(**document)
    here.provider.will_answer_create(Uncertain("cut"))
    here.dispatch(job_id)
    return job_id


def assert_nothing_was_delivered(here: InMemoryDeployment, job_id: str) -> None:
    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.CANCELED
    assert not job.results
    assert not here.objects.keys(RESULTS)
    (event,) = here.bus
    assert isinstance(event, JobCanceled)
    assert event.data.charged is job.charged


# ---- Before any call


def test_a_job_without_a_call_is_canceled_at_once_for_free_and_told_of(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    job = canceled(here, job_id)

    assert (job.status, job.charged, job.price_usd) == (JobStatus.CANCELED, Charged.NO, "0.00")
    assert job.finished_at == job.cancel_requested_at == here.clock.now()
    assert not any(any(booking) for booking in here.ledger.pages.values())
    (event,) = here.bus
    assert event_type(event) == "image.job.canceled"
    assert here.jobs.peek(job_id).announced
    assert here.run(job_id).status is JobStatus.CANCELED
    assert here.provider.create_calls == 0


def test_a_job_that_waits_after_a_refused_call_is_canceled_for_free(here: InMemoryDeployment) -> None:
    job_id = here.job_id(model=BETA)
    here.provider.will_answer_create(Refused(BUSY))
    waiting = here.dispatch(job_id)
    assert isinstance(waiting, NotYet)

    assert canceled(here, job_id).charged is Charged.NO

    assert here.dispatch(waiting) == Over(job_id=job_id, status=JobStatus.CANCELED)
    assert here.provider.create_calls == 1


def test_a_job_that_waits_after_a_lost_call_was_given_up_may_have_cost(here: InMemoryDeployment) -> None:
    job_id = lost(here, on_uncertain="resubmit", model=BETA)
    here.clock.step(601)
    here.provider.will_answer_create(Refused(BUSY))
    here.dispatch(job_id)

    job = canceled(here, job_id)

    assert (job.status, job.charged, job.price_usd) == (JobStatus.CANCELED, Charged.UNKNOWN, None)
    assert job.booking == Booking(unknown=60_000)
    (event,) = here.bus
    assert isinstance(event, JobCanceled)
    assert (event.data.charged, event.data.price_usd) == (Charged.UNKNOWN, None)


def test_while_the_bus_is_away_the_sweep_tells_of_it(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.bus.on("publish", PublishFailed("away"))

    assert canceled(here, job_id).is_over

    assert len(here.bus) == 0
    here.clock.step(121)
    assert here.sweep() == [f"announced {job_id}"]
    assert [event_type(event) for event in here.bus] == ["image.job.canceled"]


def test_a_run_that_dies_before_it_told_leaves_that_to_the_sweep(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", Afterwards(Crash("gone")))
    with pytest.raises(Crash):
        here.cancel(job_id)

    here.clock.step(121)
    here.sweep()

    assert_nothing_was_delivered(here, job_id)


# ---- While a call or its task is under way


def test_a_job_whose_task_runs_is_marked_and_canceled_when_that_has_ended(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    finished = here.finished(job_id)

    job = canceled(here, job_id)
    assert (job.status, job.charged) == (JobStatus.PROCESSING, None)
    assert len(here.bus) == 0

    assert here.finalize(finished) == Over(job_id=job_id, status=JobStatus.CANCELED)
    job = here.jobs.peek(job_id)
    assert (job.charged, job.price_usd, job.provider_urls) == (Charged.YES, "0.06", finished.result_urls)
    assert job.booking == Booking(spent=60_000)
    assert job.usage == {BETA: Usage(spent=60_000)}
    assert not +here.jobs.running
    assert_nothing_was_delivered(here, job_id)


def test_asking_twice_changes_nothing(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    first = canceled(here, job_id)
    here.clock.step(5)

    assert canceled(here, job_id) == first
    assert here.jobs.peek(job_id) == first


@pytest.mark.parametrize(
    ("end", "charged", "booking"),
    [
        (TaskFailed(BLOCKED), Charged.NO, Booking()),
        (
            TaskFailed(BLOCKED.model_copy(update={"charged": Charged.UNKNOWN})),
            Charged.UNKNOWN,
            Booking(unknown=60_000),
        ),
        (TaskFailed(BLOCKED.model_copy(update={"charged": Charged.YES})), Charged.YES, Booking(spent=60_000)),
    ],
)
def test_a_canceled_jobs_task_that_fails_is_told_of_with_what_it_cost(
    here: InMemoryDeployment, end: TaskFailed, charged: Charged, booking: Booking
) -> None:
    job_id = here.job_id(model=BETA)
    watch = here.watched(job_id)
    canceled(here, job_id)
    here.provider.will_say(end)
    failed = here.poll(job_id, watch)
    assert isinstance(failed, Failed)

    outcome = here.dispatch(failed)
    assert isinstance(outcome, Canceled | Failed)
    here.finalize(outcome)

    job = here.jobs.peek(job_id)
    assert (job.charged, job.booking) == (charged, booking)
    assert_nothing_was_delivered(here, job_id)


def test_no_other_route_is_tried_for_a_canceled_job(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    canceled(here, job_id)
    here.provider.will_say(TaskFailed(BUSY))
    failed = here.poll(job_id, watch)
    assert isinstance(failed, Failed)

    assert here.dispatch(failed) == Canceled(job_id=job_id)
    here.finalize(Canceled(job_id=job_id))

    assert here.provider.create_calls == 1
    assert_nothing_was_delivered(here, job_id)


@pytest.mark.parametrize("document", [{}, {"on_uncertain": "resubmit"}])
def test_a_canceled_job_whose_call_was_lost_ends_when_its_task_had_its_time(
    here: InMemoryDeployment, document: dict[str, str]
) -> None:
    job_id = lost(here, **document)
    assert canceled(here, job_id).status is JobStatus.QUEUED

    job = here.run(job_id)

    assert (job.charged, job.booking) == (Charged.UNKNOWN, Booking(unknown=60_000))
    assert here.provider.create_calls == 1
    assert_nothing_was_delivered(here, job_id)


def test_a_canceled_job_whose_task_never_ends_does_not_hang(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    canceled(here, job_id)
    here.provider.will_say(*[StillRunning()] * 500)

    assert here.run(job_id).charged is Charged.UNKNOWN
    assert_nothing_was_delivered(here, job_id)


def test_a_canceled_job_without_a_workflow_is_ended_by_the_sweep(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    canceled(here, job_id)
    here.close(job_id)  # its task may be asked: it is finished
    assert_nothing_was_delivered(here, job_id)


def test_the_sweep_ends_a_canceled_job_that_only_it_still_looks_after(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.provider.will_say(StillRunning())
    here.close(job_id)
    canceled(here, job_id)
    here.provider.will_say(Completed(("https://r.test/1",)))
    here.clock.step(120)

    assert here.sweep() == [f"recovered {job_id}: over"]

    assert here.jobs.peek(job_id).charged is Charged.YES
    assert_nothing_was_delivered(here, job_id)


def test_the_pictures_host_is_not_even_asked_for_a_canceled_job(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    canceled(here, finished.job_id)

    here.finalize(finished)

    assert not here.source.fetched
    assert_nothing_was_delivered(here, finished.job_id)


# ---- Who comes first


def test_a_job_that_is_dispatched_in_the_same_moment_is_marked_not_dropped(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    # Between the reading and the writing of it, its call leaves.
    here.jobs.on("save", lambda: here.dispatch(job_id))

    job = canceled(here, job_id)

    assert (job.status, bool(job.cancel_requested_at), job.is_over) == (JobStatus.PROCESSING, True, False)
    assert here.provider.create_calls == 1


def test_a_dispatch_that_is_overtaken_by_the_cancel_makes_no_call(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", lambda: here.cancel(job_id))

    assert isinstance(here.dispatch(job_id), NotYet)

    assert here.provider.create_calls == 0
    assert here.run(job_id).status is JobStatus.CANCELED
    assert_nothing_was_delivered(here, job_id)


def test_a_wish_that_comes_while_the_call_is_on_its_way_loses_neither_the_task_nor_itself(
    here: InMemoryDeployment,
) -> None:
    job_id = here.job_id()
    # The second save of a dispatch notes the task.
    here.jobs.on("save", None, lambda: here.cancel(job_id))

    outcome = here.dispatch(job_id)

    job = here.jobs.peek(job_id)
    assert isinstance(outcome, Processing)
    assert (job.attempts[0].task_id, bool(job.cancel_requested_at)) == (outcome.watch.task_id, True)


def test_a_wish_that_comes_when_the_pictures_are_stored_is_too_late(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    wish: list[Job | None] = []
    here.jobs.on("save", lambda: wish.append(here.cancel(finished.job_id)))

    assert here.finalize(finished) == Over(job_id=finished.job_id, status=JobStatus.SUCCEEDED)

    assert wish[0]
    job = here.jobs.peek(finished.job_id)
    assert (job.status, job.cancel_requested_at) == (JobStatus.SUCCEEDED, wish[0].cancel_requested_at)
    assert job.booking == Booking(spent=60_000)
    assert [type(event) for event in here.bus] == [JobSucceeded]


def test_a_wish_that_comes_when_a_run_stored_the_pictures_and_died_is_too_late_too(here: InMemoryDeployment) -> None:
    """Else they would lie in the bucket, with a record that says that the job succeeded."""
    finished = here.finished(here.job_id())
    here.jobs.on("save", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        here.finalize(finished)
    canceled(here, finished.job_id)

    here.finalize(finished)

    job = here.jobs.peek(finished.job_id)
    assert (job.status, len(job.results), job.booking) == (JobStatus.SUCCEEDED, 1, Booking(spent=60_000))


def test_anothers_pictures_of_the_same_name_are_not_taken_for_the_jobs_own(here: InMemoryDeployment) -> None:
    here.run(here.job_id(output_key="shop/{name}.{ext}"))
    again = here.post({"prompt": "x", "output_key": "shop/{name}.{ext}"}, key="2").job
    place = again.record_key
    here.objects.drop(RESULTS, place, b"{}", metadata={"heliograph-job-id": "job_another"})
    finished = here.finished(again.job_id)
    canceled(here, again.job_id)

    here.finalize(finished)

    assert here.jobs.peek(again.job_id).status is JobStatus.CANCELED


def test_whoever_comes_too_late_in_every_try_is_told_to_repeat(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", *[StaleJob(job_id)] * 5)

    with pytest.raises(StaleJob):
        here.cancel(job_id)

    assert not here.jobs.peek(job_id).cancel_requested_at


def test_a_store_that_is_away_is_told_of(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.jobs.on("save", StorageFailed("away"))

    with pytest.raises(StorageFailed):
        here.cancel(job_id)


# ---- Whose, and when no more


def over_by_cancel(here: InMemoryDeployment, job_id: str) -> None:
    here.cancel(job_id)


def over_by_success(here: InMemoryDeployment, job_id: str) -> None:
    here.run(job_id)


def over_by_deadline(here: InMemoryDeployment, job_id: str) -> None:
    here.clock.step(3600)
    here.run(job_id)


@pytest.mark.parametrize("end", [over_by_cancel, over_by_success, over_by_deadline])
def test_a_job_that_is_over_can_not_be_canceled(
    here: InMemoryDeployment, end: Callable[[InMemoryDeployment, str], None]
) -> None:
    job_id = here.job_id()
    end(here, job_id)
    before, events = here.jobs.peek(job_id), len(here.bus)

    with pytest.raises(Conflict, match=before.status) as refusal:
        here.cancel(job_id)

    assert refusal.value.code == "not_cancelable"
    assert (here.jobs.peek(job_id), len(here.bus)) == (before, events)


def test_another_tenants_job_is_as_absent_as_none_at_all(here: InMemoryDeployment) -> None:
    job_id = here.post(tenant="theirs").job.job_id

    assert here.cancel(job_id, tenant="mine") is None
    assert here.cancel("job_" + "a" * 26) is None
    assert here.cancel("../x") is None
    assert here.jobs.peek(job_id).status is JobStatus.QUEUED


def test_a_canceled_job_gives_back_its_reservation_and_another_fits(here: InMemoryDeployment) -> None:
    here.ledger.tenants = Tenants(together=Limits(daily_budget_usd="0.06"))
    first = here.post(key="1").job.job_id

    canceled(here, first)

    assert here.post(key="2").created
