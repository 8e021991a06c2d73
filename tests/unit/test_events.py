"""The published contract: one event for each end of a job."""

from __future__ import annotations

import pytest
from heliograph.domain.events import EVENT_TYPES, event_type, job_event
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.outcomes import Failed

from tests.fakes.deployment import RESULTS, InMemoryDeployment


def test_a_job_that_is_not_over_has_no_event(here: InMemoryDeployment) -> None:
    job = here.post().job

    with pytest.raises(ValueError, match="is not over"):
        job_event(job, results_bucket=RESULTS)


def test_an_event_survives_the_bus(here: InMemoryDeployment) -> None:
    here.run(here.job_id(prompt="灯台", metadata={"größe": "groß"}))

    (event,) = here.bus
    assert EVENT_TYPES[event_type(event)].model_validate_json(event.model_dump_json()) == event


def test_an_event_says_what_the_owner_wants_to_know(here: InMemoryDeployment) -> None:
    job_id = here.job_id(references=["https://images.example.com/a.png"])
    failure = Failure(code=FailureCode.CONTENT_BLOCKED, message="blocked", retryable=False, charged=Charged.NO)
    watch = here.watched(job_id)
    here.clock.step(30)
    here.finalize(Failed(job_id=job_id, failure=failure, attempt_id=watch.attempt_id))

    (event,) = here.bus
    told = event.model_dump(mode="json")
    assert told["version"] == "1"
    assert told["data"]["failure"] == {
        "code": "content_blocked",
        "message": "blocked",
        "retryable": False,
        "charged": "no",
    }
    assert (told["data"]["task"], told["data"]["model"], told["data"]["attempts"]) == ("edit", watch.model, 1)
    assert told["data"]["timings"] == {"queued_seconds": 0.0, "processing_seconds": 30.0, "total_seconds": 30.0}


def test_an_event_never_carries_the_prompt(here: InMemoryDeployment) -> None:
    # A prompt may hold 20,000 characters and secrets; the bus takes 256 KB, and its readers are many.
    here.run(here.job_id(prompt="a secret wish"))

    assert "a secret wish" not in "".join(event.model_dump_json() for event in here.bus)
