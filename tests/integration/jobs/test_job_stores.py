"""The job store and the ledger: the fakes of the unit tests and the tables of DynamoDB behave alike, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import reduce
from typing import Any, Protocol

import pytest
from heliograph.budgets.adapters.dynamodb import DynamoDBLedger
from heliograph.budgets.ledger import Balance, Booking, BudgetAccount, Usage, accounts_of
from heliograph.budgets.ports import Ledger
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.audit_ledger import running_tasks
from heliograph.jobs.job import Job, JobAccounting, JobStatus, KeyBudget
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.ports import JobStore
from heliograph.jobs.request import JobRequest
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.jobs.results import Settlement
from heliograph.kernel.errors import BudgetExceeded, HeliographError, KeyHeld, RouteFull, StaleJob
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import Cursor
from heliograph.kernel.tenants import EVERYBODY, Limits, Tenant, Tenants
from heliograph.platform import aws
from heliograph.routes.config import Route, Routes
from hypothesis import event, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.examples import BLOCKED, LATE, RUN_ID, START, after, succeeded_job
from tests.fakes.jobs import InMemoryJobStore
from tests.fakes.ledger import InMemoryLedger
from tests.integration.conftest import items, job_store, table

CHEAP = Route(provider="kie", model="m", name="cheap", price_usd="0.05", max_references=16, max_in_flight=2)
DEAR = Route(provider="apimodels", model="m", name="dear", price_usd="0.06", max_references=16, max_in_flight=2)
WIDE = Route(provider="kie", model="wide", price_usd="0.05", max_references=1, max_in_flight=4)
ROUTES = Routes((CHEAP, DEAR, WIDE))
TODAY, THIS_MONTH = "2026-11-22", "2026-11"
RESULT = succeeded_job().results[0]
UNKNOWN = Failure(code=FailureCode.SUBMISSION_UNCERTAIN, message="lost", retryable=False, charged=Charged.UNKNOWN)
PAID = Failure(code=FailureCode.RESULT_UNUSABLE, message="broken", retryable=False, charged=Charged.YES)
_COLUMNS = ("reserved", "spent", "unknown", "committed")


class World(Protocol):
    """A job store, its ledger, and a look behind both."""

    @property
    def jobs(self) -> JobStore: ...

    @property
    def ledger(self) -> Ledger: ...

    def limit(self, tenants: Tenants) -> None:
        """From now on these limits hold."""

    def booked(self) -> dict[BudgetAccount, Booking]:
        """Every page on which there is anything."""

    def used(self) -> dict[tuple[str, str, str], Usage]:
        """By day, tenant and route, wherever there is anything."""

    def running(self) -> dict[str, int]:
        """How many tasks run on each route that has any."""

    def everything(self) -> Any:
        """All that was ever written, to compare."""


def used_of(ledger: Ledger) -> dict[tuple[str, str, str], Usage]:
    """All its lines."""
    lines = list(ledger.usage("2000-01-01", "2999-12-31"))
    assert len({line[:3] for line in lines}) == len(lines)
    return {line[:3]: line.usage for line in lines if any(line.usage)}


class InMemory:
    """The fakes of the unit tests."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        self.jobs = InMemoryJobStore(
            self.ledger,
            {route.name: route.max_in_flight for route in ROUTES},
            {route.name: route.most_of for route in ROUTES},
        )

    def limit(self, tenants: Tenants) -> None:
        self.ledger.tenants = tenants

    def booked(self) -> dict[BudgetAccount, Booking]:
        return {page: booking for page, booking in self.ledger.pages.items() if any(booking)}

    def used(self) -> dict[tuple[str, str, str], Usage]:
        return used_of(self.ledger)

    def running(self) -> dict[str, int]:
        return {route: count for route, count in self.jobs.running.items() if count}

    def everything(self) -> Any:
        return [job.model_dump_json() for job in self.jobs], self.booked(), self.used(), self.running()


class InDynamoDB:
    """The adapters, on the template's tables."""

    def __init__(self) -> None:
        for name in ("jobs", "ledger", "routes"):
            table(name)
        self.jobs = job_store(routes=ROUTES)
        self.ledger = DynamoDBLedger(aws.dynamodb(), "ledger")

    def limit(self, tenants: Tenants) -> None:
        self.jobs = job_store(routes=ROUTES, tenants=tenants)

    def booked(self) -> dict[BudgetAccount, Booking]:
        found = {}
        for item in (item for item in items("ledger") if item["account"]["S"] != "#usage"):
            *booking, committed = (int(item[column]["N"]) for column in _COLUMNS)
            assert committed == sum(booking)
            found[BudgetAccount(item["account"]["S"], item["period"]["S"])] = Booking(*booking)
        return {page: booking for page, booking in found.items() if any(booking)}

    def used(self) -> dict[tuple[str, str, str], Usage]:
        return used_of(self.ledger)

    def running(self) -> dict[str, int]:
        counts = {item["route"]["S"]: int(item["running"]["N"]) for item in items("routes")}
        assert all("#running" in key for key in counts)
        assert all(count >= 0 for count in counts.values())
        return {key.removesuffix("#running"): n for key, n in counts.items() if n and key.endswith("#running")}

    def everything(self) -> Any:
        return [items(name) for name in ("jobs", "ledger", "routes")]


@pytest.fixture(params=[InMemory, InDynamoDB], ids=["in memory", "in DynamoDB"])
def world(request: pytest.FixtureRequest, cloud: None) -> World:
    """Either of them, empty."""
    found: World = request.param()
    return found


def for_all(*, daily: str | None = None, monthly: str | None = None) -> Tenants:
    """A limit of all tenants together."""
    return Tenants(together=Limits(daily_budget_usd=daily, monthly_budget_usd=monthly))


def for_the_shop(*, daily: str | None = None, monthly: str | None = None, together: str | None = None) -> Tenants:
    """A limit of one tenant, and perhaps one for each day of all."""
    shop = Tenant(daily_budget_usd=daily, monthly_budget_usd=monthly)
    return Tenants(named={"shop": shop}, together=Limits(daily_budget_usd=together))


