"""The whole stack as a stage for load: jobs go in, their ends are received, and what it took is looked up."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
from heliograph.routes.config import Route, Routes
from heliograph.routes.poll_schedule import Latencies
from PIL import Image

from benchmarks._dynamodb_units import Index
from benchmarks._load_meter import Meter, Table
from local.stack import Pace, Stack, running

# In no job's way: what a route takes at a time is a setting, and not what is measured.
_PACE = {"creates_per_minute": 6000, "fastest_per_minute": 6000, "slowest_per_minute": 600, "max_in_flight": 500}
_ROUTES = (
    Route.model_validate(
        {"provider": "apimodels", "model": "gpt-image-2-beta", "price_usd": "0.06", "max_references": 16, **_PACE}
    ),
)
_KNOWN_TASKS, _SEED = 60, 20261122
_PRESET = {"prompt": "Put the product on a seamless white background, soft shadow", "aspect_ratio": "4:5"}
_BALANCE_USD = 10_000
_LONGEST_SECONDS = 120
_TICKS = os.sysconf("SC_CLK_TCK")
KINDS = ("api", "upload")


@dataclass(frozen=True, slots=True)
class Ended:
    """A job from outside: when it was sent, when its event was there (seconds of the clock), and its id."""

    kind: str
    job_id: str
    sent_at: float
    ended_at: float


@dataclass
class Stage:
    """A running stack, with a queue of its own on the bus."""

    stack: Stack
    # The peer's functions, by name.
    peers: dict[str, str] = field(default_factory=dict)
    _inbox: dict[str, queue.SimpleQueue[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.http = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=100))
        self.s3, self.sqs, self.states = (self.stack.client(name) for name in ("s3", "sqs", "stepfunctions"))
        self.lambdas, self.logs = self.stack.client("lambda"), self.stack.client("logs")
        self.dynamodb, self.events = self.stack.client("dynamodb"), self.stack.client("events")
        self.functions = {_label(each["FunctionName"]): each for each in self.lambdas.list_functions()["Functions"]}
        for label, each in self.functions.items():
            # A log of its own, where its calls can be counted.
            self.logs.create_log_group(logGroupName=_log_of(label))
            self.lambdas.update_function_configuration(
                FunctionName=each["FunctionName"], LoggingConfig={"LogGroup": _log_of(label)}
            )
        self.photo = _photo()
        self.s3.put_object(Bucket=self._uploads, Key="presets/load.json", Body=json.dumps(_PRESET).encode())
        self._listen()

    @property
    def _uploads(self) -> str:
        return self.stack.outputs["UploadsBucketName"]

    def machine(self, name: str) -> str:
        """A state machine's ARN, by the end of its name."""
        return next(str(each["stateMachineArn"]) for each in self._machines() if each["name"].endswith(name))

    def _machines(self) -> list[dict[str, Any]]:
        machines: list[dict[str, Any]] = self.states.list_state_machines()["stateMachines"]
        return machines

    # ---- How fast time passes

    def pace(self, scale: float) -> None:
        """Both the provider's work and the workflow's waits, as a share of real time."""
        settings = {"latency_scale": scale}
        httpx.post(f"{self.stack.provider_url}/_sim/settings", json=settings, timeout=30).raise_for_status()
        config = {"stepfunctions._SFN_WAIT_SCALE": scale}
        httpx.post(f"{self.stack.endpoint}/_ministack/config", json=config, timeout=30).raise_for_status()

    def learned(self) -> None:
        """The route knows what it would know after a day at real pace, and not what it learned at another."""
        chance = random.Random(_SEED)
        known = Latencies(seconds=tuple(round(chance.uniform(15, 40), 1) for _ in range(_KNOWN_TASKS)))
        for _ in range(_KNOWN_TASKS):
            known = known.with_callback()
        (route,) = _ROUTES
        states = DynamoDBRouteStates(self.dynamodb, self.stack.outputs["RoutesTableName"])
        while True:
            state = states.snapshot(Routes((route,))).routes[route.name]
            if states.save(state, state.with_latencies(known)):
                return

    # ---- Jobs

    def run(self, kinds: Sequence[str], *, in_flight: int, apart_seconds: float = 0.0) -> list[Ended]:
        """One job after the other, at most so many at once; each until its event is on the bus."""
        with ThreadPoolExecutor(in_flight) as users:
            sent = []
            for kind in kinds:
                sent.append(users.submit(self.job, kind))
                time.sleep(apart_seconds)
            return [each.result() for each in sent]

    def job(self, kind: str) -> Ended:
        """One job, until it is over; a kind that is a state machine is an execution of it."""
        mark, sent_at = os.urandom(6).hex(), time.time()
        told = self._box(self._send(kind, mark)).get(timeout=_LONGEST_SECONDS)
        if told["status"].lower() != "succeeded":
            raise RuntimeError(f"{kind} {mark}: {json.dumps(told)[:500]}")
        return Ended(kind, told.get("job_id", mark), sent_at, told["received_at"])

    def read(self, job_id: str) -> None:
        """`GET /v1/jobs/{id}`, as a client does that was told by nobody."""
        self._call("GET", f"/v1/jobs/{job_id}").raise_for_status()

    def _send(self, kind: str, mark: str) -> str:
        if kind.startswith("arn:"):
            self.states.start_execution(stateMachineArn=kind, name=mark, input="{}")
            return mark
        if kind == "upload":
            key = f"uploads/load/{mark}.jpg"
            self.s3.put_object(Bucket=self._uploads, Key=key, Body=self.photo)
            return key
        answer = self._call("POST", "/v1/jobs", json={"prompt": f"A fox in the snow, {mark}", "aspect_ratio": "16:9"})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.stack.api_key}"}
        return self.http.request(method, self.stack.api_url + path, headers=headers, **arguments)

    def _box(self, name: str) -> queue.SimpleQueue[dict[str, Any]]:
        with self._lock:
            return self._inbox.setdefault(name, queue.SimpleQueue())

    def _listen(self) -> None:
        url = self.sqs.create_queue(QueueName="load")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        ours = {"source": ["heliograph"], "detail-type": [{"prefix": "image.job."}]}
        # Of the peer, whose machines are not ours.
        peers = {
            "source": ["aws.states"],
            "detail": {
                "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
                "stateMachineArn": [{"anything-but": [each["stateMachineArn"] for each in self._machines()]}],
            },
        }
        for bus, pattern in ((self.stack.outputs["EventBusName"], ours), ("default", peers)):
            self.events.put_rule(Name="load", EventBusName=bus, EventPattern=json.dumps(pattern))
            self.events.put_targets(Rule="load", EventBusName=bus, Targets=[{"Id": "load", "Arn": arn}])
        threading.Thread(target=self._receive, args=(url,), daemon=True).start()

    def _receive(self, url: str) -> None:
        while not self._over.is_set():
            messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in messages.get("Messages", []):
                detail = json.loads(message["Body"])["detail"]
                told = {**detail.get("data", detail), "received_at": time.time()}
                for name in (told.get("job_id"), told.get("name"), told.get("source", {}).get("key")):
                    if name:
                        self._box(name).put(told)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def close(self) -> None:
        """Stops receiving."""
        self._over.set()
        self.http.close()

    # ---- What it took

    @contextlib.contextmanager
    def metered(self) -> Iterator[Meter]:
        """Every function's calls of AWS go through a meter, for as long as the block lasts."""
        meter = Meter(self.dynamodb, self.stack.endpoint, self._tables())
        ways = {label: meter.open_for(label) for label in self.functions}
        settings = {"allow_reference_origins": [self.stack.endpoint, *ways.values()]}
        httpx.post(f"{self.stack.provider_url}/_sim/settings", json=settings, timeout=30).raise_for_status()
        usual = {}
        for label, each in self.functions.items():
            name = each["FunctionName"]
            usual[name] = self.lambdas.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables = {**usual[name], "AWS_ENDPOINT_URL": ways[label]}
            self.lambdas.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        try:
            yield meter
        finally:
            for name, variables in usual.items():
                self.lambdas.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
            meter.close()

    def _tables(self) -> dict[str, Table]:
        tables = {}
        for name in self.dynamodb.list_tables()["TableNames"]:
            about = self.dynamodb.describe_table(TableName=name)["Table"]
            keys = tuple(each["AttributeName"] for each in about["KeySchema"])
            indexes = []
            for each in about.get("GlobalSecondaryIndexes", []):
                index_keys = tuple(key["AttributeName"] for key in each["KeySchema"])
                also = each["Projection"].get("NonKeyAttributes", [])
                is_whole = each["Projection"]["ProjectionType"] == "ALL"
                projected = None if is_whole else frozenset((*keys, *index_keys, *also))
                indexes.append(Index(each["IndexName"], index_keys, projected))
            tables[name] = Table(_label(name), keys, tuple(indexes))
        return tables

    def invocations(self) -> dict[str, dict[str, float]]:
        """Of each function so far, by its own log: how often it ran, for how many milliseconds, and bytes of lines."""
        return {label: self._log(label) for label in self.functions}

    def _log(self, label: str) -> dict[str, float]:
        sums = {"invocations": 0.0, "wall_ms": 0.0, "log_bytes": 0.0}
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=_log_of(label))
        for page in pages:
            for event in page["events"]:
                line = event["message"]
                sums["log_bytes"] += len(line.encode())
                if found := re.match(r"REPORT .*?\tDuration: ([0-9.]+) ms", line):
                    sums["invocations"] += 1
                    sums["wall_ms"] += float(found[1])
        return sums

    def history(self, job_id: str) -> list[dict[str, Any]]:
        """Everything that the job's execution did."""
        execution = self.machine("-image-job").replace(":stateMachine:", ":execution:") + f":{job_id}"
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution, maxResults=1000)
        return [event for page in pages for event in page["events"]]

    def tasks(self) -> list[dict[str, Any]]:
        """What the provider did."""
        found: list[dict[str, Any]] = httpx.get(f"{self.stack.provider_url}/_sim/tasks", timeout=30).json()["tasks"]
        return found

    def record(self, job_id: str) -> dict[str, Any]:
        """The job's item, as it is stored."""
        table = self.stack.outputs["JobsTableName"]
        item: dict[str, Any] = self.dynamodb.get_item(TableName=table, Key={"job_id": {"S": job_id}})["Item"]
        return item

    def cpu_ms(self) -> dict[str, float]:
        """CPU so far, in milliseconds: of each function's processes, the emulator, the simulator."""
        upstream, emulator = self.stack.pids
        told = {name: sum(processes.values(), 0.0) for name, processes in self.processes().items()}
        return {**told, "emulator": _cpu_ms(emulator), "simulator": _cpu_ms(upstream)}

    def processes(self) -> dict[str, dict[int, float]]:
        """Each function's processes, and the CPU that each has had, in milliseconds."""
        told: dict[str, dict[int, float]] = {}
        for pid, function in _functions_of(self.stack.pids[1]):
            told.setdefault(_label(function), {})[pid] = _cpu_ms(pid)
        return told


