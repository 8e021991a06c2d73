"""A key that may make jobs and not read them learns their names, and nothing that they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.job import Job

from tests.examples import queued_job
from tests.fakes.clock import SteppingClock
from tests.integration.api_calls import call
from tests.integration.lambdas import started

WRITER = Caller(tenant="default", scopes=frozenset({Scope.JOBS_WRITE}))
BOTH = Caller(tenant="default", scopes=frozenset({Scope.JOBS_WRITE, Scope.JOBS_READ}))
NAMED = {"id", "status", "price_usd"}
SECRET = "a secret prompt"


def writer_of(job: Job) -> Caller:
    return WRITER.model_copy(update={"tenant": job.tenant})


def post(caller: Caller, **headers: str) -> tuple[int, Any, dict[str, list[str]]]:
    """The same call of whoever that is, under the same key."""
    return call(started("submit_job"), "POST", "/v1/jobs", {"prompt": SECRET}, caller=caller, headers=headers)


@pytest.mark.parametrize("headers", [{}, {"Prefer": "wait=1"}], ids=["at once", "after a wait"])
@pytest.mark.parametrize("first", [BOTH, WRITER], ids=["another key's job", "its own job"])
def test_neither_a_repeat_nor_a_wait_shows_what_is_in_a_job(
    jobs: DynamoDBJobStore,
    first: Caller,
    headers: dict[str, str],
    clock: SteppingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("heliograph.runtime.wiring.jobs.time.sleep", clock.step)
    posted = post(first)[1]["id"]
    status, told, answered = post(WRITER, **headers)
    assert status == 202
    assert (set(told), told["id"]) == (NAMED, posted)
    assert answered["Location"] == [f"jobs/{posted}"]
    assert SECRET not in json.dumps(told)


def test_who_may_read_too_is_shown_the_job(jobs: DynamoDBJobStore) -> None:
    assert post(BOTH)[1]["request"]["prompt"] == SECRET


def test_to_cancel_a_job_is_not_to_read_it(jobs: DynamoDBJobStore) -> None:
    job = queued_job()
    jobs.add(job)
    status, told, _ = call(
        started("cancel_job"),
        "POST",
        f"/v1/jobs/{job.job_id}/cancel",
        caller=writer_of(job),
    )
    assert (status, set(told), told["status"]) == (202, NAMED, "canceled")


def test_to_retry_a_job_is_not_to_read_it(jobs: DynamoDBJobStore) -> None:
    path = f"/v1/jobs/{post(BOTH)[1]['id']}"
    call(started("cancel_job"), "POST", f"{path}/cancel", caller=BOTH)
    status, told, _ = call(started("retry_job"), "POST", f"{path}/retry", caller=WRITER)
    assert (status, set(told)) == (202, NAMED)