def job(name: str = "1", *, tenant: str = "shop", quote: int = 50_000, day: int = 0) -> Job:
    """Just submitted, meant for the cheap route."""
    begun = START + timedelta(days=day)
    return Job(
        job_id=derived_id("job", name),
        tenant=tenant,
        request=JobRequest(model="m", prompt="a lighthouse"),
        source=succeeded_job().source,
        output_key_template="{job_id}.{ext}",
        output_stem="x",
        created_at=begun,
        deadline_at=begun + timedelta(minutes=20),
        quote_microusd=quote,
    )


Move = Callable[[Job], Job]


def attempt_id(of: Job) -> str:
    assert of.attempt
    return of.attempt.attempt_id


def calling(route: Route) -> Move:
    return lambda old: old.attempting(
        derived_id("att", old.job_id, str(len(old.attempts))), RUN_ID, route, after(1), callback_sha256="f" * 64
    )


def accepted(old: Job) -> Job:
    return old.accepted(attempt_id(old), f"task-{attempt_id(old)}", after(2))


def mark_uncertain(old: Job) -> Job:
    return old.mark_uncertain(attempt_id(old), "cut")


def refused(failure: Failure) -> Move:
    return lambda old: old.attempt_failed(attempt_id(old), failure, after(3))


def succeeded(old: Job) -> Job:
    known = old if old.attempt is None or old.attempt.task_id else accepted(old)
    return known.succeeded([RESULT], after(30))


def canceling(old: Job) -> Job:
    return old.with_cancel_requested(after(4))


def canceled(old: Job) -> Job:
    """At once, or with its paid pictures left where they are."""
    return old.canceled(after(30), provider_urls=["https://r.test/1"] if old.attempt and old.attempt.is_open else ())


def canceled_with(failure: Failure) -> Move:
    return lambda old: old.canceled(after(30), failure=failure)


def failed(failure: Failure) -> Move:
    return lambda old: old.failed(failure, after(30))


def expired(old: Job) -> Job:
    return old.expired(LATE, after(1300))


def orphaned(old: Job) -> Job:
    return old.as_orphaned(after(40))


def announced(old: Job) -> Job:
    return old.as_announced()


def on_all_pages(of: Job, booking: Booking) -> dict[BudgetAccount, Booking]:
    return {page: booking for page, _ in accounts_of(of.tenant, of.created_at)} if any(booking) else {}


def moved(world: World, new: Job, *moves: Move) -> Job:
    """The job, written down and brought on its way, one write for each move."""
    written = world.jobs.add(new)
    assert written
    return reduce(lambda current, move: world.jobs.save(move(current)), moves, written)


def with_no_effect(world: World, write: Callable[[], object], error: type[HeliographError]) -> HeliographError:
    """The refusal of a write that left no trace."""
    before = world.everything()
    with pytest.raises(error) as caught:
        write()
    assert world.everything() == before
    return caught.value


# ---- Money and places move with the job


def test_a_submitted_job_is_reserved_on_four_pages(world: World) -> None:
    moved(world, job())
    assert world.booked() == {
        BudgetAccount("shop", TODAY): Booking(reserved=50_000),
        BudgetAccount("shop", THIS_MONTH): Booking(reserved=50_000),
        BudgetAccount(EVERYBODY, TODAY): Booking(reserved=50_000),
        BudgetAccount(EVERYBODY, THIS_MONTH): Booking(reserved=50_000),
    }
    assert world.ledger.read(BudgetAccount("shop", TODAY)) == Booking(reserved=50_000)
    assert world.ledger.read(BudgetAccount("shop", "2026-11-23")) == Booking()


RESERVED, MORE = Booking(reserved=50_000), Booking(reserved=60_000)
KEY = KeyBudget(key_id=derived_id("key", "x"), daily_microusd=100_000)


def test_a_job_of_a_key_with_a_budget_is_on_a_fifth_page_as_long_as_it_lives(world: World) -> None:
    current = moved(world, job().model_copy(update={"key_budget": KEY}))
    own_page = BudgetAccount(KEY.key_id, TODAY)
    assert world.booked() == on_all_pages(current, RESERVED) | {own_page: RESERVED}
    assert world.jobs.get(current.job_id) == current
    current = world.jobs.save(calling(DEAR)(current))
    assert world.ledger.read(own_page) == MORE
    current = world.jobs.save(accepted(current))
    current = world.jobs.save(succeeded(current))
    assert world.booked() == on_all_pages(current, accounting_of(current).booking) | {own_page: Booking(spent=60_000)}


def test_a_job_that_does_not_fit_its_keys_budget_is_not_written(world: World) -> None:
    moved(world, job("1").model_copy(update={"key_budget": KEY}))
    new = job("2", quote=50_001).model_copy(update={"key_budget": KEY})
    refusal = with_no_effect(world, lambda: world.jobs.add(new), BudgetExceeded)
    assert str(refusal) == f"the budget of {KEY.key_id} for {TODAY}, 0.10 USD, is used up"
    # The last micro-dollar of it may be spent.
    assert world.jobs.add(new.model_copy(update={"quote_microusd": 50_000}))


def test_a_dearer_route_does_not_fit_its_keys_budget(world: World) -> None:
    tight = KEY.model_copy(update={"daily_microusd": 59_999})
    current = moved(world, job().model_copy(update={"key_budget": tight}))
    with_no_effect(world, lambda: world.jobs.save(calling(DEAR)(current)), BudgetExceeded)
    world.jobs.save(failed(BLOCKED)(current))
    assert world.booked() == {}


def test_a_smaller_budget_of_a_key_ends_no_job_that_it_has_room_for_no_more(world: World) -> None:
    moved(world, job("1").model_copy(update={"key_budget": KEY}))
    smaller = KEY.model_copy(update={"daily_microusd": 1})
    with_no_effect(world, lambda: world.jobs.add(job("2").model_copy(update={"key_budget": smaller})), BudgetExceeded)
    assert world.ledger.read(BudgetAccount(KEY.key_id, TODAY)) == RESERVED


def test_what_a_write_returns_is_what_is_read(world: World) -> None:
    written = world.jobs.add(job())
    assert written
    assert written.revision == 0
    assert written.accounted == JobAccounting(booking=Booking(reserved=50_000))
    assert world.jobs.get(written.job_id) == written
    saved = world.jobs.save(calling(DEAR)(written))
    assert saved.revision == 1
    assert saved.accounted == JobAccounting(booking=Booking(reserved=60_000), running_on="dear")
    assert world.jobs.get(written.job_id) == saved


