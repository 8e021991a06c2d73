"""`GET /v1/jobs/{id}/events`: what happened to a job, in the order in which it did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.jobs.job import Job
from heliograph.jobs.read_timeline import Timeline, TimelineReader
from heliograph.jobs.timeline import StateVisit, TimelineEntry, TimelineKind, timeline
from heliograph.kernel.errors import WorkflowFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode

from tests.examples import (
    BLOCKED,
    RESULT_URL,
    ROUTE,
    RUN_ID,
    after,
    attempting_job,
    canceled_job,
    expired_job,
    failed_job,
    processing_job,
    queued_job,
    succeeded_job,
)
from tests.fakes.deployment import InMemoryDeployment

BUSY = Failure(code=FailureCode.RATE_LIMITED, message="the provider said 429", retryable=True, charged=Charged.NO)


def kinds(job: Job, *stays: StateVisit) -> list[str]:
    return [moment.kind.value for moment in timeline(job, stays)]


def only(kind: TimelineKind, moments: tuple[TimelineEntry, ...]) -> list[str]:
    return [moment.detail for moment in moments if moment.kind is kind]


def stay(
    state: str, entered: float, left: float | None, outcome: str | None = None, reason: str | None = None
) -> StateVisit:
    return StateVisit(state, after(entered), None if left is None else after(left), outcome, reason)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (queued_job(), ["submitted"]),
        (attempting_job(), ["submitted", "attempt"]),
        (processing_job(), ["submitted", "attempt", "accepted"]),
        (succeeded_job(), ["submitted", "attempt", "accepted", "finished"]),
        (failed_job(), ["submitted", "attempt", "accepted", "attempt_failed", "finished"]),
        (expired_job(), ["submitted", "finished"]),
        (canceled_job(), ["submitted", "attempt", "accepted", "cancel_requested", "finished"]),
        (queued_job().canceled(after(9)), ["submitted", "finished"]),
    ],
)
def test_the_record_alone_tells_what_became_of_the_job(job: Job, expected: list[str]) -> None:
    assert kinds(job) == expected


def test_a_wait_for_the_provider_says_whether_it_called_back() -> None:
    stays = [
        stay("WaitForCallback", 2.6, 19.6, "processing"),
        stay("PollTask", 19.6, 20, "processing"),
        StateVisit("WaitForCallback", after(20), after(23), "processing", called_back=True),
        stay("PollTask", 23, 24, "finished"),
    ]

    told = timeline(succeeded_job(), stays)

    assert only(TimelineKind.WAITING, told) == [
        "waits for the provider's callback, or to ask",
        "waits for the provider's callback, or to ask: called back",
    ]


def test_a_callback_is_no_reason_for_waiting_to_store_the_pictures() -> None:
    stays = [
        StateVisit("FinalizeJob", after(24), after(25), "again", "the host said 503", called_back=True),
        StateVisit("WaitToRetryFinalize", after(25), after(27), "again", "the host said 503", called_back=True),
    ]

    assert only(TimelineKind.WAITING, timeline(succeeded_job(), stays)) == [
        "waits before storing the pictures again: the host said 503"
    ]


def test_every_wait_question_and_delivery_has_its_time_and_its_reason() -> None:
    stays = [
        stay("DispatchJob", 0.1, 0.2, "not_yet", "its turn comes later"),
        stay("DispatchOutcome", 0.2, 0.2, "not_yet", "its turn comes later"),
        stay("WaitForSlot", 0.2, 1.1, "not_yet", "its turn comes later"),
        stay("DispatchJob", 1.1, 2.6, "processing"),
        stay("DispatchOutcome", 2.6, 2.6, "processing"),
        stay("WaitToPoll", 2.6, 14.6, "processing"),
        stay("PollTask", 14.6, 15, "processing", "502"),
        stay("PollOutcome", 15, 15, "processing", "502"),
        stay("WaitToPoll", 15, 20, "processing", "502"),
        stay("PollTask", 20, 21, "finished"),
        stay("FinalizeJob", 21, 31.5, "over"),
        stay("Done", 31.5, None),
    ]

    told = timeline(succeeded_job(), stays)

    assert [(moment.kind.value, moment.detail) for moment in told] == [
        ("submitted", "submitted by upload"),
        ("waiting", "waits before the next create call: its turn comes later"),
        ("attempt", f"calls {ROUTE.name}"),
        ("accepted", "apimodels made task clx4v2m8p0001"),
        ("waiting", "waits before asking the provider"),
        ("asked", "asks the provider: still running: 502"),
        ("waiting", "waits before asking the provider: 502"),
        ("asked", "asks the provider: finished"),
        ("delivering", "stores the pictures"),
        ("finished", "succeeded"),
    ]
    assert [moment.at for moment in told] == sorted(moment.at for moment in told)
    assert told[1].until == after(1.1)


def test_what_is_going_on_has_no_end() -> None:
    *_, last = timeline(processing_job(), [stay("PollTask", 14, None)])

    assert (last.detail, last.until) == ("asks the provider", None)


def test_each_attempt_is_numbered_and_says_what_became_of_it_and_of_the_money() -> None:
    job = attempting_job()
    assert job.attempt
    job = job.attempt_failed(job.attempt.attempt_id, BUSY, after(2)).attempting("att_2", RUN_ID, ROUTE, after(4))
    job = job.accepted("att_2", "task-2", after(5))

    told = [(moment.attempt, moment.kind.value) for moment in timeline(job, ()) if moment.attempt]

    assert told == [(1, "attempt"), (1, "attempt_failed"), (2, "attempt"), (2, "accepted")]
    assert only(TimelineKind.ATTEMPT_FAILED, timeline(job, ())) == ["rate_limited: the provider said 429 (charged: no)"]


def test_what_happened_in_one_moment_is_told_in_the_order_in_which_it_must_have() -> None:
    job = queued_job().attempting("att_1", RUN_ID, ROUTE, after(0))
    job = (
        job.accepted("att_1", "task-1", after(0))
        .with_cancel_requested(after(0))
        .canceled(after(0.1), provider_urls=[RESULT_URL])
    )

    assert kinds(job, stay("WaitForSlot", 0, 0)) == [
        "submitted",
        "waiting",
        "attempt",
        "accepted",
        "cancel_requested",
        "finished",
    ]


def test_a_retry_says_what_it_does_again() -> None:
    assert timeline(queued_job(retry_of="job_x"), ())[0].detail == "submitted by upload, to do job_x again"


def test_a_job_that_was_canceled_while_nothing_ran_is_not_told_of_a_task() -> None:
    job = attempting_job()
    assert job.attempt
    job = job.attempt_failed(job.attempt.attempt_id, BUSY, after(2)).canceled(after(3))

    assert kinds(job) == ["submitted", "attempt", "attempt_failed", "finished"]


def test_a_wish_that_came_too_late_does_not_say_that_nothing_is_delivered() -> None:
    job = succeeded_job().rebased_on(processing_job().with_cancel_requested(after(30)))

    (detail,) = only(TimelineKind.CANCEL_REQUESTED, timeline(job, ()))

    assert "was delivered already" in detail
    assert "will not be delivered" in only(TimelineKind.CANCEL_REQUESTED, timeline(canceled_job(), ()))[0]


def test_the_end_says_why() -> None:
    assert only(TimelineKind.FINISHED, timeline(failed_job(), ())) == [
        f"failed: content_blocked, {BLOCKED.message}",
    ]


def test_states_that_nobody_needs_to_know_of_are_left_out() -> None:
    assert kinds(queued_job(), stay("DispatchOutcome", 1, 1), stay("A state of tomorrow", 2, 3)) == ["submitted"]


# ---- As its owner reads it


def read(here: InMemoryDeployment, job_id: str, tenant: str = "default") -> Timeline | None:
    return TimelineReader(jobs=here.jobs, workflow=here.workflow).read(job_id, tenant=tenant)


def test_the_owner_reads_the_record_and_the_workflows_history_together(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    now = here.clock.now()
    here.workflow.stays[job_id] = [StateVisit("WaitForSlot", now, now + timedelta(seconds=4))]

    found = read(here, job_id)

    assert found
    assert [moment.kind for moment in found.entries] == [TimelineKind.SUBMITTED, TimelineKind.WAITING]
    assert found.complete


def test_while_the_history_is_away_the_record_is_told_and_that_it_is_not_all(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.run(job_id)
    here.workflow.on("history", WorkflowFailed("throttled"))

    found = read(here, job_id)

    assert found
    assert [moment.kind.value for moment in found.entries] == ["submitted", "attempt", "accepted", "finished"]
    assert not found.complete


def test_another_tenants_timeline_is_as_absent_as_none_at_all(here: InMemoryDeployment) -> None:
    job_id = here.post(tenant="theirs").job.job_id
    here.workflow.on("history", WorkflowFailed("nobody should have asked"))

    assert read(here, job_id) is None
    assert read(here, "job_" + "a" * 26) is None
    assert read(here, "../x") is None
