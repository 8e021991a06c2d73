"""When the provider's books prove that a lost call made no task, and the many cases in which they don't."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliograph.budgets.ledger import Booking
from heliograph.execution.outcomes import NotYet, Over, Processing
from heliograph.execution.receive_callback import CallbackResult
from heliograph.jobs.job import JobStatus
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.providers.books import SETTLED_AFTER, Books, can_prove, no_task_was_made
from heliograph.providers.protocol import StillRunning, Uncertain

from tests.fakes.deployment import BETA, SECOND, InMemoryDeployment

LOST = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRICE = 60_000


def account(balance: int = 1_000_000, held: int = 0) -> Books:
    return Books(balance_microusd=balance, held_microusd=held)


QUIET = account()


@pytest.mark.parametrize(
    ("before", "after", "proven"),
    [
        pytest.param(QUIET, QUIET, True, id="nothing was held, nothing moved"),
        pytest.param(account(0), account(0), True, id="an account in credit for nothing"),
        pytest.param(QUIET, account(held=PRICE), False, id="its task runs"),
        pytest.param(QUIET, account(held=1), False, id="a task of any price runs"),
        pytest.param(QUIET, account(1_000_000 - PRICE), False, id="its task was charged"),
        pytest.param(QUIET, account(1_000_000 - PRICE, held=PRICE), False, id="one was charged, another runs"),
        pytest.param(QUIET, account(1_000_000 + PRICE), False, id="somebody paid in"),
        pytest.param(account(held=PRICE), account(held=PRICE), False, id="another task ran: it may have failed"),
        pytest.param(account(held=PRICE), QUIET, False, id="another task failed"),
        pytest.param(account(held=PRICE), account(1_000_000 - PRICE), False, id="another task was charged"),
        pytest.param(None, QUIET, False, id="nobody knows what was before"),
        pytest.param(QUIET, None, False, id="nobody knows what is now"),
        pytest.param(None, None, False, id="no books"),
    ],
)
def test_only_an_account_that_was_idle_and_did_not_move_is_a_proof(
    before: Books | None, after: Books | None, proven: bool
) -> None:
    assert no_task_was_made(before, after, lost_at=LOST, now=LOST + SETTLED_AFTER) is proven


@pytest.mark.parametrize(("seconds", "proven"), [(0, False), (59, False), (60, True), (3600, True)])
def test_books_are_a_proof_a_while_after_the_loss_and_not_before(seconds: float, proven: bool) -> None:
    assert no_task_was_made(QUIET, QUIET, lost_at=LOST, now=LOST + timedelta(seconds=seconds)) is proven


def test_a_call_of_which_nobody_said_that_it_was_lost_may_still_be_on_its_way() -> None:
    assert not no_task_was_made(QUIET, QUIET, lost_at=None, now=LOST + timedelta(days=1))


def test_books_of_a_busy_account_are_not_asked_for_again() -> None:
    assert can_prove(QUIET)
    assert not can_prove(account(held=1))
    assert not can_prove(None)


# ---- What a job does with it


def lost(here: InMemoryDeployment, **document: object) -> str:
    """A job whose create call got no answer, at a provider whose account is idle."""
    here.provider.account = QUIET
    here.provider.will_answer_create(Uncertain("the provider failed with 502: HTML"))
    job_id = here.job_id(**document)
    assert isinstance(here.dispatch(job_id), NotYet)
    return job_id


def test_a_lost_call_without_a_task_is_followed_by_another_route_after_a_minute(here: InMemoryDeployment) -> None:
    began = here.clock.now()

    job = here.run(lost(here))

    assert job.status is JobStatus.SUCCEEDED
    assert here.clock.now() - began < timedelta(minutes=3)
    first, second = job.attempts
    assert (first.model, second.model) == (BETA, SECOND)
    assert first.failure
    assert (first.failure.code, first.failure.charged) == (FailureCode.ROUTE_UNAVAILABLE, Charged.NO)
    assert "502" in first.failure.message
    assert (job.price_usd, job.booking) == ("0.05", Booking(spent=50_000))
    told = first.told()
    assert not {"books_before", "lost_at", "absent"} & set(told)


def test_no_other_call_leaves_within_the_minute(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    here.clock.step(SETTLED_AFTER.total_seconds() - 2)

    assert isinstance(here.dispatch(job_id), NotYet)
    assert here.jobs.peek(job_id).attempts[0].is_open
    assert here.provider.create_calls == 1


@pytest.mark.parametrize("after", [None, account(held=PRICE), account(1_000_000 - PRICE)])
def test_where_the_books_prove_nothing_a_lost_call_is_waited_for_as_ever(
    here: InMemoryDeployment, after: Books | None
) -> None:
    job_id = lost(here)
    here.provider.account = after

    job = here.run(job_id)

    assert (job.status, job.charged) == (JobStatus.FAILED, Charged.UNKNOWN)
    assert here.provider.create_calls == 1


def test_books_that_were_read_while_another_task_ran_are_never_a_proof(here: InMemoryDeployment) -> None:
    here.provider.account = account(held=PRICE)
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id()
    here.dispatch(job_id)
    here.provider.account = account(held=0)

    assert here.run(job_id).charged is Charged.UNKNOWN


def test_where_nobody_can_call_back_the_books_are_waited_for(here: InMemoryDeployment) -> None:
    here.callback_base = None

    assert here.run(lost(here)).status is JobStatus.SUCCEEDED


def test_a_lost_call_without_a_task_needs_no_second_bill(here: InMemoryDeployment) -> None:
    job = here.run(lost(here, on_uncertain="resubmit"))

    assert (job.status, job.price_usd, job.booking.unknown) == (JobStatus.SUCCEEDED, "0.05", 0)


def test_a_job_that_is_canceled_after_its_call_was_lost_is_free_if_the_books_prove_it(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    here.cancel(job_id)

    job = here.run(job_id)

    assert (job.status, job.charged) == (JobStatus.CANCELED, Charged.NO)


def test_a_workflow_that_crashed_after_its_call_was_lost_ends_free_if_the_books_prove_it(
    here: InMemoryDeployment,
) -> None:
    job_id = lost(here)
    here.clock.step(SETTLED_AFTER.total_seconds())

    assert isinstance(here.close(job_id), Over)

    assert here.jobs.peek(job_id).charged is Charged.NO


def test_a_task_that_calls_back_against_the_proof_is_delivered_and_charged_all_the_same(
    here: InMemoryDeployment,
) -> None:
    job_id = lost(here)
    job = here.run(job_id)
    assert (job.status, job.booking) == (JobStatus.SUCCEEDED, Booking(spent=50_000))

    assert here.hear(job_id, "token-1", "task-7") is CallbackResult.ADOPTED
    here.sweep()

    job = here.jobs.peek(job_id)
    assert len(job.all_results) == 2
    assert job.booking == Booking(spent=110_000)
    assert here.ledger.pages[next(iter(here.ledger.pages))] == Booking(spent=110_000)


def test_a_task_that_calls_back_against_the_proof_is_waited_for_if_no_other_call_has_left(
    here: InMemoryDeployment,
) -> None:
    job_id = lost(here, model=BETA, policy="pinned")
    here.clock.step(SETTLED_AFTER.total_seconds())
    assert isinstance(here.dispatch(job_id), NotYet)
    assert not here.jobs.peek(job_id).attempts[0].is_open

    assert here.hear(job_id, "token-1", "task-7") is CallbackResult.ADOPTED
    here.provider.will_say(StillRunning())
    processing = here.dispatch(job_id)

    assert isinstance(processing, Processing)
    assert processing.watch.task_id == "task-7"
    assert here.provider.create_calls == 1