NOTHING: dict[str, int] = {}
ON_CHEAP, ON_DEAR = {"cheap": 1}, {"dear": 1}


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            [(calling(CHEAP), RESERVED, ON_CHEAP), (accepted, RESERVED, ON_CHEAP)], id="an intent and its task"
        ),
        pytest.param([(calling(DEAR), MORE, ON_DEAR), (mark_uncertain, MORE, ON_DEAR)], id="a dearer route"),
        pytest.param(
            [(calling(DEAR), MORE, ON_DEAR), (refused(LATE), RESERVED, NOTHING), (calling(CHEAP), RESERVED, ON_CHEAP)],
            id="a refusal for free, and another route",
        ),
        pytest.param(
            [
                (calling(DEAR), MORE, ON_DEAR),
                (refused(UNKNOWN), Booking(reserved=50_000, unknown=60_000), NOTHING),
                (calling(CHEAP), Booking(reserved=50_000, unknown=60_000), ON_CHEAP),
                (accepted, Booking(reserved=50_000, unknown=60_000), ON_CHEAP),
                (succeeded, Booking(spent=50_000, unknown=60_000), NOTHING),
            ],
            id="success after a call that may have cost",
        ),
        pytest.param(
            [
                (calling(DEAR), MORE, ON_DEAR),
                (accepted, MORE, ON_DEAR),
                (orphaned, MORE, ON_DEAR),
                (succeeded, Booking(spent=60_000), NOTHING),
                (announced, Booking(spent=60_000), NOTHING),
            ],
            id="success",
        ),
        pytest.param(
            [(calling(DEAR), MORE, ON_DEAR), (failed(BLOCKED), Booking(), NOTHING)], id="a failure that cost nothing"
        ),
        pytest.param(
            [(calling(DEAR), MORE, ON_DEAR), (failed(PAID), Booking(spent=60_000), NOTHING)], id="a paid failure"
        ),
        pytest.param(
            [
                (calling(DEAR), MORE, ON_DEAR),
                (failed(UNKNOWN), Booking(unknown=60_000), NOTHING),
                (accepted, Booking(unknown=60_000), NOTHING),
            ],
            id="a failure that may have cost, and its task found later",
        ),
        pytest.param([(failed(BLOCKED), Booking(), NOTHING)], id="a failure before any call"),
        pytest.param([(expired, Booking(), NOTHING), (announced, Booking(), NOTHING)], id="expiry"),
        pytest.param(
            [(calling(CHEAP), RESERVED, ON_CHEAP), (refused(LATE), RESERVED, NOTHING), (expired, Booking(), NOTHING)],
            id="expiry after a refusal",
        ),
        pytest.param([(canceled, Booking(), NOTHING), (announced, Booking(), NOTHING)], id="canceled before any call"),
        pytest.param(
            [(calling(DEAR), MORE, ON_DEAR), (canceling, MORE, ON_DEAR), (canceled, Booking(spent=60_000), NOTHING)],
            id="canceled while its task ran",
        ),
        pytest.param(
            [(calling(DEAR), MORE, ON_DEAR), (canceled_with(UNKNOWN), Booking(unknown=60_000), NOTHING)],
            id="canceled while its call was lost",
        ),
        pytest.param(
            [
                (calling(DEAR), MORE, ON_DEAR),
                (refused(UNKNOWN), Booking(reserved=50_000, unknown=60_000), NOTHING),
                (canceled, Booking(unknown=60_000), NOTHING),
            ],
            id="canceled after a call that may have cost",
        ),
    ],
)
def test_money_and_places_move_exactly_with_the_job(
    world: World, steps: list[tuple[Move, Booking, dict[str, int]]]
) -> None:
    current = moved(world, job())
    for move, booking, running in steps:
        current = world.jobs.save(move(current))
        assert world.booked() == on_all_pages(current, booking)
        assert world.running() == running
        assert (current.accounted.booking, current.accounted.running_on) == (booking, next(iter(running), None))


@pytest.mark.parametrize("charged", [Charged.YES, Charged.NO])
def test_a_settlement_moves_what_was_unknown_on_every_page_whatever_the_budget_is(
    world: World, charged: Charged
) -> None:
    ended = moved(world, job(quote=60_000), calling(DEAR), accepted, failed(UNKNOWN))
    world.limit(for_all(daily="0.01"))
    results = (RESULT,) if charged is Charged.YES else ()
    settlement = Settlement(
        attempt_id=attempt_id(ended), at=after(4000), charged=charged, message="late", results=results
    )

    settled = world.jobs.save(ended.settled(settlement))

    assert world.jobs.get(settled.job_id) == settled
    assert settled.charged is charged
    if charged is Charged.YES:
        assert world.booked() == on_all_pages(settled, Booking(spent=60_000))
        assert world.used() == {(TODAY, "shop", "dear"): Usage(pictures=1, spent=60_000)}
    else:
        assert (world.booked(), world.used()) == ({}, {})


def test_what_a_cheaper_route_leaves_over_is_free_again(world: World) -> None:
    done = moved(world, job(quote=60_000), calling(CHEAP), accepted, succeeded)
    assert world.booked() == on_all_pages(done, Booking(spent=50_000))


def test_a_job_that_changes_its_route_in_one_write_changes_its_place(world: World) -> None:
    current = moved(world, job(), calling(CHEAP))
    world.jobs.save(calling(DEAR)(refused(LATE)(current)))
    assert world.running() == {"dear": 1}


def test_the_jobs_of_a_month_add_up_by_tenant_and_day(world: World) -> None:
    moved(world, job("1"))
    moved(world, job("2", tenant="press"), calling(DEAR), succeeded)
    moved(world, job("3", day=1), calling(CHEAP), failed(UNKNOWN))
    assert world.booked() == {
        BudgetAccount("shop", TODAY): Booking(reserved=50_000),
        BudgetAccount("press", TODAY): Booking(spent=60_000),
        BudgetAccount("shop", "2026-11-23"): Booking(unknown=50_000),
        BudgetAccount(EVERYBODY, TODAY): Booking(reserved=50_000, spent=60_000),
        BudgetAccount(EVERYBODY, "2026-11-23"): Booking(unknown=50_000),
        BudgetAccount("shop", THIS_MONTH): Booking(reserved=50_000, unknown=50_000),
        BudgetAccount("press", THIS_MONTH): Booking(spent=60_000),
        BudgetAccount(EVERYBODY, THIS_MONTH): Booking(reserved=50_000, spent=60_000, unknown=50_000),
    }


