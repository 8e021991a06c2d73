"""The workflows in three interpreters: each execution goes the same way in all of them, and it is the way written down.

moto's is LocalStack's, whose behaviour was recorded from AWS; ministack's is what the local stack runs on; the third is
our own, which the promises are played with.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contract.asl_workflow import following
from tests.contract.deployed import Deployed
from tests.fakes.executions import Execution
from tests.histories.all_of_them import HISTORIES
from tests.histories.in_ministack import traces_in_ministack
from tests.histories.in_moto import InMoto, in_moto
from tests.histories.scripts import Answers, ForGood, History, News, Trace, error_name, is_function

STACK = Deployed()
TABLE = STACK.value({"Ref": "WaitsTable"})
WORKFLOWS = {machine: STACK.workflow(machine) for machine in HISTORIES}
ALL = [(machine, name) for machine, histories in HISTORIES.items() for name in histories]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def moto() -> Iterator[InMoto]:
    """moto's interpreter."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "made-up")
        with in_moto(TABLE) as player:
            yield player


@pytest.fixture(scope="module")
def ministack() -> dict[str, dict[str, Trace]]:
    """The traces of ministack's interpreter."""
    return traces_in_ministack()


@pytest.mark.parametrize(("machine", "name"), ALL)
def test_an_execution_goes_its_way_in_motos_interpreter(moto: InMoto, machine: str, name: str) -> None:
    history = HISTORIES[machine][name]
    assert moto.play(WORKFLOWS[machine], history) == history.trace(WORKFLOWS[machine])


@pytest.mark.parametrize(("machine", "name"), ALL)
def test_an_execution_goes_its_way_in_the_emulators_interpreter(
    ministack: dict[str, dict[str, Trace]], machine: str, name: str
) -> None:
    assert ministack[machine][name] == HISTORIES[machine][name].trace(WORKFLOWS[machine])


@pytest.mark.parametrize("name", HISTORIES["ImageJob"])
def test_an_execution_goes_its_way_in_the_promises_interpreter(name: str) -> None:
    workflow, history = WORKFLOWS["ImageJob"], HISTORIES["ImageJob"][name]
    expected = history.trace(workflow)
    called, status = in_memory(workflow, history)
    # It lasts every wait out: nobody calls back.
    assert called == [(function, uncalled(payload)) for function, payload in expected.called]
    assert status == expected.status


def in_memory(workflow: dict[str, Any], history: History) -> tuple[list[tuple[str, Any]], str | None]:
    """What our own interpreter calls, and how it ends."""
    execution = Execution(history.begins_with["job_id"], NOW)
    happens = [one for one in history.script(workflow) if not isinstance(one[1], News)]
    called = []
    for number, (state, happening) in enumerate(happens):
        assert execution.state == state
        called.append((workflow["States"][state]["Arguments"]["FunctionName"], uncalled(execution.carries)))
        assert not isinstance(happening, News)
        if isinstance(happening, Answers):
            execution.went_well(happening.document, execution.goes_on_at)
        else:
            last = number + 1 == len(happens) or happens[number + 1][0] != state
            execution.went_wrong(error_name(happening), execution.goes_on_at, for_good=last)
    return called, execution.end


def uncalled(document: Any) -> Any:
    """The same, as if no callback had come, and with no round counted: our own interpreter follows outcomes only."""
    changed = copy.deepcopy(document)
    changed.pop("rounds", None)
    if "watch" in changed:
        changed["watch"]["called_back"] = False
    return changed


# ---- The histories are all that there can be


@pytest.mark.parametrize("machine", HISTORIES)
def test_every_state_is_entered_and_left_by_every_way(machine: str) -> None:
    states = WORKFLOWS[machine]["States"]
    ways = {(name, following_one) for name, state in states.items() for following_one in following(state)}
    gone = {
        (one.state, other.state)
        for history in HISTORIES[machine].values()
        for one, other in zip(history.steps, history.steps[1:], strict=False)
    }
    assert gone == ways
    assert {step.state for history in HISTORIES[machine].values() for step in history.steps} == states.keys()


@pytest.mark.parametrize("machine", HISTORIES)
def test_every_outcome_that_a_choice_knows_is_answered(machine: str) -> None:
    for name, state in WORKFLOWS[machine]["States"].items():
        if state["Type"] == "Choice":
            known = {part for way in state["Choices"] for part in quoted(way["Condition"])} - {"string"}
            answered = {
                document.get("outcome")
                for history in HISTORIES[machine].values()
                for entered, document in history.trace(WORKFLOWS[machine]).entered
                if entered == name
            }
            assert known < answered


def quoted(condition: str) -> list[str]:
    return condition.split("'")[1::2]


@pytest.mark.parametrize("machine", HISTORIES)
def test_every_error_that_is_named_happens(machine: str) -> None:
    happened: dict[str, set[str]] = {}
    for history in HISTORIES[machine].values():
        for step in history.steps:
            failures = [one.each if isinstance(one, ForGood) else one for one in step.happens]
            happened.setdefault(step.state, set()).update(
                error_name(one) for one in failures if not isinstance(one, Answers | News)
            )
    for name, state in WORKFLOWS[machine]["States"].items():
        if is_function(state):
            named = {error for retrier in state.get("Retry", []) for error in retrier["ErrorEquals"]}
            assert named - {"States.TaskFailed", "States.ALL"} <= happened[name]
            assert "Runtime.ExitError" in happened[name]  # what nobody names


@pytest.mark.parametrize("machine", HISTORIES)
def test_every_way_of_a_wait_for_a_callback_is_gone(machine: str) -> None:
    waits = [
        name
        for name, state in WORKFLOWS[machine]["States"].items()
        if state["Type"] == "Task" and not is_function(state)
    ]
    seen = Counter(
        (step.state, step.happens[0])
        for history in HISTORIES[machine].values()
        for step in history.steps
        if step.state in waits
    )
    assert seen.keys() == {(name, news) for name in waits for news in News}
