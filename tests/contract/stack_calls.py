"""The calls that CloudFormation may make for a resource of a stack, on what it is named by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.deploy_role import ACCOUNT, DeployRole
from tests.contract.handler_permissions import needed
from tests.contract.sam_calls import REGION, SAMS_BUCKET

# Of every role of a stack that is deployed as docs/deploying.md says.
BOUNDED = {"iam:PermissionsBoundary": DeployRole().arn("Boundary")}
# As CloudFormation ends the names that it gives.
RANDOM = "1U44TLUZ7OR55"


@dataclass(frozen=True)
class Call:
    """One call, as IAM sees it."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} {self.resource} {dict(self.context) or ''}"


@dataclass(frozen=True)
class _Resource:
    """A resource of the template in a stack of that name."""

    kind: str
    name: str
    stack: str

    @property
    def physical_name(self) -> str:
        return f"{self.stack}-{self.name}-{RANDOM}"

    @property
    def function(self) -> str:
        return arn("lambda", f"function:{self.physical_name}")


def calls_for(name: str, resource: Mapping[str, Any], stack: str) -> Iterable[Call]:
    """All that CloudFormation may call to make, change and delete the resource."""
    for action in needed({"Resources": {name: resource}}):
        made = _SERVICES[action.partition(":")[0]](action, _Resource(resource["Type"], name, stack))
        if made is not None:
            yield made


def arn(service: str, resource: str, *, region: str = REGION) -> str:
    """Of this account."""
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def of_the_stack(stack: str) -> dict[str, str]:
    """The tag that CloudFormation puts on a stack's resources."""
    return {"aws:ResourceTag/aws:cloudformation:stack-name": stack}


def _apigateway(action: str, of: _Resource) -> Call | None:
    api = f"arn:aws:apigateway:{REGION}::/restapis"
    match of.kind, action:
        case "AWS::ApiGateway::RestApi", "apigateway:POST":
            return Call(action, api)
        case "AWS::ApiGateway::RestApi", _:
            return Call(action, f"{api}/a1b2c3d4e5", of_the_stack(of.stack))
        case _, "apigateway:POST":
            return None  # the service reference has two patterns in one for collections, which the evaluator can't read
        case _, "apigateway:PUT":  # tags
            return Call(action, f"arn:aws:apigateway:{REGION}::/tags/arn%3Aaws%3Aapigateway")
        case _:
            part = "deployments" if of.kind == "AWS::ApiGateway::Deployment" else "stages"
            return Call(action, f"{api}/a1b2c3d4e5/{part}/live", of_the_stack(of.stack))


def _cloudformation(action: str, of: _Resource) -> Call:
    return Call(action, arn("cloudformation", f"stack/{of.physical_name}/5b4a6b10-2f4b-11ef-9cf2-0a1b2c3d4e5f"))


def _cloudwatch(action: str, of: _Resource) -> Call:
    if of.kind == "AWS::CloudWatch::Dashboard":
        return Call(action, arn("cloudwatch", f"dashboard/{of.stack}-{REGION}", region=""))
    return Call(action, arn("cloudwatch", f"alarm:{of.physical_name}"))


def _dynamodb(action: str, of: _Resource) -> Call:
    return Call(action, arn("dynamodb", f"table/{of.physical_name}"))


def _events(action: str, of: _Resource) -> Call:
    if of.kind == "AWS::Events::EventBus":
        return Call(action, arn("events", f"event-bus/{of.stack}-events"))
    bus = f"{of.stack}-events/" if of.name == "EventPublished" else ""
    return Call(action, arn("events", f"rule/{bus}{of.physical_name}"))


def _iam(action: str, of: _Resource) -> Call:
    match action:
        case "iam:PassRole":
            service = "states" if of.kind == "AWS::StepFunctions::StateMachine" else "lambda"
            role = arn("iam", f"role/{of.stack}-{of.name}Role-{RANDOM}", region="")
            return Call(action, role, {"iam:PassedToService": f"{service}.amazonaws.com"})
        case "iam:AttachRolePolicy" | "iam:DetachRolePolicy":
            policy = {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}
            return Call(action, arn("iam", f"role/{of.physical_name}", region=""), policy | BOUNDED)
        case _:
            return Call(action, arn("iam", f"role/{of.physical_name}", region=""), BOUNDED)


def _lambda(action: str, of: _Resource) -> Call | None:
    match of.kind, action:
        case _, "lambda:PublishLayerVersion":
            return Call(action, arn("lambda", f"layer:{of.stack}-core"))
        case _, "lambda:DeleteLayerVersion" | "lambda:GetLayerVersion":
            return Call(action, arn("lambda", f"layer:{of.stack}-core:1"))
        case _, "lambda:GetProvisionedConcurrencyConfig":
            return None  # an alias or a version, which the evaluator can't tell apart
        case "AWS::Lambda::EventSourceMapping", "lambda:CreateEventSourceMapping":
            return Call(action, "*", {"lambda:FunctionArn": of.function})
        case "AWS::Lambda::EventSourceMapping", _:
            mapping = arn("lambda", "event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2")
            known = action.endswith("EventSourceMapping")
            return Call(action, mapping, {"lambda:FunctionArn": of.function} if known else {})
        case _:
            return Call(action, of.function)


def _logs(action: str, of: _Resource) -> Call:
    if action in {"logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"}:
        return Call(action, "*")
    return Call(action, arn("logs", f"log-group:{of.stack}-Logs-{RANDOM}"))


def _s3(action: str, of: _Resource) -> Call:
    if of.kind.startswith("AWS::S3::"):
        return Call(action, f"arn:aws:s3:::{of.physical_name.lower()}")
    return Call(action, f"arn:aws:s3:::{SAMS_BUCKET}/{of.stack}/0123456789abcdef")


def _secretsmanager(action: str, of: _Resource) -> Call:
    if action == "secretsmanager:GetRandomPassword":
        return Call(action, "*")
    secret = arn("secretsmanager", f"secret:{of.name}-{RANDOM[:12]}-AbCdEf")
    making = action in {"secretsmanager:CreateSecret", "secretsmanager:TagResource"}
    return Call(action, secret, {} if making else of_the_stack(of.stack))


def _sns(action: str, of: _Resource) -> Call:
    return Call(action, "*" if action == "sns:Unsubscribe" else arn("sns", of.physical_name))


def _sqs(action: str, of: _Resource) -> Call:
    return Call(action, arn("sqs", of.physical_name))


def _states(action: str, of: _Resource) -> Call:
    return Call(action, arn("states", f"stateMachine:{of.stack}-image-job"))


_SERVICES: Mapping[str, Callable[[str, _Resource], Call | None]] = {
    "apigateway": _apigateway,
    "cloudformation": _cloudformation,
    "cloudwatch": _cloudwatch,
    "dynamodb": _dynamodb,
    "events": _events,
    "iam": _iam,
    "lambda": _lambda,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sns": _sns,
    "sqs": _sqs,
    "states": _states,
}