# ---- Budgets

USED_UP = [
    (for_the_shop(daily="0.099999"), BudgetAccount("shop", TODAY)),
    (for_the_shop(monthly="0.099999"), BudgetAccount("shop", THIS_MONTH)),
    (for_all(daily="0.099999"), BudgetAccount(EVERYBODY, TODAY)),
    (for_all(monthly="0.099999"), BudgetAccount(EVERYBODY, THIS_MONTH)),
]


@pytest.mark.parametrize(("tenants", "page"), USED_UP)
def test_a_job_that_does_not_fit_a_budget_is_refused_and_leaves_no_trace(
    world: World, tenants: Tenants, page: BudgetAccount
) -> None:
    world.limit(tenants)
    moved(world, job("1"))
    error = with_no_effect(world, lambda: world.jobs.add(job("2")), BudgetExceeded)
    assert isinstance(error, BudgetExceeded)
    assert (error.account, error.period, error.limit_microusd) == (*page, 99_999)
    assert world.jobs.get(job("2").job_id) is None


@pytest.mark.parametrize(("tenants", "page"), USED_UP)
def test_a_repeat_of_a_job_is_told_so_while_the_budget_is_used_up(
    world: World, tenants: Tenants, page: BudgetAccount
) -> None:
    moved(world, job("1"))
    second = moved(world, job("2"))
    world.limit(tenants)
    before = world.everything()
    assert world.jobs.add(job("2")) is None
    assert world.everything() == before
    assert world.jobs.get(second.job_id) == second


def test_the_very_first_job_of_a_period_can_be_too_dear(world: World) -> None:
    world.limit(for_all(daily="0.049999"))
    with_no_effect(world, lambda: world.jobs.add(job()), BudgetExceeded)
    assert world.booked() == {}


def test_a_budget_can_be_used_to_its_last_microdollar(world: World) -> None:
    world.limit(for_all(daily="0.10", monthly="0.10"))
    moved(world, job("1"))
    moved(world, job("2"))
    with_no_effect(world, lambda: world.jobs.add(job("3", quote=1)), BudgetExceeded)


def test_a_job_that_costs_nothing_fits_every_budget(world: World) -> None:
    world.limit(for_all(daily="0.05"))
    moved(world, job("1"))
    assert world.jobs.add(job("2", quote=0))


def test_of_several_limits_the_tenants_own_is_named(world: World) -> None:
    world.limit(for_the_shop(daily="0.05", monthly="0.05", together="0.05"))
    moved(world, job("1"))
    error = with_no_effect(world, lambda: world.jobs.add(job("2")), BudgetExceeded)
    assert str(error) == f"the budget of tenant shop for {TODAY}, 0.05 USD, is used up"


def test_a_tenant_that_has_used_up_its_budget_stops_no_other_and_tomorrow_is_another_day(world: World) -> None:
    world.limit(for_the_shop(daily="0.05"))
    moved(world, job("1"))
    assert world.jobs.add(job("2", tenant="press"))
    assert world.jobs.add(job("3", day=1))
    with_no_effect(world, lambda: world.jobs.add(job("4")), BudgetExceeded)


@pytest.mark.parametrize(
    ("end", "is_free"),
    [(failed(BLOCKED), True), (expired, True), (failed(UNKNOWN), False), (failed(PAID), False), (succeeded, False)],
)
def test_only_what_cost_nothing_makes_room_again(world: World, end: Move, is_free: bool) -> None:
    world.limit(for_all(daily="0.06"))
    moved(world, job("1"), *([] if end is expired else [calling(CHEAP)]), end)
    if is_free:
        assert world.jobs.add(job("2"))
    else:
        with_no_effect(world, lambda: world.jobs.add(job("2")), BudgetExceeded)


def test_a_dearer_route_than_was_reserved_needs_room_for_the_difference(world: World) -> None:
    world.limit(for_all(daily="0.109999"))
    moved(world, job("1"))
    current = moved(world, job("2"))
    with_no_effect(world, lambda: world.jobs.save(calling(DEAR)(current)), BudgetExceeded)
    assert world.jobs.save(calling(CHEAP)(current)).revision == 1
    world.limit(for_all(daily="0.11"))
    first = world.jobs.get(job("1").job_id)
    assert first
    assert world.jobs.save(calling(DEAR)(first)).accounted.booking == MORE


def test_to_go_on_after_a_call_that_may_have_cost_needs_room(world: World) -> None:
    world.limit(for_all(daily="0.099999"))
    current = moved(world, job(), calling(CHEAP))
    with_no_effect(world, lambda: world.jobs.save(refused(UNKNOWN)(current)), BudgetExceeded)
    # To end it there needs none.
    world.jobs.save(failed(UNKNOWN)(current))
    assert world.booked() == on_all_pages(current, Booking(unknown=50_000))


@pytest.mark.parametrize("move", [accepted, mark_uncertain, refused(LATE), succeeded, failed(PAID), failed(UNKNOWN)])
def test_what_has_begun_is_noted_whatever_the_budget_is_now(world: World, move: Move) -> None:
    current = moved(world, job(), calling(DEAR))
    world.limit(for_all(daily="0.000001", monthly="0.000001"))
    assert world.jobs.save(move(current)).revision == 2


# ---- Places on a route


def test_no_more_tasks_begin_on_a_route_than_may_run_there(world: World) -> None:
    first, _ = (moved(world, job(name), calling(CHEAP)) for name in "12")
    third = moved(world, job("3"))
    error = with_no_effect(world, lambda: world.jobs.save(calling(CHEAP)(third)), RouteFull)
    assert error.args == ("cheap",)
    assert world.jobs.get(third.job_id) == third
    world.jobs.save(accepted(first))
    with_no_effect(world, lambda: world.jobs.save(calling(CHEAP)(third)), RouteFull)
    world.jobs.save(calling(DEAR)(third))
    assert world.running() == {"cheap": 2, "dear": 1}


