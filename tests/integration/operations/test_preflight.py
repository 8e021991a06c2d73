"""`make preflight`: what it finds in an account, before and after a deployment, without changing anything."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from operations import checks, preflight
from operations.findings import Finding, Level
from operations.stacks import Account
from tests.integration.aws_over_tls import REGION, TlsAws, aws_over_tls
from tests.integration.played_cloudformation import PlayedStack, Refusal

KEY = "sk_madeUpForTheseTests1234"
OUTPUTS = {"ApiUrl": "https://api.example.com/live", "ApiId": "api"}
ACCOUNT_SETTINGS = "lambda:GET /2016-08-19/account-settings"


@pytest.fixture(scope="module")
def empty_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsAws]:
    with aws_over_tls(tmp_path_factory.mktemp("tls")) as aws:
        yield aws


@pytest.fixture
def aws(empty_aws: TlsAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TlsAws:
    """An account with enough of everything, and no stack yet."""
    for name, value in empty_aws.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    empty_aws.cloudformation.stacks.clear()
    for name in ("upstream", "own"):
        empty_aws.client("secretsmanager").create_secret(Name=f"{name}-{tmp_path.name}")
    monkeypatch.setitem(empty_aws.answers, ACCOUNT_SETTINGS, {"AccountLimit": {"ConcurrentExecutions": 1000}})
    empty_aws.cloudformation.outputs = {
        **OUTPUTS,
        "ProviderKeySecret": f"upstream-{tmp_path.name}",
        "ApiKeySecret": f"own-{tmp_path.name}",
    }
    empty_aws.calls.clear()
    return empty_aws


@pytest.fixture
def nobody_listens() -> Iterator[str]:
    """Where the provider should be."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}/v1"


def target(name: str = "heliograph", region: str = REGION, **named: str) -> checks.Target:
    return preflight.target_of(Account.here(region), name, named)


def found(target: checks.Target, key: str | None = None) -> dict[str, Finding]:
    """Every finding, by what it is about."""
    return {finding.about: finding for finding in preflight.findings(target, key=key, ask=lambda: None)}


def levels(findings: dict[str, Finding]) -> dict[str, Level]:
    return {about: finding.level for about, finding in findings.items()}


def deployed(aws: TlsAws, **parameters: str) -> PlayedStack:
    return aws.cloudformation.add(PlayedStack("heliograph", parameters=parameters, outputs=aws.cloudformation.outputs))


def fill(aws: TlsAws, output: str) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=aws.cloudformation.outputs[output], SecretString=KEY)


def test_a_good_account_has_nothing_in_the_way_and_is_not_changed(aws: TlsAws, nobody_listens: str) -> None:
    findings = found(target(ProviderBaseUrl=nobody_listens), key=KEY)

    assert levels(findings) == {
        "Account": Level.OK,
        f"Region {REGION}": Level.OK,
        "Concurrency": Level.OK,
        "Stack heliograph": Level.OK,
        "Parameters": Level.OK,
        "Budget": Level.OK,
        "Names": Level.OK,
        "Key of apimodels.app": Level.WARNING,
        "Models of apimodels.app": Level.WARNING,
    }
    assert preflight.report(findings.values()) == 0
    reading = ("Get", "Describe", "GET ", "List")
    assert [call for call in aws.calls if not call.partition(":")[2].startswith(reading)] == []


@pytest.mark.parametrize(
    ("named", "about"),
    [
        ({"DailyBudgetUsd": "much"}, "Parameters"),
        ({"name": "x" * 100}, "Names"),
        ({"region": "eu-central-2"}, "Region eu-central-2"),
    ],
    ids=["parameters", "a long name", "no function URLs"],
)
def test_what_a_deployment_would_fail_at_is_a_problem(aws: TlsAws, named: dict[str, str], about: str) -> None:
    findings = found(target(**named))

    problems = [finding.about for finding in findings.values() if finding.level is Level.PROBLEM]
    assert problems == ["Stack name" if about == "Names" else about]
    assert preflight.report(findings.values()) == 1


def test_a_region_without_function_urls_will_do_without_the_openai_address(aws: TlsAws) -> None:
    findings = checks.region(replace(target(region="eu-central-2"), parameters={"OpenAiImages": "off"}))

    assert [finding.level for finding in findings] == [Level.OK]


def test_a_region_that_nobody_knows_is_asked_about(aws: TlsAws) -> None:
    (first, *_) = checks.region(target(region="eu-central-9"))

    assert (first.level, first.text.endswith("is it a Region of AWS?")) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("service", "make", "what"),
    [
        ("events", lambda client: client.create_event_bus(Name="heliograph-events"), "the event bus heliograph-events"),
        (
            "stepfunctions",
            lambda client: client.create_state_machine(
                name="heliograph-webhook-delivery",
                definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
                roleArn="arn:aws:iam::123456789012:role/role",
            ),
            "the state machine heliograph-webhook-delivery",
        ),
        (
            "cloudwatch",
            lambda client: client.put_dashboard(DashboardName=f"heliograph-{REGION}", DashboardBody='{"widgets": []}'),
            f"the dashboard heliograph-{REGION}",
        ),
    ],
    ids=["event bus", "state machine", "dashboard"],
)
def test_a_name_that_is_taken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, make: Callable[[object], object], what: str
) -> None:
    with aws_over_tls(tmp_path) as aws:
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        make(aws.client(service))

        (finding,) = checks.names(target())

    assert finding.level is Level.PROBLEM
    assert finding.text.startswith(f"{what} exists already.")


