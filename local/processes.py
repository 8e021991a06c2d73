"""Processes of the local stack: started, awaited until ready, and ended by process id, never by name."""

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
_POLL_SECONDS = 0.05


# Kept so that they are reaped. Processes of an earlier run are known by their id alone.
_children: dict[int, subprocess.Popen[bytes]] = {}


class StartFailed(RuntimeError):
    """A process that ended, or did not become ready in time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is ready, with the content of its ready file."""

    name: str
    pid: int
    addresses: dict[str, Any]
    log: Path


def start(name: str, module: str, *arguments: str, folder: Path) -> Running:
    """Starts `python -m module` in a session of its own; `folder` holds its log and its ready file."""
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
        time.sleep(_POLL_SECONDS)
    return Running(name, process.pid, json.loads(ready_file.read_text()), log)


def stop(pid: int) -> None:
    """Terminates the process, and kills it if it does not end in time. A process that is gone is ignored."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
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
