"""Routes: configuration that either works or says everything that is wrong with it."""

from __future__ import annotations

import pytest
from heliograph.domain.faults import faults_of
from heliograph.domain.routes import AspectRatio, Routes
from pydantic import ValidationError

from tests.fakes.deployment import BETA, ROUTES, SECOND

GOOD = {"provider": "apimodels", "model": BETA, "price_usd": "0.06", "max_references": 16}


def routes(*changes: dict[str, object]) -> Routes:
    return Routes.model_validate([{**GOOD, **change} for change in changes])


def faulty(routes_given: object) -> dict[str, str]:
    """What is wrong with routes, by place."""
    with pytest.raises(ValidationError) as refused:
        Routes.model_validate(routes_given)
    return {fault.pointer: fault.detail for fault in faults_of(refused.value)}


def test_the_first_route_is_the_default() -> None:
    assert ROUTES.default.model == BETA
    assert ROUTES.models == (BETA, SECOND)


def test_a_route_is_found_by_its_model_only() -> None:
    second = ROUTES.serving(SECOND)

    assert second
    assert second.price_microusd == 50_000
    assert ROUTES.serving("dall-e-3") is None


def test_a_route_offers_every_ratio_unless_it_says_otherwise() -> None:
    assert routes({}).default.aspect_ratios == frozenset(AspectRatio)
    assert routes({"aspect_ratios": ["1:1"]}).default.aspect_ratios == {AspectRatio.SQUARE}


def test_the_most_capable_route_sets_what_can_be_served_at_all() -> None:
    both = routes({"max_prompt_characters": 50}, {"model": SECOND, "max_references": 20, "max_prompt_characters": 70})

    assert (both.most_references, both.longest_prompt) == (20, 70)


def test_every_fault_of_the_configuration_is_named_at_once() -> None:
    first = {**GOOD, "price_usd": "0", "max_references": -1}
    second = {**GOOD, "provider": "another", "model": "", "aspect_ratios": ["7:5"], "colour": "red"}

    assert faulty([first, second]).keys() == {
        "/0/price_usd",
        "/0/max_references",
        "/1/provider",
        "/1/model",
        "/1/aspect_ratios/0",
        "/1/colour",
    }


@pytest.mark.parametrize("given", ["", {}, [], None, [{"provider": "apimodels"}], [1]])
def test_what_holds_no_route_is_refused(given: object) -> None:
    assert faulty(given)


@pytest.mark.parametrize("provider", ["", "another", "ApiModels"])
def test_a_provider_that_nobody_speaks_to_is_refused(provider: str) -> None:
    assert faulty([{**GOOD, "provider": provider}]).keys() == {"/0/provider"}


def test_a_price_is_text_because_a_number_would_be_a_float() -> None:
    assert faulty([{**GOOD, "price_usd": 0.06}]).keys() == {"/0/price_usd"}


@pytest.mark.parametrize("price", ["0", "0.00", "-1", "6e-2", "1e999999999"])
def test_a_price_is_a_plain_amount_above_nothing(price: str) -> None:
    assert faulty([{**GOOD, "price_usd": price}]).keys() == {"/0/price_usd"}


def test_a_model_has_one_route_only() -> None:
    assert "one route only" in faulty([GOOD, {**GOOD, "max_references": 4}])[""]
