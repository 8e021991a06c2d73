"""What the end-to-end tests can see and do: only from outside, as a user, the vendor or an operator would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

import httpx

from local.deployment import CREDENTIALS, PROJECT, REGION
from local.stack import Stack
from tests.environment import without_make

Found = TypeVar("Found")
Event = dict[str, Any]
_LOOK_AGAIN_SECONDS = 0.1


def wait_until(look: Callable[[], Found | None], *, seconds: float, what: str) -> Found:
    """The first thing that `look` finds. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        threading.Event().wait(_LOOK_AGAIN_SECONDS)


@dataclass
class World:
    """The running application, its users' tools, and the vendor's books."""

    stack: Stack
    bus_queue: str
    _events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3 = self.stack.client("s3")
        self.sqs = self.stack.client("sqs")
        self.uploads = self.stack.outputs["UploadsBucketName"]
        self.results = self.stack.outputs["ResultsBucketName"]
        self.http = httpx.Client(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        for client in (self.s3, self.sqs):
            client.close()

    # -- a user of the bucket

    def upload(self, key: str, body: bytes, **metadata: str) -> str:
        """Puts an object into the uploads bucket; returns its version."""
        named = {name.replace("_", "-"): value for name, value in metadata.items()}
        answer = self.s3.put_object(Bucket=self.uploads, Key=key, Body=body, Metadata=named)
        return str(answer["VersionId"])

    def preset(self, **recipe: Any) -> str:
        """A new preset; returns its name."""
        name = f"p-{uuid.uuid4().hex[:8]}"
        self.upload(f"presets/{name}.json", json.dumps(recipe).encode())
        return name

    def result(self, event: Event, index: int = 0) -> tuple[bytes, dict[str, Any]]:
        """A result that an event announces: its bytes, and what S3 says of it."""
        place = event["detail"]["data"]["results"][index]
        answer = self.s3.get_object(Bucket=place["bucket"], Key=place["key"])
        return answer["Body"].read(), answer

    def record(self, event: Event) -> dict[str, Any]:
        """The `job.json` that an event announces."""
        place = event["detail"]["data"]["record"]
        document: dict[str, Any] = json.loads(
            self.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
        )
        return document

    # -- a caller of the API

    def call(self, method: str, path: str, *, key: str | None = "", **arguments: Any) -> httpx.Response:
        """A call of the API, with the right key unless another is given (`None`: none at all)."""
        headers = dict(arguments.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key or self.stack.api_key}"
        return self.http.request(method, self.stack.api_url + path, headers=headers, **arguments)

    def post(self, **request: Any) -> dict[str, Any]:
        """A job by the API; returns it."""
        answer = self.call("POST", "/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API shows it."""
        answer = self.call("GET", f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def finished(self, job_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """The job once it is over."""
        return wait_until(
            lambda: job if (job := self.job(job_id))["finished_at"] else None,
            seconds=seconds,
            what=f"the end of {job_id}",
        )

    # -- an operator

    def operate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `make ledger`, `make routes` and the others run."""
        return self._run([sys.executable, "-m", "operations", "--stack", "heliograph", *arguments])

    def check_before_deploying(self, stack: str, *, parameters: str, key: str) -> subprocess.CompletedProcess[str]:
        """`make preflight`, of a stack that is not there yet and with a key that is nowhere yet."""
        program = [sys.executable, "-m", "operations.preflight", "--key-stdin"]
        return self._run([*program, "--stack", stack, "--parameters", parameters], typed=f"{key}\n")

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command itself, as the README gives it."""
        return self._run(["make", *arguments])

    def _run(self, command: list[str], *, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=PROJECT,
            env={**without_make(), **CREDENTIALS, **self._aws()},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    def ledger(self, account: str = "*") -> dict[str, int]:
        """The account's pages of all days, in micro-dollars: a test may begin on one day and end on the next."""
        pages = self.stack.client("dynamodb").query(
            TableName=self.stack.outputs["LedgerTableName"],
            KeyConditionExpression="account = :account",
            ExpressionAttributeValues={":account": {"S": account}},
        )["Items"]
        days = [page for page in pages if len(page["period"]["S"]) == len("2026-11-22")]
        return {
            column: sum(int(day.get(column, {"N": "0"})["N"]) for day in days)
            for column in ("reserved", "spent", "unknown")
        }

    def begin_a_day(self, *, seconds: float = 60) -> None:
        """Waits for the next UTC day where less than `seconds` of this one are left: what is limited or told by the day
        is then all of one day.
        """

        def is_long_enough() -> bool:
            now = datetime.now(UTC)
            return (now + timedelta(seconds=seconds)).date() == now.date()

        wait_until(is_long_enough, seconds=2 * seconds, what="the next day")

    def _aws(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.stack.endpoint, "AWS_DEFAULT_REGION": REGION, "AWS_CONFIG_FILE": os.devnull}

    # -- somebody who listens to the bus

    def events(self, matches: Callable[[Event], bool] = lambda _: True) -> list[Event]:
        """Every event so far that matches, as it arrived on the bus."""
        while messages := self.sqs.receive_message(
            QueueUrl=self.bus_queue, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages"):
            for message in messages:
                self._events.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.bus_queue, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self._events if matches(event)]

    def event_of(self, job_id: str, *, seconds: float = 60) -> Event:
        """The event of that job's end."""
        return wait_until(
            lambda: next(iter(self.events(lambda event: event["detail"]["data"].get("job_id") == job_id)), None),
            seconds=seconds,
            what=f"the event of {job_id}",
        )

    def event_about(self, key: str, *, seconds: float = 60) -> Event:
        """The event that an upload of that key came to: a job's end, or a rejection."""

        def is_about(event: Event) -> bool:
            data = event["detail"]["data"]
            return key in (data.get("key"), data.get("source", {}).get("key"))

        return wait_until(
            lambda: next(iter(self.events(is_about)), None), seconds=seconds, what=f"an event about {key}"
        )

    # -- the vendor

    def tasks(self, match: str) -> list[dict[str, Any]]:
        """The vendor's tasks whose prompt contains `match`."""
        tasks: list[dict[str, Any]] = self._vendor("GET", "tasks", params={"match": match})["tasks"]
        return tasks

    def fault(self, on: str, kind: str, match: str, *, times: int | None = 1, **parameters: Any) -> None:
        """Something goes wrong at the vendor for prompts that contain `match`."""
        self._vendor("POST", "faults", json={"on": on, "kind": kind, "match": match, "times": times, **parameters})

    def finish(self, match: str) -> None:
        """The vendor is done with every task whose prompt contains `match`, now."""
        self._vendor("POST", "finish", json={"match": match})

    def books(self) -> dict[str, Any]:
        """The vendor's books."""
        return self._vendor("GET", "accounts")

    def vendor_calls(self) -> list[dict[str, Any]]:
        """Every call that the vendor's hosts received."""
        calls: list[dict[str, Any]] = self._vendor("GET", "requests")["requests"]
        return calls

    def _vendor(self, method: str, what: str, **arguments: Any) -> dict[str, Any]:
        answer = self.http.request(method, f"{self.stack.provider_url}/_sim/{what}", **arguments)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document
