"""Failover: the next route of a job after a failure."""

from __future__ import annotations

import pytest
from heliograph.execution.outcomes import Failed, Finished, NotYet, Processing
from heliograph.jobs.job import JobStatus
from heliograph.jobs.request import Policy, candidates, read_request
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import Completed, CreateOutcome, Refused, TaskFailed, Uncertain

from tests.fakes.deployment import BETA, ROUTES, RULES, SECOND, InMemoryDeployment

REFERENCE = "https://example.com/a.png"


def failure(code: FailureCode, *, again: bool, charged: Charged = Charged.NO) -> Failure:
    return Failure(code=code, message="no", retryable=again, charged=charged)


def refused(code: FailureCode, *, again: bool) -> Refused:
    return Refused(failure(code, again=again))


BUSY_TASK = TaskFailed(failure(FailureCode.ROUTE_UNAVAILABLE, again=True))


def models(document: dict[str, object]) -> list[str]:
    return [route.model for route in candidates(read_request({"prompt": "x", **document}, RULES), ROUTES)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, [BETA, SECOND]),
        ({"policy": "beta-first"}, [BETA, SECOND]),
        ({"policy": "cheapest"}, [SECOND, BETA]),
        ({"model": SECOND}, [SECOND]),
        ({"model": BETA, "policy": "pinned"}, [BETA]),
        ({"references": [REFERENCE] * 12}, [BETA]),
        ({"policy": "cheapest", "references": [REFERENCE] * 12}, [BETA]),
    ],
)
def test_a_policy_orders_the_routes_whose_caps_fit(document: dict[str, object], expected: list[str]) -> None:
    assert models(document) == expected


def test_a_document_that_names_a_model_is_pinned_to_it() -> None:
    assert read_request({"prompt": "x", "model": SECOND}, RULES).policy is Policy.PINNED


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(FailureCode.RATE_LIMITED, again=True), [BETA, SECOND]),
        (refused(FailureCode.ROUTE_UNAVAILABLE, again=True), [BETA, SECOND]),
        (refused(FailureCode.ROUTE_UNAVAILABLE, again=False), [BETA, SECOND]),
        (refused(FailureCode.CONTENT_BLOCKED, again=False), [BETA]),
        (refused(FailureCode.INVALID_INPUT, again=False), [BETA]),
        (Uncertain("cut"), [BETA]),
    ],
    ids=["busy", "unreachable", "no balance", "blocked", "invalid", "uncertain"],
)
def test_a_create_call_that_fails_moves_the_job_on_by_its_class(
    here: InMemoryDeployment, answer: CreateOutcome, expected: list[str]
) -> None:
    here.provider.will_answer_create(answer)

    job = here.run(here.job_id())

    assert [attempt.model for attempt in job.attempts] == expected
    assert (job.status is JobStatus.SUCCEEDED) == (len(expected) > 1)


def test_a_task_that_failed_for_now_is_tried_once_more_on_its_route_and_then_on_the_next(
    here: InMemoryDeployment,
) -> None:
    here.provider.will_say(BUSY_TASK, BUSY_TASK)

    job = here.run(here.job_id())

    assert [attempt.model for attempt in job.attempts] == [BETA, BETA, SECOND]
    assert job.status is JobStatus.SUCCEEDED
    assert job.price_microusd == 50_000
    assert [attempt.failure is not None for attempt in job.attempts] == [True, True, False]


def test_a_task_that_always_fails_is_tried_twice_on_each_route(here: InMemoryDeployment) -> None:
    here.provider.will_say(*[BUSY_TASK] * 10)

    job = here.run(here.job_id())

    assert [attempt.model for attempt in job.attempts] == [BETA, BETA, SECOND, SECOND]
    assert job.status is JobStatus.FAILED
    assert job.failure == BUSY_TASK.failure


@pytest.mark.parametrize("code", [FailureCode.CONTENT_BLOCKED, FailureCode.INVALID_INPUT])
def test_a_job_that_another_route_would_refuse_as_well_is_not_tried_there(
    here: InMemoryDeployment, code: FailureCode
) -> None:
    here.provider.will_say(TaskFailed(failure(code, again=False)))

    assert len(here.run(here.job_id()).attempts) == 1


def test_a_task_that_may_have_been_charged_is_never_followed_by_another(here: InMemoryDeployment) -> None:
    charged = failure(FailureCode.RESULT_UNUSABLE, again=False, charged=Charged.UNKNOWN)
    here.provider.will_say(TaskFailed(charged))

    job = here.run(here.job_id())

    assert len(job.attempts) == 1
    assert job.failure == charged


def test_a_pinned_job_does_not_move_to_another_route(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(refused(FailureCode.ROUTE_UNAVAILABLE, again=False))

    job = here.run(here.job_id(model=BETA))

    assert [attempt.model for attempt in job.attempts] == [BETA]
    assert job.status is JobStatus.FAILED


def test_a_failed_attempt_that_is_reported_twice_is_followed_by_one_other(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(BUSY_TASK, Completed(("https://r2.apimodels.app/1.png",)))
    failed = here.poll(job_id, watch)
    assert isinstance(failed, Failed)
    waits = [here.dispatch(failed), here.dispatch(failed)]

    assert {wait.outcome for wait in waits} == {"not_yet"}
    assert here.provider.create_calls == 1


def test_a_second_task_that_could_not_be_recorded_is_in_the_record_of_its_image(here: InMemoryDeployment) -> None:
    here.provider.will_say(BUSY_TASK)
    job_id = here.job_id()
    failed = here.poll(job_id, here.watched(job_id))
    assert isinstance(failed, Failed)
    wait = here.dispatch(failed)
    assert isinstance(wait, NotYet)
    here.jobs.on("save", None, *[StorageFailed("throttled")] * 2)
    processing = here.dispatch(wait)
    assert isinstance(processing, Processing)
    here.jobs.repair()

    finished = here.poll(job_id, processing.watch)
    assert isinstance(finished, Finished)
    here.finalize(finished)

    job = here.jobs.peek(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.attempt
    assert job.attempt.task_id == processing.watch.task_id
