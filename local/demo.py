"""`make demo`: one job by upload and one by API call, with their results, events and costs."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin

import httpx
from standardwebhooks import Webhook

from local.deployment import PROJECT
from local.photo import sample_photo
from local.receiver import receiving
from local.stack import Pace, Stack, bring_down, bring_up

OUTPUT = PROJECT / "demo-output"
PRESET = {
    "prompt": "Put the product on a seamless white background, soft shadow, studio light",
    "aspect_ratio": "4:5",
}
API_PROMPT = "A lighthouse keeper's desk at dawn, seen from above, film photograph"
# The provider's 15-40 s become 1.5-4 s. Our own waits run in real time, and callbacks end them early.
PACE = Pace(latency_scale=0.1, wait_scale=1)
_WAIT_SECONDS = 120
_POLL_SECONDS = 0.2
_BAR = "─" * 78

Found = TypeVar("Found")


def run(photo: Path | None) -> None:
    """Runs the demo. Its processes end with it, also after an error."""
    started = time.monotonic()
    _say(_BAR, "Heliograph demo", _BAR)
    _say(
        "Real:       template.yaml, built and deployed by sam as on AWS; every function under AWS's",
        "            own runtime client, with its role enforced; the workflow; the events.",
        "Simulated:  AWS (an emulator) and the image provider (it draws images instead of",
        "            generating them, ten times faster). Both are processes on this machine;",
        "            nothing is charged.",
        "",
    )
    photo = photo or sample_photo(PROJECT / ".local" / "photo")
    with tempfile.TemporaryDirectory(prefix="heliograph-demo-") as folder:
        stack = bring_up(
            Path(folder), pace=PACE, report=lambda step: _say(f"[{time.monotonic() - started:5.1f} s] {step}")
        )
        try:
            _say(f"[{time.monotonic() - started:5.1f} s] the stack is running")
            listener = Listener(stack)
            _upload(stack, listener, photo)
            _call(stack, listener)
            _totals(stack)
        finally:
            bring_down(stack)
    _say("", f"Done in {time.monotonic() - started:.0f} s; all processes have ended. To keep a stack running: make up")


class Listener:
    """A queue with a rule on the bus, as any consumer of the events would have."""

    def __init__(self, stack: Stack) -> None:
        self._sqs, events = stack.client("sqs"), stack.client("events")
        self._queue = self._sqs.create_queue(QueueName="demo-listener")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        bus = stack.outputs["EventBusName"]
        events.put_rule(Name="demo", EventBusName=bus, EventPattern=json.dumps({"source": ["heliograph"]}))
        target = {"Id": "demo", "Arn": attributes["Attributes"]["QueueArn"]}
        events.put_targets(Rule="demo", EventBusName=bus, Targets=[target])

    def next_event(self) -> dict[str, Any] | None:
        """The next event, if one has arrived."""
        messages = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=0).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
            event: dict[str, Any] = json.loads(message["Body"])
            return event
        return None


def _upload(stack: Stack, listener: Listener, photo: Path) -> None:
    _say("", _BAR, "1. Upload a photo to the bucket", _BAR)
    s3, uploads = stack.client("s3"), stack.outputs["UploadsBucketName"]
    s3.put_object(Bucket=uploads, Key="presets/white-background.json", Body=json.dumps(PRESET).encode())
    _say(f"preset   presets/white-background.json   {json.dumps(PRESET)}")
    key = f"uploads/white-background/{photo.name}"
    s3.put_object(Bucket=uploads, Key=key, Body=photo.read_bytes())
    _say(f"upload   {photo}", f"      →  s3://{uploads}/{key}", "")
    jobs, table = stack.client("dynamodb"), stack.outputs["JobsTableName"]

    def status() -> str:
        items = jobs.scan(TableName=table)["Items"]
        return next((item["status"]["S"] for item in items if "status" in item), "uploaded")

    event = _wait(listener.next_event, status)
    _say("event on the bus:", json.dumps(event, indent=2, ensure_ascii=False), "")
    if event["detail-type"] != "image.job.succeeded":
        raise SystemExit("The demo failed: its job did not succeed.")
    _save(stack, event, f"{photo.stem}-edited")


def _call(stack: Stack, listener: Listener) -> None:
    _say("", _BAR, "2. Call the API, and receive a signed webhook", _BAR)
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with receiving("/hooks/heliograph") as receiver:
        job = _post(stack, listener, headers, receiver.url)
        message = _wait(receiver.next_message, lambda: "webhook")
    secret = httpx.get(f"{stack.api_url}/v1/webhook-endpoints/jobs/secret", headers=headers, timeout=30)
    secret.raise_for_status()
    payload = Webhook(secret.json()["secret"]).verify(message.body, message.headers)
    _say("", f"webhook  {payload['type']}   POST {receiver.url}")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        _say(f"         {name}: {message.headers[name]}")
    _say("         signature verified with the standardwebhooks library", "")
    timeline = httpx.get(f"{stack.api_url}/v1/jobs/{job['id']}/events", headers=headers, timeout=30).raise_for_status()
    _say(f"GET  …/{job['id']}/events")
    for moment in timeline.json()["data"]:
        _say(f"         {moment['at'][11:23]}   {moment['kind']:<11} {moment['detail']}")


def _post(stack: Stack, listener: Listener, headers: dict[str, str], webhook_url: str) -> dict[str, Any]:
    body = {"prompt": API_PROMPT, "aspect_ratio": "16:9", "webhook_url": webhook_url}
    answer = httpx.post(f"{stack.api_url}/v1/jobs", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    job_url = urljoin(str(answer.url), answer.headers["Location"])
    _say(f"POST /v1/jobs   {json.dumps(body, ensure_ascii=False)}")
    _say(f"      →  {answer.status_code} {answer.json()['id']}   Retry-After: {answer.headers['Retry-After']}", "")
    job: dict[str, Any] = {}

    def poll() -> dict[str, Any] | None:
        nonlocal job
        job = httpx.get(job_url, headers=headers, timeout=30).raise_for_status().json()
        return job if job["finished_at"] else None

    _wait(poll, lambda: str(job.get("status")))
    event = _wait(listener.next_event, lambda: "event")
    image = httpx.get(job["results"][0]["url"], timeout=30).raise_for_status()
    saved = OUTPUT / "api.jpg"
    saved.write_bytes(image.content)
    timings, attempt = job["timings"], job["attempts"][0]
    _say(f"GET  …/{job['id']}   {job['status']}   ${job['price_usd']}   {timings['total_seconds']} s")
    _say(f"attempt  {attempt['model']}, task {attempt['task_id']};  event {event['detail-type']}")
    _say(f"saved    {saved}   (from the presigned link in the job)")
    return job


def _save(stack: Stack, event: dict[str, Any], name: str) -> None:
    OUTPUT.mkdir(exist_ok=True)
    s3, data = stack.client("s3"), event["detail"]["data"]
    result = data["results"][0]
    image = OUTPUT / f"{name}{Path(result['key']).suffix}"
    s3.download_file(result["bucket"], result["key"], str(image))
    record = OUTPUT / f"{name}.job.json"
    s3.download_file(data["record"]["bucket"], data["record"]["key"], str(record))
    _say(f"saved    {image}   {result['width']} x {result['height']}")
    _say(f"         {record}   the job's record")


def _totals(stack: Stack) -> None:
    tasks = httpx.get(f"{stack.provider_url}/_sim/tasks", timeout=30).json()["tasks"]
    charged = sum(task["charged_micro_usd"] for task in tasks) / 1_000_000
    _say("", f"Provider:  {len(tasks)} tasks created, ${charged:.2f} charged (simulated)")
    items = stack.client("dynamodb").scan(TableName=stack.outputs["LedgerTableName"])["Items"]
    # More than one, if a month ended during the demo.
    months = [item for item in items if item["account"]["S"] == "*" and len(item["period"]["S"]) == len("2026-11")]
    reserved, spent, unknown = (
        sum(int(month[column]["N"]) for month in months) / 1_000_000 for column in ("reserved", "spent", "unknown")
    )
    _say(f"Ledger:    ${spent:.2f} spent, ${reserved:.2f} reserved, ${unknown:.2f} unknown")


def _wait(poll: Callable[[], Found | None], status: Callable[[], str]) -> Found:
    """The first result of `poll`. Until then one line, rewritten in place, shows the status."""
    started, shown = time.monotonic(), ""
    while (found := poll()) is None:
        elapsed = time.monotonic() - started
        if elapsed > _WAIT_SECONDS:
            raise SystemExit(f"The demo failed: no result within {_WAIT_SECONDS} s.")
        if sys.stdout.isatty():
            print(f"\r  … {status():<11} {elapsed:4.1f} s ", end="", flush=True)
        elif (now := status()) != shown:
            shown = now
            print(f"  … {now:<11} {elapsed:4.1f} s", flush=True)
        time.sleep(_POLL_SECONDS)
    if sys.stdout.isatty():
        print("\r" + " " * 40 + "\r", end="")
    return found


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)
