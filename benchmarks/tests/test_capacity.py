"""The pages of capacity and cost say what the figures, the template and the prices say."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from heliograph.jobs.job import JobStatus
from heliograph.kernel.failures import FailureCode
from heliograph.monitoring.metrics import ANNOUNCED, METRICS

from benchmarks import _at_rest, _capacity, _load_page, _prices, _strangers
from benchmarks.__main__ import PAGE, PROJECT, RESULTS
from benchmarks._bill import downloads, total
from benchmarks._capacity import METHODS, NEW_ACCOUNT, RATES, Limit, limits
from benchmarks._prices import Architecture
from benchmarks._template import (
    TEMPLATE,
    Method,
    Template,
    method_rate,
    methods,
    polled_queues,
    queue_concurrency,
)
from benchmarks._waits import WAITS, wait_seconds, waited_seconds

CALLBACK = "/v1/callbacks/{job_id}/{token}"


@pytest.fixture(scope="module")
def figures() -> Any:
    return json.loads((RESULTS / "load.json").read_text())["figures"]


def amounts(figures: Any, template: Template = TEMPLATE) -> dict[str, float]:
    return {limit.name: limit.amount for limit in limits(figures, template=template)}


def changed(template: Template, **properties: Any) -> Template:
    """The template with other properties of the API."""
    other = copy.deepcopy(dict(template))
    other["Resources"]["Api"]["Properties"] |= properties
    return other


# --- the pages


def test_the_page_is_the_one_that_its_figures_make(figures: Any) -> None:
    assert (PAGE.parent / "capacity.md").read_text() == _capacity.page(figures), "python -m benchmarks --page"


def test_the_costs_on_the_page_are_those_that_their_figures_make(figures: Any) -> None:
    assert _load_page.text(figures) in PAGE.read_text(), "python -m benchmarks --page"


def said(text: str) -> list[Decimal]:
    """Every amount of dollars in it."""
    return [Decimal(amount) for amount in re.findall(r"\$(\d+(?:\.\d+)?)", text)]


def about(amount: Decimal) -> Callable[[Decimal], bool]:
    """Whether somebody said that amount, to two and a half cents."""
    return lambda found: abs(found - amount) <= Decimal("0.025")


def test_every_amount_in_the_readme_is_one_of_the_model(figures: Any) -> None:
    [paragraph] = [line for line in (PROJECT / "README.md").read_text().splitlines() if "Costs at rest" in line]
    jobs = [total(_load_page.bills(figures, kind)["callbacks", Architecture.ARM64]) for kind in ("api", "upload")]
    pictures = 1000 * _prices.IMAGE_USD
    watching = _at_rest.alarms() + _at_rest.dashboards()
    amounts_of_the_model = [
        *(_at_rest.secrets(), watching, _at_rest.sweeps_metrics(), _at_rest.watching(), _at_rest.idle_queues()),
        *(_at_rest.sweeps(), *jobs, downloads(), pictures),
    ]

    assert not [amount for amount in said(paragraph) if not any(about(each)(amount) for each in amounts_of_the_model)]
    for needed in (_at_rest.secrets(), _at_rest.idle_queues(), jobs[0], pictures):
        assert any(map(about(needed), said(paragraph))), needed


def test_every_amount_in_the_guide_is_one_of_the_model() -> None:
    [guide] = re.findall(r"## What it costs\n(.*?)\n## ", (PROJECT / "docs/operations.md").read_text(), re.DOTALL)
    at_rest = [_at_rest.alarms(), _at_rest.dashboards(), _at_rest.sweeps_metrics(), _at_rest.watching()]
    besides = [_at_rest.secrets(), _at_rest.idle_queues(), _at_rest.sweeps()]

    assert said(guide)[:4] == at_rest
    assert said(guide)[4] == _prices.SERIES.usd
    assert said(guide)[6:] == [amount.quantize(Decimal("0.01")) for amount in besides]


def test_the_guide_counts_the_series_that_there_can_be() -> None:
    [guide] = re.findall(r"There are (\d+) at most \(\$([\d.]+)\)", (PROJECT / "docs/operations.md").read_text())
    ends = {*FailureCode, *(status for status in JobStatus if status in {"succeeded", "canceled", "expired"})}
    routes = json.loads(TEMPLATE["Parameters"]["Routes"]["Default"])
    sources, webhooks = {"upload", "document", "api"}, {"taken", "refused", "given_up"}
    plain = [metric for metric in METRICS if metric.dimension is None]
    series = sum(map(len, (ends, routes, sources, webhooks, ANNOUNCED, plain)))

    assert guide == (str(series), f"{series * _prices.SERIES.usd:.2f}")


# --- limits


def test_a_limit_ends_where_its_jobs_use_it_up() -> None:
    assert Limit("calls", 100, 4, "", "").ends_at == 25
    assert Limit("calls that no job makes", 100, 0, "", "").ends_at == float("inf")


def test_limits_come_in_the_order_in_which_they_end(figures: Any) -> None:
    found = [limit.ends_at for limit in limits(figures)]

    assert found == sorted(found)
    assert found[0] > 0


def test_every_rate_has_its_line_and_every_limit_its_source(figures: Any) -> None:
    page = _capacity.page(figures)

    assert [int(rate.replace(",", "")) for rate in re.findall(r"^\| ([\d,]+) \| ", page, re.MULTILINE)][:4] == list(
        RATES
    )
    assert all(limit.source and limit.moved_by for limit in limits(figures))


def test_each_method_of_a_job_has_a_limit_of_its_own(figures: Any) -> None:
    found = {limit.name: limit for limit in limits(figures)}

    for verb, path in METHODS.values():
        limit = found[f"calls of `{verb} {path}`, a second"]
        assert (limit.amount, limit.per_job, limit.is_ours) == (method_rate(verb, path), 1, True)


def test_the_methods_of_a_job_are_those_of_the_template() -> None:
    there = {(each.function, each.verb, each.path): each for each in methods()}

    assert {(function, *call) for function, call in METHODS.items()} <= there.keys()
    assert there["ReceiveCallback", "POST", CALLBACK].is_open
    assert not there["SubmitJob", "POST", "/v1/jobs"].is_open


def test_a_method_without_a_limit_of_its_own_has_everybodys(figures: Any) -> None:
    own = {"ResourcePath": "/~1v1~1callbacks~1{job_id}~1{token}", "HttpMethod": "POST", "ThrottlingRateLimit": 7}
    everybodys = {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 70}
    template = changed(TEMPLATE, MethodSettings=[everybodys, own])

    assert method_rate("POST", CALLBACK, template) == 7
    assert method_rate("GET", CALLBACK, template) == 70
    assert method_rate("POST", "/v1/jobs", template) == 70
    assert amounts(figures, template)[f"calls of `POST {CALLBACK}`, a second"] == 7
    with pytest.raises(LookupError, match="does not limit GET /v1/jobs"):
        method_rate("GET", "/v1/jobs", changed(TEMPLATE, MethodSettings=[own]))


def _with_queues(**concurrency: Any) -> Template:
    """The template with mappings of its own for these functions, instead of events."""
    other = copy.deepcopy(dict(TEMPLATE))
    for function, most in concurrency.items():
        other["Resources"][function]["Properties"]["Events"] = {}
        for name in [
            name
            for name, resource in other["Resources"].items()
            if resource["Type"] == "AWS::Lambda::EventSourceMapping"
            and resource["Properties"]["FunctionName"] == {"Ref": function}
        ]:
            del other["Resources"][name]
        other["Resources"][f"{function}Queue"] = {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"FunctionName": {"Ref": function}, "ScalingConfig": {"MaximumConcurrency": most}},
        }
    return other


def test_what_queues_do_at_once_is_what_the_template_says_as_an_event_or_as_a_resource(figures: Any) -> None:
    template = _with_queues(SubmitUpload=5, FanOutWebhooks={"Ref": "Many"})
    template["Parameters"]["Many"] = {"Type": "Number", "Default": 2}

    found = amounts(figures, template)

    assert (found["`submit_upload` at once"], found["`fan_out_webhooks` at once"]) == (5, 2)
    assert polled_queues(template) == polled_queues() == 2
    assert amounts(figures)["`submit_upload` at once"] == queue_concurrency("SubmitUpload")
    with pytest.raises(LookupError, match="no queue of Poll"):
        queue_concurrency("PollTask")


# --- what calls wait for


def test_functions_that_call_the_provider_wait_for_it_and_others_do_not() -> None:
    assert set(WAITS) == {"DispatchJob", "PollTask", "FinalizeJob"}
    assert wait_seconds("DispatchJob") > 0
    assert wait_seconds("SubmitJob") == 0


def test_every_call_waits() -> None:
    job = {
        "functions": {
            "DispatchJob": {"invocations": 2.0},
            "PollTask": {"invocations": 0.5},
            "FanOutWebhooks": {"invocations": 1.0},
        }
    }

    assert waited_seconds(job) == 2 * WAITS["DispatchJob"].seconds + 0.5 * WAITS["PollTask"].seconds


def test_waiting_is_paid_and_counts_among_what_runs_at_once(figures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> tuple[float, float]:
        [running] = [limit.per_job for limit in limits(figures) if limit.name == "Lambda calls at once"]
        return running, float(_load_page.bills(figures, "api")["callbacks", Architecture.ARM64]["Lambda"])

    running, usd = told()
    waited = max(waited_seconds(figures["settings"]["callbacks"][kind]) for kind in ("api", "upload"))
    monkeypatch.setattr("benchmarks._waits.WAITS", {})
    running_without, usd_without = told()

    assert waited > 3
    assert running - running_without == pytest.approx(waited, rel=0.02)
    assert usd > 5 * usd_without


def test_a_new_account_ends_at_a_hundredth_and_is_not_what_usually_ends_first(figures: Any) -> None:
    found = {limit.name: limit for limit in limits(figures)}
    usual, new = found["Lambda calls at once"], found["Lambda calls at once, in a new account"]

    assert usual.ends_at == pytest.approx(new.ends_at * usual.amount / NEW_ACCOUNT)
    assert (new.is_unusual, usual.is_unusual) == (True, False)
    rates = _capacity.page(figures).split("Without callbacks")[0]
    assert "new account" not in rates
    assert "Lambda calls at once (at" in rates


# --- strangers


def test_strangers_are_counted_by_the_methods_that_need_no_key(figures: Any) -> None:
    is_open = [each for each in methods() if each.is_open]
    others = [each for each in methods() if not each.is_open]
    pages, guarded, _ = _strangers.entrances(figures)

    assert {each.function for each in is_open} == {"ServePages", "ReceiveCallback"}
    assert pages.calls_per_second == sum(method_rate(each.verb, each.path) for each in is_open)
    assert guarded.calls_per_second == sum(method_rate(each.verb, each.path) for each in others)


def test_what_strangers_cost_is_what_an_hour_of_all_their_calls_costs(figures: Any) -> None:
    pages, guarded, openai = _strangers.entrances(figures)
    calls = 3600 * pages.calls_per_second
    by_hand = calls * float(_prices.API_CALL.usd + _prices.INVOCATION.usd + _prices.READ_UNIT.usd)
    by_hand += calls * pages.use.gb_seconds * float(_prices.GB_SECOND[Architecture.ARM64].usd)
    by_hand += calls * pages.use.log_bytes * float(_prices.LOG_BYTE.usd)
    by_hand += calls * pages.use.egress_bytes * float(_prices.EGRESS_BYTE.usd)

    assert float(pages.usd_per_hour) == pytest.approx(by_hand, rel=0.02)
    # The gateway charges no call that the authorizer refuses, and a function URL nothing of its own.
    assert guarded.use.api_calls == openai.use.api_calls == 0
    assert (guarded.use.egress_bytes, openai.use.egress_bytes) == (0, 0)


def test_lower_limits_of_open_methods_make_strangers_cheaper_and_nobody_else(figures: Any) -> None:
    lower = [
        {"ResourcePath": "/" + each.path.replace("/", "~1"), "HttpMethod": each.verb, "ThrottlingRateLimit": 1}
        for each in methods()
        if each.is_open
    ]
    settings = TEMPLATE["Resources"]["Api"]["Properties"]["MethodSettings"]
    template = changed(TEMPLATE, MethodSettings=[*settings, *lower])
    settings_of_others = [each for each in settings if each["ResourcePath"] == "/*"]
    template = changed(template, MethodSettings=[*settings_of_others, *lower])

    pages, guarded, openai = _strangers.entrances(figures, template)
    before = _strangers.entrances(figures, changed(TEMPLATE, MethodSettings=settings_of_others))

    assert pages.calls_per_second == len(lower)
    assert pages.usd_per_hour < before[0].usd_per_hour
    assert (guarded.usd_per_hour, openai.usd_per_hour) == (before[1].usd_per_hour, before[2].usd_per_hour)


def test_the_heaviest_page_counts_and_a_head_has_no_weight() -> None:
    def weigh(verb: str, path: str) -> int:
        return _strangers.heaviest_answer(Method(verb, path, "ServePages", is_open=True))

    playground = PROJECT / "functions" / "serve_pages" / "playground"
    assert weigh("GET", "/playground/{file}") == max(file.stat().st_size for file in playground.iterdir())
    assert weigh("GET", "/playground") == (playground / "index.html").stat().st_size
    # The page says "some 430 KB".
    assert 380_000 < weigh("GET", "/docs") < 480_000
    assert weigh("GET", "/v1/openapi.json") > 100_000
    assert weigh("HEAD", "/docs") == weigh("POST", CALLBACK) == 0


# --- downloads and webhooks


def test_a_thousand_downloads_are_two_gigabytes_to_the_internet() -> None:
    assert downloads() == Decimal("0.1758")


def test_a_webhook_that_is_taken_at_once_goes_through_as_many_states_as_are_charged() -> None:
    states = json.loads((PROJECT / "workflows" / "webhook_delivery.asl.json").read_text())["States"]
    done = next(each["Next"] for each in states["SendOutcome"]["Choices"] if "'done'" in each["Condition"])

    way = [name := "SendWebhook", name := states[name]["Next"], done]

    assert way[1] == "SendOutcome"
    assert states[way[-1]]["Type"] == "Succeed"
    assert len(way) == _load_page.WEBHOOK_TRANSITIONS
