"""Every example of the description, run as it is shown: by a shell, by Python, by Node.js."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from heliograph.api.openapi import openai as images
from heliograph.api.openapi.operations import OPERATIONS, Operation
from heliograph.api.openapi.samples import Sample, samples

from tests.e2e.receiver import Receiver, receiving
from tests.e2e.world import World, wait_until
from tests.environment import without_make

NODE = Path(sys.executable).parent / "node"
PROGRAMS = {
    "cURL": ["sh", "-euc"],
    "Python": [sys.executable, "-c"],
    "Node.js": [str(NODE), "--input-type=module", "--eval"],
    "With the file": ["bash", "-euo", "pipefail", "-c"],
}
# What becomes of a job that is to be canceled, or done again.
FAULTS = {"cancelJob": "never_finishes", "retryJob": "fail"}
PACED = {"testEndpoint", "recoverDeliveries", "replayDelivery"}
SAMPLES = [(operation, sample) for operation in OPERATIONS for sample in samples(operation)]


@dataclass
class Subjects:
    """What each operation is asked of, made once for its three samples, by tenants of their own."""

    world: World
    receiver: Receiver
    made: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, operation: Operation) -> str:
        """An admin's, of a tenant for that group of operations; for keys of any tenant, the deployment's own."""
        if operation.tag.name == "KEYS":
            return self.world.stack.api_key
        # A tenant has so many endpoints and no more.
        about = operation.id if operation.id in PACED else operation.tag.name
        tenant = f"samples-{about.lower()}"
        if tenant not in self.keys:
            asked = {"name": tenant, "tenant": tenant, "scopes": ["admin"]}
            self.keys[tenant] = self.world.call("POST", "/v1/keys", json=asked).json()["key"]
        return self.keys[tenant]

    def of(self, operation: Operation) -> dict[str, str]:
        """As the samples find it in their environment."""
        # What may be done once, or once a second, is done to another each time.
        if operation.id not in self.made or operation.method == "DELETE" or operation.id in PACED:
            make = {
                "job_id": self._job,
                "endpoint_id": self._endpoint,
                "delivery_id": self._delivery,
                "key_id": self._key,
            }
            self.made[operation.id] = {name.upper(): make[name](operation) for name in operation.parameters}
        return self.made[operation.id]

    def _call(self, operation: Operation, method: str, path: str, **body: Any) -> Any:
        answer = self.world.call(method, path, key=self.key(operation), json=body or None)
        assert answer.is_success, answer.text
        return answer.json()

    def _job(self, operation: Operation) -> str:
        """To be canceled, one that would never end; to be done again, one that failed; else one that is over."""
        prompt = f"a sample of {operation.id}"
        if operation.id in FAULTS:
            self.world.fault("task", FAULTS[operation.id], prompt, times=None)
        job_id = str(self._call(operation, "POST", "/v1/jobs", prompt=prompt)["id"])
        sign = "attempts" if operation.id == "cancelJob" else "finished_at"
        look = partial(self._call, operation, "GET", f"/v1/jobs/{job_id}")
        wait_until(lambda: look()[sign], seconds=60, what=f"the job of {operation.id}")
        return job_id

    def _endpoint(self, operation: Operation) -> str:
        url = self.receiver.url(operation.id)
        return str(self._call(operation, "POST", "/v1/webhook-endpoints", url=url)["id"])

    def _delivery(self, operation: Operation) -> str:
        endpoint_id = self._endpoint(operation)
        return str(self._call(operation, "POST", f"/v1/webhook-endpoints/{endpoint_id}/test")["id"])

    def _key(self, operation: Operation) -> str:
        return str(self._call(operation, "POST", "/v1/keys", name="to be revoked")["id"])


@pytest.fixture(scope="module")
def subjects(world: World) -> Iterator[Subjects]:
    with receiving() as receiver:
        yield Subjects(world, receiver)


@pytest.mark.parametrize(
    ("operation", "sample"), SAMPLES, ids=[f"{operation.id} {sample.label}" for operation, sample in SAMPLES]
)
def test_an_example_does_what_it_says(
    world: World, subjects: Subjects, photo: bytes, tmp_path: Path, operation: Operation, sample: Sample
) -> None:
    (tmp_path / "photo.png").write_bytes(photo)
    access = {
        "API": world.stack.api_url,
        "KEY": subjects.key(operation),
        "PHOTO": str(tmp_path / "photo.png"),
    }

    # A recovery reaches back for thirty days: a while ago, whatever the day.
    since = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = sample.source.replace(str((operation.example or {}).get("since", since)), since)

    finished = subprocess.run(
        [*PROGRAMS[sample.label], source],
        env={**without_make(), **access, **subjects.of(operation)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert "request_id" not in finished.stdout, finished.stdout
    statuses = {str(success.status.value) for success in operation.successes}
    if sample.label in ("cURL", "With the file"):
        assert finished.stdout.startswith("{")
    else:
        assert finished.stdout.split()[0] in statuses


@pytest.mark.parametrize(
    ("name", "sample"),
    [(name, sample) for name, found in images.SAMPLES.items() for sample in found],
    ids=lambda value: value if isinstance(value, str) else value.label,
)
def test_an_example_in_openais_shape_does_what_it_says(
    world: World, photo: bytes, tmp_path: Path, name: str, sample: Sample
) -> None:
    (tmp_path / "photo.png").write_bytes(photo)
    access = {"IMAGES_URL": world.stack.images_url, "KEY": world.stack.api_key, "PHOTO": str(tmp_path / "photo.png")}

    finished = subprocess.run(
        [*PROGRAMS[sample.label], sample.source],
        env={**without_make(), **access},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    told = finished.stdout.strip()
    link = json.loads(told)["data"][0]["url"] if sample.label == "cURL" else told
    assert world.http.get(link).headers["content-type"].startswith("image/")
