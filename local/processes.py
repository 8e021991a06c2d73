"""Start programs of ours, wait until they are ready, and end them: by pid, never by name."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_SECONDS = 60
_STOP_SECONDS = 15
_LOOK_AGAIN_SECONDS = 0.05


# Kept so that they can be reaped; programs of another run are known by their pid alone.
_children: dict[int, subprocess.Popen[bytes]] = {}


class StartFailed(RuntimeError):
    """A program ended, or said nothing, instead of getting ready."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that said it is ready, and what it said."""

    name: str
    pid: int
    said: dict[str, Any]
    log: Path


def start(name: str, module: str, *arguments: str, folder: Path) -> Running:
    """`python -m module`, in a session of its own; its log and ready file lie in `folder`."""
    ready_file, log = folder / f"{name}.ready.json", folder / f"{name}.log"
    ready_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", module, *arguments, "--ready-file", str(ready_file)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).parent.parent,
        )
    _children[process.pid] = process
    deadline = time.monotonic() + _START_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process.pid)
            raise StartFailed(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(_LOOK_AGAIN_SECONDS)
    return Running(name, process.pid, json.loads(ready_file.read_text()), log)


def stop(pid: int) -> None:
    """Asks the program to end, waits, and insists if it does not. No harm if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_SECONDS)
    if _is_alive(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    if child := _children.get(pid):
        return child.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
