"""What is watched is told, what is told is watched, and whoever is woken finds out what to do."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from heliograph.monitoring import metrics
from heliograph.monitoring.metrics import ANNOUNCED, FUNCTION_ERRORS, METRICS, Metric

from tests.contract import observability
from tests.contract.cfn_template import (
    FUNCTIONS,
    GLOBALS,
    RESOURCES,
    ROOT,
    TEMPLATE,
    holds,
    holds_in,
    names_in,
    resources_of,
)
from tests.contract.observability import PASSED, passed_as

NAMESPACE = "Heliograph/${StackName}"
TABLE = {metric.name: metric for metric in METRICS}
CONSTANTS = {value.name: name for name, value in vars(metrics).items() if isinstance(value, Metric)}
ALARMS = observability.resources_of("AWS::CloudWatch::Alarm")
TEXT, GIVEN = observability.RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]


def body(*, everything: bool) -> str:
    """The dashboard's body, with its lists filled in. Without `everything`: of a stack without what has a condition."""
    text = str(TEXT)
    for name, joined in GIVEN.items():
        between, parameter = joined["Fn::Join"]
        series = [f"${{{one}}}" for one, condition in passed_as(parameter["Ref"]) if everything or condition is None]
        text = text.replace(f"${{{name}}}", between.join(series))
    return text


BODY = body(everything=True)
WIDGETS: list[dict[str, Any]] = [widget["properties"] for widget in json.loads(BODY)["widgets"]]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
SEARCH = re.compile(
    r"SEARCH\('\{\"(?P<namespace>[^\"]+)\",(?P<dimension>\w+)\} MetricName=\"(?P<name>\w+)\"', '\w+', 300\)"
)
QUEUES = resources_of("AWS::SQS::Queue")
MACHINES = resources_of("AWS::Serverless::StateMachine")


