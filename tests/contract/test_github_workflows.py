"""The workflows of GitHub Actions: what they run is pinned, what they may do is little, and what they call exists."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.cfn_template import GLOBALS, ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# YAML 1.1 reads the key `on` as a truth.
WORKFLOWS: dict[str, dict[Any, Any]] = {file.name: yaml.safe_load(file.read_text()) for file in FILES}
JOBS = [(file, name) for file, workflow in WORKFLOWS.items() for name in workflow["jobs"]]


def job(file: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = WORKFLOWS[file]["jobs"][name]
    return found


def steps() -> list[dict[str, Any]]:
    return [step for file, name in JOBS for step in job(file, name)["steps"]]


def test_there_is_one_for_tests_and_one_for_deployments() -> None:
    assert sorted(WORKFLOWS) == ["ci.yml", "deploy.yml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_others_wrote_is_pinned_by_its_contents_with_the_version_beside_it(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())

    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_one_action_has_one_version() -> None:
    used = {step["uses"] for step in steps() if "uses" in step}

    assert len(used) == len({action.split("@")[0] for action in used})


@pytest.mark.parametrize("file", WORKFLOWS)
def test_a_workflow_may_read_the_repository_and_no_more(file: str) -> None:
    assert WORKFLOWS[file]["permissions"] in ({}, {"contents": "read"})


@pytest.mark.parametrize(("file", "name"), JOBS)
def test_only_the_deployment_gets_a_token_for_aws(file: str, name: str) -> None:
    more = {"contents": "read", "id-token": "write"} if file == "deploy.yml" else None

    assert job(file, name).get("permissions") == more


@pytest.mark.parametrize(("file", "name"), JOBS)
def test_a_job_ends_by_itself(file: str, name: str) -> None:
    assert 0 < job(file, name)["timeout-minutes"] <= 90


def test_no_step_keeps_the_repositorys_token() -> None:
    checkouts = [step for step in steps() if step.get("uses", "").startswith("actions/checkout@")]

    assert len(checkouts) == len(JOBS)
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


def test_no_shell_runs_what_somebody_typed() -> None:
    assert [step["run"] for step in steps() if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize(("file", "cut"), [("ci.yml", True), ("deploy.yml", False)])
def test_runs_of_one_kind_don_t_overlap_and_no_deployment_is_cut(file: str, cut: bool) -> None:
    concurrency = WORKFLOWS[file]["concurrency"]

    assert "${{" in concurrency["group"]
    assert (concurrency["cancel-in-progress"] is not False) == cut


def test_what_is_deployed_where_is_said_by_githubs_environment() -> None:
    deploy = job("deploy.yml", "deploy")
    [keys] = [step for step in deploy["steps"] if step.get("uses", "").startswith("aws-actions/")]
    last = deploy["steps"][-1]

    [(trigger, asked)] = WORKFLOWS["deploy.yml"][True].items()
    assert (trigger, list(asked["inputs"])) == ("workflow_dispatch", ["environment"])
    assert (asked["inputs"]["environment"]["type"], asked["inputs"]["environment"]["required"]) == ("environment", True)
    assert deploy["environment"] == "${{ inputs.environment }}"
    assert keys["with"]["role-to-assume"] == "${{ vars.AWS_ROLE_ARN }}"
    assert last == {
        "run": 'make deploy ENV="$ENVIRONMENT"',
        "env": {"ENVIRONMENT": "${{ inputs.environment }}"},
    }


def test_what_is_installed_is_installed_before_there_are_keys() -> None:
    deploy = job("deploy.yml", "deploy")["steps"]
    [install] = [place for place, step in enumerate(deploy) if "install" in step.get("run", "")]
    [keys] = [place for place, step in enumerate(deploy) if step.get("uses", "").startswith("aws-actions/")]

    assert install < keys


def test_what_runs_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    ran = [step["run"] for step in steps() if "run" in step]

    assert ".ci/run" in ran
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    targets = {target for line in ran for target in re.findall(r"make ([a-z-]+)", line)}
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)} == set()
    folders = {folder for line in ran for folder in re.findall(r"tests/\w+", line)}
    assert {folder for folder in folders if not (ROOT / folder).is_dir()} == set()


def test_tests_run_on_the_oldest_python_that_is_allowed_and_on_the_functions_own() -> None:
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    [everything] = [
        step["with"]["python-version"]
        for step in job("ci.yml", "test")["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    functions = job("ci.yml", "functions-python")["strategy"]["matrix"]["python"]

    assert oldest == f">={everything}"
    assert [f"python{version}" for version in functions] == [GLOBALS["Runtime"]]
