"""Build and deployment of the real template by `sam`, to the AWS endpoint of an emulator."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3

PROJECT = Path(__file__).parent.parent
REGION = "us-east-1"
STACK_NAME = "heliograph"
# The emulator's root user.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class DeploymentFailed(RuntimeError):
    """A `sam` command that failed, with its output."""


def session() -> boto3.Session:
    """A session of the emulator's root user; give its clients the emulator's `endpoint_url`."""
    return boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )


def build(folder: Path) -> Path:
    """Builds the template for this machine's Python; returns its path. Parallel runs take turns at the cache."""
    cache = PROJECT / ".local" / "build-cache"
    cache.mkdir(parents=True, exist_ok=True)
    built = folder / "build"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _sam("build", "--cached", "--cache-dir", str(cache / "sam"), "--build-dir", str(built), environment=_LAYER)
    return built / "template.yaml"


def deploy(template: Path, endpoint: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploys the template; returns the stack's outputs."""
    _sam(
        "deploy",
        *("--config-file", str(PROJECT / "samconfig.toml"), "--template-file", str(template)),
        *("--stack-name", STACK_NAME, "--no-confirm-changeset"),
        *("--parameter-overrides", *(f"{name}={_quoted(value)}" for name, value in parameters.items())),
        environment={"AWS_ENDPOINT_URL": endpoint},
    )
    stacks = session().client("cloudformation", endpoint_url=endpoint).describe_stacks(StackName=STACK_NAME)
    return {output["OutputKey"]: output["OutputValue"] for output in stacks["Stacks"][0]["Outputs"]}


def _quoted(value: str) -> str:
    """The value in quotes, for sam: JSON has spaces and quotes of its own."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# The layer's dependencies are installed for the very interpreter that the local functions run under.
_LAYER = {"LAYER_PYTHON": getattr(sys, "_base_executable", sys.executable), "PIP": f"{sys.executable} -m pip"}


def _sam(command: str, *arguments: str, environment: Mapping[str, str]) -> None:
    sam = shutil.which("sam", path=str(Path(sys.executable).parent)) or "sam"
    finished = subprocess.run(
        [sam, command, *arguments],
        cwd=PROJECT,
        env={
            **os.environ,
            **CREDENTIALS,
            **environment,
            "AWS_DEFAULT_REGION": REGION,
            # A local run must not touch the user's own account.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.5",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise DeploymentFailed(f"sam {command} failed:\n{finished.stdout[-4000:]}")