def test_a_tenants_tasks_leave_places_for_the_others_and_the_default_tenants_may_have_all(world: World) -> None:
    first, *_ = (moved(world, job(name), calling(WIDE)) for name in "123")
    waiting = moved(world, job("4"))
    with pytest.raises(RouteFull) as caught:
        world.jobs.save(calling(WIDE)(waiting))
    assert caught.value.of_tenant
    other = moved(world, job("5").model_copy(update={"tenant": "default"}), calling(WIDE))
    with pytest.raises(RouteFull) as caught:
        world.jobs.save(calling(WIDE)(waiting))
    assert not caught.value.of_tenant
    world.jobs.save(failed(BLOCKED)(first))
    world.jobs.save(calling(WIDE)(waiting))
    world.jobs.save(failed(BLOCKED)(other))
    for name in "678":
        moved(world, job(name).model_copy(update={"tenant": "default"}))
    assert world.running() == {"wide": 3}


@pytest.mark.parametrize("end", [succeeded, failed(BLOCKED), failed(UNKNOWN), refused(LATE)])
def test_whoever_ends_makes_room_on_the_route(world: World, end: Move) -> None:
    first, _ = (moved(world, job(name), calling(CHEAP)) for name in "12")
    third = moved(world, job("3"))
    world.jobs.save(end(first))
    world.jobs.save(calling(CHEAP)(third))
    assert world.running() == {"cheap": 2}


def test_a_job_that_moves_onto_a_full_route_keeps_its_old_place(world: World) -> None:
    for name in "12":
        moved(world, job(name), calling(DEAR))
    third = moved(world, job("3", quote=60_000), calling(CHEAP))
    with_no_effect(world, lambda: world.jobs.save(calling(DEAR)(refused(LATE)(third))), RouteFull)
    assert world.running() == {"cheap": 1, "dear": 2}


def test_a_full_route_takes_no_money_though_it_is_dearer(world: World) -> None:
    for name in "12":
        moved(world, job(name), calling(DEAR))
    third = moved(world, job("3"))
    with_no_effect(world, lambda: world.jobs.save(calling(DEAR)(third)), RouteFull)


def test_where_neither_money_nor_a_place_is_left_money_is_named(world: World) -> None:
    for name in "12":
        moved(world, job(name), calling(DEAR))
    third = moved(world, job("3"))
    world.limit(for_all(daily="0.179999"))
    with_no_effect(world, lambda: world.jobs.save(calling(DEAR)(third)), BudgetExceeded)


def test_a_route_that_is_configured_no_more_is_counted_without_a_limit(world: World) -> None:
    gone = DEAR.model_copy(update={"name": "gone"})
    for name in "123":
        moved(world, job(name), calling(gone))
    assert world.running() == {"gone": 3}


# ---- Who writes first


@pytest.mark.parametrize("move", [calling(DEAR), calling(CHEAP), failed(BLOCKED), expired, Job.as_started])
def test_whoever_writes_a_revision_too_late_changes_nothing(world: World, move: Move) -> None:
    old = moved(world, job())
    world.jobs.save(old.as_started())
    assert with_no_effect(world, lambda: world.jobs.save(move(old)), StaleJob).args == (old.job_id,)


def test_a_late_writer_is_told_so_even_where_money_and_places_are_gone(world: World) -> None:
    for name in "12":
        moved(world, job(name), calling(DEAR))
    old = moved(world, job("3"))
    world.jobs.save(old.as_started())
    world.limit(for_all(daily="0.01"))
    with_no_effect(world, lambda: world.jobs.save(calling(DEAR)(old)), StaleJob)


@pytest.mark.parametrize("move", [calling(DEAR), expired, Job.as_started])
def test_a_job_that_was_never_added_can_not_be_saved(world: World, move: Move) -> None:
    with_no_effect(world, lambda: world.jobs.save(move(job())), StaleJob)
    assert world.jobs.get(job().job_id) is None


def test_a_job_is_added_once_whatever_its_repeat_would_cost(world: World) -> None:
    first = moved(world, job(), calling(CHEAP))
    before = world.everything()
    assert world.jobs.add(job(quote=9_000_000, tenant="press")) is None
    assert world.everything() == before
    assert world.jobs.get(first.job_id) == first


# ---- Whose task it is


def test_a_task_is_found_by_its_provider_and_name_once_it_is_noted(world: World) -> None:
    one = moved(world, job("1"), calling(CHEAP))
    moved(world, job("2"), calling(DEAR), accepted)
    assert world.jobs.owner_of("kie", "task-1") is None
    world.jobs.save(one.accepted(attempt_id(one), "task-1", after(2)))
    assert world.jobs.owner_of("kie", "task-1") == one.job_id
    assert world.jobs.owner_of("apimodels", "task-1") is None
    assert world.jobs.owner_of("kie", "task-") is None


def test_a_task_keeps_its_owner_when_the_job_is_over_and_with_every_other_attempt(world: World) -> None:
    current = moved(world, job(), calling(CHEAP), accepted)
    task = f"task-{attempt_id(current)}"
    ended = world.jobs.save(refused(LATE)(current))
    assert world.jobs.owner_of("kie", task) == current.job_id
    again = world.jobs.save(calling(CHEAP)(ended))
    assert world.jobs.owner_of("kie", task) == current.job_id
    last = world.jobs.save(succeeded(again.accepted(attempt_id(again), "task-9", after(9))))
    assert world.jobs.owner_of("kie", "task-9") == world.jobs.owner_of("kie", task) == current.job_id
    # What says whose tasks they are is no job of its own.
    assert list(world.jobs.scan()) == [last]
    assert listed(world, EVERYTHING) == [last]
    assert world.jobs.needing_attention(after(10**6), limit=9) == [last.job_id]


@pytest.mark.parametrize("task", ["a:b", "夕暮れ", "x" * 256, " ", '"', "task_1%2f"])
def test_any_text_can_name_a_task(world: World, task: str) -> None:
    current = moved(world, job(), calling(CHEAP))
    assert world.jobs.owner_of("kie", task) is None
    world.jobs.save(current.accepted(attempt_id(current), task, after(2)))
    assert world.jobs.owner_of("kie", task) == current.job_id


