"""One emulator for all tests of this folder, and short ways to put things into it.

`HELIOGRAPH_EMULATOR_STOCK=1` starts ministack as it comes: a test that then passes names a
replacement that is no longer needed.
"""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest

ROOT = Path(__file__).parents[3]
_ASSUME_ROLE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
            for service in ("lambda.amazonaws.com", "states.amazonaws.com")
        ],
    }
)
_ALWAYS = (1980, 1, 1, 0, 0, 0)
WAIT_SCALE = 0.1
T = TypeVar("T")


def eventually(condition: Callable[[], T | None], within_seconds: float = 15) -> T:
    """The first truthy value of `condition`."""
    give_up_at = time.monotonic() + within_seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < give_up_at, f"not within {within_seconds} s; last value: {value!r}"
        _pause()


def _pause() -> None:
    # A select on nothing: waiting between two looks at a condition, never instead of one.
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0.05)
        try:
            left.recv(1)
        except TimeoutError:
            return


@dataclass(frozen=True)
class RunningEmulator:
    endpoint: str
    process: subprocess.Popen[bytes]
    state: Path

    def client(self, service: str, **credentials: str) -> Any:
        chosen = credentials or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(  # type: ignore[call-overload]
            service, endpoint_url=self.endpoint, region_name="us-east-1", **chosen
        )


def _start(state: Path) -> RunningEmulator:
    """Start one, as a user would, and wait until it answers."""
    state.mkdir(exist_ok=True)
    ready_file = state / "ready.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "local.emulator", "--port", "0", "--wait-scale", str(WAIT_SCALE)),
            *("--state-dir", str(state), "--ready-file", str(ready_file), *_site_option()),
        ],
        cwd=ROOT,
        env={**os.environ, "HOST_SECRET": "must not be seen by functions"},
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: ready_file.exists() or process.poll() is not None)
    assert process.poll() is None, f"the emulator ended with {process.returncode}"
    return RunningEmulator(json.loads(ready_file.read_text())["endpoint"], process, state)


def _site_option() -> list[str]:
    site = os.environ.get("HELIOGRAPH_FUNCTION_SITE")
    return ["--function-site", site] if site else []


def _start_stock(state: Path) -> RunningEmulator:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    switches = {
        "AUTH": "true",
        "GATEWAY_PORT": str(port),
        "SFN_WAIT_SCALE": str(WAIT_SCALE),
        "HOST_SECRET": "must not be seen by functions",
        **{"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1"},
        **{"SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "TMPDIR": str(state)},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env={**os.environ, **switches},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: _listens(port))
    return RunningEmulator(endpoint, process, state)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(running: RunningEmulator) -> None:
    running.process.send_signal(signal.SIGTERM)
    try:
        running.process.wait(timeout=15)
    finally:
        running.process.kill()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    state = tmp_path_factory.mktemp("emulator")
    running = _start_stock(state) if os.environ.get("HELIOGRAPH_EMULATOR_STOCK") else _start(state)
    yield running
    _stop(running)


Start = Callable[[Path], RunningEmulator]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts emulators of a test's own, each with a directory, and ends those that are left."""
    started: list[RunningEmulator] = []

    def start_one(state: Path) -> RunningEmulator:
        started.append(_start(state))
        return started[-1]

    yield start_one
    for running in started:
        _stop(running)


@dataclass(frozen=True)
class Functions:
    """Functions made from source text."""

    emulator: RunningEmulator

    def create(self, name: str, source: str, *, statements: tuple[dict[str, Any], ...] = (), **options: Any) -> str:
        """Deploy `source` as the module `app` under a role with `statements`; returns the function's ARN."""
        aws = self.emulator.client("lambda")
        arn: str = aws.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="app.handler",
            Role=self.role(f"{name}-role", statements),
            Code={"ZipFile": archive({"app.py": source})},
            **options,
        )["FunctionArn"]
        eventually(lambda: aws.get_function_configuration(FunctionName=name)["State"] == "Active")
        return arn

    def update(self, name: str, source: str) -> None:
        aws = self.emulator.client("lambda")
        aws.update_function_code(FunctionName=name, ZipFile=archive({"app.py": source}))
        updated = "LastUpdateStatus"
        eventually(lambda: aws.get_function_configuration(FunctionName=name)[updated] == "Successful")

    def role(self, name: str, statements: tuple[dict[str, Any], ...]) -> str:
        iam = self.emulator.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_ASSUME_ROLE)["Role"]["Arn"]
        if statements:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="own",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}),
            )
        return arn

    def invoke(self, name: str, event: Any = None) -> "Outcome":
        answer = self.emulator.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
        return Outcome(json.loads(answer["Payload"].read()), answer.get("FunctionError"))


@dataclass(frozen=True)
class Outcome:
    payload: Any
    function_error: str | None


@pytest.fixture
def functions(emulator: RunningEmulator) -> Functions:
    return Functions(emulator)


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as contents:
        for name, text in files.items():
            contents.writestr(zipfile.ZipInfo(name, _ALWAYS), text)
    return buffer.getvalue()


def created(emulator: "RunningEmulator", name: str, template: dict[str, Any]) -> str:
    """The stack's one output, once it is created."""
    stacks = emulator.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))
    stack = eventually(
        lambda: (
            (seen := stacks.describe_stacks(StackName=name)["Stacks"][0])["StackStatus"] == "CREATE_COMPLETE" and seen
        )
    )
    return str(stack["Outputs"][0]["OutputValue"])
