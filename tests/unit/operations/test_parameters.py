"""Parameters of a deployment are checked before it, and each fault says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from heliograph.runtime.settings.tenancy import ConfiguredTenants
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from operations.parameters import LONGEST_STACK_NAME, fault_of_stack_name, faults_of_parameters
from tests.contract.cfn_template import TEMPLATE

PARAMETERS: Mapping[str, dict[str, Any]] = TEMPLATE["Parameters"]
DEFAULTS = {name: str(declared["Default"]) for name, declared in PARAMETERS.items()}
LIMITS = {"weight": 2, "daily_budget_usd": "25", "monthly_budget_usd": "400"}
ROUTE = {"provider": "apimodels", "model": "gpt-image-2", "price_usd": "0.05", "max_references": 10}


def compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def only_fault(**parameters: str) -> str:
    [fault] = faults_of_parameters(parameters)
    return fault


def test_the_templates_own_defaults_have_no_fault() -> None:
    assert faults_of_parameters(DEFAULTS) == ()


def test_what_is_not_given_is_not_missed() -> None:
    assert faults_of_parameters({}) == ()
    assert faults_of_parameters({"Routes": compact([{**ROUTE, "provider": "kie"}])}) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Tenants", compact({f"shop{number}": LIMITS for number in range(15)})),
        ("Tenants", '{"shop": {"weight": 2, "daily_budget_usd": "25"}, "press": {}}'),
        ("Routes", compact([{**ROUTE, "creates_per_minute": 300}, {**ROUTE, "provider": "kie", "name": "second"}])),
        ("KieKeySecret", "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:prod/kie_key-a1B2c3"),
        ("DailyBudgetUsd", "0.5"),
        ("ProviderBaseUrl", "http://127.0.0.1:34567/v1"),
        ("ProviderBaseUrl", "http://localhost:34567/v1"),
        ("ResultOrigins", "http://127.0.0.1:34567"),
        ("JobDeadlineSeconds", "60"),
        ("LogRetentionDays", "365"),
        ("Callbacks", "off"),
    ],
)
def test_what_can_be_deployed_has_no_fault(name: str, value: str) -> None:
    assert faults_of_parameters({**DEFAULTS, name: value}) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ProviderBaseUrl", "http://api.apimodels.app/v1"),
        ("KieBaseUrl", "http://api.kie.ai/api/v1"),
        ("KieBaseUrl", "http://127.0.0.1.example.com/v1"),
        ("KieBaseUrl", "http://localhost.example.com:80/v1"),
        ("ResultOrigins", "http://r2.apimodels.app"),
        ("ResultOrigins", "https://r2.apimodels.app,http://tempfile.aiquickdraw.com"),
        ("ResultOrigins", "http://localhost.example.com"),
    ],
)
def test_nothing_is_sent_or_fetched_in_clear_but_on_the_same_machine(name: str, value: str) -> None:
    assert only_fault(**{name: value}).startswith(f"{name} is not valid")


@pytest.mark.parametrize("value", ["01", "00.5", "0025"])
def test_an_amount_has_no_leading_zeros(value: str) -> None:
    assert only_fault(DailyBudgetUsd=value).startswith("DailyBudgetUsd is not valid")


# ---- Names


@pytest.mark.parametrize(
    ("wrong", "right"), [("Tenant", "Tenants"), ("dailybudgetusd", "DailyBudgetUsd"), ("KieSecretKey", "KieKeySecret")]
)
def test_for_an_unknown_name_the_nearest_is_told(wrong: str, right: str) -> None:
    assert only_fault(**{wrong: "x"}) == f"There is no parameter {wrong}: write {right} instead."


def test_where_no_name_is_near_all_are_told() -> None:
    fault = only_fault(Zzz="x")
    assert fault.startswith("There is no parameter Zzz: write one of ")
    assert all(name in fault for name in PARAMETERS)


# ---- Numbers, choices and texts


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("Callbacks", "yes", "Callbacks is 'yes': choose one of on, off."),
        ("LogRetentionDays", "8", "LogRetentionDays is '8': choose one of 1, 3, 5, 7, 14, 30, 60, 90, 180, 365."),
        ("JobDeadlineSeconds", "59", "JobDeadlineSeconds is '59': write a whole number from 60 to 21600."),
        ("JobDeadlineSeconds", "21601", "JobDeadlineSeconds is '21601': write a whole number from 60 to 21600."),
        ("JobDeadlineSeconds", "soon", "JobDeadlineSeconds is 'soon': write a whole number from 60 to 21600."),
        ("JobRetentionDays", "91.5", "JobRetentionDays is '91.5': write a whole number from 91 to 36500."),
        ("MaxResultBytes", "", "MaxResultBytes is '': write a whole number from 1 to 419430400."),
        ("Release", "x" * 201, "Release has 201 characters and may have 200: shorten it."),
        (
            "DailyBudgetUsd",
            "abc",
            "DailyBudgetUsd is not valid ('abc'): it must be an amount above 0 in USD, such as 25 or "
            "25.50, or empty for no limit.",
        ),
        (
            "KieBaseUrl",
            "api.kie.ai/v1",
            "KieBaseUrl is not valid ('api.kie.ai/v1'): it must be a URL with a path, such as "
            "https://api.kie.ai/api/v1, of 64 characters at most.",
        ),
    ],
)
def test_a_value_that_cloudformation_refuses_is_told_with_what_it_takes(name: str, value: str, fault: str) -> None:
    assert only_fault(**{name: value}) == fault


def test_a_key_in_place_of_its_arn_is_not_repeated() -> None:
    key = "0123456789abcdef0123456789abcdef"
    fault = only_fault(KieKeySecret=key)
    assert key not in fault
    assert "it must be the whole ARN of a secret of Secrets Manager" in fault


def test_every_fault_of_all_parameters_is_told_at_once() -> None:
    faults = faults_of_parameters({"Tenant": "{}", "Callbacks": "yes", "Tenants": "{", "MonthlyBudgetUsd": "0"})
    assert [fault.split()[0] for fault in faults] == ["There", "Callbacks", "Tenants", "MonthlyBudgetUsd"]


# ---- JSON documents


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (
            '{"shop": {"weight" 2}}',
            "Tenants is not valid JSON at line 1, column 20 (Expecting ':' delimiter): correct the quotes, commas and "
            """brackets near 'op": {"weight" 2}}'.""",
        ),
        (
            # Python words other mistakes, such as a comma too many, differently from 3.13 on.
            '{"shop":\n {"weight": 2} "b": {}}',
            "Tenants is not valid JSON at line 2, column 16 (Expecting ',' delimiter): "
            """correct the quotes, commas and brackets near ' {"weight": 2} "b": {}}'.""",
        ),
    ],
)
def test_broken_json_is_told_with_its_line_and_column(value: str, fault: str) -> None:
    assert only_fault(Tenants=value) == fault


@pytest.mark.parametrize(
    ("tenants", "fault"),
    [
        ({"shop": {"wieght": 2}}, "tenant 'shop' has no field wieght: write weight instead."),
        (
            {"shop": {"limit": 2}},
            "tenant 'shop' has no field limit: write one of daily_budget_usd, monthly_budget_usd, weight.",
        ),
        (
            {"shop": {"daily_budget_usd": "abc"}},
            "daily_budget_usd of tenant 'shop' is wrong (must be an amount of US dollars, such as 0.06, with six "
            'decimals at most): write an amount of USD above 0 in quotes, such as "0.06" or "25".',
        ),
        (
            {"shop": {"monthly_budget_usd": 400}},
            "monthly_budget_usd of tenant 'shop' is wrong (must be a string): write an amount of USD above 0 "
            'in quotes, such as "0.06" or "25".',
        ),
        (
            {"shop": {"weight": 0}},
            "weight of tenant 'shop' is wrong (must be at least 1): correct it.",
        ),
        (
            {"My Shop": {}},
            "tenant 'My Shop' is wrong (must be 1 to 64 lower-case letters, digits, dots and hyphens, and begin with "
            "a letter or a digit): name it with lower-case letters, digits, dots and hyphens, 64 at most.",
        ),
    ],
)
def test_what_no_function_would_take_is_told_with_the_tenant(tenants: Any, fault: str) -> None:
    assert only_fault(Tenants=json.dumps(tenants)) == f"Tenants: {fault}"


def test_every_fault_of_every_route_is_told() -> None:
    routes = [{**ROUTE, "provider": "zeta", "modle": "x"}, {"provider": "kie", "model": "m", "price_usd": "0"}]
    assert faults_of_parameters({"Routes": json.dumps(routes)}) == (
        "Routes: provider of route 1 is wrong (must be one of apimodels, kie): correct it.",
        "Routes: route 1 has no field modle: write model instead.",
        "Routes: price_usd of route 2 is wrong (a price is more than nothing): write an amount of USD above 0 in "
        'quotes, such as "0.06" or "25".',
        "Routes: route 2 lacks max_references: add it.",
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("Tenants", "[]", "write a JSON object"),
        ("Routes", "{}", "write a JSON list"),
        ("Routes", "[]", "at least one route is needed"),
        ("Tenants", '{"a": {}, "a": {}}', "says a twice"),
        ("Tenants", '{"shop":\n{}}', "the character '\\n': write it in one line, in ASCII and without backslashes"),
        ("Tenants", r'{"\u0061": {}}', "without backslashes"),
        ("Tenants", ' {"shop": {}}', "leave them out"),
        ("Routes", compact([{**ROUTE, "model": "?"}]).replace("?", "größer"), "the character 'ö'"),
    ],
)
def test_a_document_of_another_shape_is_told_so(name: str, value: str, told: str) -> None:
    assert told in only_fault(**{name: value})


def test_of_too_many_tenants_it_is_told_how_many_fit() -> None:
    tenants = compact({f"shop{number}": LIMITS for number in range(60)})
    most = int(PARAMETERS["Tenants"]["MaxLength"])
    assert only_fault(Tenants=tenants) == (
        f"Tenants has {len(tenants):,} characters and may have {most:,}, enough for about 15 of its 60 tenants: leave "
        "out those with weight 1 and no budget, and shorten names."
    )


def test_of_tenants_that_fit_without_their_spaces_that_is_told() -> None:
    tenants = {f"shop{number}": LIMITS for number in range(15)}
    fault = only_fault(Tenants=json.dumps(tenants))
    assert f"leave out the spaces, without which it has {len(compact(tenants)):,}" in fault


def test_a_document_that_is_broken_and_too_long_is_told_both() -> None:
    broken, long = faults_of_parameters({"Routes": "[" * 701})
    assert "not valid JSON" in broken
    assert long == "Routes has 701 characters and may have 700: shorten it."


def test_routes_through_kie_alone_need_its_key() -> None:
    routes = compact([{**ROUTE, "provider": "kie"}])
    assert only_fault(Routes=routes, KieKeySecret="").startswith(
        "Routes leads through kie alone and KieKeySecret is empty"
    )
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kie-a1B2c3"
    assert faults_of_parameters({"Routes": routes, "KieKeySecret": secret}) == ()


TENANTS = st.dictionaries(
    st.text("aB9-._ é\\", max_size=4),
    st.fixed_dictionaries(
        {},
        optional={
            "weight": st.one_of(st.integers(-1, 1001), st.just("2")),
            "daily_budget_usd": st.sampled_from(["25", "0", "0.000001", "x", 25, None]),
            "wieght": st.just(1),
        },
    ),
    max_size=3,
)


@given(TENANTS)
def test_there_is_a_fault_where_functions_would_find_one_and_nowhere_else(tenants: dict[str, Any]) -> None:
    text = json.dumps(tenants)
    try:
        TypeAdapter(ConfiguredTenants).validate_python(text)
    except ValidationError:
        assert faults_of_parameters({"Tenants": text})
    else:
        assert not faults_of_parameters({"Tenants": text})


@given(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=60))
def test_whatever_is_given_each_fault_is_one_sentence(name: str, value: str) -> None:
    for fault in faults_of_parameters({name: value}):
        assert fault.startswith(name)
        assert fault.endswith(".")
        assert "\n" not in fault


# ---- The stack's name


@pytest.mark.parametrize("name", ["heliograph", "a", "Shop-2", "s" * LONGEST_STACK_NAME])
def test_a_stack_name_that_can_be_deployed_has_no_fault(name: str) -> None:
    assert fault_of_stack_name(name) is None


def test_a_stack_name_that_is_too_long_is_told_with_the_most() -> None:
    fault = fault_of_stack_name("s" * (LONGEST_STACK_NAME + 1))
    assert fault is not None
    assert "has 64 characters and may have 63, because the names of its state machines begin with it" in fault


@pytest.mark.parametrize("name", ["", "1st", "my_stack", "-a", "a b", "größer", "stack\n"])
def test_a_stack_name_that_cloudformation_refuses_is_told_with_what_it_takes(name: str) -> None:
    fault = fault_of_stack_name(name)
    assert fault is not None
    assert "choose one of letters, digits and hyphens that begins with a letter" in fault
