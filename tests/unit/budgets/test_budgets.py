"""Budgets: hard limits, checked before money moves; and one event when one is used up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from heliograph.budgets.ledger import Booking, BudgetAccount
from heliograph.execution.outcomes import Failed
from heliograph.intake.submit_upload import Upload
from heliograph.jobs.deadlines import lost_call_deadline
from heliograph.jobs.job import Job, JobStatus
from heliograph.kernel.errors import BudgetExceeded, PublishFailed, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import EVERYBODY, Tenants
from heliograph.providers.protocol import CreateOutcome, Refused, TaskFailed, Uncertain
from heliograph.webhooks.event_catalogue import BudgetExhausted, UploadRejected, event_type
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.deployment import BETA, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.script import Afterwards

DAY, MONTH = "2026-11-22", "2026-11"
# What BETA costs, and SECOND.
SIX, FIVE = 60_000, 50_000
DOWN = Refused(Failure(code=FailureCode.ROUTE_UNAVAILABLE, message="402", retryable=False, charged=Charged.NO))
BUSY = Refused(Failure(code=FailureCode.RATE_LIMITED, message="429", retryable=True, charged=Charged.NO))


def limit(here: InMemoryDeployment, *, together: dict[str, str] | None = None, **named: dict[str, str]) -> None:
    """From now on, these are the limits."""
    here.ledger.tenants = Tenants.model_validate({"named": named, "together": together or {}})


def post(here: InMemoryDeployment, number: int = 0, *, tenant: str = "default", **document: Any) -> Job:
    return here.post({"prompt": "x", **document}, call=f"call-{tenant}-{number}", tenant=tenant).job


def refused(here: InMemoryDeployment, number: int = 0, *, tenant: str = "default", **document: Any) -> BudgetExceeded:
    """A job that does not fit, and leaves nothing behind."""
    before = (len(here.jobs), list(here.workflow.executions), booked(here))
    with pytest.raises(BudgetExceeded) as raised:
        post(here, number, tenant=tenant, **document)
    assert (len(here.jobs), here.workflow.executions, booked(here)) == before
    return raised.value


def booked(here: InMemoryDeployment) -> dict[BudgetAccount, Booking]:
    return {page: booking for page, booking in here.ledger.pages.items() if any(booking)}


def exhausted(here: InMemoryDeployment) -> list[tuple[str, str]]:
    """The budgets that are known to be used up."""
    return [(event.data.account, event.data.period) for event in here.bus if isinstance(event, BudgetExhausted)]


def page(here: InMemoryDeployment, account: str = "default", period: str = DAY) -> Booking:
    return here.ledger.read(BudgetAccount(account, period))


# --- at submission


@pytest.mark.parametrize(
    ("limits", "account", "period"),
    [
        ({"default": {"daily_budget_usd": "0.12"}}, "default", DAY),
        ({"default": {"monthly_budget_usd": "0.12"}}, "default", MONTH),
        ({"together": {"daily_budget_usd": "0.12"}}, EVERYBODY, DAY),
        ({"together": {"monthly_budget_usd": "0.12"}}, EVERYBODY, MONTH),
        ({"default": {"daily_budget_usd": "0.179999"}}, "default", DAY),
    ],
)
def test_a_limit_is_reached_to_the_last_cent_and_never_passed(
    here: InMemoryDeployment, limits: dict[str, dict[str, str]], account: str, period: str
) -> None:
    limit(here, **limits)
    post(here, 1)
    post(here, 2)

    error = refused(here, 3)

    assert (error.account, error.period) == (account, period)
    assert page(here, account, period) == Booking(2 * SIX, 0, 0)
    assert exhausted(here) == [(account, period)]


def test_a_cheaper_job_may_still_fit(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.11"})
    post(here, 1)

    refused(here, 2)
    post(here, 3, model=SECOND)

    assert page(here) == Booking(SIX + FIVE, 0, 0)


def test_what_one_tenant_may_spend_is_not_anothers_affair(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.06"})
    post(here, 1, tenant="shop")
    refused(here, 2, tenant="shop")

    post(here, 3, tenant="blog")
    post(here, 4, tenant="blog")


def test_all_tenants_together_have_a_limit_too(here: InMemoryDeployment) -> None:
    limit(here, together={"daily_budget_usd": "0.12"}, shop={"daily_budget_usd": "9"})
    post(here, 1, tenant="shop")
    post(here, 2, tenant="blog")

    assert refused(here, 3, tenant="shop").account == EVERYBODY


def test_a_new_day_has_new_money_and_the_month_goes_on(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06", "monthly_budget_usd": "0.12"})
    here.clock.go_to(datetime(2026, 11, 29, 23, 59, 59, tzinfo=UTC))
    post(here, 1)
    refused(here, 2)

    here.clock.step(1)
    post(here, 3)
    here.clock.go_to(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    assert refused(here, 4).period == "2026-11-30"
    here.clock.step(1)
    post(here, 5)

    assert page(here, period=MONTH) == Booking(2 * SIX, 0, 0)


def test_a_months_limit_holds_on_a_new_day(here: InMemoryDeployment) -> None:
    limit(here, default={"monthly_budget_usd": "0.06"})
    post(here, 1)
    here.clock.step(86_400)

    assert refused(here, 2).period == MONTH


def test_a_job_that_ended_for_free_makes_room_for_another(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    here.provider.will_answer_create(
        Refused(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO))
    )
    assert here.run(post(here, 1).job_id).status is JobStatus.FAILED

    post(here, 2)


def test_a_job_that_was_paid_makes_no_room(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    here.run(post(here, 1).job_id)

    refused(here, 2)

    assert page(here) == Booking(0, SIX, 0)


def test_a_job_that_may_have_been_paid_makes_no_room(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    here.provider.will_answer_create(Uncertain("cut"))
    here.run(post(here, 1).job_id)

    refused(here, 2)

    assert page(here) == Booking(0, 0, SIX)


def test_what_is_spent_the_next_day_belongs_to_the_day_of_the_submission(here: InMemoryDeployment) -> None:
    here.clock.go_to(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    job_id = post(here, 1).job_id
    here.clock.step(10)
    here.run(job_id)

    assert page(here) == Booking(0, SIX, 0)
    assert page(here, period="2026-11-23") == Booking()


def test_who_repeats_a_job_is_told_of_it_even_if_there_is_no_money_left(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    first = here.post({"prompt": "x"}, key="order-17")

    assert here.post({"prompt": "x"}, key="order-17").job == first.job
    assert exhausted(here) == []


def test_a_question_what_a_job_would_be_needs_no_money(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.01"})

    # `post` insists on a job: a quote is none.
    with pytest.raises(AssertionError):
        here.post({"prompt": "x", "dry_run": True})
    assert page(here) == Booking()


def test_an_upload_that_does_not_fit_is_rejected_and_may_be_tried_again(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    post(here, 1)
    body = json.dumps({"prompt": "a lighthouse"}).encode()
    version = here.objects.drop(UPLOADS, "jobs/lighthouse.json", body)
    upload = Upload(UPLOADS, "jobs/lighthouse.json", version, etag="e", sequencer="1")

    outcome = here.announce_upload(upload)

    assert isinstance(outcome, UploadRejected)
    failure = outcome.data.failure
    assert (failure.code, failure.retryable, failure.charged) == (FailureCode.BUDGET_EXCEEDED, True, Charged.NO)
    assert [event_type(event) for event in here.bus] == ["image.budget.exhausted", "image.upload.rejected"]
    assert len(here.jobs) == len(here.workflow.executions) == 1


# --- before a dearer route

DEAR_LAST: dict[str, Any] = {"policy": "cheapest"}


def test_a_dearer_route_is_taken_if_there_is_money_for_it(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    here.provider.will_answer_create(DOWN)

    job = here.run(post(here, **DEAR_LAST).job_id)

    assert [attempt.model for attempt in job.attempts] == [SECOND, BETA]
    assert job.status is JobStatus.SUCCEEDED
    assert page(here) == Booking(0, SIX, 0)


def test_a_dearer_route_is_not_called_without_money_for_it(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.059999"})
    here.provider.will_answer_create(DOWN)

    job = here.run(post(here, **DEAR_LAST).job_id)

    assert here.provider.create_calls == 1
    assert job.failure
    assert (job.failure.code, job.failure.charged) == (FailureCode.BUDGET_EXCEEDED, Charged.NO)
    assert job.failure.retryable
    assert page(here) == Booking()
    assert exhausted(here) == [("default", DAY)]


def test_where_a_dearer_route_is_out_of_reach_the_cheaper_one_goes_on(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.05"})
    here.provider.will_answer_create(BUSY, BUSY, BUSY)

    job = here.run(post(here, **DEAR_LAST).job_id)

    assert [attempt.model for attempt in job.attempts] == [SECOND] * 4
    assert job.status is JobStatus.SUCCEEDED
    assert exhausted(here) == [("default", DAY)]


def test_where_a_dearer_route_is_out_of_reach_a_cheaper_one_that_is_open_is_waited_for(
    here: InMemoryDeployment,
) -> None:
    limit(here, default={"daily_budget_usd": "0.05"})
    unreachable = Failure(code=FailureCode.ROUTE_UNAVAILABLE, message="503", retryable=True, charged=Charged.NO)
    # The circuit of the cheaper route opens; half a minute later it would take the job.
    here.provider.will_answer_create(*[Refused(unreachable)] * 5)

    job = here.run(post(here, **DEAR_LAST).job_id)

    assert job.status is JobStatus.SUCCEEDED
    assert {attempt.model for attempt in job.attempts} == {SECOND}


def test_money_that_is_left_over_by_others_is_found_at_the_next_look(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.10"})
    other = post(here, 1, model=SECOND).job_id
    here.provider.will_answer_create(BUSY)
    job_id = post(here, 2, **DEAR_LAST).job_id
    outcome = here.dispatch(job_id)
    here.close(other)

    while outcome.outcome == "not_yet":
        here.clock.step(outcome.wait_seconds)
        outcome = here.dispatch(outcome)

    assert outcome.outcome == "processing"
    assert [attempt.model for attempt in here.jobs.peek(job_id).attempts] == [SECOND, BETA]


# --- before a second bill


def lost(here: InMemoryDeployment) -> Job:
    """A job whose first call was lost, and that would rather pay twice than not have its picture."""
    here.provider.will_answer_create(Uncertain("cut"))
    return here.run(post(here, on_uncertain="resubmit").job_id)


def test_a_second_bill_is_risked_if_there_is_money_for_both(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.12"})

    job = lost(here)

    assert job.status is JobStatus.SUCCEEDED
    assert page(here) == Booking(0, FIVE, SIX)


def test_a_second_bill_is_not_risked_without_money_for_both(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.119999"})

    job = lost(here)

    assert here.provider.create_calls == 1
    assert job.failure
    assert (job.failure.code, job.failure.charged) == (FailureCode.SUBMISSION_UNCERTAIN, Charged.UNKNOWN)
    assert page(here) == Booking(0, 0, SIX)


# --- the event


def test_a_budget_that_is_used_up_is_told_once_for_the_period(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.12"})
    here.run(post(here, 1).job_id)
    post(here, 2)
    for number in range(3, 6):
        refused(here, number)
        here.clock.step(600)

    told = [event for event in here.bus if isinstance(event, BudgetExhausted)]
    assert [event.data.model_dump() for event in told] == [
        {
            "account": "default",
            "period": DAY,
            "limit_usd": "0.12",
            "reserved_usd": "0.06",
            "spent_usd": "0.06",
            "unknown_usd": "0.00",
        }
    ]


def test_each_period_and_each_account_has_an_event_of_its_own(here: InMemoryDeployment) -> None:
    limit(here, shop={"daily_budget_usd": "0.01"}, blog={"monthly_budget_usd": "0.01"})
    refused(here, 1, tenant="shop")
    refused(here, 2, tenant="blog")
    here.clock.step(86_400)
    refused(here, 3, tenant="shop")
    refused(here, 4, tenant="blog")

    assert exhausted(here) == [("shop", DAY), ("blog", MONTH), ("shop", "2026-11-23")]
    assert len({event.event_id for event in here.bus}) == 3


def test_an_event_that_could_not_be_published_comes_with_a_later_refusal(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.01"})
    here.bus.on("publish", PublishFailed("throttled"))
    refused(here, 1)
    assert exhausted(here) == []

    here.clock.step(61)
    refused(here, 2)
    refused(here, 3)

    assert exhausted(here) == [("default", DAY)]


@pytest.mark.parametrize("method", ["may_announce", "read", "announced"])
def test_a_ledger_that_is_away_does_not_hide_the_refusal(here: InMemoryDeployment, method: str) -> None:
    limit(here, default={"daily_budget_usd": "0.01"})
    here.ledger.on(method, StorageFailed("throttled"))
    refused(here, 1)

    here.clock.step(61)
    refused(here, 2)

    assert {event.event_id for event in here.bus} == {next(iter(here.bus)).event_id}


def test_of_two_refusals_at_once_one_tells(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.01"})
    here.bus.on("publish", lambda: refused(here, 2))

    refused(here, 1)

    assert exhausted(here) == [("default", DAY)]


def test_a_write_whose_answer_was_lost_is_a_job_and_no_refusal(here: InMemoryDeployment) -> None:
    limit(here, default={"daily_budget_usd": "0.06"})
    here.jobs.on("add", Afterwards(StorageFailed("timed out")))
    with pytest.raises(StorageFailed):
        post(here, 1)

    assert post(here, 1).job_id in here.workflow.executions
    assert page(here) == Booking(SIX, 0, 0)


# --- whatever happens

ANSWERS: dict[str, CreateOutcome] = {
    "lost": Uncertain("cut"),
    "down": DOWN,
    "busy": BUSY,
    "blocked": Refused(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO)),
}
TASK_FAILED = TaskFailed(
    Failure(code=FailureCode.RESULT_UNUSABLE, message="no", retryable=False, charged=Charged.UNKNOWN)
)
JOBS = st.lists(
    st.tuples(
        st.sampled_from(["beta-first", "cheapest"]),
        st.sampled_from(["fail", "resubmit"]),
        st.lists(st.sampled_from(sorted(ANSWERS)), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(JOBS, st.integers(1, 40))
def test_no_limit_is_ever_passed_and_nothing_stays_reserved(
    jobs: list[tuple[str, str, list[str], bool]], cents: int
) -> None:
    here = InMemoryDeployment()
    limit(here, together={"daily_budget_usd": f"0.{cents:02}"})
    for number, (policy, on_uncertain, answers, breaks) in enumerate(jobs):
        here.provider.will_answer_create(*(ANSWERS[answer] for answer in answers))
        try:
            job_id = post(here, number, policy=policy, on_uncertain=on_uncertain).job_id
        except BudgetExceeded:
            continue
        if breaks:
            here.provider.will_say(TASK_FAILED)
        here.run(job_id)
        assert page(here, EVERYBODY).committed <= cents * 10_000
        assert page(here, EVERYBODY).reserved == 0
        here.clock.step(600)
    told = exhausted(here)
    assert len(told) == len(set(told))
    assert here.clock.now() < datetime(2026, 11, 22, 12, 0, tzinfo=UTC) + timedelta(hours=12)


def test_a_failure_that_costs_nothing_says_so_only_if_no_attempt_may_have_cost_something(
    here: InMemoryDeployment,
) -> None:
    here.provider.will_answer_create(Uncertain("cut"), DOWN, DOWN)

    job = here.run(post(here, on_uncertain="resubmit").job_id)

    assert page(here).unknown > 0
    assert job.failure
    assert job.failure.charged is Charged.UNKNOWN
    assert job.price_usd is None
    assert not job.failure.retryable


def test_a_failed_outcome_of_a_resubmitted_job_carries_no_open_attempt(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"), DOWN)
    job_id = post(here, model=BETA, on_uncertain="resubmit").job_id
    here.dispatch(job_id)
    here.clock.go_to(lost_call_deadline(here.jobs.peek(job_id)))
    outcome = here.dispatch(job_id)
    while outcome.outcome == "not_yet":
        here.clock.step(outcome.wait_seconds)
        outcome = here.dispatch(outcome)

    assert isinstance(outcome, Failed)
    assert outcome.attempt_id is None
