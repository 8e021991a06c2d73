"""The emulator as a process: two side by side, nothing left behind, no unknown version."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.emulator import replacements

from .conftest import ROOT, Functions, Start, eventually

WHO = "import os\ndef handler(event, context): return os.getpid()\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_function_outlives_its_emulator(start: Start, tmp_path: Path, how: signal.Signals) -> None:
    emulator = start(tmp_path)
    functions = Functions(emulator)
    functions.create("left-behind", WHO)
    function_pid = functions.invoke("left-behind").payload
    assert _is_alive(function_pid)

    emulator.process.send_signal(how)
    assert emulator.process.wait(timeout=15) == (-how if how == signal.SIGKILL else 0)
    eventually(lambda: not _is_alive(function_pid))


def test_it_ends_while_a_workflow_waits(start: Start, tmp_path: Path) -> None:
    emulator = start(tmp_path)
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 9000, "End": True}}}
    both = {"Type": "Parallel", "Branches": [wait, wait], "End": True}
    states = emulator.client("stepfunctions")
    machine = states.create_state_machine(
        name="waits",
        definition=json.dumps({"StartAt": "Both", "States": {"Both": both}}),
        roleArn=Functions(emulator).role("waits", ()),
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]

    def types() -> set[str]:
        history = states.get_execution_history(executionArn=execution)["events"]
        return {event["type"] for event in history}

    eventually(lambda: "ParallelStateEntered" in types())

    emulator.process.terminate()
    assert emulator.process.wait(timeout=10) == 0


def test_two_emulators_run_side_by_side(start: Start, tmp_path: Path) -> None:
    both = [Functions(start(tmp_path / name)) for name in ("one", "two")]
    for number, functions in enumerate(both):
        functions.create("same-name", f"def handler(event, context): return {number}")
    assert [functions.invoke("same-name").payload for functions in both] == [0, 1]


def test_another_version_of_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacements, "MINISTACK_VERSION", "0.0.1")
    with pytest.raises(replacements.WrongMinistackVersionError, match=r"ministack 0\.0\.1, but"):
        replacements.require_known_version()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = subprocess.run(
            [sys.executable, "-m", "local.emulator", "--port", str(port), "--state-dir", tmp_path],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"The emulator cannot start: 127.0.0.1:{port}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
