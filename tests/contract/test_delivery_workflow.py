"""The state machine of webhooks and its function know the same outcomes and errors, and no delivery hangs."""

from __future__ import annotations

import graphlib
from datetime import timedelta
from typing import Any, get_args

import pytest
from heliograph.kernel.errors import PublishFailed, StaleRecord, StorageFailed
from heliograph.webhooks.adapters.http_sender import WHOLE_SECONDS
from heliograph.webhooks.delivery import (
    JITTER,
    MAX_ATTEMPTS,
    MAX_WAIT,
    DeliveryCrashed,
    DeliveryTurn,
    RetryDelivery,
    SendOutcome,
)

from tests.contract.asl_retries import longest_patience
from tests.contract.asl_workflow import DELIVERY_WORKFLOW, branches_of, following, function_of
from tests.contract.cfn_template import RESOURCES, timeout_of

STATES: dict[str, dict[str, Any]] = DELIVERY_WORKFLOW["States"]
ATTEMPT, CHOICE = STATES["SendWebhook"], STATES["SendOutcome"]
EXECUTION = "dlv_" + "a" * 26 + "-12"


def test_every_outcome_has_its_branch_and_no_branch_is_for_another() -> None:
    outcomes = {get_args(model.model_fields["outcome"].annotation)[0] for model in get_args(SendOutcome)}
    assert set(branches_of(CHOICE)) == outcomes
    assert branches_of(CHOICE) == {"again": "WaitToRetrySend", "done": "Done"}
    assert [name for name, state in STATES.items() if state["Type"] in {"Choice", "Task"}] == [
        "SendWebhook",
        "SendOutcome",
    ]


def test_an_unknown_outcome_fails_the_execution() -> None:
    assert STATES[CHOICE["Default"]]["Type"] == "Fail"


def test_a_wait_lasts_as_long_as_the_outcome_before_it_says_and_leads_to_another_attempt() -> None:
    [wait] = [state for state in STATES.values() if state["Type"] == "Wait"]
    assert wait["Seconds"] == "{% $states.input.wait_seconds %}"
    assert wait["Next"] == "SendWebhook"


def test_what_one_attempt_says_the_next_one_reads() -> None:
    said = RetryDelivery(delivery_id="dlv_x", series=2, tries=3, wait_seconds=4, reason="timed out")
    read = DeliveryTurn.model_validate(said.model_dump(mode="json"))
    assert (read.delivery_id, read.series, read.tries) == ("dlv_x", 2, 3)
    assert ATTEMPT["Output"] == "{% $states.result.Payload %}"
    assert ATTEMPT["Arguments"]["Payload"] == "{% $states.input %}"


@pytest.mark.parametrize("error", [StorageFailed, PublishFailed, StaleRecord])
def test_what_a_repeat_may_fix_is_repeated_patiently(error: type[Exception]) -> None:
    [retrier] = [retrier for retrier in ATTEMPT["Retry"] if error.__name__ in retrier["ErrorEquals"]]
    assert retrier["MaxAttempts"] >= 8


@pytest.mark.parametrize("error", ["States.TaskFailed", "States.Timeout"])
def test_a_crash_of_the_function_is_tried_again(error: str) -> None:
    assert error in ATTEMPT["Retry"][-1]["ErrorEquals"]


def test_an_attempt_ends_before_its_function_and_that_before_the_task() -> None:
    assert timeout_of("SendWebhook") * 2 / 3 > WHOLE_SECONDS
    assert ATTEMPT["TimeoutSeconds"] > timeout_of("SendWebhook")


def test_the_workflow_outlives_the_slowest_series() -> None:
    waits = (MAX_ATTEMPTS - 1) * MAX_WAIT * (1 + JITTER)
    # Each with all that its retries may take, the function's own time included.
    tries = MAX_ATTEMPTS * timedelta(seconds=longest_patience(ATTEMPT))
    assert timedelta(seconds=DELIVERY_WORKFLOW["TimeoutSeconds"]) > waits + tries


def test_every_state_says_what_it_is_for_and_its_next_ones_exist() -> None:
    for state in STATES.values():
        assert state["Comment"].endswith((".", "?"))
        assert following(state) <= set(STATES)
    assert {DELIVERY_WORKFLOW["StartAt"]}.union(*map(following, STATES.values())) == set(STATES)


def test_no_loop_goes_round_without_waiting() -> None:
    graph = {name: following(state) for name, state in STATES.items() if state["Type"] != "Wait"}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_workflow_is_written_in_jsonata() -> None:
    assert DELIVERY_WORKFLOW["QueryLanguage"] == "JSONata"


def test_the_template_fills_the_placeholder_and_lets_the_workflow_call_that_function_only() -> None:
    properties = RESOURCES["WebhookDelivery"]["Properties"]
    filled = dict(properties["DefinitionSubstitutions"])
    assert filled.pop("Partition") == {"Ref": "AWS::Partition"}
    assert set(filled) == {function_of(ATTEMPT)}
    [statement] = properties["Policies"][0]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("lambda:InvokeFunction", list(filled.values()))
    assert properties["Type"] == "STANDARD"


def test_an_execution_that_ended_early_tells_which_delivery_it_carried() -> None:
    [target] = RESOURCES["DeliveryEndedEarly"]["Properties"]["Targets"]
    document = target["InputTransformer"]["InputTemplate"].replace("<execution>", EXECUTION)
    assert target["InputTransformer"]["InputPathsMap"]["execution"] == "$.detail.name"
    turn = DeliveryCrashed.model_validate_json(document.replace("<status>", "TIMED_OUT")).turn
    assert (turn.delivery_id, turn.series) == ("dlv_" + "a" * 26, 12)
