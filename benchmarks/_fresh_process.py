"""A function's start in an interpreter of its own, as Lambda starts it: nothing on its path but what it has there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.emulator import function_site
from tests.contract.cfn_template import FUNCTIONS, ROOT, variables_of

PYTHON = getattr(sys, "_base_executable", sys.executable)
# What Lambda's runtime has loaded before it looks for a handler is no cost of the handler's.
_LOADED_BEFORE = "import sys, time, awslambdaric.bootstrap"
_CPU_SECONDS = "began = time.process_time(); {work}; print(time.process_time() - began)"
_START = "import app"
YARDSTICK = "import boto3; boto3.client('s3')"

FUNCTION_NAMES = {properties["CodeUri"].removeprefix("functions/"): name for name, properties in FUNCTIONS.items()}
"""The folder of each function, and its name in the template."""


def runtime_site(folder: Path) -> Path:
    """What AWS's runtime brings, without an SDK of its own: each measurement has one already."""
    function_site.link(folder, PYTHON)
    for name in ("boto3", "botocore", "s3transfer"):
        (folder / name).unlink(missing_ok=True)
    return folder


def start_cpu_seconds(function: str, *, layer: Path, site: Path, variables: Mapping[str, str]) -> float:
    """CPU seconds of importing the function's `app` and of all that it makes at import."""
    path = [ROOT / "functions" / function, layer, site]
    set_there = {**variables_of(FUNCTION_NAMES[function]), **variables}
    return float(said(_CPU_SECONDS.format(work=_START), path, set_there))


def yardstick_cpu_seconds(*, sdk: Path, site: Path) -> float:
    """CPU seconds of a bare client, with an SDK as pip installs it."""
    return float(said(_CPU_SECONDS.format(work=YARDSTICK), [sdk, site], variables_of("PollTask")))


def modules_after_start(function: str, path: list[Path]) -> set[str]:
    """The full names of all modules that a start loads, but for those that Lambda's runtime has loaded before."""
    program = "before = set(sys.modules); import app; import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    folders = [ROOT / "functions" / function, *path]
    return set(json.loads(said(program, folders, variables_of(FUNCTION_NAMES[function]))))


def said(program: str, path: list[Path], variables: dict[str, str]) -> str:
    """What it prints. No packages of this interpreter's, no home, no bytecode left behind, nobody's credentials."""
    finished = subprocess.run(
        [PYTHON, "-S", "-s", "-P", "-c", f"{_LOADED_BEFORE}; {program}"],
        env={
            **variables,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": os.devnull,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "LAMBDA_TASK_ROOT": str(path[0]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"{path[0].name} does not start: {finished.stderr[-2000:]}")
    return finished.stdout
