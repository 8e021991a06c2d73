"""What AWS's SAM CLI calls when it deploys or deletes a stack: the CLI itself, before an account that says yes.

Only the answers are made up, and only those that the CLI looks at. It runs in a process of its own, because it changes
what it finds.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from botocore.exceptions import ClientError

REGION = "eu-central-1"
STACK = "heliograph"
SAMS_STACK = "aws-sam-cli-managed-default"
SAMS_BUCKET = f"{SAMS_STACK}-samclisourcebucket-1u44tlu7or55"
# More than boto3 sends in one piece; the layer is of that size.
ARTIFACT_BYTES = 9_000_000
_PATIENCE_SECONDS = 120
_START = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)

Story = Literal["first-deployment", "deployment", "deletion"]

# Calls of S3 that are no action of IAM's by their name.
_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "UploadPart": "PutObject",
}


def calls_of(
    story: Story, *, folder: Path, role_arn: str = "", samconfig: str = "", environment: str = ""
) -> list[dict[str, Any]]:
    """The calls of a deployment (the first, in a Region without SAM's bucket, or a later one) or a deletion.

    With options of ours, or as an environment of a samconfig.toml says. Each call as IAM sees it: action, resource,
    context.
    """
    if environment:
        (folder / "samconfig.toml").write_text(f"version = 0.1\n{samconfig}")
        options = ["--config-file", str(folder / "samconfig.toml"), "--config-env", environment]
    else:
        options = ["--stack-name", STACK, "--region", REGION]
        if story != "deletion":
            options += ["--resolve-s3", "--s3-prefix", STACK, "--capabilities", "CAPABILITY_IAM"]
            options += ["--no-confirm-changeset", "--role-arn", role_arn]
    finished = subprocess.run(
        [sys.executable, "-m", __name__, story, str(folder), *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "SAM_CLI_TELEMETRY": "0",
            "HOME": str(folder),
        },
    )
    calls: list[dict[str, Any]] = json.loads(finished.stdout.splitlines()[-1])
    return calls


class _Account:
    """CloudFormation and S3, as far as the CLI looks."""

    def __init__(self, *stacks: str, artifacts: bool) -> None:
        self.stacks = {name: _stack(name) for name in stacks}
        self.artifacts = artifacts
        self.calls: list[dict[str, Any]] = []
        self._minutes = itertools.count()

    def answer(self, client: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        service = client.meta.service_model.service_name
        self.calls.append(_as_iam_sees_it(service, operation, request))
        if service == "s3":
            if operation == "HeadObject" and not self.artifacts:
                raise _error(operation, "404", "Not Found")
            return {"ETag": '"0"', "UploadId": "1", "VersionId": "1"}
        return self._cloudformation(operation, request)

    def _cloudformation(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        name = _stack_name(request["StackName"])
        match operation:
            case "CreateChangeSet":
                self.stacks.setdefault(name, {**_stack(name), "StackStatus": "CREATE_COMPLETE"})
                return {"Id": f"arn:aws:cloudformation:{REGION}:1:changeSet/1", "StackId": _stack(name)["StackId"]}
            case _ if name not in self.stacks:
                raise _error(operation, "ValidationError", f"Stack with id {name} does not exist")
            case "DescribeStacks":
                return {"Stacks": [self.stacks[name]]}
            case "DescribeChangeSet":
                change = {"Action": "Add", "LogicalResourceId": "F", "ResourceType": "AWS::Lambda::Function"}
                return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}
            case "DescribeStackEvents":
                later = _START + datetime.timedelta(minutes=next(self._minutes))
                stack = {"StackName": name, "StackId": _stack(name)["StackId"], "LogicalResourceId": name}
                state = {"ResourceType": "AWS::CloudFormation::Stack", "ResourceStatus": "UPDATE_COMPLETE"}
                event = {"EventId": "1", "PhysicalResourceId": stack["StackId"], "Timestamp": later, **stack, **state}
                return {"StackEvents": [event]}
            case "GetTemplateSummary":
                return {"Parameters": []}
            case "GetTemplate":
                code = f"s3://{SAMS_BUCKET}/{STACK}/0123456789abcdef0123456789abcdef"
                return {"TemplateBody": json.dumps(_template(code))}
            case "DeleteStack":
                del self.stacks[name]
                return {}
            case _:
                return {}


def _as_iam_sees_it(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    if service == "s3":
        place = f"{request['Bucket']}/{request['Key']}" if "Key" in request else request["Bucket"]
        resource = f"arn:aws:s3:::{place}"
    else:
        assert service == "cloudformation", service
        name = _stack_name(request["StackName"])
        resource = f"arn:aws:cloudformation:{REGION}:123456789012:stack/{name}/1"
    context = {"cloudformation:RoleArn": request["RoleARN"]} if "RoleARN" in request else {}
    return {"action": f"{service}:{_ACTIONS.get(operation, operation)}", "resource": resource, "context": context}


def _stack_name(name_or_arn: str) -> str:
    return name_or_arn.split("/")[1] if name_or_arn.startswith("arn:") else name_or_arn


def _stack(name: str) -> dict[str, Any]:
    return {
        "StackName": name,
        "StackId": f"arn:aws:cloudformation:{REGION}:123456789012:stack/{name}/1",
        "StackStatus": "UPDATE_COMPLETE",
        "CreationTime": _START,
        "EnableTerminationProtection": False,
        "Tags": [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
        "Outputs": [{"OutputKey": "SourceBucket", "OutputValue": SAMS_BUCKET}],
    }


def _template(code: str) -> dict[str, Any]:
    properties = {"Runtime": "python3.13", "Handler": "app.handler", "CodeUri": code}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": properties}},
    }


def _error(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _run(story: str, folder: Path, options: list[str]) -> list[dict[str, Any]]:
    from click.testing import CliRunner  # noqa: PLC0415, only this process runs the CLI
    from samcli.cli.main import cli  # noqa: PLC0415

    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "artifact").write_bytes(os.urandom(ARTIFACT_BYTES))
    (folder / "template.json").write_text(json.dumps(_template("code")))
    deploy = ["deploy", "--template-file", str(folder / "template.json")]
    command = ["delete", "--no-prompts"] if story == "deletion" else deploy
    there = () if story == "first-deployment" else (SAMS_STACK, STACK)
    account = _Account(*there, artifacts=story == "deletion")

    def answer(client: Any, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return account.answer(client, operation, request)

    with mock.patch("botocore.client.BaseClient._make_api_call", answer), mock.patch.object(time, "sleep"):
        result = CliRunner().invoke(cli, [*command, *options])
    if result.exit_code:
        sys.exit(f"{result.output}\n{result.exception!r}")
    return account.calls


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])))
