"""S3's events on the bus say which version of the object they are about."""

import json
from typing import Any

from .conftest import RunningEmulator, eventually


def test_the_event_of_a_new_object_carries_its_version(emulator: RunningEmulator) -> None:
    received, put = _event_after_put(emulator, "versioned", versioning="Enabled")
    assert received["detail"]["object"]["version-id"] == put["VersionId"]


def test_the_event_of_an_unversioned_object_carries_none(emulator: RunningEmulator) -> None:
    received, _ = _event_after_put(emulator, "unversioned", versioning="Suspended")
    assert "version-id" not in received["detail"]["object"]


def _event_after_put(
    emulator: RunningEmulator, bucket: str, *, versioning: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    s3, events, sqs = (emulator.client(service) for service in ("s3", "events", "sqs"))
    s3.create_bucket(Bucket=bucket)
    if versioning == "Enabled":
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    queue = sqs.create_queue(QueueName=f"{bucket}-events")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(
        Name=bucket,
        EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}),
    )
    events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])

    put = s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"picture")
    messages = eventually(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"))
    received: dict[str, Any] = json.loads(messages[0]["Body"])
    return received, put
