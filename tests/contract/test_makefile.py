"""The Makefile's commands for operators and deployers: what they are told, and what they run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tomllib

import pytest

from tests.contract.cfn_template import ROOT

MAKE = shutil.which("make") or "make"
# What somebody may have in their environment for reasons of their own.
ELSEWHERE = {"NAME": "my-laptop", "KEY": "hg_secret", "ENV": "~/.kshrc", "ROUTE": "x", "REASON": "x", "PARAMETERS": "x"}


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # As if everything were installed.
        [MAKE, "--old-file", ".venv/.installed", "--dry-run", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **ELSEWHERE},
        capture_output=True,
        text=True,
        check=False,
    )


def words(*arguments: str) -> list[str]:
    """The command that would run, as the shell hands it over."""
    finished = make(*arguments)
    assert finished.returncode == 0, finished.stderr
    return shlex.split(finished.stdout.replace("\\\n", " "))[1:]


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        (["routes"], "-m operations routes"),
        (["routes", "STACK=shop", "REGION=eu-west-1"], "-m operations --stack shop --region eu-west-1 routes"),
        (["disable-route", "ROUTE=a", "REASON=b"], "-m operations disable-route $ROUTE --reason $REASON"),
        (["enable-route", "ROUTE=a"], "-m operations enable-route $ROUTE"),
        (["pause-spending", "REASON=b"], "-m operations pause-spending --reason $REASON"),
        (["resume-spending", "ENV=prod"], "-m operations --env $ENV resume-spending"),
        (["ledger"], "-m operations ledger"),
        (["ledger", "ALL=1"], "-m operations ledger --all"),
        (["keys"], "-m operations keys"),
        (["new-key", "NAME=shop"], "-m operations new-key $NAME"),
        (["new-key", "NAME=shop", "SCOPES=a b"], "-m operations new-key $NAME --scopes $SCOPES"),
        (["new-key", "NAME=shop", "EXPIRES=2127-01-31"], "-m operations new-key $NAME --expires $EXPIRES"),
        (["revoke-key", "KEY=key_a"], "-m operations revoke-key $KEY"),
        (["revoke-key", "KEY=key_a", "MADE=1"], "-m operations revoke-key $KEY --with-made"),
        (["key"], "-m operations.provider_key"),
        (["preflight", "REGION=eu-west-1"], "-m operations.preflight --region eu-west-1"),
        (["deploy"], "-m operations.deploy"),
        (
            ["deploy", "PARAMETERS=a=b", "ARCHITECTURE=arm64"],
            "-m operations.deploy --parameters $PARAMETERS --architecture $ARCHITECTURE",
        ),
        (["build", "ARCHITECTURE=arm64"], "-m operations.sam --architecture $ARCHITECTURE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_runs_the_program_with_what_was_typed(typed: list[str], command: str) -> None:
    assert words(*typed) == command.split()


@pytest.mark.parametrize("command", ["disable-route", "enable-route", "pause-spending", "new-key", "revoke-key"])
def test_what_somebody_has_in_the_environment_is_not_taken_for_what_was_typed(command: str) -> None:
    finished = make(command)

    assert finished.returncode != 0
    assert f"make {command} needs" in finished.stderr


def test_the_tools_tests_have_a_command_of_their_own() -> None:
    assert words("tools") == ["-m", "pytest", "-q", "local/tests", "benchmarks/tests"]


def test_every_test_file_is_in_a_folder_that_make_test_runs() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    files = [path.relative_to(ROOT) for folder in folders for path in folder.rglob("test_*.py")]

    assert [file for file in files if not any(file.is_relative_to(path) for path in configured)] == []
    run = {word for target in ("test-here", "test-tools", "e2e") for word in words(target)}
    assert [path for path in configured if path not in run] == []


def test_make_test_runs_every_pass() -> None:
    recipe = make("test").stdout

    for target in ("check", "test-here", "test-elsewhere", "test-tools", "e2e"):
        assert f" {target}" in recipe
