"""The layer as its Makefile builds it, for a Python of this machine: kept for as long as nothing in it changes."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.contract.assembled_layer import SOURCE
from tests.contract.cfn_template import ROOT
from tests.environment import without_make

_CACHE = ROOT / ".local" / "build-cache"
_PATIENCE_SECONDS = 300
_VERSION = 'import sys; print("%d.%d" % sys.version_info[:2])'


@cache
def interpreters() -> dict[str, Path]:
    """By version: the one that runs here, and the functions' own where there is one."""
    own = Path(getattr(sys, "_base_executable", sys.executable))
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{lambdas_version()}.*/bin/python"))
    on_path = [Path(found) for found in [shutil.which(f"python{lambdas_version()}")] if found]
    return {version: one for one in (*on_path, *pyenv, own) if (version := _version_of(one))}


@cache
def lambdas_version() -> str:
    """What the Makefile builds for."""
    [line] = [line for line in (SOURCE / "python.mk").read_text().splitlines() if line.startswith("LAMBDA_PYTHON ?=")]
    return line.partition("=")[2].strip()


def _version_of(python: Path) -> str | None:
    """A shim may be there without what it stands for."""
    said = subprocess.run([python, "-S", "-c", _VERSION], capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else None


def built(version: str) -> Path:
    """The folder that Lambda unpacks as /opt."""
    python = interpreters()[version]
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = _CACHE / f"layer-{version}-{_digest()}"
        if not done.is_dir():
            for older in _CACHE.glob(f"layer-{version}-*"):
                shutil.rmtree(older)
            unfinished = done.with_name(f"layer-{version}-unfinished")
            _build(python, unfinished)
            unfinished.rename(done)
    return done


def _build(python: Path, folder: Path) -> None:
    folder.mkdir()
    made = subprocess.run(
        ["make", "-C", SOURCE, "build-CoreLayer"],  # noqa: S607 - whichever make runs these tests
        env={
            **{name: value for name, value in without_make().items() if not name.startswith("PYTHON")},
            "ARTIFACTS_DIR": str(folder),
            "LAYER_PYTHON": str(python),
            "PIP": f"{sys.executable} -m pip",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert made.returncode == 0, f"the layer can't be built: {made.stderr[-4000:]}"


def _digest() -> str:
    """Of all that the layer is made from."""
    sources = [path for path in sorted(SOURCE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in sources)).hexdigest()[:16]
