"""The functions of the jobs API from their own triggers: lists, cancel, retry, timelines, waits, uploads, usage."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.api.call import MAX_WAIT_SECONDS, preferred_wait
from heliograph.budgets.adapters.dynamodb import DynamoDBLedger
from heliograph.intake.adapters.dynamodb_rejections import DynamoDBRejectionStore
from heliograph.intake.events import upload_rejected
from heliograph.intake.rejections import Rejection
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.adapters.step_functions import StepFunctionsWorkflow
from heliograph.jobs.job import Job, JobStatus
from heliograph.kernel.errors import Fault, StaleJob, StorageFailed, WorkflowFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.platform import aws

from tests.examples import after, failed_job, processing_job, queued_job, succeeded_job
from tests.fakes.clock import SteppingClock
from tests.integration.api_calls import OWNER, call
from tests.integration.conftest import Deployment
from tests.integration.lambdas import Context, started

THEIRS = Caller(tenant="theirs", scopes=OWNER.scopes)
NOBODYS = "job_" + "a" * 26


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The functions log at length."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def added(jobs: DynamoDBJobStore, job: Job) -> Job:
    written = jobs.add(job)
    assert written
    return written


def several(jobs: DynamoDBJobStore, count: int) -> list[str]:
    """Newest first."""
    made = []
    for number in range(count):
        made.append(added(jobs, queued_job(derived_id("job", str(number)), created_at=after(number))).job_id)
    return made[::-1]


# ---- What all paths have in common


PATHS = [
    ("read_jobs", "GET", "/v1/jobs", Scope.JOBS_READ),
    ("read_jobs", "GET", f"/v1/jobs/{NOBODYS}", Scope.JOBS_READ),
    ("read_jobs", "GET", f"/v1/jobs/{NOBODYS}/events", Scope.JOBS_READ),
    ("cancel_job", "POST", f"/v1/jobs/{NOBODYS}/cancel", Scope.JOBS_WRITE),
    ("retry_job", "POST", f"/v1/jobs/{NOBODYS}/retry", Scope.JOBS_WRITE),
    ("create_reference_upload", "POST", "/v1/uploads", Scope.JOBS_WRITE),
    ("create_reference_upload", "GET", "/v1/uploads", Scope.JOBS_READ),
    ("submit_job", "POST", "/v1/jobs", Scope.JOBS_WRITE),
    ("read_models_and_usage", "GET", "/v1/models", Scope.JOBS_READ),
    ("read_models_and_usage", "GET", "/v1/usage", Scope.JOBS_READ),
]


@pytest.mark.parametrize(("name", "method", "path", "scope"), PATHS)
def test_a_key_without_the_scope_is_told_which_it_lacks(
    jobs: DynamoDBJobStore, name: str, method: str, path: str, scope: Scope
) -> None:
    other = Scope.JOBS_READ if scope is Scope.JOBS_WRITE else Scope.JOBS_WRITE
    caller = Caller(tenant="default", scopes=frozenset({other}))
    status, problem, _ = call(name, method, path, {"prompt": "x"}, caller=caller)
    assert (status, problem["code"], problem["charged"]) == (403, "insufficient_scope", "no")
    assert scope in problem["detail"]


@pytest.mark.parametrize(("name", "method", "path"), [path[:3] for path in PATHS if NOBODYS in path[2]])
@pytest.mark.parametrize("job_id", [None, NOBODYS, "x", "job_x%0a"])
def test_anothers_job_and_none_at_all_are_the_same_404(
    jobs: DynamoDBJobStore, name: str, method: str, path: str, job_id: str | None
) -> None:
    theirs = added(jobs, failed_job().model_copy(update={"tenant": "theirs"})).job_id
    status, problem, headers = call(name, method, path.replace(NOBODYS, job_id or theirs))
    assert (status, problem["code"], problem["charged"]) == (404, "not_found", "no")
    assert problem["detail"] == "there is no such job"
    assert headers["Content-Type"] == ["application/problem+json"]


# ---- Lists


def test_a_list_leads_on_by_a_link_that_keeps_the_query(jobs: DynamoDBJobStore) -> None:
    ids = several(jobs, 5)
    query = {"limit": ["2"], "status": ["queued"]}
    visited: list[str] = []
    for _ in range(3):
        status, document, headers = call("read_jobs", "GET", "/v1/jobs", query=query)
        assert (status, headers["Cache-Control"]) == (200, ["no-store"])
        visited += [job["id"] for job in document["data"]]
        if not document["has_more"]:
            break
        found = re.fullmatch(r'<\?([^>]+)>; rel="next"', headers["Link"][0])
        assert found
        query = parse_qs(found[1], strict_parsing=True)
        assert query == {"limit": ["2"], "status": ["queued"], "cursor": [document["next_cursor"]]}
    assert visited == ids
    assert (document["next_cursor"], "Link" in headers) == (None, False)


def test_a_link_survives_whatever_a_tag_holds(jobs: DynamoDBJobStore) -> None:
    tag = 'a&b=c; >"夕" +%2f'
    request = queued_job().request.model_copy(update={"tags": (tag,)})
    for number in range(2):
        added(jobs, queued_job(derived_id("job", str(number)), request=request))
    _, _, headers = call("read_jobs", "GET", "/v1/jobs", query={"tag": [tag], "limit": ["1"]})
    assert headers["Link"][0].isascii()
    found = re.fullmatch(r'<\?([^>]+)>; rel="next"', headers["Link"][0])
    assert found
    query = parse_qs(found[1])
    _, document, _ = call("read_jobs", "GET", "/v1/jobs", query=query)
    assert len(document["data"]) == 1


def test_every_fault_of_a_query_is_named(jobs: DynamoDBJobStore) -> None:
    query = {
        "limit": ["1000"],
        "cursor": ["x"],
        "status": ["done", "queued"],
        "tag": ["a", "b"],
        "created_after": ["0001-01-01T00:00:00+14:00"],
        "sort": ["price"],
        "x" * 300: ["1"],
    }
    status, problem, _ = call("read_jobs", "GET", "/v1/jobs", query=query)
    assert (status, problem["code"]) == (422, "invalid_input")
    assert [error["pointer"] for error in problem["errors"]] == [
        "?limit",
        "?cursor",
        "?created_after",
        "?sort",
        "?" + "x" * 128,
        "?status",
        "?tag",
    ]
    assert problem["errors"][3]["detail"] == "there is no such parameter"
    assert problem["errors"][5]["detail"] == "is given more than once"


@pytest.mark.parametrize("query", [{"from": ["9999-12-31"]}, {"to": ["0001-01-01"]}, {"first": ["2026-01-01"]}])
def test_a_usage_query_at_the_ends_of_the_calendar_is_refused_not_broken(
    jobs: DynamoDBJobStore, query: dict[str, list[str]]
) -> None:
    status, problem, _ = call("read_models_and_usage", "GET", "/v1/usage", query=query)
    assert (status, problem["errors"][0]["pointer"]) == (422, f"?{next(iter(query))}")


# ---- Cancel and retry


def test_a_job_that_never_began_is_canceled_at_once(jobs: DynamoDBJobStore) -> None:
    job = added(jobs, queued_job(quote_microusd=60_000))
    path = f"/v1/jobs/{job.job_id}/cancel"
    status, document, headers = call("cancel_job", "POST", path)
    assert (status, document["status"], document["charged"], document["notice"]) == (202, "canceled", "no", None)
    assert (headers["Location"], "Retry-After" in headers) == ([f"../{job.job_id}"], False)
    found = jobs.get(job.job_id)
    assert found
    assert (found.status, found.announced) == (JobStatus.CANCELED, True)
    status, problem, _ = call("cancel_job", "POST", path)
    assert (status, problem["code"], problem["title"]) == (409, "not_cancelable", "Conflict")
    assert (problem["retryable"], problem["charged"]) == (False, "no")


def test_a_job_whose_task_runs_is_marked_and_its_owner_told_so(jobs: DynamoDBJobStore) -> None:
    job = added(jobs, processing_job())
    for _ in range(2):
        status, document, headers = call("cancel_job", "POST", f"/v1/jobs/{job.job_id}/cancel")
        assert (status, document["status"], document["charged"]) == (202, "processing", None)
        assert "can't be stopped" in document["notice"]
        assert "Retry-After" in headers


@pytest.mark.parametrize("error", [StaleJob("x"), StorageFailed("away")])
def test_a_cancel_that_could_not_be_written_may_be_repeated_and_costs_nothing(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job = added(jobs, queued_job())

    def away(*_: object) -> Job:
        raise error

    monkeypatch.setattr(DynamoDBJobStore, "save", away)
    status, problem, headers = call("cancel_job", "POST", f"/v1/jobs/{job.job_id}/cancel")
    assert (status, problem["retryable"], problem["charged"]) == (503, True, "no")
    assert "Retry-After" in headers


def a_failure_of_the_api(jobs: DynamoDBJobStore) -> Job:
    """Without references, and failed."""
    request = queued_job().request.model_copy(update={"references": ()})
    failed = failed_job()
    return added(jobs, failed.model_copy(update={"request": request, "job_id": derived_id("job", "failed")}))


def test_a_failed_job_is_done_again_once(jobs: DynamoDBJobStore, deployment: Deployment) -> None:
    first = a_failure_of_the_api(jobs)
    path = f"/v1/jobs/{first.job_id}/retry"
    status, document, headers = call("retry_job", "POST", path)
    assert (status, document["retry_of"], document["status"]) == (202, first.job_id, "queued")
    assert headers["Location"] == [f"../{document['id']}"]
    assert "Idempotent-Replayed" not in headers
    _, again, headers = call("retry_job", "POST", path)
    assert (again["id"], headers["Idempotent-Replayed"]) == (document["id"], ["true"])
    assert document["id"] != first.job_id


@pytest.mark.parametrize("job", [queued_job(), processing_job(), succeeded_job()])
def test_a_job_that_may_have_its_picture_yet_is_not_done_again(jobs: DynamoDBJobStore, job: Job) -> None:
    added(jobs, job)
    status, problem, _ = call("retry_job", "POST", f"/v1/jobs/{job.job_id}/retry")
    assert (status, problem["code"], problem["charged"]) == (409, "not_retryable", "no")


def test_a_retry_that_broke_midway_may_be_repeated_without_a_key(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = a_failure_of_the_api(jobs)

    def away(*_: object, **__: object) -> Job:
        raise StorageFailed("away")

    monkeypatch.setattr(DynamoDBJobStore, "add", away)
    status, problem, _ = call("retry_job", "POST", f"/v1/jobs/{first.job_id}/retry")
    assert (status, problem["retryable"], problem["charged"]) == (503, True, "unknown")


# ---- Timelines, models, usage


def test_a_timeline_is_told_and_says_when_it_is_not_whole(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = added(jobs, succeeded_job())
    path = f"/v1/jobs/{job.job_id}/events"
    status, document, _ = call("read_jobs", "GET", path)
    assert (status, document["complete"]) == (200, True)
    assert [moment["kind"] for moment in document["data"]] == ["submitted", "attempt", "accepted", "finished"]
    assert document["data"][0] == {
        "at": "2026-11-22T10:00:00Z",
        "until": None,
        "kind": "submitted",
        "detail": "submitted by upload",
        "attempt": None,
    }

    def away(*_: object) -> Any:
        raise WorkflowFailed("throttled")

    monkeypatch.setattr(StepFunctionsWorkflow, "history", away)
    assert call("read_jobs", "GET", path)[1]["complete"] is False


def test_models_are_told(jobs: DynamoDBJobStore) -> None:
    status, document, _ = call("read_models_and_usage", "GET", "/v1/models")
    [model] = document["data"]
    assert (status, model["price_usd"], model["circuit"], model["is_default"]) == (200, "0.06", "closed", True)


def test_usage_is_what_the_jobs_cost(jobs: DynamoDBJobStore) -> None:
    added(jobs, succeeded_job())
    status, document, _ = call("read_models_and_usage", "GET", "/v1/usage")
    assert (status, document["spent_usd"]) == (200, "0.06")
    assert document["data"] == [
        {
            "day": "2026-11-22",
            "tenant": "default",
            "route": "gpt-image-2-beta",
            "pictures": 1,
            "spent_usd": "0.06",
            "unknown_usd": "0.00",
        }
    ]
    assert call("read_models_and_usage", "GET", "/v1/usage", caller=THEIRS)[1]["data"] == []


@pytest.mark.parametrize("scope", list(Scope))
def test_any_key_may_see_its_own_limits(jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch, scope: Scope) -> None:
    monkeypatch.setenv("TENANTS", '{"default": {"daily_budget_usd": "2"}}')
    added(jobs, succeeded_job())
    status, document, _ = call(
        "read_models_and_usage", "GET", "/v1/me", caller=Caller(tenant="default", scopes=frozenset({scope}))
    )
    assert status == 200
    assert {name: value for name, value in document.items() if name != "budgets"} == {
        "key_id": None,
        "name": None,
        "tenant": "default",
        "scopes": [scope],
        "requests_per_minute": None,
        "spending_paused": False,
    }
    own = [budget for budget in document["budgets"] if budget["account"] == "tenant"]
    assert own == [
        {
            "account": "tenant",
            "period": "day",
            "limit_usd": "2.00",
            "spent_usd": "0.06",
            "unknown_usd": "0.00",
            "reserved_usd": "0.00",
            "left_usd": "1.94",
            "renews_at": "2026-11-23T00:00:00Z",
        }
    ]
    if scope is Scope.JOBS_READ:
        assert call("read_models_and_usage", "GET", "/v1/usage")[1]["budgets"] == own


def test_a_ledger_that_is_away_is_a_problem_that_costs_nothing(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> Any:
        raise StorageFailed("away")

    monkeypatch.setattr(DynamoDBLedger, "usage", away)
    status, problem, _ = call("read_models_and_usage", "GET", "/v1/usage")
    assert (status, problem["retryable"], problem["charged"]) == (503, True, "no")


# ---- Uploads


def test_a_form_is_given_out_and_kept_by_nobody(jobs: DynamoDBJobStore, deployment: Deployment) -> None:
    status, document, headers = call(
        "create_reference_upload", "POST", "/v1/uploads", {"content_type": "image/png", "size_bytes": 9}
    )
    assert (status, document["method"], headers["Cache-Control"]) == (201, "POST", ["no-store"])
    assert document["fields"]["key"] == f"pending/references/{document['id']}"
    assert document["url"].startswith(f"https://{deployment.uploads_bucket}.")
    assert document["expires_at"] == "2026-11-22T10:15:30Z"


GIF = {"content_type": "image/gif", "size_bytes": 1}


@pytest.mark.parametrize(("body", "code"), [("{", 400), (GIF, 422), ({}, 422)])
def test_a_form_for_something_else_is_refused(jobs: DynamoDBJobStore, body: Any, code: int) -> None:
    status, problem, _ = call("create_reference_upload", "POST", "/v1/uploads", body)
    assert (status, problem["charged"]) == (code, "no")


def rejection(number: int, **changes: Any) -> Rejection:
    event = upload_rejected(
        bucket="b",
        key=f"uploads/white/{number}.jpg",
        version=str(number),
        version_id=None,
        preset="white",
        failure=Failure(code=FailureCode.INVALID_INPUT, message="it is gone", retryable=False, charged=Charged.NO),
        faults=(Fault("", "it is gone"),),
        at=after(number),
    )
    return Rejection.of(event, tenant="default").model_copy(update=changes)


def test_rejected_uploads_are_listed_with_every_fault_and_newest_first(
    jobs: DynamoDBJobStore, deployment: Deployment
) -> None:
    store = DynamoDBRejectionStore(aws.dynamodb(), deployment.rejections_table)
    for number in range(3):
        store.add(rejection(number))
    store.add(rejection(9, tenant="theirs"))

    status, document, headers = call(
        "create_reference_upload", "GET", "/v1/uploads", query={"status": ["rejected"], "limit": ["2"]}
    )
    query = parse_qs(urlsplit(headers["Link"][0].partition(">")[0].removeprefix("<")).query)
    _, rest, _ = call("create_reference_upload", "GET", "/v1/uploads", query=query)

    assert (status, document["has_more"], rest["has_more"]) == (200, True, False)
    listed = [*document["data"], *rest["data"]]
    assert [item["key"] for item in listed] == [f"uploads/white/{number}.jpg" for number in (2, 1, 0)]
    assert listed[0] == {
        "id": rejection(2).rejection_id,
        "status": "rejected",
        "kind": "upload",
        "bucket": "b",
        "key": "uploads/white/2.jpg",
        "version_id": None,
        "preset": "white",
        "code": "invalid_input",
        "message": "it is gone",
        "errors": [{"pointer": "", "detail": "it is gone"}],
        "retryable": False,
        "charged": "no",
        "rejected_at": "2026-11-22T10:00:02Z",
        "expires_at": "2026-12-22T10:00:02Z",
    }


@pytest.mark.parametrize("query", [{"status": ["accepted"]}, {"kind": ["image"]}, {"cursor": ["x"]}, {"other": ["x"]}])
def test_a_list_of_uploads_that_there_is_not_is_refused(jobs: DynamoDBJobStore, query: dict[str, list[str]]) -> None:
    status, problem, _ = call("create_reference_upload", "GET", "/v1/uploads", query=query)
    assert (status, problem["errors"][0]["pointer"]) == (422, f"?{next(iter(query))}")


# ---- Waiting


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("wait=10", 10),
        ("WAIT = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=10", 10),
        ("wait=10; x=y, respond-async", 10),
        ("wait=10, wait=20", 10),
        ("wait=0", 0),
        ("wait=999999999", MAX_WAIT_SECONDS),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=" + "9" * 5000, None),
        ("wait=٣", None),
        ("respond-async", None),
        ("await=5", None),
    ],
)
def test_a_wait_is_read_as_the_specification_has_it(header: str, seconds: int | None) -> None:
    assert preferred_wait(header) == seconds


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch, clock: SteppingClock) -> list[float]:
    """How long was slept, by the clock alone."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.step(seconds)

    monkeypatch.setattr("heliograph.runtime.wiring.jobs.time.sleep", sleep)
    return slept


