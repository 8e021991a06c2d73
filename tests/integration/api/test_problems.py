"""Each thing that can go wrong in a call: its status, its code, and what it says of money."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import pytest
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Caller, Scope
from heliograph.api.job_answers import accepted, found
from heliograph.api.problems import CONTENT_TYPE, Problem
from heliograph.api.representations.jobs import JobResource
from heliograph.api.responses import api_resolver
from heliograph.jobs.provenance import record_of
from heliograph.jobs.read_jobs import JobView, LinkedResult
from heliograph.kernel.errors import (
    BudgetExceeded,
    ConfigurationError,
    Fault,
    InvalidRequest,
    MalformedDocument,
    PublishFailed,
    ResultUnusable,
    StaleJob,
    StorageFailed,
    UnsupportedMedia,
    WorkflowFailed,
)
from heliograph.kernel.failures import Charged, Failure, FailureCode

from tests.examples import (
    RESULT_VERSION,
    RUN_ID,
    after,
    attempting_job,
    expired_job,
    failed_job,
    orphaned_job,
    processing_job,
    queued_job,
    succeeded_job,
)
from tests.triggers import read

FAULTS = (Fault("/prompt", "is required"), Fault("/references/1", "is no URL"))

CASES: list[tuple[Exception, int, str, bool]] = [
    (MalformedDocument(Fault("", "the body is no valid JSON")), 400, "malformed_body", False),
    (InvalidRequest(*FAULTS), 422, "invalid_input", False),
    (UnsupportedMedia(Fault("/references/0", "is broken")), 422, "unsupported_media", False),
    (Problem.not_found("job"), 404, "not_found", False),
    (Problem.payload_too_large(9), 413, "payload_too_large", False),
    (BudgetExceeded("*", "2026-11-22", 5_000_000), 402, "budget_exceeded", True),
    (StorageFailed("x"), 503, "unavailable", True),
    (PublishFailed("x"), 503, "unavailable", True),
    (WorkflowFailed("x"), 503, "unavailable", True),
    (StaleJob("x"), 503, "unavailable", True),
    (ConfigurationError("x"), 500, "internal", True),
    (ResultUnusable("x", again=True), 500, "internal", True),
    (KeyError("secret"), 500, "internal", True),
]


def answer(error: Exception, charged: Charged = Charged.UNKNOWN) -> dict[str, Any]:
    """What the gateway gets from a call that raises."""
    app = api_resolver(charged_on_failure=charged)

    @app.post("/v1/jobs")
    def broken() -> Response[str]:
        raise error

    return dict(app.resolve(read("post_job.json"), LambdaContext()))


@pytest.mark.parametrize(("error", "status", "code", "retryable"), CASES, ids=lambda value: type(value).__name__)
def test_an_error_is_a_problem_document(error: Exception, status: int, code: str, retryable: bool) -> None:
    response = answer(error)
    problem = json.loads(response["body"])
    assert (response["statusCode"], problem["status"]) == (status, status)
    assert response["multiValueHeaders"]["Content-Type"] == [CONTENT_TYPE]
    assert (problem["code"], problem["retryable"]) == (code, retryable)
    # When a budget has room again, nobody can say.
    assert ("Retry-After" in response["multiValueHeaders"]) is (retryable and code != "budget_exceeded")
    assert problem["request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert problem["charged"] == ("unknown" if retryable and code != "budget_exceeded" else "no")


@pytest.mark.parametrize("charged", Charged)
def test_what_a_broken_call_may_have_cost_is_said_by_the_call(charged: Charged) -> None:
    assert json.loads(answer(StorageFailed("x"), charged)["body"])["charged"] == charged


def test_a_problem_is_an_exception_like_any_other() -> None:
    @contextmanager
    def context() -> Iterator[None]:
        yield

    with pytest.raises(Problem) as caught, context():  # which sets its traceback
        raise Problem.not_found("job") from KeyError("x")
    problem = caught.value
    problem.add_note("seen")
    assert isinstance(problem.__cause__, KeyError)
    assert problem.with_traceback(None) is problem
    assert str(problem) == problem.detail == "there is no such job"
    assert problem.document("id")["code"] == "not_found"


def test_every_fault_is_told_with_its_place() -> None:
    problem = json.loads(answer(InvalidRequest(*FAULTS))["body"])
    assert problem["errors"] == [
        {"pointer": "/prompt", "detail": "is required"},
        {"pointer": "/references/1", "detail": "is no URL"},
    ]
    assert problem["detail"] == "prompt is required (and 1 more problem); nothing was done and nothing charged"


def test_what_broke_inside_is_not_told_outside() -> None:
    assert "secret" not in answer(KeyError("secret"))["body"]


def test_a_path_that_is_not_there_is_a_problem_too() -> None:
    app = api_resolver(charged_on_failure=Charged.NO)
    response = app.resolve(read("get_job.json"), LambdaContext())
    problem = json.loads(str(response["body"]))
    assert (response["statusCode"], problem["code"], problem["charged"]) == (404, "not_found", "no")
    assert problem["detail"] == "there is no such path or method"


def represent(view: JobView) -> dict[str, Any]:
    """The job as its owner is sent it."""
    document: dict[str, Any] = JobResource.of(view).model_dump(mode="json")
    return document


READER = Caller(tenant="default", scopes=frozenset({Scope.JOBS_WRITE, Scope.JOBS_READ}))


def sent(response: Response[str]) -> tuple[int, Any, dict[str, Any]]:
    return response.status_code, json.loads(str(response.body)), dict(response.headers)


@pytest.mark.parametrize(("replayed", "header"), [(True, "true"), (False, None)])
def test_an_accepted_job_says_where_it_is_and_when_to_ask(replayed: bool, header: str | None) -> None:
    status, document, headers = sent(
        accepted(JobView(queued_job(), ()), caller=READER, location=f"jobs/{queued_job().job_id}", replayed=replayed)
    )
    assert (status, document["status"], document["id"]) == (202, "queued", queued_job().job_id)
    assert headers["Location"] == f"jobs/{queued_job().job_id}"
    assert (headers["Retry-After"], headers.get("Idempotent-Replayed")) == ("12", header)


def test_a_repeat_of_a_job_that_is_over_need_not_wait() -> None:
    status, document, headers = sent(
        accepted(JobView(failed_job(), ()), caller=READER, location="jobs/x", replayed=True)
    )
    assert (status, document["status"]) == (202, "failed")
    assert "Retry-After" not in headers


@pytest.mark.parametrize(
    ("job", "waits"),
    [(queued_job(), True), (processing_job(), True), (succeeded_job(), False), (failed_job(), False)],
)
def test_a_found_job_is_never_stored_by_a_cache(job: Any, waits: bool) -> None:
    status, _, headers = sent(found(JobView(job, ())))
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert ("Retry-After" in headers) is waits


@pytest.mark.parametrize(
    ("job", "charged", "price"),
    [
        (queued_job().model_copy(update={"quote_microusd": 60_000}), None, None),
        (processing_job(), None, None),
        (succeeded_job(), "yes", "0.06"),
        (failed_job(), "no", "0.00"),
        (expired_job(), "no", "0.00"),
    ],
)
def test_a_job_says_what_it_cost_once_that_is_known(job: Any, charged: str | None, price: str | None) -> None:
    document = represent(JobView(job, ()))
    assert (document["charged"], document["price_usd"]) == (charged, price)
    # Until then, what it may cost: nothing that reads as free.
    assert document["reserved_usd"] == ("0.06" if charged is None else None)


def test_a_job_of_which_nobody_knows_the_cost_says_so() -> None:
    failure = Failure(code=FailureCode.SUBMISSION_UNCERTAIN, message="x", retryable=False, charged=Charged.UNKNOWN)
    document = represent(JobView(attempting_job().failed(failure, after(9)), ()))
    assert (document["charged"], document["price_usd"]) == ("unknown", None)


def test_a_job_whose_picture_could_not_be_stored_says_where_it_is() -> None:
    failure = Failure(code=FailureCode.RESULT_UNUSABLE, message="x", retryable=False, charged=Charged.YES)
    job = processing_job().failed(failure, after(9), provider_urls=["https://r2.apimodels.app/1.png"])
    document = represent(JobView(job, ()))
    assert (document["price_usd"], document["provider_urls"]) == ("0.06", ["https://r2.apimodels.app/1.png"])


def test_a_result_comes_with_a_link_and_its_end() -> None:
    job = succeeded_job()
    view = JobView(job, (LinkedResult(job.results[0], "https://link", after(900)),))
    [result] = represent(view)["results"]
    assert (result["url"], result["url_expires_at"]) == ("https://link", "2026-11-22T10:15:00Z")
    assert (result["width"], result["sha256"]) == (1024, job.results[0].sha256)
    assert result["version_id"] == job.results[0].version_id == RESULT_VERSION


@pytest.mark.parametrize(
    "job",
    [
        queued_job(),
        attempting_job(),
        processing_job(),
        orphaned_job(),
        succeeded_job(),
        succeeded_job().as_announced(),
        failed_job(),
        expired_job(),
    ],
)
def test_every_job_has_the_same_fields(job: Any) -> None:
    document = represent(JobView(job, ()))
    assert set(document) == set(represent(JobView(queued_job(), ())))
    internal = {"fingerprint", "revision", "tenant", "announced", "started", "orphaned_at"}
    assert not (internal | {"quote_microusd", "accounted", "key_budget"}) & set(document)
    assert [set(attempt) for attempt in document["attempts"]] == [
        {
            "attempt_id",
            "route",
            "provider",
            "model",
            "price_usd",
            "intended_at",
            "accepted_at",
            "task_id",
            "uncertainty",
            "ended_at",
            "failure",
            "retry_after_seconds",
        }
    ] * len(job.attempts)


@pytest.mark.parametrize("job", [attempting_job(), processing_job(), succeeded_job(), failed_job()])
def test_what_only_we_need_to_know_of_a_job_is_in_no_view_and_no_record(job: Any) -> None:
    for told in (json.dumps(represent(JobView(job, ()))), record_of(job).decode()):
        assert RUN_ID not in told
        names = set(re.findall(r'"(\w+)":', told))
        assert not {"run_id", "price_microusd", "callback_sha256", "announced", "orphaned_at", "accounted"} & names
        assert "key_budget" not in names


def test_a_record_names_the_version_of_each_result() -> None:
    [result] = json.loads(record_of(succeeded_job()))["results"]
    assert result["version_id"] == RESULT_VERSION


def problem_of(error: Exception, **event: Any) -> dict[str, Any]:
    """The problem that a call of such an event raises."""
    app = api_resolver(charged_on_failure=Charged.NO)

    @app.post("/v1/jobs")
    def broken() -> Response[str]:
        raise error

    answered = app.resolve({**read("post_job.json"), **event}, LambdaContext())
    assert ": " not in re.sub(r'"[^"]*"', "", answered["body"])
    document: dict[str, Any] = json.loads(answered["body"])
    return document


@pytest.mark.parametrize(
    ("url", "resource", "parameters"),
    [
        ("https://x.org/live/v1/jobs", "/v1/jobs", None),
        ("https://x.org/live/v1/jobs/j", "/v1/jobs/{job_id}", {"job_id": "j"}),
        ("https://x.org/live/v1/jobs/j/retry", "/v1/jobs/{job_id}/retry", {"job_id": "j"}),
        ("https://x.org/live/v1/a/b/c", "/{proxy+}", {"proxy": "v1/a/b/c"}),
        ("https://x.org/live/x", "/{proxy+}", {"proxy": "x"}),
        ("https://x.org/live/", "/", None),
    ],
)
def test_the_type_of_a_problem_leads_to_the_page_of_errors_wherever_the_call_went(
    url: str, resource: str, parameters: dict[str, str] | None
) -> None:
    path = url.removeprefix("https://x.org/live")
    event = {"path": path, "resource": resource, "pathParameters": parameters, "httpMethod": "PUT"}
    problem = problem_of(KeyError("x"), **event)
    assert urljoin(url, problem["type"]) == f"https://x.org/live/docs/errors#{problem['code']}"


def test_the_request_id_of_a_problem_is_that_of_the_call() -> None:
    event = read("post_job.json")
    assert problem_of(InvalidRequest(*FAULTS))["request_id"] == event["requestContext"]["requestId"]
