"""`GET /v1/usage`: what was done and spent, by day, tenant and route; everybody sees their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.budgets.ledger import Usage, UsageLine
from heliograph.budgets.read_usage import MOST_DAYS, UsageQuery, UsageReader
from heliograph.kernel.errors import InvalidRequest
from heliograph.providers.protocol import Completed, Uncertain
from pydantic import ValidationError

from tests.fakes.deployment import BETA, OWNER, SECOND, InMemoryDeployment
from tests.fakes.provider import result_urls_of

ADMIN = Caller(tenant="default", scopes=frozenset(Scope))
SHOP = Caller(tenant="shop", scopes=frozenset({Scope.JOBS_READ}))


def usage(here: InMemoryDeployment, caller: Caller = OWNER, query: Mapping[str, str] | None = None) -> list[UsageLine]:
    found = UsageQuery.model_validate(query or {})
    return list(UsageReader(ledger=here.ledger, clock=here.clock).read(found, caller=caller))


def today(here: InMemoryDeployment) -> date:
    return here.clock.now().date()


def done(here: InMemoryDeployment, number: int, *, tenant: str = "default", model: str = BETA) -> None:
    job = here.post({"prompt": f"{tenant} {number}", "model": model}, key=f"{number}", tenant=tenant).job
    here.run(job.job_id)


def test_pictures_and_money_are_summed_by_day_tenant_and_route(here: InMemoryDeployment) -> None:
    day = today(here).isoformat()
    done(here, 1)
    done(here, 2)
    done(here, 3, model=SECOND)
    here.provider.will_say(Completed(result_urls_of("three", (1, 2, 3))))
    done(here, 4, model=SECOND)

    assert usage(here) == [
        UsageLine(day, "default", BETA, Usage(pictures=2, spent=120_000)),
        UsageLine(day, "default", SECOND, Usage(pictures=4, spent=100_000)),
    ]


def test_what_nobody_knows_the_price_of_is_on_the_route_that_may_have_charged_it(here: InMemoryDeployment) -> None:
    job = here.post({"prompt": "lost", "policy": "cheapest", "on_uncertain": "resubmit"}).job
    here.provider.will_answer_create(Uncertain("cut"))
    here.run(job.job_id)
    here.cancel(here.post({"prompt": "canceled"}, key="2").job.job_id)

    assert {line.route: line.usage for line in usage(here)} == {
        SECOND: Usage(unknown=50_000),
        BETA: Usage(pictures=1, spent=60_000),
    }


def test_the_newest_day_comes_first(here: InMemoryDeployment) -> None:
    first = today(here)
    for number in range(3):
        done(here, number)
        here.clock.step(24 * 3600)

    days = [line.day for line in usage(here)]

    assert days == [(first + timedelta(days=number)).isoformat() for number in (2, 1, 0)]


def test_a_tenant_sees_its_own_only_and_nobody_elses_by_asking(here: InMemoryDeployment) -> None:
    done(here, 1)
    done(here, 2, tenant="shop")

    assert {line.tenant for line in usage(here, SHOP)} == {"shop"}
    assert {line.tenant for line in usage(here, SHOP, {"tenant": "shop"})} == {"shop"}
    assert usage(here, SHOP, {"tenant": "default"}) == []
    assert {line.tenant for line in usage(here, OWNER)} == {"default"}


def test_of_other_tenants_nothing_is_read(here: InMemoryDeployment) -> None:
    done(here, 1)
    for number in range(2, 5):
        done(here, number, tenant="shop")

    usage(here, SHOP)
    usage(here, SHOP, {"tenant": "default"})
    usage(here, ADMIN, {"tenant": "shop"})

    assert here.ledger.lines_read == 2


def test_an_admin_sees_all_or_whom_they_ask_for(here: InMemoryDeployment) -> None:
    done(here, 1)
    done(here, 2, tenant="shop")

    assert {line.tenant for line in usage(here, ADMIN)} == {"default", "shop"}
    assert {line.tenant for line in usage(here, ADMIN, {"tenant": "shop"})} == {"shop"}
    assert usage(here, ADMIN, {"tenant": "nobody"}) == []


def test_both_days_are_included_and_thirty_are_usual(here: InMemoryDeployment) -> None:
    begun = today(here)
    done(here, 1)
    here.clock.step(29 * 24 * 3600)
    assert len(usage(here)) == 1
    here.clock.step(24 * 3600)
    assert usage(here) == []

    assert len(usage(here, query={"from": begun.isoformat()})) == 1
    assert len(usage(here, query={"from": begun.isoformat(), "to": begun.isoformat()})) == 1
    assert len(usage(here, query={"to": begun.isoformat()})) == 1
    assert usage(here, query={"from": (begun + timedelta(days=1)).isoformat()}) == []
    assert usage(here, query={"to": (begun - timedelta(days=1)).isoformat()}) == []


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "2026-01-01", "to": "2026-12-31"},
        # Part of it would look like all of it.
        {"from": "2019-01-01"},
    ],
)
def test_more_days_than_can_be_told_at_once_are_refused_not_cut(
    here: InMemoryDeployment, query: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest, match=str(MOST_DAYS)):
        usage(here, query=query)


def test_as_many_days_as_may_be_are_told(here: InMemoryDeployment) -> None:
    first = today(here) - timedelta(days=MOST_DAYS - 1)

    assert usage(here, query={"from": first.isoformat()}) == []
    with pytest.raises(InvalidRequest):
        usage(here, query={"from": (first - timedelta(days=1)).isoformat()})


@pytest.mark.parametrize("day", ["yesterday", "", "0001-01-01", "9999-12-31", "2026-02-30", "2026-11-22T10:00:00Z"])
@pytest.mark.parametrize("name", ["from", "to"])
def test_what_is_no_day_is_refused(name: str, day: str) -> None:
    with pytest.raises(ValidationError):
        UsageQuery.model_validate({name: day})


@pytest.mark.parametrize("name", ["first", "last", "limit"])
def test_there_are_no_other_parameters(name: str) -> None:
    with pytest.raises(ValidationError):
        UsageQuery.model_validate({name: "2026-11-22"})


@pytest.mark.parametrize("tenant", ["", "#usage", "Shop", "shop#x", "*"])
def test_what_is_no_tenants_name_is_refused(tenant: str) -> None:
    with pytest.raises(ValidationError):
        UsageQuery.model_validate({"tenant": tenant})