def test_a_wait_that_runs_out_is_the_same_202_and_says_that_it_was_heeded(
    jobs: DynamoDBJobStore, no_sleep: list[float]
) -> None:
    status, document, headers = call("submit_job", "POST", "/v1/jobs", {"prompt": "x"}, headers={"Prefer": "wait=3"})
    assert (status, document["status"], headers["Preference-Applied"]) == (202, "queued", ["wait=3"])
    assert (headers["Location"], "Retry-After" in headers) == ([f"jobs/{document['id']}"], True)
    assert sum(no_sleep) == pytest.approx(3)


def test_a_wait_leaves_the_function_time_to_answer(jobs: DynamoDBJobStore, no_sleep: list[float]) -> None:
    late = Context(remaining_time_in_millis=9_000)
    status, _, _ = call("submit_job", "POST", "/v1/jobs", {"prompt": "x"}, headers={"Prefer": "wait=25"}, context=late)
    assert status == 202
    assert sum(no_sleep) == pytest.approx(5)


def test_whoever_does_not_ask_for_a_wait_gets_none(jobs: DynamoDBJobStore, no_sleep: list[float]) -> None:
    status, _, headers = call("submit_job", "POST", "/v1/jobs", {"prompt": "x"})
    assert (status, "Preference-Applied" in headers, no_sleep) == (202, False, [])


def test_a_call_that_is_repeated_when_its_job_is_done_gets_the_links(
    jobs: DynamoDBJobStore, no_sleep: list[float]
) -> None:
    handler = started("submit_job")
    _, document, _ = call(handler, "POST", "/v1/jobs", {"prompt": "x"})
    job = jobs.get(document["id"])
    assert job
    done = succeeded_job()
    jobs.save(
        job.model_copy(
            update={
                "status": done.status,
                "attempts": done.attempts,
                "results": done.results,
                "finished_at": done.finished_at,
                "price_microusd": 60_000,
            }
        )
    )
    status, again, headers = call(handler, "POST", "/v1/jobs", {"prompt": "x"})
    waited, told, applied = call(handler, "POST", "/v1/jobs", {"prompt": "x"}, headers={"Prefer": "wait=5"})
    assert (status, again["status"], headers["Idempotent-Replayed"]) == (202, "succeeded", ["true"])
    assert again["results"][0]["url"].startswith("https://")
    assert (waited, told["results"][0]["key"], applied["Preference-Applied"]) == (
        200,
        again["results"][0]["key"],
        ["wait=5"],
    )
    assert no_sleep == []
