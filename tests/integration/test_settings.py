"""The environment of a function, read once: whatever is wrong with it is said at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from heliograph.domain.errors import ConfigurationError
from heliograph.runtime import wiring
from heliograph.runtime.settings import read_settings

ROUTE = {"provider": "apimodels", "model": "gpt-image-2-beta", "price_usd": "0.06", "max_references": 16}
WORKING = {
    "JOBS_TABLE": "jobs",
    "UPLOADS_BUCKET": "up",
    "RESULTS_BUCKET": "down",
    "EVENT_BUS": "bus",
    "ROUTES": json.dumps([ROUTE]),
    "UPSTREAM_BASE_URL": "https://api.apimodels.app/v1",
    "UPSTREAM_KEY_SECRET": "arn:upstream",
    "RESULT_ORIGINS": "https://r2.apimodels.app, https://cdn.apimodels.app:8443",
    "MAX_RESULT_BYTES": "52428800",
    "JOB_DEADLINE_SECONDS": "1200",
    "JOB_RETENTION_DAYS": "100",
}


def refusal(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({**WORKING, **changes})
    return str(caught.value)


def test_a_deployment_that_works_is_read() -> None:
    settings = read_settings({**WORKING, "PATH": "/bin", "AWS_REGION": "eu-central-1"})
    assert settings.routes.models == ("gpt-image-2-beta",)
    assert settings.result_origins == {"https://r2.apimodels.app", "https://cdn.apimodels.app:8443"}
    assert (settings.job_deadline, settings.job_retention) == (timedelta(seconds=1200), timedelta(days=100))
    assert settings.reference_buckets == {"up", "down"}


@pytest.mark.parametrize("name", sorted(WORKING))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: is required$"):
        read_settings({other: value for other, value in WORKING.items() if other != name})


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({})
    assert {line.partition(":")[0] for line in str(caught.value).split("; ")} == set(WORKING)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBS_TABLE", ""),
        ("UPLOADS_BUCKET", ""),
        ("RESULTS_BUCKET", ""),
        ("EVENT_BUS", ""),
        ("UPSTREAM_BASE_URL", "api.apimodels.app/v1"),
        ("UPSTREAM_BASE_URL", "https://api.apimodels.app"),
        ("UPSTREAM_BASE_URL", "ftp://api.apimodels.app/v1"),
        ("UPSTREAM_KEY_SECRET", ""),
        ("RESULT_ORIGINS", ""),
        ("RESULT_ORIGINS", " , "),
        ("ROUTES", "[]"),
        ("MAX_RESULT_BYTES", "0"),
        ("MAX_RESULT_BYTES", "much"),
        ("JOB_DEADLINE_SECONDS", "59"),
        ("JOB_DEADLINE_SECONDS", "7201"),
        ("JOB_DEADLINE_SECONDS", ""),
        ("JOB_RETENTION_DAYS", "0"),
        ("JOB_RETENTION_DAYS", "90"),  # an execution's name is remembered for as long
        ("JOB_RETENTION_DAYS", "1.5"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: ")


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
        ("null", "ROUTES: Input should be a valid tuple"),
        ("{}", "ROUTES: Input should be a valid tuple"),
        ("[]", "ROUTES: at least one route is needed"),
        ("[1]", "ROUTES/0: "),
        ([{**ROUTE, "modle": "x"}], "ROUTES/0/MODLE: there is no such field"),
        ([{"provider": "apimodels"}], "ROUTES/0/MODEL: is required"),
        ([ROUTE, ROUTE], "ROUTES: each model may have one route only"),
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
        ([{**ROUTE, "model": ""}], "ROUTES/0/MODEL: "),
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


@pytest.mark.parametrize("name", ["state_machine_arn", "api_key_secret"])
@pytest.mark.parametrize("given", [{}, {"STATE_MACHINE_ARN": "", "API_KEY_SECRET": ""}])
def test_a_setting_that_only_some_functions_need_is_missed_by_those(name: str, given: dict[str, str]) -> None:
    settings = read_settings({**WORKING, **given})
    with pytest.raises(ConfigurationError, match=f"{name.upper()} is required by this function"):
        settings.only_here(name)


def test_a_setting_that_only_some_functions_need_is_read() -> None:
    assert read_settings({**WORKING, "STATE_MACHINE_ARN": "arn:x"}).only_here("state_machine_arn") == "arn:x"


def test_routes_of_an_unknown_provider_stop_every_function(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [{**ROUTE, "provider": "zeta"}, {**ROUTE, "provider": "alpha", "model": "b"}]
    monkeypatch.setenv("ROUTES", json.dumps(routes))
    for maker in (wiring.dispatcher, wiring.poller, wiring.sweeper, wiring.request_submitter, wiring.job_reader):
        with pytest.raises(ConfigurationError, match=r"^ROUTES/0/PROVIDER: .*; ROUTES/1/PROVIDER: "):
            maker()