def drawn() -> list[tuple[str, str, tuple[str, ...]]]:
    """Every metric of the dashboard: namespace, name, names of its dimensions."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for widget in WIDGETS:
        before: list[Any] = []
        for line in widget["metrics"]:
            if isinstance(line[0], dict):
                search = SEARCH.fullmatch(line[0]["expression"])
                assert search, line
                found.append((search["namespace"], search["name"], (search["dimension"],)))
                continue
            fields = [field for field in line if isinstance(field, str)]
            if fields[0] == "...":
                fields = [*before[: len(before) - len(fields) + 1], *fields[1:]]
            fields = [before[at] if field == "." else field for at, field in enumerate(fields)]
            before = fields
            found.append((fields[0], fields[1], tuple(fields[2::2])))
    return found


def test_every_metric_is_on_the_dashboard_as_it_is_told() -> None:
    ours = {(name, dimensions) for namespace, name, dimensions in drawn() if namespace == NAMESPACE}
    assert ours == {(metric.name, (metric.dimension,) if metric.dimension else ()) for metric in METRICS}
    assert {namespace for namespace, *_ in drawn() if not namespace.startswith("AWS/")} == {NAMESPACE}


@pytest.mark.parametrize("name", sorted(set(TABLE) - {FUNCTION_ERRORS.name}))
def test_every_metric_is_told_by_the_code(name: str) -> None:
    sources = [*(ROOT / "functions").rglob("*.py"), ROOT / "layers/core/heliograph/monitoring/metrics.py"]
    told = {
        argument.id
        for source in sources
        for call in ast.walk(ast.parse(source.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Measure"
        for argument in call.args[:1]
        if isinstance(argument, ast.Name)
    }
    assert CONSTANTS[name] in told


def test_what_the_dashboard_names_is_in_the_template() -> None:
    assert names_in({"Fn::Sub": TEXT}) <= {*observability.TEMPLATE["Parameters"], *GIVEN, "AWS::Region"}
    assert names_in({"Fn::Sub": BODY}) <= {*RESOURCES, "AWS::Region", "StackName"}
    assert {widget["region"] for widget in WIDGETS} == {"${AWS::Region}"}
    assert all({"title", "period", "metrics"} <= widget.keys() for widget in WIDGETS)


def test_without_the_routes_in_openais_shape_the_dashboard_does_not_name_their_function() -> None:
    assert ("CreateOpenAiImages", RESOURCES["CreateOpenAiImages"]["Condition"]) in passed_as("Functions")
    without = body(everything=False)
    assert len(json.loads(without)["widgets"]) == len(WIDGETS)
    assert names_in({"Fn::Sub": BODY}) - names_in({"Fn::Sub": without}) == {"CreateOpenAiImages"}


def test_every_queue_is_on_the_dashboard() -> None:
    assert set(QUEUES) <= names_in({"Fn::Sub": BODY})


def test_the_functions_tell_into_the_stacks_own_namespace() -> None:
    assert PASSED["StackName"] == {"Ref": "AWS::StackName"}
    own = {"Fn::Sub": NAMESPACE.replace("${StackName}", "${AWS::StackName}")}
    assert GLOBALS["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] == own


def test_a_parameter_is_called_as_the_resource_or_parameter_that_it_is_given() -> None:
    assert PASSED.keys() == observability.TEMPLATE["Parameters"].keys()
    for parameter in PASSED.keys() - {"StackName", "Functions", "Tables"}:
        assert passed_as(parameter) == [(parameter, None)]


LAMBDAS_OWN_LINES = r"^\[ERROR\]|^[0-9].*Task\stimed\sout|^RequestId.*Runtime|^INIT_REPORT.*Runtime"


@pytest.mark.parametrize(
    "line",
    [
        "[ERROR] ValueError: x\nTraceback (most recent call last):",
        "2026-11-22T12:00:00.000Z 52fdfc07-2182-454f-963f-5f0f9a621d72 Task timed out after 30.00 seconds",
        "RequestId: 52fdfc07-2182-454f-963f-5f0f9a621d72 Error: Runtime exited with error: exit status 1",
        "INIT_REPORT Init Duration: 9.2 ms Phase: init Status: error Error Type: Runtime.ExitError",
    ],
)
def test_what_lambda_says_of_a_broken_function_is_counted(line: str) -> None:
    assert re.search(LAMBDAS_OWN_LINES, line)


@pytest.mark.parametrize("word", ["[ERROR]", "Task timed out", "Runtime exited", "Runtime.ExitError"])
def test_the_same_words_in_a_line_of_ours_are_not(word: str) -> None:
    for line in ({"level": "INFO", "key": f"uploads/{word}"}, {word: word}):
        assert not re.search(LAMBDAS_OWN_LINES, json.dumps(line))
    assert not re.search(LAMBDAS_OWN_LINES, f"START RequestId: x {word}")


def test_errors_of_all_functions_are_filtered_out_of_the_one_log() -> None:
    filters = observability.resources_of("AWS::Logs::MetricFilter")
    assert {found["FilterPattern"] for found in filters.values()} == {
        '{ $.level = "ERROR" }',
        f"%{LAMBDAS_OWN_LINES}%",
    }
    for found in filters.values():
        [made] = found["MetricTransformations"]
        assert found["LogGroupName"] == {"Ref": "Logs"}
        assert (made["MetricNamespace"], made["MetricName"]) == ({"Fn::Sub": NAMESPACE}, FUNCTION_ERRORS.name)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_what_is_told(name: str) -> None:
    alarm = ALARMS[name]
    dimensions = {found["Name"]: found["Value"] for found in alarm.get("Dimensions", [])}
    if alarm["Namespace"] == {"Fn::Sub": NAMESPACE}:
        metric = TABLE[alarm["MetricName"]]
        assert set(dimensions) == ({metric.dimension} if metric.dimension else set())
        assert metric.dimension != "event" or dimensions["event"] in ANNOUNCED
    elif dimensions == {"ApiName": {"Ref": "StackName"}}:
        assert RESOURCES["Api"]["Properties"]["Name"] == {"Ref": "AWS::StackName"}
    elif not dimensions:  # functions of an account share their executions
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Throttles")
    else:
        [(dimension, resource)] = dimensions.items()
        [logical_id] = names_in(resource)
        kind = {"QueueName": QUEUES, "FunctionName": FUNCTIONS, "RuleName": resources_of("AWS::Events::Rule")}
        assert logical_id in kind[dimension]
        # Elsewhere than on the default bus, a rule has another dimension beside its name.
        assert dimension != "RuleName" or "EventBusName" not in RESOURCES[logical_id]["Properties"]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_silent_where_nothing_happens_and_tells_the_topic_if_there_is_one(name: str) -> None:
    alarm = ALARMS[name]
    # The sweep always tells.
    assert alarm["TreatMissingData"] == ("breaching" if name == "SweepMissingAlarm" else "notBreaching")
    topics = [
        {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]},
        {"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmEmails"}, {"Ref": "AWS::NoValue"}]},
    ]
    assert alarm["AlarmActions"] == alarm["OKActions"] == topics
    assert observability.RESOURCES[name]["Condition"] == "HasAlarms"
    # The emulator has no metric math, and each of its metrics would be paid as an alarm of its own.
    assert "Metrics" not in alarm


@pytest.mark.parametrize(
    ("namespace", "metric", "dimensions"),
    [("AWS/Lambda", "Throttles", set()), ("AWS/ApiGateway", "5XXError", {"ApiName"})],
)
def test_what_no_function_can_report_is_watched(namespace: str, metric: str, dimensions: set[str]) -> None:
    [alarm] = [alarm for alarm in ALARMS.values() if (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)]
    assert {dimension["Name"] for dimension in alarm.get("Dimensions", [])} == dimensions
    assert alarm["Statistic"] == "Sum"


def test_an_alarm_is_named_as_the_field_names_it() -> None:
    assert not [name for name in ALARMS if re.search("Door|Nobody|Break|Silent|Shut|PutAside|UsedUp", name)]


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [({}, False), ({"AlarmEmail": "a@b.test"}, True), ({"AlarmEmail": "a@b.test", "Alarms": "off"}, False)],
)
def test_an_address_is_all_that_alarms_need_to_be_mailed(parameters: dict[str, str], sent: bool) -> None:
    condition = observability.RESOURCES["AlarmEmails"]["Condition"]
    given = {"AlarmEmail": "", "Alarms": "on", **parameters}
    assert holds_in(observability.TEMPLATE["Conditions"], {"Condition": condition}, given) is sent
    [subscription] = observability.RESOURCES["AlarmEmails"]["Properties"]["Subscription"]
    assert subscription == {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}


@pytest.mark.parametrize("name", ALARMS)
def test_whoever_is_woken_reads_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    assert ALARMS[name]["AlarmDescription"].endswith(f". See docs/operations.md, {name}.")
    heading, paragraph = re.findall(rf"^### (.*\b{name})\n\n(.+)$", GUIDE, re.MULTILINE)[0]
    assert heading == name
    assert len(paragraph) > 200


def test_no_paragraph_is_about_an_alarm_that_is_no_more() -> None:
    assert re.findall(r"^### (\w+Alarm)$", GUIDE, re.MULTILINE) == list(ALARMS)


def test_the_guide_knows_the_metrics_and_what_they_cost() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", GUIDE, re.MULTILINE)
    assert [(name, unit, dimension.strip("` "), question) for name, unit, dimension, question in rows] == [
        (metric.name, metric.unit, metric.dimension or "", metric.question) for metric in METRICS
    ]
    assert f"{len(ALARMS)} alarms" in GUIDE
    assert f"${len(ALARMS) / 10:.2f}" in GUIDE


def test_every_queue_of_dead_letters_has_its_alarm() -> None:
    watched = {found for alarm in ALARMS.values() for found in names_in(alarm.get("Dimensions", []))}
    assert set(QUEUES) <= watched


@pytest.mark.parametrize("switch", ["Alarms", "Dashboards"])
def test_what_costs_money_at_rest_can_be_switched_off(switch: str) -> None:
    parameter = TEMPLATE["Parameters"][switch]
    assert parameter["AllowedValues"] == ["on", "off"]
    assert parameter["Default"] == "on"


def test_traces_are_off_unless_somebody_turns_them_on() -> None:
    # In SAM's words, which it reads before CloudFormation does.
    parameter = TEMPLATE["Parameters"]["Tracing"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("Disabled", ["Disabled", "Active"])


def test_traces_are_off_whole_or_on_whole() -> None:
    assert GLOBALS["Tracing"] == {"Ref": "Tracing"}
    assert holds("HasTracing", Tracing="Active")
    assert not holds("HasTracing")
    assert GLOBALS["Environment"]["Variables"]["POWERTOOLS_TRACE_DISABLED"] == {"Fn::If": ["HasTracing", "0", "1"]}
    assert not [name for name, function in FUNCTIONS.items() if "Tracing" in function]
    policy = {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AWSXRayDaemonWriteAccess"}
    for machine in MACHINES.values():
        assert machine["Tracing"] == {"Enabled": {"Fn::If": ["HasTracing", True, False]}}
        # SAM gives it by itself only where it is said plainly that it is on.
        assert machine["Policies"][-1] == {"Fn::If": ["HasTracing", policy, {"Ref": "AWS::NoValue"}]}
    assert RESOURCES["Api"]["Properties"]["TracingEnabled"] is False
