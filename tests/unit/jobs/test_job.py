"""The life of a job: which moves are legal, and what each leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from heliograph.budgets.ledger import Booking, Usage
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.deadlines import (
    END_GRACE,
    ORPHAN_GRACE,
    START_GRACE,
    attention_at,
    lost_call_deadline,
    result_deadline,
)
from heliograph.jobs.job import MOVES, Job, JobStatus, Source, Timings
from heliograph.jobs.late_polls import FIRST_LATE_LOOK
from heliograph.jobs.request import JobRequest, OnUncertain
from heliograph.jobs.results import Result
from heliograph.jobs.retry_policy import CALL_LIMIT
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.media_types import MediaType
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import (
    BLOCKED,
    after,
    canceled_job,
    expired_job,
    failed_job,
    processing_job,
    queued_job,
    succeeded_job,
)
from tests.fakes.deployment import ROUTES

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=40)
ROUTE = ROUTES.default
RESULT = Result(
    bucket="the-results",
    key="api/1.png",
    version_id="v1",
    content_type=MediaType.PNG,
    size_bytes=10,
    sha256="0" * 64,
    width=1,
    height=1,
)


def failure(charged: Charged = Charged.NO) -> Failure:
    return Failure(code=FailureCode.PROVIDER_FAILED, message="it failed", retryable=False, charged=charged)


def queued() -> Job:
    return Job(
        job_id="job_abcdefghijklmnopqrstuvwxyz",
        tenant="default",
        request=JobRequest(model=ROUTE.model, prompt="a lighthouse"),
        source=Source(kind="api"),
        output_key_template="api/{job_id}/{index}.{ext}",
        output_stem="api",
        created_at=NOW,
        deadline_at=NOW + timedelta(minutes=30),
    )


def processing() -> Job:
    return queued().attempting("att_1", "run-1", ROUTE, NOW).accepted("att_1", "task-1", NOW)


MOVERS: dict[str, Callable[[Job, datetime], Job]] = {
    "attempting": lambda job, at: job.attempting(f"att_{len(job.attempts) + 1}", "run-1", ROUTE, at),
    "accepted": lambda job, at: job.accepted(job.attempts[-1].attempt_id, "task-1", at),
    "refused": lambda job, at: job.attempt_failed(job.attempts[-1].attempt_id, failure(), at),
    "succeeded": lambda job, at: job.succeeded([RESULT], at),
    "failed": lambda job, at: job.failed(failure(Charged.UNKNOWN), at),
    "expired": lambda job, at: job.expired(failure(), at),
    "announced": lambda job, at: job.as_announced() if job.is_over else job,
    "orphaned": lambda job, at: job if job.is_over else job.as_orphaned(at),
    "mark_uncertain": lambda job, at: job.mark_uncertain(job.attempts[-1].attempt_id, "cut"),
    "started": lambda job, at: job.as_started(),
}
LIVES = st.lists(st.sampled_from(sorted(MOVERS)), max_size=12)


def statuses(moves: list[str]) -> list[Job]:
    """Every value that a job takes on its way, a second for each move; illegal moves are left out."""
    lived = [queued()]
    for seconds, move in enumerate(moves):
        with suppress(ValueError, IndexError):
            lived.append(MOVERS[move](lived[-1], NOW + timedelta(seconds=seconds)))
    return lived


@given(LIVES)
def test_a_job_only_ever_moves_as_the_table_allows(moves: list[str]) -> None:
    lived = statuses(moves)

    for earlier, later in pairwise(lived):
        assert later.status is earlier.status or later.status in MOVES[earlier.status]


@given(LIVES)
def test_a_job_that_is_over_never_changes_its_status_its_results_or_its_price(moves: list[str]) -> None:
    over = [job for job in statuses(moves) if job.is_over]

    assert len({(job.status, job.results, job.price_microusd, job.failure, job.finished_at) for job in over}) <= 1


@given(LIVES)
def test_a_job_survives_being_written_down_at_any_point(moves: list[str]) -> None:
    for job in statuses(moves):
        assert Job.model_validate_json(job.model_dump_json()) == job


@given(LIVES)
def test_a_job_has_at_most_one_open_attempt(moves: list[str]) -> None:
    for job in statuses(moves):
        assert sum(attempt.is_open for attempt in job.attempts) <= 1


@given(LIVES)
def test_a_job_needs_attention_until_it_is_over_and_announced_and_no_poll_of_a_late_task_is_due(
    moves: list[str],
) -> None:
    for job in statuses(moves):
        assert (attention_at(job) is None) is (job.is_over and job.announced and job.late_look_at is None)


@given(LIVES)
def test_a_job_only_expires_if_every_call_is_known_to_have_made_nothing(moves: list[str]) -> None:
    for job in statuses(moves):
        if job.status is JobStatus.EXPIRED:
            assert all(attempt.failure and not attempt.is_open for attempt in job.attempts)


def test_every_move_of_the_table_but_canceling_can_be_made() -> None:
    between_tasks = processing().attempt_failed("att_1", failure(), NOW)
    starts = [queued(), queued().attempting("att_1", "run-1", ROUTE, NOW), processing(), between_tasks]
    made = set()
    for job in starts:
        for move in MOVERS.values():
            with suppress(ValueError, IndexError):
                made.add((job.status, move(job, LATER).status))

    legal = {(before, after) for before, afters in MOVES.items() for after in afters}
    assert {(before, after) for before, after in made if before is not after} == {
        (before, after) for before, after in legal if after is not JobStatus.CANCELED
    }


def test_the_terminal_statuses_are_those_that_nothing_follows() -> None:
    terminal = {status for status in JobStatus if status.is_terminal}

    assert terminal == {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED, JobStatus.EXPIRED}
    assert MOVES.keys() == set(JobStatus)


def calling(*, callback: str | None = "00", on_uncertain: OnUncertain = OnUncertain.FAIL, at: datetime = NOW) -> Job:
    """A job whose call is on its way."""
    request = JobRequest(model=ROUTE.model, prompt="a lighthouse", on_uncertain=on_uncertain)
    job = queued().model_copy(update={"request": request})
    return job.attempting("att_1", "run-1", ROUTE, at, callback_sha256=callback)


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("job", "silent", "in_doubt"),
    [
        pytest.param(calling(), NOW + 30 * MINUTE, NOW + 30 * MINUTE, id="as long as its task would get"),
        pytest.param(
            calling(at=NOW + 29 * MINUTE), NOW + 59 * MINUTE, NOW + 59 * MINUTE, id="also one of the last minute"
        ),
        pytest.param(calling(callback=None), NOW + CALL_LIMIT, NOW, id="nobody can call back"),
        pytest.param(
            calling(on_uncertain=OnUncertain.RESUBMIT), NOW + 10 * MINUTE, NOW + 10 * MINUTE, id="may be repeated"
        ),
        pytest.param(
            calling(on_uncertain=OnUncertain.RESUBMIT, at=NOW + 20 * MINUTE),
            NOW + 25 * MINUTE,
            NOW + 25 * MINUTE,
            id="may be repeated: half of what is left",
        ),
        pytest.param(
            calling(on_uncertain=OnUncertain.RESUBMIT, at=NOW + 28 * MINUTE),
            NOW + 28 * MINUTE + CALL_LIMIT,
            NOW + 29 * MINUTE,
            id="may be repeated, but not while the call may be on its way",
        ),
        pytest.param(
            calling(on_uncertain=OnUncertain.RESUBMIT, callback=None),
            NOW + CALL_LIMIT,
            NOW,
            id="may be repeated, now",
        ),
    ],
)
def test_how_long_a_lost_task_may_announce_itself(job: Job, silent: datetime, in_doubt: datetime) -> None:
    assert lost_call_deadline(job) == silent
    assert lost_call_deadline(job.mark_uncertain("att_1", "cut")) == in_doubt


def test_a_job_that_was_started_is_left_alone_until_long_after_its_deadline() -> None:
    assert attention_at(queued().as_started()) == queued().deadline_at + END_GRACE


def test_a_doubt_changes_nothing_but_the_record() -> None:
    job = calling().mark_uncertain("att_1", "cut")

    assert (job.status, accounting_of(job).running_on, accounting_of(job).booking) == (
        calling().status,
        accounting_of(calling()).running_on,
        accounting_of(calling()).booking,
    )
    assert job.attempt
    assert (job.attempt.uncertainty, job.attempt.is_open) == ("cut", True)


def test_an_owner_is_told_of_an_attempt_without_what_is_ours_alone() -> None:
    attempt = calling(callback="5e" * 32).attempt
    assert attempt

    assert not {"callback_sha256", "run_id", "price_microusd"} & attempt.public_fields().keys()
    assert (attempt.public_fields()["route"], attempt.public_fields()["price_usd"]) == (ROUTE.name, "0.06")


def test_a_job_one_of_whose_calls_may_have_been_charged_can_not_expire() -> None:
    lost = Failure(code=FailureCode.SUBMISSION_UNCERTAIN, message="cut", retryable=False, charged=Charged.UNKNOWN)
    job = calling(on_uncertain=OnUncertain.RESUBMIT).attempt_failed("att_1", lost, LATER)

    # What expired was free, says its status.
    with pytest.raises(ValueError, match="charged"):
        job.expired(failure(), LATER)


def test_no_second_attempt_begins_while_the_first_may_still_bill() -> None:
    with pytest.raises(ValueError, match="another attempt"):
        queued().attempting("att_1", "run-1", ROUTE, NOW).attempting("att_2", "run-2", ROUTE, NOW)


def test_a_refused_attempt_makes_room_for_another() -> None:
    job = (
        queued()
        .attempting("att_1", "run-1", ROUTE, NOW)
        .attempt_failed("att_1", failure(), NOW)
        .attempting("att_2", "run-1", ROUTE, LATER)
    )

    assert [attempt.is_open for attempt in job.attempts] == [False, True]
    assert job.status is JobStatus.QUEUED


def test_an_intent_remembers_the_price_of_its_route() -> None:
    attempt = queued().attempting("att_1", "run-1", ROUTE, NOW).attempt

    assert attempt
    assert (attempt.provider, attempt.model, attempt.price_microusd) == (ROUTE.provider, ROUTE.model, 60_000)


def test_an_intent_remembers_whose_it_is() -> None:
    attempt = queued().attempting("att_1", "run-7", ROUTE, NOW).attempt

    assert attempt
    assert attempt.run_id == "run-7"


def test_success_is_paid_and_ends_the_attempt() -> None:
    job = processing().succeeded([RESULT], LATER)

    assert (job.status, job.results, job.price_microusd) == (JobStatus.SUCCEEDED, (RESULT,), 60_000)
    assert job.attempt
    assert job.attempt.ended_at == job.finished_at == LATER


def test_there_is_no_success_without_a_picture() -> None:
    with pytest.raises(ValueError, match="without an attempt and a result"):
        processing().succeeded([], LATER)


@pytest.mark.parametrize(("charged", "price"), [(Charged.YES, 60_000), (Charged.NO, 0), (Charged.UNKNOWN, 0)])
def test_a_failure_costs_something_only_if_it_was_charged(charged: Charged, price: int) -> None:
    assert processing().failed(failure(charged), LATER).price_microusd == price


def test_a_task_that_is_noted_too_late_is_kept_for_the_books() -> None:
    over = queued().attempting("att_1", "run-1", ROUTE, NOW).failed(failure(Charged.UNKNOWN), NOW)

    noted = over.accepted("att_1", "task-1", LATER)

    assert noted.status is JobStatus.FAILED
    assert noted.attempt
    assert noted.attempt.task_id == "task-1"


def test_an_answer_for_an_unknown_attempt_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no attempt att_9"):
        processing().accepted("att_9", "task-1", LATER)


def test_a_job_with_a_task_can_not_expire() -> None:
    with pytest.raises(ValueError, match="may still be charged"):
        processing().expired(failure(), LATER)


def test_a_job_with_a_call_on_its_way_can_not_expire() -> None:
    with pytest.raises(ValueError, match="may still be charged"):
        queued().attempting("att_1", "run-1", ROUTE, NOW).expired(failure(), LATER)


def test_a_job_whose_calls_were_all_refused_can_expire() -> None:
    job = queued().attempting("att_1", "run-1", ROUTE, NOW).attempt_failed("att_1", failure(), NOW)

    assert job.expired(failure(), LATER).status is JobStatus.EXPIRED


def test_a_job_that_is_over_is_looked_at_until_it_is_announced() -> None:
    over = processing().succeeded([RESULT], LATER)

    assert attention_at(over) == LATER + START_GRACE
    assert attention_at(over.as_announced()) is None


def test_an_orphan_is_looked_at_soon_and_again_and_again() -> None:
    orphan = processing().as_orphaned(LATER)

    assert attention_at(orphan) == LATER + ORPHAN_GRACE
    assert attention_at(orphan.as_orphaned(LATER + ORPHAN_GRACE)) == LATER + ORPHAN_GRACE * 2
    assert attention_at(orphan.failed(failure(Charged.NO), LATER).as_announced()) is None
    assert attention_at(orphan.failed(failure(Charged.UNKNOWN), LATER).as_announced()) == LATER + FIRST_LATE_LOOK


def test_a_job_that_never_began_is_looked_at_soon_and_one_that_did_after_its_deadline() -> None:
    assert attention_at(queued()) == NOW + START_GRACE
    assert attention_at(processing()) == processing().deadline_at + END_GRACE


def test_a_task_that_is_made_at_the_last_moment_gets_its_time() -> None:
    late = queued().deadline_at - timedelta(seconds=1)
    job = queued().attempting("att_1", "run-1", ROUTE, late).accepted("att_1", "task-1", late)

    assert result_deadline(queued()) == queued().deadline_at
    assert result_deadline(job) == late + timedelta(minutes=30)
    assert attention_at(job) == result_deadline(job) + END_GRACE


@pytest.mark.parametrize(("charged", "price"), [(Charged.YES, "0.06"), (Charged.NO, "0.00"), (Charged.UNKNOWN, None)])
def test_a_price_is_told_only_where_it_is_known(charged: Charged, price: str | None) -> None:
    assert processing().failed(failure(charged), LATER).price_usd == price


def test_timings_tell_waiting_from_working() -> None:
    accepted = (
        queued().attempting("att_1", "run-1", ROUTE, NOW).accepted("att_1", "task-1", NOW + timedelta(seconds=1.5))
    )

    assert queued().timings() == Timings()
    assert accepted.timings() == Timings(queued_seconds=1.5)
    assert accepted.succeeded([RESULT], LATER).timings() == Timings(
        queued_seconds=1.5, processing_seconds=38.5, total_seconds=40.0
    )


# ---- Canceling


def test_a_wish_to_cancel_is_noted_once_and_moves_no_money() -> None:
    job = processing_job()

    marked = job.with_cancel_requested(after(9))

    assert (marked.status, marked.cancel_requested_at, accounting_of(marked).booking) == (
        job.status,
        after(9),
        accounting_of(job).booking,
    )
    assert marked.with_cancel_requested(after(10)) == marked
    assert accounting_of(marked).running_on == accounting_of(job).running_on


@pytest.mark.parametrize("job", [succeeded_job(), failed_job(), expired_job(), canceled_job()])
def test_what_is_over_can_not_be_canceled(job: Job) -> None:
    with pytest.raises(ValueError, match="already"):
        job.with_cancel_requested(after(99))
    with pytest.raises(ValueError, match=job.job_id):
        job.canceled(after(99), provider_urls=["https://r.test/1"])


def test_a_job_with_an_open_attempt_is_not_canceled_without_the_attempts_outcome() -> None:
    with pytest.raises(ValueError, match="has an open attempt"):
        processing_job().canceled(after(9))


@pytest.mark.parametrize(
    ("job", "charged", "price_usd", "booking"),
    [
        (queued_job().canceled(after(9)), Charged.NO, "0.00", Booking()),
        (canceled_job(), Charged.YES, "0.06", Booking(spent=60_000)),
        (processing_job().canceled(after(9), failure=BLOCKED), Charged.NO, "0.00", Booking()),
        (
            processing_job().canceled(after(9), failure=BLOCKED.model_copy(update={"charged": Charged.UNKNOWN})),
            Charged.UNKNOWN,
            None,
            Booking(unknown=60_000),
        ),
    ],
)
def test_a_canceled_job_costs_what_its_attempt_did(
    job: Job, charged: Charged, price_usd: str | None, booking: Booking
) -> None:
    assert (job.charged, job.price_usd, accounting_of(job).booking) == (charged, price_usd, booking)
    assert (job.failure, job.results, accounting_of(job).running_on) == (None, (), None)
    assert accounting_of(job).usage_by_route == (
        {ROUTE.name: Usage(0, booking.spent, booking.unknown)} if any(booking) else {}
    )


def test_an_open_job_does_not_say_yet_whether_it_was_charged() -> None:
    assert queued_job().charged is processing_job().charged is None
