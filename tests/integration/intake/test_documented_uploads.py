"""What docs/uploads.md shows of metadata can be typed, and arrives as it was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.job import Job
from heliograph.platform import aws

from tests.contract.cfn_template import ROOT
from tests.contract.documents import blocks, commands
from tests.integration.conftest import Deployment
from tests.integration.lambdas import started
from tests.integration.uploads import announcing, executions, put
from tests.pictures import jpeg

PAGE = ROOT / "docs" / "uploads.md"
BUCKET = "BUCKET"
# It lets its uploads choose what the examples say.
PRESET = json.dumps(
    {
        "prompt": "a white background",
        "output_key": "shop/{name}-{job_id}.{ext}",
        "overrides": ["prompt", "output_key"],
    }
).encode()


def job_of(deployment: Deployment, jobs: DynamoDBJobStore, key: str) -> Job:
    """The job that the object becomes."""
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    version = str(aws.s3().head_object(Bucket=deployment.uploads_bucket, Key=key)["VersionId"])
    started("submit_upload")(announcing((key, version), bucket=deployment.uploads_bucket))
    [job_id] = executions(deployment)
    job = jobs.get(job_id)
    assert job
    return job


def test_the_shown_command_uploads_with_its_metadata(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    [words] = [words for words in commands(PAGE, "aws") if "--metadata" in words]
    # In JSON the AWS CLI takes a parameter whole; its shorthand ends at commas and braces.
    metadata: dict[str, str] = json.loads(words[words.index("--metadata") + 1])
    [target] = [word for word in words if word.startswith("s3://")]
    bucket, _, key = target.removeprefix("s3://").partition("/")
    assert bucket == BUCKET
    aws.s3().put_object(Bucket=deployment.uploads_bucket, Key=key, Body=jpeg(), Metadata=metadata)

    job = job_of(deployment, jobs, key)

    assert (job.request.prompt, job.output_key_template) == ("Käse, auf Weiß", "shop/{name}.{ext}")


def test_the_shown_program_uploads_with_its_metadata(
    deployment: Deployment, jobs: DynamoDBJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program] = blocks(PAGE, "uploading")
    (tmp_path / "shoe.jpg").write_bytes(jpeg())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}

    exec(program.replace(BUCKET, deployment.uploads_bucket), names)  # noqa: S102 - it is our own documentation

    job = job_of(deployment, jobs, "uploads/white-background/shoe.jpg")
    assert (job.request.prompt, job.output_key_template) == ("Käse, auf Weiß", "shop/{name}.{ext}")
