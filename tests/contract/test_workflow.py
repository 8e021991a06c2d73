"""The state machine and the code know the same outcomes and errors, and no job hangs."""

from __future__ import annotations

import dataclasses
import graphlib
import importlib
import inspect
from typing import Any, get_args, get_type_hints

import pytest
from heliograph.execution.adapters.task_tokens import KEPT_SECONDS
from heliograph.execution.dispatch import Dispatcher
from heliograph.execution.finalize import Finalizer
from heliograph.execution.outcomes import Crashed, DispatchOutcome, FinalizeOutcome, PollOutcome, RecoverOutcome
from heliograph.execution.poll import Poller
from heliograph.execution.recover import Recoverer
from heliograph.jobs import timeline
from heliograph.jobs.ports import JobStore, Workflow
from heliograph.jobs.retry_policy import CALL_LIMIT
from heliograph.kernel import errors
from heliograph.kernel.ports import EventBus
from heliograph.storage.ports import ObjectStore

from tests.contract.asl_retries import LOOPING, QUICK_ROUNDS, SLOW_SECONDS, output_of
from tests.contract.asl_workflow import (
    CHOICES,
    LISTENING,
    STATES,
    TASKS,
    WAITS,
    WORKFLOW,
    branches_of,
    following,
    function_of,
    guard_of,
    guarded_branches_of,
    outcomes_of,
    reachable_from,
)
from tests.contract.cfn_template import RESOURCES, ROOT, TEMPLATE, timeout_of
from tests.examples import state_examples

USE_CASE_OF: dict[str, type] = {
    "DispatchJobFunctionArn": Dispatcher,
    "PollTaskFunctionArn": Poller,
    "FinalizeJobFunctionArn": Finalizer,
    "RecoverJobFunctionArn": Recoverer,
}
PORTS = {
    name: port
    for path in sorted((ROOT / "layers" / "core" / "heliograph").glob("*/ports.py"))
    for name, port in vars(importlib.import_module(f"heliograph.{path.parent.name}.ports")).items()
}
# What each port says that it raises where a repeat may do better.
RAISED_BY = {
    ObjectStore: {"StorageFailed"},
    JobStore: {"StorageFailed", "StaleJob"},
    EventBus: {"PublishFailed"},
    Workflow: {"WorkflowFailed"},
}
# A job that reuses a result is saved before its event is published; a repeat finds it over and publishes nothing.
LEFT_TO_SWEEP: dict[type, set[str]] = {Dispatcher: {"PublishFailed"}}
STATE_MODELS = {name: type(example) for name, example in state_examples().items()}
TERMINAL = {"Succeed", "Fail"}
PATIENT_ATTEMPTS = 8


def outcome_names(union: Any) -> set[str]:
    return {get_args(model.model_fields["outcome"].annotation)[0] for model in get_args(union)}


def ports_of(use_case: type) -> set[Any]:
    """Every port of a use case, also of its collaborators."""
    hints = set(get_type_hints(use_case, localns=PORTS).values())
    return hints.union(*(ports_of(hint) for hint in hints if dataclasses.is_dataclass(hint) and isinstance(hint, type)))


def raised_in(task: dict[str, Any]) -> set[str]:
    """What of ours may come out of a task and is worth a repeat."""
    use_case = USE_CASE_OF[function_of(task)]
    used = ports_of(use_case)
    return set().union(*(names for port, names in RAISED_BY.items() if port in used)) - LEFT_TO_SWEEP.get(
        use_case, set()
    )


def retrier_for(task: dict[str, Any], error: str) -> dict[str, Any] | None:
    """The first that matches wins, as in Step Functions; `States.TaskFailed` is any error but a time-out."""
    matching = (
        retrier
        for retrier in task.get("Retry", [])
        if {error, "States.ALL"} & set(retrier["ErrorEquals"])
        or (error != "States.Timeout" and "States.TaskFailed" in retrier["ErrorEquals"])
    )
    return next(matching, None)


def error_names(state: dict[str, Any]) -> set[str]:
    return {name for rule in (*state.get("Retry", []), *state.get("Catch", [])) for name in rule["ErrorEquals"]}


