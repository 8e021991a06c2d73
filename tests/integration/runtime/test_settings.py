"""The environment of a function, read once: whatever is wrong with it is said at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from heliograph.access.keys import KeyRequest
from heliograph.kernel.errors import ConfigurationError
from heliograph.kernel.tenants import Period
from heliograph.runtime.environment import Settings, read_settings, variables_of
from heliograph.runtime.settings.cancel_job import CancelJobSettings
from heliograph.runtime.settings.create_openai_images import CreateOpenAiImagesSettings
from heliograph.runtime.settings.dispatch_job import DispatchJobSettings
from heliograph.runtime.settings.operations import OperationsSettings
from heliograph.runtime.settings.poll_task import PollTaskSettings
from heliograph.runtime.settings.providers import ProviderSettings
from heliograph.runtime.settings.read_models_and_usage import ReadModelsAndUsageSettings
from heliograph.runtime.settings.recover_job import RecoverJobSettings
from heliograph.runtime.settings.submit_upload import SubmitUploadSettings
from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings
from heliograph.runtime.wiring import access, execution, operations


class EverySettings(SubmitUploadSettings, CreateOpenAiImagesSettings, DispatchJobSettings, SweepJobsSettings):
    """All settings whose values have rules."""


ROUTE = {"provider": "apimodels", "model": "gpt-image-2-beta", "price_usd": "0.06", "max_references": 16}
WORKING = {
    "JOBS_TABLE": "jobs",
    "LEDGER_TABLE": "ledger",
    "ROUTES_TABLE": "routes",
    "REUSE_TABLE": "reuse",
    "UPLOADS_BUCKET": "up",
    "RESULTS_BUCKET": "down",
    "EVENT_BUS": "bus",
    "ROUTES": json.dumps([ROUTE]),
    "PROVIDER_BASE_URL": "https://api.apimodels.app/v1",
    "PROVIDER_KEY_SECRET": "arn:upstream",
    "KIE_BASE_URL": "https://api.kie.ai/api/v1",
    "KIE_KEY_SECRET": "none",
    "CALLBACK_BASE_URL": "none",
    "DEFAULT_POLICY": "beta-first",
    "TENANTS": "{}",
    "DAILY_BUDGET_USD": "none",
    "MONTHLY_BUDGET_USD": "none",
    "LOCAL_WEBHOOKS": "off",
    "STATE_MACHINE_ARN": "arn:machine",
    "KEYS_TABLE": "keys",
    "CALLS_TABLE": "calls",
    "REJECTIONS_TABLE": "rejections",
    "CALLS_PER_MINUTE": "600",
    "WAITS_PER_CALLER": "10",
    "MODEL_ALIASES": "openai, picture",
    "API_KEY_SECRET": "arn:key",
    "RESULT_ORIGINS": "https://r2.apimodels.app, https://cdn.apimodels.app:8443",
    "MAX_RESULT_BYTES": "52428800",
    "JOB_DEADLINE_SECONDS": "1200",
    "UPLOAD_DEADLINE_SECONDS": "21600",
    "JOB_RETENTION_DAYS": "100",
}


def settings_with(**changes: str) -> EverySettings:
    return read_settings(EverySettings, {**WORKING, **changes})


def refusal(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings_with(**changes)
    return str(caught.value)


def test_a_deployment_that_works_is_read() -> None:
    settings = settings_with(PATH="/bin", AWS_REGION="eu-central-1")
    assert settings.routes.models == ("gpt-image-2-beta",)
    assert settings.result_origins == {"https://r2.apimodels.app", "https://cdn.apimodels.app:8443"}
    assert (settings.job_deadline, settings.job_retention) == (timedelta(seconds=1200), timedelta(days=100))
    assert settings.reference_buckets == {"up", "down"}


@pytest.mark.parametrize("name", sorted(WORKING))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: is required$"):
        read_settings(EverySettings, {other: value for other, value in WORKING.items() if other != name})


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(EverySettings, {})
    assert {line.partition(":")[0] for line in str(caught.value).split("; ")} == set(WORKING)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBS_TABLE", ""),
        ("UPLOADS_BUCKET", ""),
        ("RESULTS_BUCKET", ""),
        ("EVENT_BUS", ""),
        ("PROVIDER_BASE_URL", "api.apimodels.app/v1"),
        ("PROVIDER_BASE_URL", "https://api.apimodels.app"),
        ("PROVIDER_BASE_URL", "ftp://api.apimodels.app/v1"),
        ("PROVIDER_KEY_SECRET", ""),
        ("RESULT_ORIGINS", ""),
        ("RESULT_ORIGINS", " , "),
        ("ROUTES", "[]"),
        ("MAX_RESULT_BYTES", "0"),
        ("MAX_RESULT_BYTES", "much"),
        ("JOB_DEADLINE_SECONDS", "59"),
        ("JOB_DEADLINE_SECONDS", "21601"),
        ("JOB_DEADLINE_SECONDS", ""),
        ("JOB_RETENTION_DAYS", "0"),
        ("JOB_RETENTION_DAYS", "90"),  # an execution's name is remembered for as long
        ("JOB_RETENTION_DAYS", "1.5"),
        ("LOCAL_WEBHOOKS", "yes"),
        ("LOCAL_WEBHOOKS", ""),
        ("DAILY_BUDGET_USD", ""),
        ("MONTHLY_BUDGET_USD", ""),
        ("KIE_KEY_SECRET", ""),
        ("CALLBACK_BASE_URL", ""),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: ")


def test_webhooks_to_this_very_machine_are_on_or_off() -> None:
    assert [settings_with(LOCAL_WEBHOOKS=value).local_webhooks for value in ("off", "on")] == [False, True]
    assert refusal(LOCAL_WEBHOOKS="true") == "LOCAL_WEBHOOKS: must be on or off"


def test_every_wrong_setting_is_named_at_once() -> None:
    said = refusal(JOBS_TABLE="", MAX_RESULT_BYTES="-1", JOB_DEADLINE_SECONDS="soon", RESULT_ORIGINS="")
    names = {line.partition(":")[0] for line in said.split("; ")}
    assert names == {"JOBS_TABLE", "MAX_RESULT_BYTES", "JOB_DEADLINE_SECONDS", "RESULT_ORIGINS"}


@pytest.mark.parametrize("routes", ["{", json.dumps([{**ROUTE, "price_usd": "0", "provider": "zeta"}])])
def test_wrong_routes_hide_no_other_fault_and_no_other_fault_hides_them(routes: str) -> None:
    said = refusal(ROUTES=routes, JOBS_TABLE="", MAX_RESULT_BYTES="-1", RESULT_ORIGINS="r2.apimodels.app")
    names = {line.partition(":")[0].partition("/")[0] for line in said.split("; ")}
    assert names == {"ROUTES", "JOBS_TABLE", "MAX_RESULT_BYTES", "RESULT_ORIGINS"}


@pytest.mark.parametrize(
    "origin",
    [
        "r2.apimodels.app",
        "https://r2.apimodels.app/",
        "https://r2.apimodels.app/images",
        "https://r2.apimodels.app?x=1",
        "https://user@r2.apimodels.app",
        "https://R2.apimodels.app",
        "https://*.apimodels.app",
        "https://",
        "ftp://r2.apimodels.app",
        "https://r2.apimodels.app:port",
        "https://a.app https://b.app",
    ],
)
def test_what_is_no_origin_is_named_by_its_place(origin: str) -> None:
    # It would be compared with the origins of links, and would never be equal to one.
    assert refusal(RESULT_ORIGINS=f"https://cdn.apimodels.app, {origin}").startswith("RESULT_ORIGINS/1: ")


def test_a_refusal_repeats_no_value() -> None:
    secret = json.dumps([{**ROUTE, "provider": "s3cret", "model": "", "max_references": "s3cret"}])
    assert "s3cret" not in refusal(MAX_RESULT_BYTES="s3cret", JOB_DEADLINE_SECONDS="s3cret", ROUTES=secret)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ("", "ROUTES: Expecting value"),
        ("{", "ROUTES: Expecting property name"),
        ("null", "ROUTES: must be an array"),
        ("{}", "ROUTES: must be an array"),
        ("[]", "ROUTES: at least one route is needed"),
        ("[1]", "ROUTES/0: "),
        ([{**ROUTE, "modle": "x"}], "ROUTES/0/MODLE: there is no such field"),
        ([{"provider": "apimodels"}], "ROUTES/0/MODEL: is required"),
        ([ROUTE, ROUTE], "ROUTES: each route needs a name of its own"),
        ([ROUTE, {**ROUTE, "name": "again"}], "ROUTES: each model of a provider may have one route only"),
        ([{**ROUTE, "price_usd": "0"}], "ROUTES/0/PRICE_USD: a price is more than nothing"),
        ([{**ROUTE, "price_usd": "-0.06"}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "price_usd": "0.0000001"}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "price_usd": "six cents"}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "price_usd": "NaN"}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "price_usd": "1e-1"}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "price_usd": "1_0"}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "price_usd": 0.06}], "ROUTES/0/PRICE_USD: "),
        ([{**ROUTE, "max_references": -1}], "ROUTES/0/MAX_REFERENCES: "),
        ([{**ROUTE, "max_prompt_characters": 0}], "ROUTES/0/MAX_PROMPT_CHARACTERS: "),
        ([{**ROUTE, "aspect_ratios": ["1:1", "7:5"]}], "ROUTES/0/ASPECT_RATIOS/"),
        ([{**ROUTE, "model": "", "name": "a"}], "ROUTES/0/MODEL: "),
        ([{**ROUTE, "provider": ""}], "ROUTES/0/PROVIDER: "),
        ([{**ROUTE, "provider": "zeta"}], "ROUTES/0/PROVIDER: "),
        ([ROUTE, {**ROUTE, "provider": "Apimodels", "model": "b"}], "ROUTES/1/PROVIDER: "),
    ],
)
def test_routes_that_can_not_work_are_refused_with_the_place(routes: Any, said: str) -> None:
    message = refusal(ROUTES=routes if isinstance(routes, str) else json.dumps(routes))
    assert message.startswith(said)


def test_every_fault_of_the_routes_is_named_at_once() -> None:
    wrong = [{**ROUTE, "price_usd": "0", "max_references": -1}, {"provider": "apimodels", "model": "b"}]
    message = refusal(ROUTES=json.dumps(wrong))
    assert {line.partition(":")[0] for line in message.split("; ")} == {
        "ROUTES/0/PRICE_USD",
        "ROUTES/0/MAX_REFERENCES",
        "ROUTES/1/PRICE_USD",
        "ROUTES/1/MAX_REFERENCES",
    }


def test_a_model_reads_what_its_parts_read_and_what_it_names_itself() -> None:
    assert variables_of(PollTaskSettings) == variables_of(ProviderSettings)
    assert variables_of(SweepJobsSettings) == variables_of(RecoverJobSettings) | {"STATE_MACHINE_ARN"}
    assert variables_of(EverySettings) == set(WORKING)


def test_a_function_that_reads_no_money_is_not_stopped_by_it() -> None:
    assert read_settings(PollTaskSettings, {**WORKING, "TENANTS": "{", "DAILY_BUDGET_USD": "much"})


@pytest.mark.parametrize(
    "model",
    [
        DispatchJobSettings,
        SweepJobsSettings,
        SubmitUploadSettings,
        CreateOpenAiImagesSettings,
        CancelJobSettings,
        ReadModelsAndUsageSettings,
    ],
)
def test_routes_of_an_unknown_provider_stop_every_function_that_reads_them(model: type[Settings]) -> None:
    routes = [{**ROUTE, "provider": "zeta"}, {**ROUTE, "provider": "alpha", "model": "b"}]
    environment = {**WORKING, "ROUTES": json.dumps(routes)}
    with pytest.raises(ConfigurationError, match=r"^ROUTES/0/PROVIDER: .*; ROUTES/1/PROVIDER: "):
        read_settings(model, environment)


# ---- The routes' limits, and their providers' keys

KIE_ROUTE = {"provider": "kie", "model": "gpt-image-2", "name": "kie", "price_usd": "0.03", "max_references": 16}


@pytest.mark.parametrize("name", ["creates_per_minute", "slowest_per_minute", "fastest_per_minute", "max_in_flight"])
@pytest.mark.parametrize("value", [0, -1, "many", 1.5, None])
def test_a_limit_of_a_route_is_a_number_above_nothing(name: str, value: Any) -> None:
    assert refusal(ROUTES=json.dumps([{**ROUTE, name: value}])).startswith(f"ROUTES/0/{name.upper()}: ")


@pytest.mark.parametrize(
    "rate",
    [
        {"creates_per_minute": 5},
        {"creates_per_minute": 601},
        {"creates_per_minute": 10, "slowest_per_minute": 20},
        {"slowest_per_minute": 300, "fastest_per_minute": 100},
        {"fastest_per_minute": 119},
    ],
)
def test_a_rate_lies_between_its_bounds(rate: dict[str, int]) -> None:
    said = "ROUTES/0: creates_per_minute must lie between slowest_per_minute and fastest_per_minute"
    assert refusal(ROUTES=json.dumps([{**ROUTE, **rate}])) == said


@pytest.mark.parametrize("name", ["", ".hidden", "two words", "a#running", "*", "a/b", "x" * 65, "näme"])
def test_a_routes_name_is_plain(name: str) -> None:
    assert refusal(ROUTES=json.dumps([{**ROUTE, "name": name}])).startswith("ROUTES/0/NAME: ")


def test_a_route_is_called_by_its_model_unless_it_has_a_name() -> None:
    settings = settings_with(ROUTES=json.dumps([ROUTE, KIE_ROUTE]), KIE_KEY_SECRET="arn:kie")
    assert [route.name for route in settings.routes] == ["gpt-image-2-beta", "kie"]


@pytest.mark.parametrize(
    "routes",
    [
        [{**ROUTE, "name": "a"}, {**ROUTE, "model": "b", "name": "a"}],
        [ROUTE, {**KIE_ROUTE, "name": "gpt-image-2-beta"}],
        [ROUTE, {**ROUTE, "provider": "kie"}],
    ],
)
def test_two_routes_can_not_have_one_name(routes: list[dict[str, Any]]) -> None:
    assert refusal(ROUTES=json.dumps(routes)).startswith("ROUTES: each route needs a name of its own")


def test_one_model_may_be_had_of_two_providers() -> None:
    both = [ROUTE, {**KIE_ROUTE, "model": ROUTE["model"]}]
    settings = settings_with(ROUTES=json.dumps(both), KIE_KEY_SECRET="arn:kie")
    assert [route.name for route in settings.usable_routes] == ["gpt-image-2-beta", "kie"]


def test_every_fault_of_every_route_is_named_at_once() -> None:
    wrong = [
        {**ROUTE, "provider": "zeta", "price_usd": "-1", "max_in_flight": 0},
        {**KIE_ROUTE, "price_usd": "1,5", "creates_per_minute": -3, "name": "#"},
    ]
    said = refusal(ROUTES=json.dumps(wrong), DEFAULT_POLICY="pinned", DAILY_BUDGET_USD="0", TENANTS="[]")
    assert {line.partition(":")[0] for line in said.split("; ") if ": " in line} >= {
        "ROUTES/0/PROVIDER",
        "ROUTES/0/PRICE_USD",
        "ROUTES/0/MAX_IN_FLIGHT",
        "ROUTES/1/PRICE_USD",
        "ROUTES/1/CREATES_PER_MINUTE",
        "ROUTES/1/NAME",
        "DEFAULT_POLICY",
        "DAILY_BUDGET_USD",
        "TENANTS",
    }


def test_without_a_key_the_routes_through_kie_are_off() -> None:
    settings = settings_with(ROUTES=json.dumps([KIE_ROUTE, ROUTE]), KIE_KEY_SECRET="none")
    assert [route.name for route in settings.usable_routes] == ["gpt-image-2-beta"]
    assert settings.providers == {"apimodels"}


def test_with_a_key_the_routes_through_kie_are_on() -> None:
    settings = settings_with(ROUTES=json.dumps([KIE_ROUTE, ROUTE]), KIE_KEY_SECRET="arn:kie")
    assert [route.name for route in settings.usable_routes] == ["kie", "gpt-image-2-beta"]
    assert settings.providers == {"apimodels", "kie"}


def test_routes_through_kie_alone_need_its_key() -> None:
    only = json.dumps([KIE_ROUTE])
    assert "no route of ROUTES goes through a provider that there is a key for" in refusal(ROUTES=only)
    assert settings_with(ROUTES=only, KIE_KEY_SECRET="arn:kie").usable_routes.models == ("gpt-image-2",)


def test_only_the_providers_with_a_key_are_made(environment: dict[str, str]) -> None:
    without, with_key = environment, {**environment, "KIE_KEY_SECRET": "arn:kie"}
    assert set(execution._providers(read_settings(ProviderSettings, without))) == {"apimodels"}
    assert set(execution._providers(read_settings(ProviderSettings, with_key))) == {"apimodels", "kie"}


def test_operations_are_wired_with_what_they_copy_from_two_functions_and_nothing_else(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in set(environment) - variables_of(OperationsSettings):
        monkeypatch.delenv(variable)
    room = operations.control_room()
    service = access.key_service()
    key, made = service.create(KeyRequest(name="for a drill"), by=None)
    assert (list(room.jobs.every()), room.retention) == ([], timedelta(days=100))
    assert key
    assert [found.key_id for found in service.list(by=None)] == [made.key_id]
    assert service.revoke(made.key_id, by=None)


# ---- Policy, callbacks, tenants and budgets


def test_where_nothing_is_configured_nothing_is_limited() -> None:
    settings = settings_with()
    assert settings.default_policy == "beta-first"
    assert settings.callback_base_url is None
    assert settings.tenancy.limit("*", Period.DAY) is None
    assert settings.tenancy.weight("anybody") == 1
    assert settings.upload_deadline == timedelta(hours=6)


@pytest.mark.parametrize("policy", ["pinned", "fastest", "", "Cheapest"])
def test_the_default_policy_is_one_that_finds_a_route(policy: str) -> None:
    assert refusal(DEFAULT_POLICY=policy).startswith("DEFAULT_POLICY: ")


@pytest.mark.parametrize("url", ["api.acme.com", "ftp://api.acme.com", "https://", "https:///live"])
@pytest.mark.parametrize("name", ["CALLBACK_BASE_URL", "KIE_BASE_URL"])
def test_what_is_no_url_is_named(name: str, url: str) -> None:
    assert refusal(**{name: url}).startswith(f"{name}: ")


@pytest.mark.parametrize("value", ["59", "21601", "", "soon"])
def test_a_deadline_of_uploads_has_its_bounds(value: str) -> None:
    assert refusal(UPLOAD_DEADLINE_SECONDS=value).startswith("UPLOAD_DEADLINE_SECONDS: ")


@pytest.mark.parametrize("amount", ["0", "0.00", "-1", "ten", "1e3", "1,50", "0.0000001", "1_0", " ", "NaN", "∞"])
@pytest.mark.parametrize("name", ["DAILY_BUDGET_USD", "MONTHLY_BUDGET_USD"])
def test_a_budget_is_an_amount_above_nothing(name: str, amount: str) -> None:
    # Nothing at all would be no limit to some and no money to others.
    assert refusal(**{name: amount}).startswith(f"{name}: ")


def test_budgets_are_read_to_the_microdollar() -> None:
    shop = {"weight": 3, "daily_budget_usd": "0.000001", "monthly_budget_usd": "400"}
    tenants = json.dumps({"shop": shop, "a.b-c9": {}})
    settings = settings_with(TENANTS=tenants, DAILY_BUDGET_USD="25.5", MONTHLY_BUDGET_USD="none")
    tenancy = settings.tenancy
    assert [tenancy.limit("shop", period) for period in Period] == [1, 400_000_000]
    assert [tenancy.limit("*", period) for period in Period] == [25_500_000, None]
    assert [tenancy.limit("a.b-c9", period) for period in Period] == [None, None]
    assert (tenancy.weight("shop"), tenancy.weight("a.b-c9")) == (3, 1)


@pytest.mark.parametrize(
    ("tenants", "place"),
    [
        ("{", "TENANTS"),
        ("[]", "TENANTS"),
        ("null", "TENANTS"),
        ({"shop": 5}, "TENANTS/SHOP"),
        ({"shop": {"weight": 0}}, "TENANTS/SHOP/WEIGHT"),
        ({"shop": {"weight": -1}}, "TENANTS/SHOP/WEIGHT"),
        ({"shop": {"weight": 1001}}, "TENANTS/SHOP/WEIGHT"),
        ({"shop": {"weight": 1.5}}, "TENANTS/SHOP/WEIGHT"),
        ({"shop": {"wieght": 2}}, "TENANTS/SHOP/WIEGHT"),
        ({"shop": {"daily_budget_usd": "0"}}, "TENANTS/SHOP/DAILY_BUDGET_USD"),
        ({"shop": {"daily_budget_usd": 25}}, "TENANTS/SHOP/DAILY_BUDGET_USD"),
        ({"shop": {"monthly_budget_usd": "1 USD"}}, "TENANTS/SHOP/MONTHLY_BUDGET_USD"),
        ({"Shop": {}}, "TENANTS/SHOP"),
        ({"*": {}}, "TENANTS/*"),
        ({"": {}}, "TENANTS"),
        ({"a b": {}}, "TENANTS/A B"),
        ({"-a": {}}, "TENANTS/-A"),
        ({"a_b": {}}, "TENANTS/A_B"),  # an API key's account has one
        ({"x" * 65: {}}, "TENANTS/" + "X" * 65),
    ],
)
def test_tenants_that_can_not_be_are_refused_with_the_place(tenants: Any, place: str) -> None:
    assert refusal(TENANTS=tenants if isinstance(tenants, str) else json.dumps(tenants)).startswith(f"{place}: ")


def test_every_fault_of_the_tenants_is_named_at_once() -> None:
    wrong = {"Shop": {"weight": 0}, "press": {"weight": 0, "daily_budget_usd": "-1"}}
    said = refusal(TENANTS=json.dumps(wrong), MONTHLY_BUDGET_USD="0", JOBS_TABLE="")
    assert {line.partition(":")[0] for line in said.split("; ") if ": " in line} == {
        "TENANTS/SHOP",
        "TENANTS/SHOP/WEIGHT",
        "TENANTS/PRESS/WEIGHT",
        "TENANTS/PRESS/DAILY_BUDGET_USD",
        "MONTHLY_BUDGET_USD",
        "JOBS_TABLE",
    }
