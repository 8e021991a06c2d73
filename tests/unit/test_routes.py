"""Routes: configuration that either works or says everything that is wrong with it."""

from __future__ import annotations

import json

import pytest
from heliograph.domain.errors import ConfigurationError
from heliograph.domain.routes import AspectRatio, Routes

from tests.fakes.deployment import BETA, ROUTES, SECOND

GOOD = {"provider": "apimodels", "model": BETA, "price_usd": "0.06", "max_references": 16}


def routes(*changes: dict[str, object]) -> Routes:
    return Routes.from_json(json.dumps([{**GOOD, **change} for change in changes]))


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
    with pytest.raises(ConfigurationError) as refused:
        routes({"price_usd": "0", "max_references": -1}, {"model": "", "aspect_ratios": ["7:5"], "colour": "red"})

    for place in ("/0/price_usd", "/0/max_references", "/1/model", "/1/aspect_ratios", "/1/colour"):
        assert place in str(refused.value)


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "[]", "null", '[{"provider": "apimodels"}]', "[1]"])
def test_what_holds_no_route_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="ROUTES"):
        Routes.from_json(text)


def test_a_price_is_text_because_a_number_would_be_a_float() -> None:
    with pytest.raises(ConfigurationError, match="/0/price_usd"):
        routes({"price_usd": 0.06})


def test_a_model_has_one_route_only() -> None:
    with pytest.raises(ConfigurationError, match="one route only"):
        routes({}, {"provider": "another"})
