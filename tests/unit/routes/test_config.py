"""Routes: a configuration is valid, or all of its faults are reported."""

from __future__ import annotations

import pytest
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.validation import faults_of
from heliograph.routes.config import Routes
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


def test_a_route_is_found_by_its_model_and_by_its_name() -> None:
    named = routes({"name": "shop"}, {"model": SECOND})

    assert [route.name for route in named.to(BETA) or ()] == ["shop"]
    assert named.to("shop") is None
    assert named.to("dall-e-3") is None
    assert named.named("shop") == named.default
    assert named.named(BETA) is None


def test_a_route_has_the_name_of_its_model_unless_it_is_given_one() -> None:
    assert [route.name for route in routes({}, {"model": SECOND, "name": "other"})] == [BETA, "other"]


def test_a_route_made_in_code_is_named_after_its_model_too() -> None:
    assert [route.name for route in ROUTES] == [BETA, SECOND]


def test_several_routes_may_lead_to_one_model_in_their_order() -> None:
    three = routes({}, {"model": SECOND}, {"name": "by-kie", "provider": "kie", "price_usd": "0.03"})

    assert three.models == (BETA, SECOND)
    both = three.to(BETA)
    assert both
    assert [route.name for route in both] == [BETA, "by-kie"]
    assert [route.name for route in three.taking(references=0, aspect_ratio="auto", prompt_characters=1)] == [
        BETA,
        SECOND,
        "by-kie",
    ]
    cheapest = three.taking(references=0, aspect_ratio="auto", prompt_characters=1, cheapest_first=True)
    assert cheapest[0].name == "by-kie"


def test_routes_can_be_narrowed_to_some_providers() -> None:
    both = routes({}, {"name": "by-kie", "provider": "kie"})

    of_kie = both.of({"kie"})
    assert of_kie
    assert [route.name for route in of_kie] == ["by-kie"]
    assert both.of(set()) is None


def test_a_route_takes_a_job_only_if_all_its_caps_fit() -> None:
    mixed = routes({"max_references": 2, "max_prompt_characters": 50}, {"model": SECOND, "aspect_ratios": ["1:1"]})

    def taking(references: int, ratio: str, characters: int) -> list[str]:
        found = mixed.taking(references=references, aspect_ratio=ratio, prompt_characters=characters)
        return [route.model for route in found]

    assert taking(2, "1:1", 50) == [BETA, SECOND]
    assert taking(3, "1:1", 50) == taking(2, "1:1", 51) == [SECOND]
    assert taking(2, "16:9", 50) == [BETA]
    assert taking(3, "16:9", 50) == []


def test_a_route_offers_every_ratio_unless_it_says_otherwise() -> None:
    assert routes({}).default.aspect_ratios == frozenset(AspectRatio)
    assert routes({"aspect_ratios": ["1:1"]}).default.aspect_ratios == {AspectRatio.SQUARE}


def test_the_largest_caps_of_all_routes_limit_every_job() -> None:
    both = routes({"max_prompt_characters": 50}, {"model": SECOND, "max_references": 20, "max_prompt_characters": 70})

    assert (both.most_references, both.longest_prompt) == (20, 70)


def test_all_faults_of_the_configuration_are_reported_together() -> None:
    first = {**GOOD, "price_usd": "0", "max_references": -1}
    second = {**GOOD, "provider": "another", "model": "", "aspect_ratios": ["7:5"], "colour": "red"}

    assert faulty([first, second]).keys() == {
        "/0/price_usd",
        "/0/max_references",
        "/1/provider",
        "/1/model",
        "/1/aspect_ratios/0",
        "/1/colour",
        # An empty model gives no name either.
        "/1/name",
    }


@pytest.mark.parametrize("given", ["", {}, [], None, [{"provider": "apimodels"}], [1]])
def test_a_configuration_without_routes_is_refused(given: object) -> None:
    assert faulty(given)


@pytest.mark.parametrize("provider", ["", "another", "ApiModels"])
def test_an_unknown_provider_is_refused(provider: str) -> None:
    assert faulty([{**GOOD, "provider": provider}]).keys() == {"/0/provider"}


def test_a_price_must_be_text_because_a_number_would_be_a_float() -> None:
    assert faulty([{**GOOD, "price_usd": 0.06}]).keys() == {"/0/price_usd"}


@pytest.mark.parametrize("price", ["0", "0.00", "-1", "6e-2", "1e999999999"])
def test_a_price_must_be_a_positive_amount(price: str) -> None:
    assert faulty([{**GOOD, "price_usd": price}]).keys() == {"/0/price_usd"}


def test_route_names_are_unique() -> None:
    assert "a name of its own" in faulty([GOOD, {**GOOD, "max_references": 4}])[""]
    assert "a name of its own" in faulty([GOOD, {**GOOD, "model": SECOND, "name": BETA}])[""]
    assert "a name of its own" in faulty([GOOD, {**GOOD, "provider": "kie"}])[""]


def test_a_providers_model_has_one_route_only() -> None:
    assert "one route only" in faulty([GOOD, {**GOOD, "name": "another", "max_references": 4}])[""]


@pytest.mark.parametrize("name", ["", "*", "a b", "a#running", "-a", "a/b", "a" * 65, 7, None])
def test_a_name_is_short_and_plain(name: object) -> None:
    assert faulty([{**GOOD, "name": name}]).keys() == {"/0/name"}


@pytest.mark.parametrize(
    "rate",
    [
        {"creates_per_minute": 5},
        {"creates_per_minute": 601},
        {"slowest_per_minute": 121},
        {"fastest_per_minute": 119},
    ],
)
def test_a_rate_lies_within_its_bounds(rate: dict[str, object]) -> None:
    assert "must lie between" in faulty([{**GOOD, **rate}])["/0"]


@pytest.mark.parametrize("field", ["creates_per_minute", "slowest_per_minute", "fastest_per_minute", "max_in_flight"])
def test_limits_are_positive(field: str) -> None:
    assert f"/0/{field}" in faulty([{**GOOD, field: 0}])
