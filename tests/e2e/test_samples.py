"""Every example of the description, run as it is shown: by a shell, by Python, by Node.js."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from heliograph.runtime.openapi.operations import OPERATIONS, Operation
from heliograph.runtime.openapi.samples import Sample, samples

from tests.e2e.world import World, wait_until

NODE = Path(sys.executable).parent / "node"
PROGRAMS = {
    "cURL": ["sh", "-euc"],
    "Python": [sys.executable, "-c"],
    "Node.js": [str(NODE), "--input-type=module", "--eval"],
}
SAMPLES = [(operation, sample) for operation in OPERATIONS for sample in samples(operation)]


def ended_job(world: World, operation: Operation) -> str:
    """A job that the operation can be asked of: one that failed, to be done again; one that is over to be read."""
    if operation.id == "cancelJob":
        # One that is not over, however slow the test.
        world.fault("task", "never_finishes", f"sample {operation.id}", times=None)
        job_id = str(world.post(prompt=f"sample {operation.id}")["id"])
        wait_until(lambda: world.job(job_id)["attempts"], seconds=60, what="its create call")
        return job_id
    if operation.id == "retryJob":
        world.fault("task", "fail", f"sample {operation.id}", times=None)
    job_id = str(world.post(prompt=f"sample {operation.id}")["id"])
    world.finished(job_id)
    return job_id


@pytest.fixture(scope="module")
def prepared() -> dict[str, dict[str, str]]:
    """What each operation is asked of, made once for its three samples."""
    return {}


def subjects(world: World, operation: Operation) -> dict[str, str]:
    found: dict[str, str] = {}
    if "job_id" in operation.parameters:
        found["JOB_ID"] = ended_job(world, operation)
    if "key_id" in operation.parameters:
        found["KEY_ID"] = world.call("POST", "/v1/keys", json={"name": "to be revoked"}).json()["id"]
    return found


@pytest.mark.parametrize(
    ("operation", "sample"), SAMPLES, ids=[f"{operation.id} {sample.label}" for operation, sample in SAMPLES]
)
def test_an_example_does_what_it_says(
    world: World, prepared: dict[str, dict[str, str]], operation: Operation, sample: Sample
) -> None:
    if operation.id not in prepared:
        prepared[operation.id] = subjects(world, operation)

    finished = subprocess.run(
        [*PROGRAMS[sample.label], sample.source],
        env={**os.environ, "API": world.stack.api_url, "KEY": world.stack.api_key, **prepared[operation.id]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert "request_id" not in finished.stdout, finished.stdout
    statuses = {str(success.status.value) for success in operation.successes}
    if sample.label == "cURL":
        assert finished.stdout.startswith("{")
    else:
        assert finished.stdout.split()[0] in statuses
