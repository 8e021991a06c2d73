"""What the workflow passes from function to function: an example of each, and each of them readable."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from heliograph.execution import outcomes
from heliograph.execution.outcomes import (
    Crashed,
    DispatchInput,
    DispatchOutcome,
    FinalizeInput,
    FinalizeOutcome,
    Finished,
    PollOutcome,
    Processing,
    RecoverOutcome,
    RetryFinalize,
)
from pydantic import BaseModel, TypeAdapter

from tests.contract.cfn_template import ROOT
from tests.examples import JOB_ID, WATCH, state_examples

STATES = ROOT / "events" / "states"


def outcome_models() -> dict[str, type[BaseModel]]:
    """Every model of `outcomes.py` that has an `outcome`, by it."""
    models = (value for value in vars(outcomes).values() if isinstance(value, type) and issubclass(value, BaseModel))
    return {
        get_args(model.model_fields["outcome"].annotation)[0]: model
        for model in models
        if "outcome" in model.model_fields and model is not DispatchInput
    }


def read(name: str) -> Any:
    return json.loads((STATES / f"{name}.json").read_text())


def test_there_is_one_example_of_every_outcome_and_of_the_workflows_input() -> None:
    assert {path.stem for path in STATES.iterdir()} == {"turn", *outcome_models()}


@pytest.mark.parametrize("name", sorted(outcome_models()))
def test_an_example_is_what_its_model_reads_and_writes(name: str) -> None:
    assert outcome_models()[name].model_validate(read(name)).model_dump(mode="json") == read(name)


@pytest.mark.parametrize("name", sorted(state_examples()))
def test_an_example_survives_json(name: str) -> None:
    made = state_examples()[name]
    assert type(made).model_validate_json(json.dumps(read(name))) == made


def test_the_workflows_input_is_a_job_id_and_nothing_else() -> None:
    assert read("turn") == {"job_id": JOB_ID}


@pytest.mark.parametrize("name", sorted(outcome_models()))
def test_every_outcome_says_which_job_it_is_about(name: str) -> None:
    assert outcome_models()[name].model_fields["job_id"].is_required()


@pytest.mark.parametrize("model", [member for union in (DispatchOutcome, PollOutcome) for member in get_args(union)])
def test_whatever_goes_to_the_poll_function_is_read_by_it(model: type[BaseModel]) -> None:
    if model is Processing:
        assert Processing.model_validate(read("processing")).wait_seconds == 17
    else:
        with pytest.raises(ValueError, match="outcome"):
            Processing.model_validate(read(get_args(model.model_fields["outcome"].annotation)[0]))


@pytest.mark.parametrize("name", ["finished", "again", "failed", "expired", "canceled"])
def test_whatever_goes_to_the_finalize_function_is_read_by_it(name: str) -> None:
    finalize_input: TypeAdapter[Any] = TypeAdapter(FinalizeInput)
    assert type(finalize_input.validate_python(read(name))) is outcome_models()[name]


@pytest.mark.parametrize("name", ["over", "orphaned", "processing", "not_yet", "crashed"])
def test_the_finalize_function_refuses_what_is_not_for_it(name: str) -> None:
    finalize_input: TypeAdapter[Any] = TypeAdapter(FinalizeInput)
    with pytest.raises(ValueError, match="does not match any of the expected tags"):
        finalize_input.validate_python(read(name))


def test_the_close_function_reads_a_crash() -> None:
    crashed = Crashed.model_validate(read("crashed"))
    assert (crashed.error, crashed.watch) == ("poll_task: States.Timeout", WATCH)


def test_the_close_function_reads_a_crash_that_knew_of_no_task() -> None:
    crash = {"outcome": "crashed", "job_id": JOB_ID, "error": "dispatch_job: StorageFailed"}
    assert Crashed.model_validate(crash).watch is None


@pytest.mark.parametrize("model", [Processing, Finished, RetryFinalize])
def test_a_task_that_is_waited_for_can_be_handed_to_close(model: type[BaseModel]) -> None:
    # The workflow's catches pass `watch` on as it is.
    assert model.model_fields["watch"].is_required()
    watch = read(get_args(model.model_fields["outcome"].annotation)[0])["watch"]
    assert Crashed.model_validate({"job_id": JOB_ID, "error": "x", "watch": watch}).watch


def test_the_close_function_answers_with_two_outcomes_only() -> None:
    assert [model.__name__ for model in get_args(RecoverOutcome)] == ["Orphaned", "Over"]


def test_the_finalize_function_answers_with_three_outcomes_only() -> None:
    assert [model.__name__ for model in get_args(FinalizeOutcome)] == ["RetryFinalize", "Orphaned", "Over"]


@pytest.mark.parametrize("name", sorted(state_examples()))
def test_a_state_is_small_and_holds_no_document(name: str) -> None:
    # Step Functions passes 256 KB; a presigned link or a prompt in a state would be in the history for 90 days.
    text = (STATES / f"{name}.json").read_text()
    assert len(text) < 2048
    assert "prompt" not in text
    assert "X-Amz-" not in text
