"""Objects put into the buckets, announced, and the executions that they start."""

from __future__ import annotations

import json
from typing import Any

from heliograph.platform import aws

from tests.integration.conftest import Deployment
from tests.triggers import read


def executions(deployment: Deployment) -> list[str]:
    answer = aws.step_functions().list_executions(stateMachineArn=deployment.state_machine_arn)
    return [execution["name"] for execution in answer["executions"]]


def put(bucket: str, key: str, body: bytes, **metadata: str) -> str:
    return aws.s3().put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)["VersionId"]


def announcing(*keys: tuple[str, str], bucket: str) -> dict[str, Any]:
    """An SQS batch that announces these keys and versions."""
    template = read("upload_created.sqs.json")["Records"][0]
    records = []
    for number, (key, version) in enumerate(keys):
        event = json.loads(template["body"])
        event["detail"]["bucket"]["name"] = bucket
        event["detail"]["object"] |= {"key": key, "version-id": version}
        records.append({**template, "messageId": str(number), "body": json.dumps(event)})
    return {"Records": records}