def test_few_concurrent_executions_are_a_warning(aws: TlsAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(aws.answers, ACCOUNT_SETTINGS, {"AccountLimit": {"ConcurrentExecutions": 10}})

    (finding,) = checks.concurrency(Account.here())

    assert finding.level is Level.WARNING
    assert "only 10 functions may run at once" in finding.text


def test_what_may_not_be_looked_at_is_said_and_the_rest_is_looked_at(
    aws: TlsAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("lambda", "events"):
        monkeypatch.setitem(aws.refusals, service, Refusal("AccessDeniedException", "you may not", 403))

    findings = found(target())

    for about in ("Concurrency", "Names"):
        assert findings[about].level is Level.WARNING
        assert findings[about].text.startswith("not checked: Your AWS credentials lack a right (you may not).")
    assert findings["Parameters"].level is Level.OK


def test_a_deployed_stack_is_checked_with_its_own_parameters_and_secrets(aws: TlsAws, nobody_listens: str) -> None:
    deployed(aws, DailyBudgetUsd="25", ProviderBaseUrl=nobody_listens, Callbacks="off")
    for output in ("ProviderKeySecret", "ApiKeySecret"):
        fill(aws, output)

    findings = found(target())

    assert levels(findings) == {
        "Account": Level.OK,
        f"Region {REGION}": Level.OK,
        "Concurrency": Level.OK,
        "Stack heliograph": Level.OK,
        "Parameters": Level.OK,
        "The API's own key": Level.OK,
        "Key of apimodels.app": Level.WARNING,
        "Models of apimodels.app": Level.WARNING,
        "Callbacks": Level.OK,
    }
    assert not any(KEY in finding.line for finding in findings.values())


def test_empty_secrets_and_parameters_that_can_not_work_are_problems(aws: TlsAws) -> None:
    deployed(aws, DailyBudgetUsd="much", Callbacks="off")

    findings = found(target())

    problems = {finding.about for finding in findings.values() if finding.level is Level.PROBLEM}
    assert problems == {"Parameters", "The API's own key", "Key of apimodels.app"}
    assert "`make key` asks for it" in findings["Key of apimodels.app"].text


def test_a_second_providers_empty_secret_is_a_problem_and_its_models_are_not_asked_for(aws: TlsAws) -> None:
    kie = aws.client("secretsmanager").create_secret(Name=f"kie-{aws.cloudformation.outputs['ApiKeySecret']}")["ARN"]
    deployed(aws, KieKeySecret=kie, Callbacks="off")

    findings = found(target())

    assert findings["Budget"].level is Level.WARNING
    assert findings["Key of kie.ai"].level is Level.PROBLEM
    assert findings["Models of kie.ai"].text.startswith("not checked")


def test_a_stack_whose_creation_failed_is_a_problem_and_nothing_more_is_asked_of_it(aws: TlsAws) -> None:
    stack = deployed(aws)
    stack.status, stack.outputs = "ROLLBACK_COMPLETE", {}

    findings = found(target())

    assert findings["Stack heliograph"].level is Level.PROBLEM
    assert "Callbacks" not in findings


def test_a_key_of_another_form_is_sent_to_nobody(aws: TlsAws) -> None:
    finding = found(target(), key="AKIA-of-somewhere-else")["Key of apimodels.app"]

    assert finding.level is Level.PROBLEM
    assert "AKIA" not in finding.line


PROBLEM_JSON = {"Content-Type": "application/problem+json"}


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (httpx.Response(404, json={"code": "not_found"}, headers=PROBLEM_JSON), Level.OK),
        (httpx.Response(404, json={"message": "Not Found"}), Level.PROBLEM),
        (httpx.Response(500, json={"code": "internal"}, headers=PROBLEM_JSON), Level.PROBLEM),
        (httpx.Response(403, json={"message": "Forbidden"}), Level.PROBLEM),
        (httpx.ConnectTimeout("late"), Level.PROBLEM),
    ],
    ids=["ours", "a gateway's", "a broken function", "forbidden", "no answer"],
)
def test_the_address_for_callbacks_must_answer_with_our_own_words(
    aws: TlsAws, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | Exception, level: Level
) -> None:
    deployed(aws)
    looked_at = target()
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    asked: list[httpx.Request] = []

    def say(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    (finding,) = checks.callbacks(looked_at, transport=httpx.MockTransport(say))

    assert finding.level is level
    assert str(asked[0].url) == f"https://api.example.com/live/v1/callbacks/job_{'a' * 26}/preflight"


def test_an_emulators_apis_are_at_the_emulator(aws: TlsAws, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(aws)
    looked_at = target()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566/")
    asked: list[str] = []

    def say(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(404)

    list(checks.callbacks(looked_at, transport=httpx.MockTransport(say)))

    assert asked == [f"http://127.0.0.1:4566/_aws/execute-api/api/live/v1/callbacks/job_{'a' * 26}/preflight"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [([Level.OK, Level.WARNING], 0), ([Level.OK, Level.PROBLEM, Level.WARNING, Level.PROBLEM], 1), ([], 0)],
)
def test_only_problems_are_in_the_way(lines: list[Level], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight.report(Finding(level, "Something", "is so.") for level in lines) == status

    *told, end = capsys.readouterr().out.splitlines()
    assert told == [f"{level:<8} Something: is so." for level in lines]
    assert end == ("Nothing is in the way." if not status else "2 problems are in the way.")