@pytest.mark.parametrize(
    ("choice", "union"),
    [
        ("DispatchOutcome", DispatchOutcome),
        ("PollOutcome", PollOutcome),
        ("FinalizeOutcome", FinalizeOutcome),
        ("RecoverOutcome", RecoverOutcome),
    ],
)
def test_every_outcome_of_a_function_has_its_branch_and_no_branch_is_for_another(choice: str, union: Any) -> None:
    assert set(branches_of(CHOICES[choice])) == outcome_names(union)


def test_every_choice_is_compared_with_a_function() -> None:
    assert set(CHOICES) == {"DispatchOutcome", "PollOutcome", "FinalizeOutcome", "RecoverOutcome"}


@pytest.mark.parametrize("choice", CHOICES)
def test_an_outcome_has_one_branch_only(choice: str) -> None:
    plain = [way["Condition"] for way in CHOICES[choice]["Choices"] if not guard_of(way["Condition"])]
    assert sum(condition.count("'") // 2 for condition in plain) == len(branches_of(CHOICES[choice]))


@pytest.mark.parametrize("choice", CHOICES)
def test_a_branch_that_asks_more_than_the_outcome_comes_before_the_one_that_does_not(choice: str) -> None:
    ways = [way["Condition"] for way in CHOICES[choice]["Choices"]]
    for outcome in guarded_branches_of(CHOICES[choice]):
        guarded, plain = (place for place, condition in enumerate(ways) if outcome in outcomes_of(condition))
        assert guard_of(ways[guarded])
        assert not guard_of(ways[plain])


@pytest.mark.parametrize(
    ("choice", "outcome", "state"),
    [
        ("DispatchOutcome", "processing", "WaitForCallback"),
        ("PollOutcome", "processing", "WaitForCallback"),
        ("DispatchOutcome", "not_yet", "WaitForLostCall"),
    ],
)
def test_whoever_may_be_told_waits_to_be_told(choice: str, outcome: str, state: str) -> None:
    assert guarded_branches_of(CHOICES[choice])[outcome] == state
    # Whatever keeps the token from being left, the wait goes on, and leads where it would have led.
    *_, otherwise = LISTENING[state]["Catch"]
    assert otherwise["ErrorEquals"] == ["States.ALL"]
    assert otherwise["Next"] == branches_of(CHOICES[choice])[outcome]
    assert WAITS[otherwise["Next"]]["Next"] == LISTENING[state]["Next"]


@pytest.mark.parametrize("name", LISTENING)
def test_a_wait_that_can_be_cut_short_lasts_no_longer_than_one_that_can_not(name: str) -> None:
    state = LISTENING[name]
    assert state["TimeoutSeconds"] == "{% $states.input.wait_seconds %}"
    assert "Retry" not in state
    silence, early, _ = state["Catch"]
    assert silence["ErrorEquals"] == ["States.Timeout"]
    assert early["ErrorEquals"] == ["DynamoDb.ConditionalCheckFailedException"]
    # Silence, news and early news lead to the same question; only its reason differs.
    assert silence["Next"] == early["Next"] == state["Next"]
    assert silence["Output"] == "{% $states.input %}"
    assert early["Output"] == state["Output"]


def test_a_tokens_item_is_kept_as_long_whoever_writes_it() -> None:
    for state in LISTENING.values():
        assert f"+ {KEPT_SECONDS})" in state["Arguments"]["ExpressionAttributeValues"][":expires_at"]["N"]
    assert 2 * WORKFLOW["TimeoutSeconds"] < KEPT_SECONDS


@pytest.mark.parametrize("choice", CHOICES)
def test_an_unknown_outcome_fails_the_execution(choice: str) -> None:
    default = CHOICES[choice]["Default"]
    assert STATES[default]["Type"] == "Fail"


@pytest.mark.parametrize(
    ("choice", "outcome", "state"),
    [
        ("DispatchOutcome", "processing", "WaitToPoll"),
        ("DispatchOutcome", "not_yet", "WaitForSlot"),
        ("DispatchOutcome", "finished", "FinalizeJob"),
        ("DispatchOutcome", "failed", "FinalizeWithoutImage"),
        ("DispatchOutcome", "expired", "FinalizeWithoutImage"),
        ("DispatchOutcome", "over", "Done"),
        ("PollOutcome", "processing", "WaitToPoll"),
        ("PollOutcome", "finished", "FinalizeJob"),
        ("PollOutcome", "failed", "DispatchJob"),
        ("FinalizeOutcome", "over", "Done"),
        ("FinalizeOutcome", "again", "WaitToRetryFinalize"),
        ("FinalizeOutcome", "orphaned", "Done"),
        ("RecoverOutcome", "over", "Done"),
        ("RecoverOutcome", "orphaned", "Done"),
    ],
)
def test_an_outcome_goes_its_way(choice: str, outcome: str, state: str) -> None:
    assert branches_of(CHOICES[choice])[outcome] == state


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_lasts_as_long_as_the_outcome_before_it_says(name: str) -> None:
    assert STATES[name]["Seconds"] == "{% $states.input.wait_seconds %}"


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if error_names(state)])
def test_every_error_of_ours_that_the_workflow_names_exists(name: str) -> None:
    ours = {error for error in error_names(STATES[name]) if "." not in error}
    known = {value.__name__ for value in vars(errors).values() if inspect.isclass(value)}
    assert ours <= known


