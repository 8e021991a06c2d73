"""What can be known of an AWS account before and after a deployment, without changing anything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from operations.deployment_plan import WITHOUT_FUNCTION_URLS, without_function_urls
from operations.findings import Finding, ok, problem, warning
from operations.parameters import fault_of_stack_name, faults_of_parameters
from operations.refusals import Refused, sentence_of
from operations.stacks import Account, Stack
from operations.template import Template

Check = Callable[[], Iterator[Finding]]

# Below this, bursts of a single user are felt. (1,000 is the usual quota; new accounts have 10.)
FEW_EXECUTIONS = 100
# Lambda's "Concurrent executions" in Service Quotas.
_QUOTA = "L-B99A9384"
_SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "events",
    "lambda",
    "logs",
    "s3",
    "secretsmanager",
    "sqs",
    "stepfunctions",
)
_KINDS = {
    "AWS::Events::EventBus": "event bus",
    "AWS::Serverless::StateMachine": "state machine",
    "AWS::CloudWatch::Dashboard": "dashboard",
}
# What services say of what is not there.
_MISSING = ("NotFound", "DoesNotExist")
_API_PATIENCE = httpx.Timeout(connect=5, write=10, read=35, pool=5)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is looked at. `parameters`: all of them, as they are or will be."""

    account: Account
    name: str
    stack: Stack | None
    template: Template
    parameters: dict[str, str] = field(default_factory=dict)


def run(about: str, check: Check, *, region: str) -> list[Finding]:
    """What the check finds; where AWS does not let it look, a warning that says so."""
    try:
        return list(check())
    except Refused as refused:
        return [problem(about, str(refused))]
    except (BotoCoreError, ClientError) as error:
        return [warning(about, f"not checked: {sentence_of(error, region=region)}")]


def identity(account: Account) -> Iterator[Finding]:
    """Who asks."""
    caller = account.client("sts").get_caller_identity()
    yield ok("Account", f"{caller['Account']}, as {caller['Arn']}.")


def region(target: Target) -> Iterator[Finding]:
    """Whether the Region has what the stack is made of."""
    account = target.account
    partition = account.session.get_partition_for_region(account.region)
    missing = [
        service
        for service in _SERVICES
        if account.region not in account.session.get_available_regions(service, partition_name=partition)
    ]
    about = f"Region {account.region}"
    if missing:
        yield warning(about, f"this machine's SDK knows no {', '.join(missing)} there; is it a Region of AWS?")
    if account.region not in WITHOUT_FUNCTION_URLS:
        yield ok(about, f"every service is there (partition {partition}).")
    elif target.parameters.get("OpenAiImages") == "off":
        yield ok(about, "Lambda has no function URLs there, and the address in OpenAI's shape is off.")
    else:
        yield problem(about, without_function_urls(account.region))


def concurrency(account: Account) -> Iterator[Finding]:
    """How many functions may run at once."""
    limit = account.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    about = "Concurrency"
    if limit >= FEW_EXECUTIONS:
        yield ok(about, f"{limit} functions may run at once.")
    else:
        yield warning(
            about,
            f"only {limit} functions may run at once in this account and Region. The stack works and loses nothing, "
            "but in a burst jobs wait, and API calls may be refused with 429 or 5xx. Ask for 1000 in Service Quotas: "
            f"aws service-quotas request-service-quota-increase --region {account.region} --service-code lambda "
            f"--quota-code {_QUOTA} --desired-value 1000",
        )


def names(target: Target) -> Iterator[Finding]:
    """Whether the names are free that a first deployment gives. (An API's and a layer's may occur twice.)"""
    if fault := fault_of_stack_name(target.name):
        yield problem("Stack name", fault)
        return
    taken = [
        f"the {_KINDS[kind]} {name}"
        for kind, name in target.template.names(stack=target.name, region=target.account.region)
        if _is_taken(target.account, kind, name)
    ]
    if taken:
        yield problem(
            "Names", f"{', '.join(taken)} exists already. Delete it, or choose another stack name with STACK=…."
        )
    else:
        yield ok("Names", f"all that a stack {target.name} needs are free.")


