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
    "RESULT_ORIGINS": "https://r2.apimodels.app, https://cdn.apimodels.app/",
    "MAX_RESULT_BYTES": "52428800",
    "JOB_DEADLINE_SECONDS": "1200",
    "JOB_RETENTION_DAYS": "90",
}


def refusal(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_settings({**WORKING, **changes})
    return str(caught.value)


def test_a_deployment_that_works_is_read() -> None:
    settings = read_settings({**WORKING, "PATH": "/bin", "AWS_REGION": "eu-central-1"})
    assert settings.routes.models == ("gpt-image-2-beta",)
    assert settings.result_origins == {"https://r2.apimodels.app", "https://cdn.apimodels.app"}
    assert (settings.job_deadline, settings.job_retention) == (timedelta(seconds=1200), timedelta(days=90))
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
        ("MAX_RESULT_BYTES", "0"),
        ("MAX_RESULT_BYTES", "much"),
        ("JOB_DEADLINE_SECONDS", "59"),
        ("JOB_DEADLINE_SECONDS", "7201"),
        ("JOB_DEADLINE_SECONDS", ""),
        ("JOB_RETENTION_DAYS", "0"),
        ("JOB_RETENTION_DAYS", "1.5"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"{name}: ")


def test_every_wrong_setting_is_named_at_once() -> None:
    said = refusal(JOBS_TABLE="", MAX_RESULT_BYTES="-1", JOB_DEADLINE_SECONDS="soon", RESULT_ORIGINS="")
    names = {line.partition(":")[0] for line in said.split("; ")}
    assert names == {"JOBS_TABLE", "MAX_RESULT_BYTES", "JOB_DEADLINE_SECONDS", "RESULT_ORIGINS"}


def test_a_refusal_repeats_no_value() -> None:
    assert "s3cret" not in refusal(MAX_RESULT_BYTES="s3cret", JOB_DEADLINE_SECONDS="s3cret")


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("null", "valid array"),
        ("{}", "valid array"),
        ("[]", "at least one route is needed"),
        ("[1]", "/0"),
        ([{**ROUTE, "modle": "x"}], "/0/modle: there is no such field"),
        ([{"provider": "apimodels"}], "/0/model: is required"),
        ([ROUTE, ROUTE], "each model may have one route only"),
        ([{**ROUTE, "price_usd": "0"}], "/0/price_usd: a price is more than nothing"),
        ([{**ROUTE, "price_usd": "-0.06"}], "/0/price_usd: a price is more than nothing"),
        ([{**ROUTE, "price_usd": "0.0000001"}], "/0/price_usd"),
        ([{**ROUTE, "price_usd": "six cents"}], "/0/price_usd"),
        ([{**ROUTE, "price_usd": "NaN"}], "/0/price_usd"),
        ([{**ROUTE, "price_usd": 0.06}], "/0/price_usd"),
        ([{**ROUTE, "max_references": -1}], "/0/max_references"),
        ([{**ROUTE, "max_prompt_characters": 0}], "/0/max_prompt_characters"),
        ([{**ROUTE, "aspect_ratios": ["1:1", "7:5"]}], "/0/aspect_ratios"),
        ([{**ROUTE, "model": ""}], "/0/model"),
        ([{**ROUTE, "provider": ""}], "/0/provider"),
    ],
)
def test_routes_that_can_not_work_are_refused_with_the_place(routes: Any, said: str) -> None:
    message = refusal(ROUTES=routes if isinstance(routes, str) else json.dumps(routes))
    assert "ROUTES: " in message
    assert said in message


def test_every_fault_of_the_routes_is_named_at_once() -> None:
    wrong = [{**ROUTE, "price_usd": "0", "max_references": -1}, {"provider": "apimodels", "model": "b"}]
    message = refusal(ROUTES=json.dumps(wrong))
    for place in ("/0/price_usd", "/0/max_references", "/1/price_usd", "/1/max_references"):
        assert place in message


@pytest.mark.parametrize("name", ["state_machine_arn", "api_key_secret"])
@pytest.mark.parametrize("given", [{}, {"STATE_MACHINE_ARN": "", "API_KEY_SECRET": ""}])
def test_a_setting_that_only_some_functions_need_is_missed_by_those(name: str, given: dict[str, str]) -> None:
    settings = read_settings({**WORKING, **given})
    with pytest.raises(ConfigurationError, match=f"{name.upper()} is required by this function"):
        settings.only_here(name)


def test_a_setting_that_only_some_functions_need_is_read() -> None:
    assert read_settings({**WORKING, "STATE_MACHINE_ARN": "arn:x"}).only_here("state_machine_arn") == "arn:x"


def test_routes_of_an_unknown_provider_stop_whoever_would_call_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [{**ROUTE, "provider": "zeta"}, {**ROUTE, "provider": "alpha", "model": "b"}]
    monkeypatch.setenv("ROUTES", json.dumps(routes))
    for maker in (wiring.dispatcher, wiring.poller, wiring.closer, wiring.sweeper):
        with pytest.raises(ConfigurationError, match="ROUTES: there is no provider alpha, zeta"):
            maker()
