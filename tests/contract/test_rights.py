"""What is allowed to whom, against AWS's service authorization reference."""

from __future__ import annotations

import pytest

from tests.contract.deployed import Deployed, on_off_parameters
from tests.contract.rights import Statement, faults_in, statements_of
from tests.contract.service_reference import ServiceReference
from tests.contract.transformed import PARTITIONS
from tests.node.programs import Node

KIE_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kie-a1B2c3"
TOPIC = "arn:aws:sns:us-east-1:123456789012:told"
EVERYTHING = on_off_parameters("on") | {"KieKeySecret": KIE_KEY, "AlarmTopic": TOPIC}
BUCKET = "arn:aws:s3:::heliograph-uploads"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/heliograph-jobs"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:heliograph-uploads"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:heliograph-image-job"


@pytest.fixture(scope="module")
def reference(node: Node) -> ServiceReference:
    return ServiceReference(node.folder)


@pytest.mark.parametrize("region", PARTITIONS)
@pytest.mark.parametrize("parameters", [EVERYTHING, on_off_parameters("off")], ids=["everything", "least"])
def test_every_statement_allows_what_it_means_to(
    reference: ServiceReference, parameters: dict[str, str], region: str
) -> None:
    statements = statements_of(Deployed(parameters, region=region))
    assert [fault for statement in statements for fault in faults_in(statement, reference)] == []


def test_every_kind_of_policy_is_looked_at() -> None:
    stack = Deployed(EVERYTHING)
    seen = {statement.where for statement in statements_of(stack)}
    with_policies = {
        "AWS::IAM::Role",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
    }
    assert {stack.resources[name]["Type"] for name in seen} == with_policies
    assert seen == {name for name, found in stack.resources.items() if found["Type"] in with_policies}


def made(action: str, resource: str, **conditions: dict[str, str]) -> Statement:
    return Statement("Made", (action,), (resource,), dict(conditions))


@pytest.mark.parametrize(
    "statement",
    [
        made("dynamodb:Query", TABLE),
        made("dynamodb:query", f"{TABLE}/index/by-task"),
        made("s3:GetObject", f"{BUCKET}/tenants/*/references/*"),
        made("s3:*", BUCKET, Bool={"aws:SecureTransport": "false"}),
        made("states:SendTaskSuccess", "*"),
        made("sqs:SendMessage", QUEUE, ArnEquals={"aws:SourceArn": TOPIC}),
        made("dynamodb:GetItem", TABLE, **{"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "x"}}),
        made("secretsmanager:GetSecretValue", KIE_KEY, StringEqualsIfExists={"aws:ResourceTag/owner": "x"}),
    ],
    ids=lambda statement: f"{statement.actions[0]} on {statement.resources[0]}",
)
def test_what_is_right_is_let_through(reference: ServiceReference, statement: Statement) -> None:
    assert faults_in(statement, reference) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (made("dynamodb:GetItems", TABLE), "there is no action dynamodb:GetItems"),
        (made("dynamo:GetItem", TABLE), "there is no action dynamo:GetItem"),
        (made("s3:Lis*Objects", BUCKET), "there is no action s3:Lis*Objects"),
        (made("dynamodb:Query", BUCKET), f"dynamodb:Query is not allowed on {BUCKET}"),
        (made("dynamodb:PutItem", f"{TABLE}/index/by-task"), "dynamodb:PutItem is not allowed on"),
        (made("s3:ListBucket", f"{BUCKET}/*"), "s3:ListBucket is not allowed on"),
        (made("s3:GetObject", BUCKET), "s3:GetObject is not allowed on"),
        (made("states:SendTaskSuccess", MACHINE), f"states:SendTaskSuccess is not allowed on {MACHINE}, but on *"),
        (made("states:StartExecution", MACHINE.replace("123456789012", "")), "states:StartExecution is not allowed on"),
        (made("states:GetExecutionHistory", MACHINE), "states:GetExecutionHistory is not allowed on"),
        (made("sqs:SendMessage", QUEUE, ArnEquals={"aws:SourceARNs": TOPIC}), "no condition key aws:SourceARNs"),
        (made("sqs:SendMessage", QUEUE, StringEquals={"s3:prefix": "x"}), "no condition key s3:prefix"),
        (made("sqs:SendMessage", QUEUE, NumericEquals={"aws:SourceArn": TOPIC}), "does not compare aws:SourceArn"),
        (made("s3:*", BUCKET, Bool={"aws:SourceIp": "x"}), "Bool does not compare aws:SourceIp"),
        (made("s3:*", BUCKET, Equals={"aws:SourceIp": "x"}), "Equals does not compare aws:SourceIp"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_found(reference: ServiceReference, statement: Statement, fault: str) -> None:
    [found] = faults_in(statement, reference)
    assert fault in found