def stack_state(target: Target) -> Iterator[Finding]:
    """Whether the stack can be deployed, for the first time or again."""
    about = f"Stack {target.name}"
    if target.stack is None:
        yield ok(about, "not deployed yet.")
        return
    target.stack.check_deployable()
    target.stack.output("ProviderKeySecret")
    yield ok(about, f"deployed ({target.stack.status}).")


def parameters(target: Target) -> Iterator[Finding]:
    """Whether the functions can work with the parameters."""
    faults = faults_of_parameters(target.parameters)
    yield from (problem("Parameters", fault) for fault in faults)
    if not faults:
        yield ok("Parameters", "valid.")
    if any(target.parameters.get(name) for name in ("DailyBudgetUsd", "MonthlyBudgetUsd")):
        return
    if target.stack is None:
        yield ok("Budget", "none is named yet; a first deployment asks for one, unless it is by ENV=….")
    else:
        yield warning(
            "Budget",
            "none for all tenants together, so nothing bounds what is spent. Set one: make deploy "
            "PARAMETERS=DailyBudgetUsd=25.",
        )


def secret_filled(account: Account, about: str, secret: str, way_out: str) -> Iterator[Finding]:
    """Whether the secret holds something."""
    if read_secret(account, secret) is None:
        yield problem(about, f"the secret is empty. {way_out}")
    else:
        yield ok(about, "there.")


def read_secret(account: Account, secret: str) -> str | None:
    """What the secret holds; `None` if that is nothing yet. Raises what the SDK raises."""
    try:
        return str(account.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]) or None
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return None
        raise


def callbacks(target: Target, *, transport: httpx.BaseTransport | None = None) -> Iterator[Finding]:
    """Whether the address that providers call back answers from outside, with an answer of our own function."""
    about = "Callbacks"
    if target.parameters.get("Callbacks") == "off":
        yield ok(about, "off: jobs ask the provider instead.")
        return
    assert target.stack is not None  # noqa: S101 - only asked of a deployed stack
    address = _api_address(target.stack)
    url = f"{address}/v1/callbacks/job_{'a' * 26}/preflight"
    try:
        with httpx.Client(timeout=_API_PATIENCE, transport=transport) as client:
            answer = client.post(url, json={"data": {}})
    except httpx.HTTPError as error:
        yield problem(about, f"{address} does not answer from here ({type(error).__name__}).")
        return
    if answer.status_code == httpx.codes.NOT_FOUND and _is_ours(answer):
        yield ok(
            about,
            f"{address} answers: name, gateway and function work. (That the provider's own network reaches it, only a "
            "job can prove; without callbacks, jobs ask instead.)",
        )
    else:
        yield problem(
            about, f"{address} answers with HTTP {answer.status_code}, which is not our function's: see its logs."
        )


def routes_of(target: Target) -> list[dict[str, Any]]:
    """The configured routes, as the parameter has them; none where it can't be read, which is another check's."""
    try:
        routes = json.loads(target.parameters["Routes"])
    except ValueError:
        return []
    return [route for route in routes if isinstance(route, dict)] if isinstance(routes, list) else []


def _api_address(stack: Stack) -> str:
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        # An emulator serves the APIs of its stacks at its own address.
        return f"{endpoint.rstrip('/')}/_aws/execute-api/{stack.output('ApiId')}/live"
    return stack.output("ApiUrl")


def _is_ours(answer: httpx.Response) -> bool:
    return str(answer.headers.get("Content-Type")).startswith("application/problem+json")


def _is_taken(account: Account, kind: str, name: str) -> bool:
    def state_machine() -> None:
        caller = account.client("sts").get_caller_identity()
        partition = account.session.get_partition_for_region(account.region)
        arn = f"arn:{partition}:states:{account.region}:{caller['Account']}:stateMachine:{name}"
        account.client("stepfunctions").describe_state_machine(stateMachineArn=arn)

    looks: dict[str, Callable[[], object]] = {
        "AWS::Events::EventBus": partial(account.client("events").describe_event_bus, Name=name),
        "AWS::Serverless::StateMachine": state_machine,
        "AWS::CloudWatch::Dashboard": partial(account.client("cloudwatch").get_dashboard, DashboardName=name),
    }
    try:
        looks[kind]()
    except ClientError as error:
        if any(word in str(error.response.get("Error", {}).get("Code")) for word in _MISSING):
            return False
        raise
    return True
