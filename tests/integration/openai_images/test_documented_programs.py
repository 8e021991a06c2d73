"""The programs of docs/upgrading.md that restore a table and empty a bucket, run as they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import boto3
import pytest
from moto import mock_aws

from tests.contract.cfn_template import RESOURCES, ROOT
from tests.contract.documents import blocks

REGION: Literal["eu-central-1"] = "eu-central-1"
TABLE, BUCKET = "heliograph-LedgerTable-1U44TLUZ7OR55", "heliograph-resultsbucket-1u44tlu7or55"

Program = Callable[[str], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Runs a block of the page, in an account of moto's."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": REGION,
        "TABLE": TABLE,
        "BUCKET": BUCKET,
    }.items():
        monkeypatch.setenv(name, value)

    def run(label: str) -> None:
        [block] = blocks(ROOT / "docs" / "upgrading.md", label)
        exec(compile(block, f"upgrading.md: {label}", "exec"), {})  # noqa: S102, a program of ours

    with mock_aws():
        yield run


def test_what_is_missing_is_copied_back_and_what_is_there_is_left(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    dynamodb = boto3.client("dynamodb", region_name=REGION)
    shape = {
        name: RESOURCES["LedgerTable"]["Properties"][name]
        for name in ("BillingMode", "AttributeDefinitions", "KeySchema")
    }
    for table in (TABLE, f"{TABLE}-restored"):
        dynamodb.create_table(TableName=table, **shape)

    def put(table: str, period: str, spent: str) -> None:
        dynamodb.put_item(
            TableName=table, Item={"account": {"S": "all"}, "period": {"S": period}, "spent": {"N": spent}}
        )

    put(f"{TABLE}-restored", "2026-11-20", "60000")
    put(f"{TABLE}-restored", "2026-11-21", "60000")
    put(f"{TABLE}-restored", "2026-11-22", "0")
    put(TABLE, "2026-11-22", "120000")
    put(TABLE, "2026-11-23", "60000")

    program("restore")
    program("restore")

    spent = {item["period"]["S"]: item["spent"]["N"] for item in dynamodb.scan(TableName=TABLE)["Items"]}
    there = {"2026-11-22": "120000", "2026-11-23": "60000"}
    assert spent == {"2026-11-20": "60000", "2026-11-21": "60000", **there}
    assert capsys.readouterr().out.splitlines() == ["2 records were missing", "0 records were missing"]


def test_a_bucket_is_emptied_of_earlier_versions_and_delete_markers_too(program: Program) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        s3.put_object(Bucket=BUCKET, Key="a/1.png", Body=b"image")
    s3.delete_object(Bucket=BUCKET, Key="a/1.png")

    program("empty")

    s3.delete_bucket(Bucket=BUCKET)
