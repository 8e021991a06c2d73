"""The variables and commands that `make up` offers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from heliograph.api.openapi.operations import OPERATIONS
from heliograph.api.openapi.samples import samples

from local.__main__ import manual, write_variables
from local.stack import Stack

STACK = Stack(
    endpoint="http://127.0.0.1:1",
    provider_url="http://127.0.0.1:2",
    api_url="http://127.0.0.1:1/_aws/execute-api/x/live",
    images_url="http://images.test:1",
    api_key="it's a $KEY",
    outputs={"UploadsBucketName": "uploads", "ResultsBucketName": "results", "EventBusName": "bus"},
    pids=(),
)


def shell(script: str) -> list[str]:
    finished = subprocess.run(["/bin/sh", "-euc", script], capture_output=True, text=True, check=True, env={})
    return finished.stdout.splitlines()


def test_a_shell_that_reads_the_file_has_the_variables_of_every_example(tmp_path: Path) -> None:
    path = tmp_path / "env"
    write_variables(STACK, path)
    names = "API KEY IMAGES_URL UPLOADS RESULTS EVENT_BUS_NAME AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID"
    assert shell(f'. "{path}"; /usr/bin/env printenv {names}') == [
        STACK.api_url,
        STACK.api_key,
        STACK.images_url,
        *("uploads", "results", "bus"),
        STACK.endpoint,
        "test",
    ]
    assert all(
        '"$API/' in samples(operation)[0].source and "$KEY" in samples(operation)[0].source for operation in OPERATIONS
    )


@pytest.mark.parametrize("before", [None, 0o644, 0o400])
def test_only_the_owner_can_read_the_key(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "env"
    if before is not None:
        path.write_text("export KEY=old\n")
        path.chmod(before)
    write_variables(STACK, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert shell(f'. "{path}"; echo "$KEY"') == [STACK.api_key]


def test_the_printed_commands_work_once_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "env"
    path.parent.mkdir()
    write_variables(STACK, path)
    commands = re.findall(r"^  ((?:\.|curl) .*)$", manual(STACK, path), flags=re.MULTILINE)
    printed = shell("\n".join(["curl() { printf '%s\\n' \"$@\"; }", *commands]))

    assert commands[0].startswith(". ")
    authorization = f"Authorization: Bearer {STACK.api_key}"
    create = ["-s", f"{STACK.api_url}/v1/jobs", "-H", authorization, "-d", '{"prompt": "a fox in the snow"}']
    assert printed[: len(create)] == create
    assert printed[len(create) :][:4] == ["-s", f"{STACK.api_url}/v1/jobs/JOB_ID", "-H", authorization]
    assert printed[-1].startswith(f"{STACK.endpoint}/uploads/uploads/white-background/photo.jpg?")
