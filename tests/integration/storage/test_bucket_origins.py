"""Where a browser finds what is signed: the page's policy must name just that."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
import pytest
from heliograph.platform.aws import _S3_CONFIG
from heliograph.storage.adapters.s3 import S3ObjectStore


@pytest.mark.parametrize(
    ("region", "endpoint", "expected"),
    [
        ("us-east-1", None, "https://the-bucket.s3.amazonaws.com"),
        ("eu-central-1", None, "https://the-bucket.s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", None, "https://the-bucket.s3.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", "http://127.0.0.1:4566", "http://127.0.0.1:4566"),
    ],
)
def test_links_and_forms_lead_to_the_origin_that_the_policy_names(
    region: str, endpoint: str | None, expected: str
) -> None:
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name=region)
    client = session.client("s3", config=_S3_CONFIG, endpoint_url=endpoint)

    assert S3ObjectStore(client).origin_of_links("the-bucket") == expected
    for link in (
        client.generate_presigned_url("get_object", Params={"Bucket": "the-bucket", "Key": "a/b.jpg"}),
        client.generate_presigned_post("the-bucket", "a/b.jpg")["url"],
    ):
        parts = urlsplit(link)
        assert f"{parts.scheme}://{parts.netloc}" == expected
