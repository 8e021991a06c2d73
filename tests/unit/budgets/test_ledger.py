"""The ledger: what is held for each shape of a job, and that the sums always agree with the records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from heliograph.budgets.ledger import Booking, BudgetAccount, accounts_of
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.attempt import Attempt
from heliograph.jobs.job import Job, Source
from heliograph.jobs.request import JobRequest, OnUncertain
from heliograph.jobs.results import Result
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.tenants import EVERYBODY, Period
from heliograph.routes.config import Route
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.jobs import InMemoryJobStore
from tests.fakes.ledger import InMemoryLedger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHEAP = Route(provider="apimodels", model="cheap", price_usd="0.05", max_references=1)
DEAR = Route(provider="apimodels", model="dear", price_usd="0.08", max_references=1)
QUOTE, DEARER = 50_000, 80_000
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


def failure(charged: Charged, code: FailureCode = FailureCode.PROVIDER_FAILED) -> Failure:
    return Failure(code=code, message="no", retryable=False, charged=charged)


FREE, PAID, MAYBE = failure(Charged.NO), failure(Charged.YES), failure(Charged.UNKNOWN)
LOST = failure(Charged.UNKNOWN, FailureCode.SUBMISSION_UNCERTAIN)


def queued() -> Job:
    return Job(
        job_id="job_abcdefghijklmnopqrstuvwxyz",
        tenant="shop",
        request=JobRequest(model="cheap", prompt="a lighthouse", on_uncertain=OnUncertain.RESUBMIT),
        source=Source(kind="api"),
        output_key_template="api/{job_id}/{index}.{ext}",
        output_stem="api",
        created_at=NOW,
        deadline_at=NOW + timedelta(minutes=30),
        quote_microusd=QUOTE,
    )


def calling(route: Route, job: Job | None = None) -> Job:
    job = job or queued()
    return job.attempting(f"att_{len(job.attempts) + 1}", "run-1", route, NOW)


def last(job: Job) -> Attempt:
    assert job.attempt
    return job.attempt


def running(route: Route, job: Job | None = None) -> Job:
    job = calling(route, job)
    return job.accepted(last(job).attempt_id, "task-1", NOW)


def ended(job: Job, how: Failure) -> Job:
    return job.attempt_failed(last(job).attempt_id, how, NOW)


RESUBMITTED = calling(DEAR, ended(calling(CHEAP), LOST))

SHAPES = {
    "queued": (queued(), Booking(QUOTE, 0, 0), None),
    "its call is on its way": (calling(CHEAP), Booking(QUOTE, 0, 0), "cheap"),
    "running": (running(CHEAP), Booking(QUOTE, 0, 0), "cheap"),
    "in doubt": (calling(CHEAP).mark_uncertain("att_1", "cut"), Booking(QUOTE, 0, 0), "cheap"),
    "on a dearer route": (running(DEAR), Booking(DEARER, 0, 0), "dear"),
    "refused": (ended(calling(CHEAP), FREE), Booking(QUOTE, 0, 0), None),
    "refused by a dearer route": (ended(calling(DEAR), FREE), Booking(QUOTE, 0, 0), None),
    "its task failed for free": (ended(running(CHEAP), FREE), Booking(QUOTE, 0, 0), None),
    "moved on to a dearer route": (calling(DEAR, ended(calling(CHEAP), FREE)), Booking(DEARER, 0, 0), "dear"),
    "given up as lost": (ended(calling(CHEAP), LOST), Booking(QUOTE, 0, QUOTE), None),
    "resubmitted": (RESUBMITTED, Booking(DEARER, 0, QUOTE), "dear"),
    "resubmitted and succeeded": (
        RESUBMITTED.accepted("att_2", "task-2", NOW).succeeded([RESULT], NOW),
        Booking(0, DEARER, QUOTE),
        None,
    ),
    "resubmitted and lost again": (RESUBMITTED.failed(LOST, NOW), Booking(0, 0, QUOTE + DEARER), None),
    "resubmitted and refused for good": (ended(RESUBMITTED, FREE).failed(FREE, NOW), Booking(0, 0, QUOTE), None),
    "succeeded": (running(CHEAP).succeeded([RESULT], NOW), Booking(0, QUOTE, 0), None),
    "succeeded on a dearer route": (running(DEAR).succeeded([RESULT], NOW), Booking(0, DEARER, 0), None),
    "failed before a call": (queued().failed(FREE, NOW), Booking(0, 0, 0), None),
    "failed for free": (running(CHEAP).failed(FREE, NOW), Booking(0, 0, 0), None),
    "failed and charged": (running(DEAR).failed(PAID, NOW), Booking(0, DEARER, 0), None),
    "failed and nobody knows": (running(DEAR).failed(MAYBE, NOW), Booking(0, 0, DEARER), None),
    "failed, and its task was noted later": (
        calling(CHEAP).failed(LOST, NOW).accepted("att_1", "task-1", NOW),
        Booking(0, 0, QUOTE),
        None,
    ),
    "failed, and it was a refusal after all": (
        calling(CHEAP).failed(LOST, NOW).attempt_failed("att_1", FREE, NOW),
        Booking(0, 0, 0),
        None,
    ),
    "expired": (queued().expired(FREE, NOW), Booking(0, 0, 0), None),
    "expired after refusals": (ended(calling(DEAR), FREE).expired(FREE, NOW), Booking(0, 0, 0), None),
}


@pytest.mark.parametrize(("job", "booking", "running_on"), SHAPES.values(), ids=SHAPES.keys())
def test_what_is_held_for_a_job_follows_from_its_record(job: Job, booking: Booking, running_on: str | None) -> None:
    assert accounting_of(job).booking == booking
    assert accounting_of(job).running_on == running_on


def test_what_may_have_been_charged_counts_as_spent() -> None:
    assert Booking(1, 20, 300).committed == 321


def test_bookings_are_added_and_taken_away_column_by_column() -> None:
    assert Booking(1, 2, 3).plus(Booking(10, 20, 30)) == Booking(11, 22, 33)
    assert Booking(1, 2, 3).minus(Booking(10, 20, 30)) == Booking(-9, -18, -27)


def test_a_job_is_written_on_four_pages_of_the_day_and_the_month_of_its_submission() -> None:
    assert accounts_of("shop", NOW) == (
        (BudgetAccount("shop", "2026-11-22"), Period.DAY),
        (BudgetAccount("shop", "2026-11"), Period.MONTH),
        (BudgetAccount(EVERYBODY, "2026-11-22"), Period.DAY),
        (BudgetAccount(EVERYBODY, "2026-11"), Period.MONTH),
    )


MOVES: dict[str, Callable[[Job], Job]] = {
    "call the cheap one": lambda job: calling(CHEAP, job),
    "call the dear one": lambda job: calling(DEAR, job),
    "accepted": lambda job: job.accepted(last(job).attempt_id, "task-1", NOW),
    "doubt": lambda job: job.mark_uncertain(last(job).attempt_id, "cut"),
    "refused": lambda job: ended(job, FREE) if last(job).is_open else job,
    "given up": lambda job: ended(job, LOST) if last(job).is_open else job,
    "succeeded": lambda job: job.succeeded([RESULT], NOW) if last(job).is_open else job,
    "failed for free": lambda job: job.failed(FREE, NOW),
    "failed and charged": lambda job: job.failed(PAID, NOW) if last(job).is_open else job,
    "failed, unknown": lambda job: job.failed(MAYBE, NOW),
    "expired": lambda job: job.expired(FREE, NOW),
}


@given(st.lists(st.lists(st.sampled_from(sorted(MOVES)), max_size=10), min_size=1, max_size=4))
def test_the_sums_always_agree_with_the_records(lives: list[list[str]]) -> None:
    ledger = InMemoryLedger()
    store = InMemoryJobStore(ledger)
    for number, moves in enumerate(lives):
        job = store.add(queued().model_copy(update={"job_id": f"job_{number}"}))
        assert job
        for move in moves:
            try:
                changed = MOVES[move](job)
            except (ValueError, AssertionError):
                continue
            job = store.save(changed)
            records = list(store)
            for page, _ in accounts_of("shop", NOW):
                total = Booking()
                for record in records:
                    total = total.plus(accounting_of(record).booking)
                assert ledger.read(page) == total
                assert min(total) >= 0
            for route in (CHEAP, DEAR):
                assert store.running[route.name] == sum(
                    accounting_of(record).running_on == route.name for record in records
                )


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
def test_nothing_is_reserved_for_a_job_that_is_over_and_enough_for_one_that_is_not(moves: list[str]) -> None:
    job = queued()
    for move in moves:
        try:
            job = MOVES[move](job)
        except (ValueError, AssertionError):
            continue
        if job.is_over:
            assert accounting_of(job).booking.reserved == 0
        else:
            price = last(job).price_microusd if job.attempts and last(job).is_open else 0
            assert accounting_of(job).booking.reserved >= max(QUOTE, price)
            assert accounting_of(job).booking.spent == 0