@pytest.mark.parametrize("name", TASKS)
def test_what_a_repeat_may_fix_is_repeated_patiently(name: str) -> None:
    for error in raised_in(TASKS[name]):
        retrier = retrier_for(TASKS[name], error)
        assert retrier, f"{error} is not retried"
        assert retrier["MaxAttempts"] >= PATIENT_ATTEMPTS, f"{error} is retried as a crash"


def test_every_port_that_raises_is_looked_at() -> None:
    repeatable = {"StaleJob"} | {error.__name__ for error in errors.Unavailable.__subclasses__()}
    assert set().union(*RAISED_BY.values()) == repeatable


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("error", ["States.Timeout", "Runtime.ExitError", "Lambda.TooManyRequestsException"])
def test_a_crash_of_a_function_is_tried_again(name: str, error: str) -> None:
    assert retrier_for(TASKS[name], error)


@pytest.mark.parametrize("name", STATES)
def test_every_state_says_what_it_is_for(name: str) -> None:
    assert STATES[name]["Comment"].endswith((".", "?", ")"))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_ends_in_time_and_later_than_its_function(name: str) -> None:
    arn = RESOURCES["ImageJob"]["Properties"]["DefinitionSubstitutions"][function_of(TASKS[name])]
    assert TASKS[name]["TimeoutSeconds"] > timeout_of(arn["Fn::GetAtt"][0])


@pytest.mark.parametrize("name", TASKS)
def test_a_function_that_fails_for_good_leads_to_close(name: str) -> None:
    if name == "RecoverJob":  # its failure fails the execution, and the rule on status events calls it again
        assert "Catch" not in TASKS[name]
        return
    [catch] = TASKS[name]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "RecoverJob")
    assert {"outcome", "job_id", "error"} <= set(catch["Output"]) <= set(Crashed.model_fields)
    assert catch["Output"]["outcome"] == "crashed"


@pytest.mark.parametrize("name", [name for name in TASKS if name != "RecoverJob"])
def test_close_is_told_of_a_task_wherever_the_workflow_knows_of_one(name: str) -> None:
    # The job's record may not: what `dispatch` could not write down is in the workflow's state only.
    [catch] = TASKS[name]["Catch"]
    known = name in {"PollTask", "FinalizeJob"}
    assert catch["Output"].get("watch") == ("{% $states.input.watch %}" if known else None)


@pytest.mark.parametrize("name", ["PollTask", "FinalizeJob"])
def test_a_state_that_hands_a_task_on_is_entered_with_one(name: str) -> None:
    into = {
        outcome
        for choice in CHOICES.values()
        for outcome, state in branches_of(choice).items()
        if name in {state} | (following(STATES[state]) if state in {*WAITS, *LISTENING} else set())
    }
    assert into
    for outcome in into:
        assert "watch" in STATE_MODELS[outcome].model_fields


@pytest.mark.parametrize("name", [name for name in TASKS if name not in LOOPING])
def test_a_task_passes_its_functions_answer_on(name: str) -> None:
    assert TASKS[name]["Output"] == "{% $states.result.Payload %}"


@pytest.mark.parametrize("name", LOOPING)
def test_a_task_that_is_come_back_to_passes_its_functions_answer_on_and_counts(name: str) -> None:
    answer = {"outcome": "not_yet", "wait_seconds": 2, "ticket": None, "result_urls": ["one"]}
    assert output_of(TASKS[name], {"job_id": "x"}, answer) == {**answer, "rounds": 1}
    assert output_of(TASKS[name], {"rounds": 7}, answer) == {**answer, "rounds": 8}


