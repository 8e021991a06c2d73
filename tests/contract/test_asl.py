"""Both workflows against the Amazon States Language, as asl-validator has it."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.contract.deployed import WORKFLOWS, Deployed
from tests.contract.transformed import PARTITIONS
from tests.node.programs import Node

DEFINITIONS = {name: Deployed().workflow(name) for name in WORKFLOWS}


def faults_in(node: Node, *definitions: dict[str, Any]) -> list[list[str]]:
    """What is wrong with each of them."""
    faults: list[list[str]] = json.loads(node.run("asl.mjs", json.dumps(definitions)).stdout)
    return faults


def test_the_workflows_are_what_step_functions_takes(node: Node) -> None:
    definitions = [Deployed(region=region).workflow(name) for region in PARTITIONS for name in WORKFLOWS]
    assert faults_in(node, *definitions) == [[]] * len(definitions)


def _changed(where: list[Any], value: Any) -> dict[str, Any]:
    """The workflow of jobs with one part changed; or taken out, if there is nothing instead."""
    definition = copy.deepcopy(DEFINITIONS["ImageJob"])
    *parts, last = where
    inside = definition
    for part in parts:
        inside = inside[part]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return definition


MISTAKES: dict[str, tuple[list[Any], Any]] = {
    "a next state that is not there": (["States", "FinalizeWithoutImage", "Next"], "Nowhere"),
    "no first state": (["StartAt"], None),
    "a state that nothing leads to": (["States", "Lost"], {"Type": "Succeed"}),
    "a misspelled type": (["States", "Done", "Type"], "Success"),
    "a task without a resource": (["States", "FinalizeWithoutImage", "Resource"], None),
    "a retrier without names": (["States", "FinalizeWithoutImage", "Retry", 0, "ErrorEquals"], None),
    "a number as a text": (["States", "FinalizeWithoutImage", "Retry", 0, "MaxAttempts"], "12"),
    "a field of JSONPath": (["States", "FinalizeWithoutImage", "ResultPath"], "$.x"),
    "a misspelled field": (["States", "FinalizeWithoutImage", "TimeoutSecond"], 5),
    "a broken expression": (["States", "FinalizeWithoutImage", "Output"], "{% $states.result. %}"),
    "a choice without a condition": (["States", "DispatchOutcome", "Choices", 0, "Condition"], None),
}


def test_what_is_wrong_is_found(node: Node) -> None:
    found = dict(zip(MISTAKES, faults_in(node, *(_changed(*mistake) for mistake in MISTAKES.values())), strict=True))
    assert [mistake for mistake, faults in found.items() if not faults] == []