@contextlib.contextmanager
def stage(folder: Path, parameters: Mapping[str, str]) -> Iterator[Stage]:
    """The stack, for as long as the block lasts; time passes fast at first."""
    routes = {"Routes": json.dumps([route.model_dump(mode="json") for route in _ROUTES]), **parameters}
    with running(folder, pace=Pace(latency_scale=0.02, wait_scale=0.02, image_px=512), parameters=routes) as stack:
        own = Stage(stack)
        rich = {"balances_usd": dict.fromkeys([_provider_key(stack)], _BALANCE_USD)}
        httpx.post(f"{stack.provider_url}/_sim/settings", json=rich, timeout=30).raise_for_status()
        try:
            yield own
        finally:
            own.close()


def _provider_key(stack: Stack) -> str:
    secrets = stack.client("secretsmanager")
    return str(secrets.get_secret_value(SecretId=stack.outputs["ProviderKeySecret"])["SecretString"])


def _label(name: str) -> str:
    """`heliograph-Dispatch-0DBC9AEF18E9E` is called Dispatch in the template."""
    return name.split("-")[1] if name.startswith("heliograph-") else name


def _log_of(label: str) -> str:
    return f"/load/{label}"


def _photo() -> bytes:
    stored = io.BytesIO()
    Image.linear_gradient("L").resize((1024, 1280)).convert("RGB").save(stored, "JPEG")
    return stored.getvalue()


def _functions_of(emulator: int) -> Iterator[tuple[int, str]]:
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if int(_stat(place)[1]) != emulator:
                continue
            variables = (place / "environ").read_bytes().split(b"\0")
            for each in variables:
                if each.startswith(b"AWS_LAMBDA_FUNCTION_NAME="):
                    yield int(place.name), each.partition(b"=")[2].decode()


def _cpu_ms(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = _stat(Path("/proc") / str(pid))
        return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS
    return 0.0


def _stat(place: Path) -> list[str]:
    """From the third field on: the second is a name in brackets, which may hold anything."""
    return (place / "stat").read_text().rpartition(")")[2].split()