# ---- What was done


def test_usage_is_noted_with_the_job_by_day_tenant_and_route(world: World) -> None:
    moved(world, job("1"), calling(DEAR), accepted, succeeded)
    moved(world, job("2"), calling(DEAR), refused(UNKNOWN), calling(CHEAP), accepted, succeeded)
    moved(world, job("3", tenant="press", day=1), calling(CHEAP), accepted, canceled)
    moved(world, job("4"), calling(CHEAP))
    assert world.used() == {
        (TODAY, "shop", "dear"): Usage(pictures=1, spent=60_000, unknown=60_000),
        (TODAY, "shop", "cheap"): Usage(pictures=1, spent=50_000),
        ("2026-11-23", "press", "cheap"): Usage(spent=50_000),
    }
    assert {line.day for line in world.ledger.usage(TODAY, TODAY)} == {TODAY}
    assert {line.day for line in world.ledger.usage("2026-11-23", "2026-12-31")} == {"2026-11-23"}
    assert not list(world.ledger.usage("2026-11-24", "2026-12-31"))


def test_usage_of_a_tenant_is_that_of_nobody_with_a_similar_name(world: World) -> None:
    for number, tenant in enumerate(("shop", "shop-2", "sho", "shop.eu", "a-shop")):
        moved(world, job(f"{number}", tenant=tenant, day=number % 2), calling(DEAR), accepted, succeeded)
    lines = list(world.ledger.usage(TODAY, "2026-11-23", tenant="shop"))
    assert [line[:3] for line in lines] == [(TODAY, "shop", "dear")]
    assert not list(world.ledger.usage("2026-11-23", "2026-11-24", tenant="shop"))
    assert len(list(world.ledger.usage(TODAY, "2026-11-23"))) == 5