@pytest.mark.parametrize("name", LOOPING)
@pytest.mark.parametrize(("said", "waited"), [(2, SLOW_SECONDS), (300, 300), (None, None)])
def test_after_many_rounds_no_wait_is_short(name: str, said: int | None, waited: int | None) -> None:
    answer = {"outcome": "x"} if said is None else {"outcome": "x", "wait_seconds": said}
    passed_on = output_of(TASKS[name], {"rounds": QUICK_ROUNDS}, answer)
    assert passed_on.get("wait_seconds") == waited
    assert output_of(TASKS[name], {"rounds": QUICK_ROUNDS - 1}, answer).get("wait_seconds") == said


@pytest.mark.parametrize("name", LISTENING)
def test_a_wait_keeps_the_count(name: str) -> None:
    counted = {"rounds": 7, "watch": {}}
    assert output_of(LISTENING[name], counted, {})["rounds"] == 7
    for catch in LISTENING[name]["Catch"]:
        assert output_of(catch, counted, {})["rounds"] == 7


def test_the_workflow_outlives_every_deadline_that_can_be_configured() -> None:
    assert WORKFLOW["TimeoutSeconds"] > int(TEMPLATE["Parameters"]["JobDeadlineSeconds"]["MaxValue"])


def test_an_intent_is_given_up_after_its_call_is_dead() -> None:
    # The function is dead (Timeout) before its intent is (CALL_LIMIT): no call is on its way when the job is failed.
    # Where the workflow gives up waiting is between the two, so that a repeat still finds the intent alive and waits.
    assert timeout_of("DispatchJob") < TASKS["DispatchJob"]["TimeoutSeconds"] < CALL_LIMIT.total_seconds()


def test_a_create_call_that_the_vendors_edge_cuts_ends_before_the_function_does() -> None:
    edge_seconds = 100
    assert timeout_of("DispatchJob") > edge_seconds + 60


def test_every_state_can_be_reached() -> None:
    start = WORKFLOW["StartAt"]
    assert reachable_from(start) | {start} == set(STATES)


def test_every_next_state_exists() -> None:
    assert set().union(*(following(state) for state in STATES.values())) <= set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_every_way_ends(name: str) -> None:
    ends = {found for found in {name, *reachable_from(name)} if STATES[found]["Type"] in TERMINAL}
    assert "Done" in ends or STATES[name]["Type"] == "Fail"
    assert following(STATES[name]) or STATES[name]["Type"] in TERMINAL


def test_no_loop_goes_round_without_waiting() -> None:
    # One that listens doesn't wait where there is news: never more often than there was news since the last question,
    # and no more often than `poll` lets it (`callbacks_left`).
    waits = {*WAITS, *LISTENING}
    graph = {name: following(state) - waits for name, state in STATES.items() if name not in waits}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_workflow_is_written_in_jsonata_throughout() -> None:
    assert WORKFLOW["QueryLanguage"] == "JSONata"
    assert not {"Parameters", "ResultPath", "InputPath", "OutputPath", "ResultSelector"} & {
        field for state in STATES.values() for field in state
    }


def test_the_template_fills_every_placeholder_and_lets_the_workflow_call_those_functions_only() -> None:
    properties = RESOURCES["ImageJob"]["Properties"]
    filled = dict(properties["DefinitionSubstitutions"])
    assert filled.pop("WaitsTableName") == {"Ref": "WaitsTable"}
    assert filled.pop("Partition") == {"Ref": "AWS::Partition"}
    assert set(filled) == {function_of(task) for task in TASKS.values()}
    calls, tokens = properties["Policies"][0]["Statement"]
    assert calls["Action"] == "lambda:InvokeFunction"
    assert sorted(map(str, calls["Resource"])) == sorted(map(str, filled.values()))
    assert tokens["Action"] == "dynamodb:UpdateItem"
    assert tokens["Resource"] == {"Fn::GetAtt": ["WaitsTable", "Arn"]}


@pytest.mark.parametrize("name", timeline.STATES)
def test_a_timeline_names_states_that_there_are(name: str) -> None:
    kind, _ = timeline.STATES[name]
    assert name in ({*WAITS, *LISTENING} if kind is timeline.TimelineKind.WAITING else TASKS)


def test_a_timeline_tells_of_every_wait() -> None:
    assert {*WAITS, *LISTENING} <= timeline.STATES.keys()
