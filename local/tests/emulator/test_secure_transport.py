"""A bucket that refuses access without TLS can be used over loopback."""

import json

from .conftest import Functions, RunningEmulator

WRITES = """
import boto3

def handler(event, context):
    boto3.client("s3").put_object(Bucket="tls-only", Key="a", Body=b"")
    return "written"
"""


def test_a_bucket_that_denies_plain_transport_is_usable(emulator: RunningEmulator, functions: Functions) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="tls-only")
    resources = ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"]
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    allow = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": resources}
    functions.create("tls-writer", WRITES, statements=(allow,), Timeout=20)
    assert functions.invoke("tls-writer").payload == "written"