def test_of_another_tenants_usage_the_table_reads_nothing(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    world, client = InDynamoDB(), aws.dynamodb()
    moved(world, job("mine"), calling(DEAR), accepted, succeeded)
    for number in range(20):
        moved(world, job(f"{number}", tenant=f"t{number}"), calling(DEAR), accepted, succeeded)
    looked_at: list[int] = []
    query = client._make_api_call  # type: ignore[attr-defined]

    def counted(operation: str, arguments: dict[str, Any]) -> Any:
        answer = query(operation, arguments)
        looked_at.append(answer["ScannedCount"])
        return answer

    monkeypatch.setattr(client, "_make_api_call", counted)
    assert len(list(world.ledger.usage("2026-11-01", "2026-11-30", tenant="shop"))) == 1
    assert sum(looked_at) == 1


def test_usage_is_no_page_of_the_ledger(world: World) -> None:
    moved(world, job("1"), calling(DEAR), accepted, succeeded)
    assert dict(world.ledger.scan()) == world.booked()


# ---- Lists

EVERYTHING = JobFilter()


def listed(world: World, wanted: JobFilter = EVERYTHING, *, tenant: str = "shop", limit: int = 3) -> list[Job]:
    """All slices of a list."""
    found: list[Job] = []
    after: Cursor | None = None
    while True:
        slice_ = world.jobs.list(tenant, wanted, after=after, limit=limit)
        assert len(slice_.items) <= limit
        found += slice_.items
        if slice_.end is None:
            return found
        assert after is None or slice_.end.created_at <= after.created_at
        after = slice_.end


def tagged(name: str, *tags: str, second: float = 0, preset: str | None = None, tenant: str = "shop") -> Job:
    new = job(name, tenant=tenant)
    return new.model_copy(
        update={
            "created_at": after(second),
            "request": new.request.model_copy(update={"tags": tags}),
            "source": new.source.model_copy(update={"preset": preset}),
        }
    )


def test_a_list_is_newest_first_and_of_one_tenant(world: World) -> None:
    made = [moved(world, tagged(f"{second}", second=second)) for second in (3, 1, 2.5, 0.000001, 7)]
    moved(world, tagged("theirs", second=2, tenant="press"))
    expected = sorted(made, key=lambda each: each.created_at, reverse=True)
    assert listed(world) == expected
    assert listed(world, tenant="press") == [world.jobs.get(tagged("theirs").job_id)]
    assert listed(world, tenant="nobody") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_jobs_of_one_moment_are_each_listed_once(world: World, limit: int) -> None:
    made = {moved(world, tagged(f"{number}", second=number // 4)).job_id for number in range(9)}
    found = listed(world, limit=limit)
    assert {each.job_id for each in found} == made
    assert len(found) == 9
    assert [each.created_at for each in found] == sorted((each.created_at for each in found), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (JobFilter(status=JobStatus.QUEUED), "ca"),
        (JobFilter(status=JobStatus.PROCESSING), "b"),
        (JobFilter(status=JobStatus.SUCCEEDED), "d"),
        (JobFilter(status=JobStatus.FAILED), ""),
        (JobFilter(tag="shoes"), "dba"),
        (JobFilter(tag="shoe"), ""),
        (JobFilter(tag="autumn", status=JobStatus.SUCCEEDED), "d"),
        (JobFilter(preset="white"), "cb"),
        (JobFilter(preset="white", tag="shoes"), "b"),
        (JobFilter(created_after=after(2)), "dc"),
        (JobFilter(created_after=after(1.5), tag="shoes"), "db"),
        (JobFilter(created_after=after(99)), ""),
        (JobFilter(created_after=after(-99)), "dcba"),
    ],
)
def test_a_filter_lets_through_what_matches_all_of_it(world: World, wanted: JobFilter, expected: str) -> None:
    moved(world, tagged("a", "shoes", second=1))
    moved(world, tagged("b", "shoes", second=2, preset="white"), calling(CHEAP), accepted)
    moved(world, tagged("c", second=3, preset="white"))
    moved(world, tagged("d", "autumn", "shoes", second=4), calling(CHEAP), succeeded)
    names = {derived_id("job", name): name for name in "abcd"}
    for limit in (1, 2, 100):
        assert "".join(names[each.job_id] for each in listed(world, wanted, limit=limit)) == expected


def test_a_list_tells_a_job_as_it_is_now(world: World) -> None:
    current = moved(world, tagged("a"))
    current = world.jobs.save(canceled(current))
    assert listed(world) == [current]
    assert listed(world, JobFilter(status=JobStatus.QUEUED)) == []


def test_a_position_of_anothers_job_opens_nothing(world: World) -> None:
    mine = [moved(world, tagged(name, second=second)) for name, second in (("a", 1), ("b", 3))]
    theirs = moved(world, tagged("theirs", second=2, tenant="press"))
    after_theirs = Cursor(theirs.created_at, theirs.job_id)
    assert list(world.jobs.list("shop", EVERYTHING, after=after_theirs, limit=9).items) == [mine[0]]


@pytest.mark.parametrize("second", [-5, 1, 1.5])
def test_a_cursor_from_before_the_moment_asked_for_finds_nothing_more(world: World, second: float) -> None:
    moved(world, tagged("a", second=1))
    moved(world, tagged("b", second=2))
    wanted = JobFilter(created_after=after(1.5))
    found = world.jobs.list("shop", wanted, after=Cursor(after(second), derived_id("job", "a")), limit=9)
    assert (found.items, found.end) == ((), None)


# ---- Who needs attention


def test_the_longest_overdue_come_first_and_no_more_than_asked_for(world: World) -> None:
    for day in (3, 1, 2, 0):
        moved(world, job(str(day), day=day))
    moved(world, job("announced"), expired, announced)
    late = START + timedelta(days=2, hours=1)
    found = world.jobs.needing_attention(late, limit=10)
    assert found == [job(str(day)).job_id for day in (0, 1, 2)]
    assert world.jobs.needing_attention(late, limit=2) == found[:2]


# ---- The announcement that a budget is used up

PAGE = BudgetAccount(EVERYBODY, TODAY)


def test_one_at_a_time_may_announce_that_a_budget_is_used_up(world: World) -> None:
    assert world.ledger.may_announce(PAGE, after(0))
    assert not world.ledger.may_announce(PAGE, after(0))
    assert not world.ledger.may_announce(PAGE, after(59))
    assert not world.ledger.may_announce(PAGE, after(60))


def test_whoever_began_to_announce_a_minute_ago_is_gone(world: World) -> None:
    assert world.ledger.may_announce(PAGE, after(0))
    assert world.ledger.may_announce(PAGE, after(61))
    assert not world.ledger.may_announce(PAGE, after(62))
    assert world.ledger.may_announce(PAGE, after(61 + 61))


@pytest.mark.parametrize("later", [0, 61, 10**7])
def test_what_is_announced_is_announced_for_good(world: World, later: int) -> None:
    assert world.ledger.may_announce(PAGE, after(0))
    world.ledger.announced(PAGE)
    assert not world.ledger.may_announce(PAGE, after(later))


@pytest.mark.parametrize(
    "other",
    [BudgetAccount("shop", TODAY), BudgetAccount(EVERYBODY, THIS_MONTH), BudgetAccount(EVERYBODY, "2026-11-23")],
)
def test_each_page_is_announced_by_itself(world: World, other: BudgetAccount) -> None:
    assert world.ledger.may_announce(PAGE, after(0))
    world.ledger.announced(PAGE)
    assert world.ledger.may_announce(other, after(0))


def test_an_announcement_leaves_the_sums_as_they_are_and_makes_no_room(world: World) -> None:
    world.limit(for_all(daily="0.05"))
    assert world.ledger.may_announce(PAGE, after(0))
    world.ledger.announced(PAGE)
    assert world.ledger.read(PAGE) == Booking()
    moved(world, job("1"))
    assert world.ledger.read(PAGE) == RESERVED
    with pytest.raises(BudgetExceeded):
        world.jobs.add(job("2"))


@pytest.mark.parametrize("other", [None, 80])
def test_each_threshold_of_a_page_is_announced_by_itself(world: World, other: int | None) -> None:
    assert world.ledger.may_announce(PAGE, after(0), threshold=50)
    assert not world.ledger.may_announce(PAGE, after(60), threshold=50)
    assert world.ledger.may_announce(PAGE, after(61), threshold=50)
    assert world.ledger.may_announce(PAGE, after(61), threshold=other)
    world.ledger.announced(PAGE, threshold=50)
    assert not world.ledger.may_announce(PAGE, after(10**7), threshold=50)
    assert world.ledger.may_announce(PAGE, after(10**7), threshold=other)


def test_a_balance_says_which_warnings_went_out(world: World) -> None:
    assert world.ledger.balance(PAGE) == Balance(Booking())
    moved(world, job("1"))
    world.ledger.may_announce(PAGE, after(0), threshold=50)
    assert world.ledger.balance(PAGE) == Balance(RESERVED)
    world.ledger.announced(PAGE, threshold=50)
    world.ledger.announced(PAGE)
    assert world.ledger.balance(PAGE) == Balance(RESERVED, frozenset({50}))
    world.ledger.announced(PAGE, threshold=80)
    assert world.ledger.balance(PAGE) == Balance(RESERVED, frozenset({50, 80}))
    assert world.ledger.balance(BudgetAccount("shop", TODAY)) == Balance(RESERVED)


def test_a_warning_leaves_the_sums_as_they_are_and_they_leave_it(world: World) -> None:
    first = moved(world, job("1"))
    before = world.booked()
    world.ledger.may_announce(PAGE, after(0), threshold=50)
    world.ledger.announced(PAGE, threshold=50)
    assert world.booked() == before
    assert dict(world.ledger.scan()) == before
    # Whatever is given back: what was announced stays so.
    world.jobs.save(failed(BLOCKED)(first))
    assert world.ledger.balance(PAGE) == Balance(Booking(), frozenset({50}))


# ---- Anything, in any order

MOVES: dict[str, Move] = {
    "call cheap": calling(CHEAP),
    "call dear": calling(DEAR),
    "accept": accepted,
    "doubt": mark_uncertain,
    "refuse": refused(LATE),
    "lose": refused(UNKNOWN),
    "succeed": succeeded,
    "fail": failed(BLOCKED),
    "fail paid": failed(PAID),
    "fail unknown": failed(UNKNOWN),
    "expire": expired,
    "orphan": orphaned,
    "announce": announced,
    "wish to cancel": canceling,
    "cancel": canceled,
    "cancel for free": canceled_with(BLOCKED),
    "cancel unknown": canceled_with(UNKNOWN),
    "lose and call dear": lambda old: calling(DEAR)(refused(UNKNOWN)(old)),
}
NEW = [job("a"), job("b"), job("c", tenant="press"), job("d", day=1)]
STEPS = st.lists(
    st.tuples(st.sampled_from(["move"] * 8 + ["add", "stale"]), st.sampled_from(NEW), st.integers(0, 99)),
    min_size=15,
    max_size=30,
)


def told(write: Callable[[], Job | None]) -> object:
    """What a write answers, or how it refuses."""
    try:
        return write()
    except BudgetExceeded as error:
        return BudgetExceeded, error.account, error.period, error.limit_microusd
    except HeliographError as error:
        return type(error), error.args


def added_up(jobs: Iterable[Job]) -> dict[BudgetAccount, Booking]:
    """The ledger as the jobs' own records have it."""
    sums: dict[BudgetAccount, Booking] = {}
    for each in jobs:
        for page, _ in accounts_of(each.tenant, each.created_at):
            sums[page] = sums.get(page, Booking()).plus(accounting_of(each).booking)
    return {page: booking for page, booking in sums.items() if any(booking)}


def used_by(jobs: Iterable[Job]) -> dict[tuple[str, str, str], Usage]:
    """The lines of usage as the jobs' own records have them."""
    sums: dict[tuple[str, str, str], Usage] = {}
    for each in jobs:
        for route, usage in accounting_of(each).usage_by_route.items():
            line = (each.created_at.strftime("%Y-%m-%d"), each.tenant, route)
            sums[line] = sums.get(line, Usage()).plus(usage)
    return sums


def possible(old: Job) -> list[tuple[str, Job]]:
    """What can happen to a job."""
    found = []
    for name, move in MOVES.items():
        with suppress(ValueError, AssertionError):
            found.append((name, move(old)))
    return found


def answered(world: World, step: str, new: Job, number: int, earlier: list[Job]) -> tuple[str, object]:
    """What happened to a job, and what the world said to it."""
    current = world.jobs.get(new.job_id)
    if step == "add" or current is None:
        return "add", told(lambda: world.jobs.add(new))
    if step == "stale" and earlier:
        return step, told(lambda: world.jobs.save(earlier[number % len(earlier)].as_started()))
    moves = possible(current)
    if number % 4:
        # Most of the time it goes on.
        moves = [move for move in moves if not move[1].is_over] or moves
    name, changed = moves[number % len(moves)]
    return name, told(lambda: world.jobs.save(changed))


@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(STEPS)
def test_whatever_happens_the_sums_are_those_of_the_jobs_and_both_stores_say_the_same(
    credentials: None, steps: list[tuple[str, Job, int]]
) -> None:
    with mock_aws():
        worlds: list[World] = [InMemory(), InDynamoDB()]
        for world in worlds:
            world.limit(for_the_shop(monthly="0.23", together="0.17"))
        read: dict[str, list[Job]] = {new.job_id: [] for new in NEW}
        for step, new, number in steps:
            fake, real = (answered(world, step, new, number, read[new.job_id]) for world in worlds)
            assert fake == real
            event(f"{real[0]}: {real[1][0].__name__ if isinstance(real[1], tuple) else type(real[1]).__name__}")
            if isinstance(real[1], Job):
                read[new.job_id].append(real[1])
        jobs = [each[-1] for each in read.values() if each]
        for world in worlds:
            assert [world.jobs.get(each.job_id) for each in jobs] == jobs
            assert world.booked() == added_up(jobs)
            assert world.used() == used_by(jobs)
            assert world.running() == running_tasks(jobs)


# ---- Who holds a key of results

RESULTS_KEY = "shop/läden/shoe"


def holding(source: str, *, since: float = 0, key: str = RESULTS_KEY) -> KeyHolder:
    return KeyHolder(key=key, source=source, held_since=after(since))


def test_a_key_is_taken_together_with_the_job_that_takes_it(world: World) -> None:
    first = holding("s3://u/shoe.jpg")
    assert world.jobs.holder_of(RESULTS_KEY) is None
    assert world.jobs.add(job().held_by(first), taking=Taking(first, None))
    assert world.jobs.holder_of(RESULTS_KEY) == first
    assert world.jobs.holder_of("shop/other") is None
    assert [found.key_holder for found in world.jobs.scan()] == [first]


def test_a_key_that_another_took_first_is_not_taken_and_no_job_is_written(world: World) -> None:
    first, second = holding("s3://u/shoe.jpg"), holding("s3://u/shoe.png", since=1)
    world.jobs.add(job("1").held_by(first), taking=Taking(first, None))
    before = world.everything()
    for wrong in (None, holding("s3://u/shoe.gif"), holding("s3://u/shoe.jpg", since=2)):
        with pytest.raises(KeyHeld):
            world.jobs.add(job("2").held_by(second), taking=Taking(second, wrong))
    assert world.everything() == before

    assert world.jobs.add(job("2").held_by(second), taking=Taking(second, first))
    assert world.jobs.holder_of(RESULTS_KEY) == second


def test_a_job_that_does_not_fit_the_budget_takes_no_key(world: World) -> None:
    world.limit(for_all(daily="0.01"))
    first = holding("s3://u/shoe.jpg")
    with pytest.raises(BudgetExceeded):
        world.jobs.add(job().held_by(first), taking=Taking(first, None))
    assert world.jobs.holder_of(RESULTS_KEY) is None


def test_a_repeat_of_a_job_takes_no_key(world: World) -> None:
    first, second = holding("s3://u/shoe.jpg"), holding("s3://u/shoe.png")
    world.jobs.add(job().held_by(first), taking=Taking(first, None))
    assert world.jobs.add(job().held_by(second), taking=Taking(second, first)) is None
    assert world.jobs.holder_of(RESULTS_KEY) == first


def test_the_holder_of_a_key_is_no_job(world: World) -> None:
    first = holding("s3://u/shoe.jpg")
    added = world.jobs.add(job().held_by(first), taking=Taking(first, None))
    assert [found.job_id for found in world.jobs.scan()] == [added.job_id if added else None]
    assert len(world.jobs.list("shop", JobFilter(), after=None, limit=9).items) == 1
