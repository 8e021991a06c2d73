"""`GET /v1/models`: the routes, what they take and cost, and how they are doing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from heliograph.api.representations.models import ModelsResource
from heliograph.intake.list_models import ModelLister
from heliograph.jobs.request import Policy
from heliograph.kernel.errors import StorageFailed
from heliograph.routes.circuit_breaker import Circuit

from tests.fakes.deployment import BETA, ROUTES, RULES, SECOND, InMemoryDeployment


def told(here: InMemoryDeployment, policy: Policy = Policy.BETA_FIRST) -> ModelsResource:
    lister = ModelLister(routes=ROUTES, policy=policy, states=here.states, clock=here.clock)
    return ModelsResource.of(lister.list())


def test_every_route_is_told_in_its_order_with_caps_and_price(here: InMemoryDeployment) -> None:
    first, second = told(here).data

    assert (first.name, first.model, first.provider, first.price_usd) == (BETA, BETA, "apimodels", "0.06")
    assert (second.max_references, second.longest_prompt, second.max_in_flight) == (10, 20_000, 100)
    assert first.aspect_ratios[:2] == ("auto", "1:1")
    assert len(first.aspect_ratios) == 11


@pytest.mark.parametrize(("policy", "default"), [(Policy.BETA_FIRST, BETA), (Policy.CHEAPEST, SECOND)])
def test_the_one_that_a_plain_job_takes_is_marked(here: InMemoryDeployment, policy: Policy, default: str) -> None:
    assert [model.name for model in told(here, policy).data if model.is_default] == [default]
    # And it is the one that such a job does take.
    job = here.post(rules=replace(RULES, policy=policy)).job
    assert job.request.model == default


def test_a_route_that_takes_no_calls_is_told_as_open(here: InMemoryDeployment) -> None:
    here.control.disable(ROUTES.default, "a drill")

    assert [model.circuit for model in told(here).data] == [Circuit.OPEN, Circuit.CLOSED]


def test_a_spending_pause_is_told_without_the_operators_reason(here: InMemoryDeployment) -> None:
    here.control.pause_spending("the rival is suing us")
    paused = told(here)
    here.control.resume_spending()

    assert (paused.spending_paused, told(here).spending_paused) == (True, False)
    assert "suing" not in paused.model_dump_json()


def test_the_routes_table_being_away_is_told(here: InMemoryDeployment) -> None:
    here.states.on("snapshot", StorageFailed("away"))

    with pytest.raises(StorageFailed):
        told(here)
