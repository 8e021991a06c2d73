"""Callback function, from the providers' own calls to the items in the table."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.provenance import record_of
from heliograph.kernel.errors import StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id, token_digest
from heliograph.platform.event_bus import EventBridgeBus
from heliograph.providers.adapters.apimodels import ApiModels
from heliograph.providers.adapters.kie import Kie
from heliograph.providers.protocol import (
    Accepted,
    Completed,
    NoAnswer,
    StillRunning,
    TaskFailed,
    TaskRequest,
    TaskState,
    Uncertain,
)
from heliograph.routes.config import Route
from heliograph.webhooks.event_catalogue import PublishedEvent

from tests.examples import BLOCKED, JOB_ID, NOW, ROUTE, RUN_ID, TASK_ID, queued_job, state_examples
from tests.integration.conftest import Deployment, items
from tests.integration.lambdas import Handler, started
from tests.triggers import read

TOKEN = "x9Zk3_vQ-7bT1cLw5rNfYp2HsJdKgMaEuVoXiBqWzRt"
DIGEST = token_digest(TOKEN)
CALLBACKS = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/live"
KIE_ROUTE = Route(provider="kie", model="gpt-image-2", name="kie", price_usd="0.03", max_references=16)
# All that a call learns that is not meant for us, besides its own id.
NO_SUCH_PATH = {
    "type": "../../../docs/errors#not_found",
    "title": "Not Found",
    "status": 404,
    "detail": "there is no such path or method",
    "code": "not_found",
    "retryable": False,
    "charged": "no",
}


@dataclass
class Provider:
    """What both vendors answer, and what they were asked."""

    state: TaskState = field(default_factory=StillRunning)
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    found = Provider()

    def ask(self: object, task_id: str) -> TaskState:
        found.asked.append((type(self).__name__, task_id))
        return found.state

    for vendor in (ApiModels, Kie):
        monkeypatch.setattr(vendor, "poll", ask)
    return found


def attempting(route: Route = ROUTE, job_id: str = JOB_ID, token: str = TOKEN) -> Job:
    """With a call on its way that nobody has heard of since."""
    job = queued_job(job_id, created_at=NOW, deadline_at=NOW + timedelta(minutes=20), quote_microusd=60_000)
    attempt_id = derived_id("att", job_id, "1")
    return job.attempting(attempt_id, RUN_ID, route, NOW, callback_sha256=token_digest(token))


def lost(jobs: DynamoDBJobStore, job: Job | None = None) -> Job:
    """In the table."""
    written = jobs.add(job or attempting())
    assert written
    return written


def body_of(task_id: str = TASK_ID, **data: Any) -> str:
    """As the first vendor calls back; it repeats the order."""
    order = {"model": "gpt-image-2-beta", "callback_url": f"{CALLBACKS}/v1/callbacks/{JOB_ID}/{TOKEN}"}
    told = {"taskId": task_id, "model": "gpt-image-2-beta", "state": "completed", "param": json.dumps(order)}
    urls = ["https://r2.apimodels.app/images/1.jpeg"]
    return json.dumps({"code": 200, "msg": "success", "data": told | {"resultUrls": urls} | data})


def kies_body_of(task_id: str = TASK_ID) -> str:
    """As the second one does."""
    result = {"resultUrls": ["https://tempfile.aiquickdraw.com/1.png"]}
    order = {"model": "gpt-image-2-text-to-image", "callBackUrl": f"{CALLBACKS}/v1/callbacks/{JOB_ID}/{TOKEN}"}
    data = {"taskId": task_id, "state": "success", "param": json.dumps(order), "resultJson": json.dumps(result)}
    more = {"failCode": None, "failMsg": None, "costTime": 18, "completeTime": 1755597081166, "consumeCredits": 6}
    return json.dumps({"code": 200, "msg": "Playground task completed successfully.", "data": data | more})


def call_back(
    handler: Handler, body: str | None = body_of(), *, job_id: str = JOB_ID, token: str = TOKEN, **changes: Any
) -> tuple[int, Any, dict[str, list[str]]]:
    """The answer to a provider's call: no key, and headers of its own."""
    path = f"/v1/callbacks/{job_id}/{token}"
    event = read("post_job.json") | {
        "resource": "/v1/callbacks/{job_id}/{token}",
        "path": path,
        "pathParameters": {"job_id": job_id, "token": token},
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "body": body,
    }
    context = {name: value for name, value in event["requestContext"].items() if name != "authorizer"}
    answer = handler(event | {"requestContext": context | {"path": f"/live{path}"}} | changes)
    document = json.loads(answer["body"]) if answer["body"] else None
    return answer["statusCode"], document, answer["multiValueHeaders"]


def everything() -> Any:
    return [items(name) for name in ("jobs", "ledger", "routes")]


@pytest.fixture
def handler(jobs: DynamoDBJobStore) -> Handler:
    return started("receive_callback")


# ---- What is known, and what is taken back


@pytest.mark.parametrize(
    "state",
    [
        StillRunning(),
        Completed(("https://r2.apimodels.app/1.png",)),
        TaskFailed(Failure(code=FailureCode.PROVIDER_FAILED, message="x", retryable=True, charged=Charged.NO)),
    ],
)
def test_a_task_that_was_lost_is_taken_back_once_the_provider_knows_it(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, state: TaskState
) -> None:
    before, provider.state = lost(jobs), state
    assert call_back(handler)[:2] == (204, None)
    job = jobs.get(JOB_ID)
    assert job
    assert job.attempt
    assert (job.status, job.attempt.task_id, job.revision) == (JobStatus.PROCESSING, TASK_ID, before.revision + 1)
    assert job.attempt.accepted_at
    # What the body says of results is not believed.
    assert (job.results, job.provider_urls, job.is_over) == ((), (), False)
    assert provider.asked == [("ApiModels", TASK_ID)]
    assert jobs.owner_of("apimodels", TASK_ID) == JOB_ID


def test_the_same_call_again_is_known_and_asks_nothing(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider
) -> None:
    lost(jobs)
    call_back(handler)
    before = everything()
    for body in (body_of(), body_of("another"), "no JSON", ""):
        assert call_back(handler, body)[:2] == (204, None)
    assert everything() == before
    assert len(provider.asked) == 1


def test_the_second_vendor_is_asked_about_its_own_task(
    deployment: Deployment,
    environment: dict[str, str],
    jobs: DynamoDBJobStore,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KIE_KEY_SECRET", deployment.kie_key_secret)
    routes = [route.model_dump(mode="json", exclude_defaults=True) for route in (ROUTE, KIE_ROUTE)]
    monkeypatch.setenv("ROUTES", json.dumps(routes))
    handler = started("receive_callback")
    lost(jobs, attempting(KIE_ROUTE))
    assert call_back(handler, kies_body_of("ee9c2715375b7837f8bb51d641ff5863"))[0] == 204
    assert provider.asked == [("Kie", "ee9c2715375b7837f8bb51d641ff5863")]
    assert jobs.owner_of("kie", "ee9c2715375b7837f8bb51d641ff5863") == JOB_ID


def test_a_provider_whose_key_is_gone_may_call_again(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider
) -> None:
    lost(jobs, attempting(KIE_ROUTE))
    assert call_back(handler, kies_body_of())[0] == 503
    assert provider.asked == []


def test_a_job_without_an_answer_gets_its_task_by_the_link_that_the_provider_was_given(
    jobs: DynamoDBJobStore, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[TaskRequest] = []

    def create(_: ApiModels, request: TaskRequest) -> Uncertain:
        requests.append(request)
        return Uncertain("cut")

    monkeypatch.setattr(ApiModels, "create", create)
    monkeypatch.setenv("CALLBACK_BASE_URL", CALLBACKS)
    jobs.add(queued_job(created_at=NOW, deadline_at=NOW + timedelta(minutes=20)))
    assert started("dispatch_job")(state_examples()["turn"].model_dump(mode="json"))["outcome"] == "not_yet"
    link = requests[0].callback_url
    assert link
    base, _, token = link.rpartition("/")
    assert base == f"{CALLBACKS}/v1/callbacks/{JOB_ID}"
    assert len(token) >= 43
    assert call_back(started("receive_callback"), token=token)[0] == 204
    job = jobs.get(JOB_ID)
    assert job
    assert job.attempt
    assert (job.attempt.task_id, job.attempt.uncertainty) == (TASK_ID, "cut")
    assert token not in str(everything())


def test_where_providers_can_not_reach_us_they_are_given_no_link(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[TaskRequest] = []

    def create(_: ApiModels, request: TaskRequest) -> Accepted:
        requests.append(request)
        return Accepted(TASK_ID)

    monkeypatch.setattr(ApiModels, "create", create)
    jobs.add(queued_job(created_at=NOW, deadline_at=NOW + timedelta(minutes=20)))
    started("dispatch_job")(state_examples()["turn"].model_dump(mode="json"))
    assert requests[0].callback_url is None
    job = jobs.get(JOB_ID)
    assert job
    assert job.attempt
    assert job.attempt.callback_sha256 is None


# ---- What is not meant for us


def ended() -> Job:
    return attempting().failed(BLOCKED, NOW)


def on_its_second_attempt() -> Job:
    """The token is that of the first."""
    first = attempting()
    assert first.attempt
    refused = first.attempt_failed(first.attempt.attempt_id, BLOCKED, NOW)
    second = derived_id("att", JOB_ID, "2")
    return refused.attempting(second, RUN_ID, ROUTE, NOW, callback_sha256=token_digest("y" * 43))


def between_attempts() -> Job:
    first = attempting()
    assert first.attempt
    return first.attempt_failed(first.attempt.attempt_id, BLOCKED, NOW)


def without_callbacks() -> Job:
    first = attempting()
    assert first.attempt
    return first.model_copy(update={"attempts": (first.attempt.model_copy(update={"callback_sha256": None}),)})


def told_nothing(answer: tuple[int, Any, dict[str, list[str]]]) -> None:
    status, problem, headers = answer
    assert (status, problem.pop("request_id")) == (404, "c6af9ac6-7b61-11e6-9a41-93e8deadbeef")
    assert problem == NO_SUCH_PATH
    assert headers["Content-Type"] == ["application/problem+json"]
    assert "Retry-After" not in headers


@pytest.mark.parametrize("written", [ended, on_its_second_attempt, between_attempts, without_callbacks, queued_job])
@pytest.mark.parametrize("body", [body_of(), "no JSON"])
def test_a_token_that_is_stale_opens_nothing(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, written: Callable[[], Job], body: str
) -> None:
    lost(jobs, written())
    before = everything()
    told_nothing(call_back(handler, body))
    assert everything() == before
    assert provider.asked == []


@pytest.mark.parametrize(
    "token", ["x", TOKEN[:-1], TOKEN + "x", TOKEN.swapcase(), DIGEST, "undefined", "%00", "ä" * 43, "None"]
)
def test_a_token_that_is_wrong_opens_nothing(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, token: str
) -> None:
    lost(jobs)
    before = everything()
    told_nothing(call_back(handler, token=token))
    assert everything() == before
    assert provider.asked == []


@pytest.mark.parametrize("job_id", ["job_" + "a" * 26, "x", JOB_ID.upper(), JOB_ID + "a", "..", "job_" + "a" * 4000])
def test_a_job_that_is_not_there_looks_like_a_wrong_token(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, job_id: str
) -> None:
    lost(jobs)
    told_nothing(call_back(handler, job_id=job_id))
    assert provider.asked == []


@pytest.mark.parametrize("job_id", ["[ERROR] Task timed out", "x" * 6000, JOB_ID.upper(), f"{JOB_ID}[ERROR]"])
def test_nothing_of_what_is_no_id_is_logged(
    jobs: DynamoDBJobStore,
    handler: Handler,
    logged: Callable[[], str],
    capfd: pytest.CaptureFixture[str],
    job_id: str,
) -> None:
    told_nothing(call_back(handler, job_id=job_id, token="a%20made-up [ERROR]", body="[ERROR]"))
    printed = capfd.readouterr()
    text = logged() + printed.out + printed.err
    assert "callback received" in text
    assert job_id not in text
    assert "made-up" not in text
    assert "[ERROR]" not in text


@pytest.mark.parametrize("path", ["/v1/callbacks", f"/v1/callbacks/{JOB_ID}", f"/v1/callbacks/{JOB_ID}/{TOKEN}/x"])
def test_any_other_path_looks_like_a_wrong_token(handler: Handler, path: str) -> None:
    told_nothing(call_back(handler, path=path))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_any_other_method_looks_like_a_wrong_token(jobs: DynamoDBJobStore, handler: Handler, method: str) -> None:
    lost(jobs)
    told_nothing(call_back(handler, httpMethod=method))


def test_a_token_opens_no_other_job(jobs: DynamoDBJobStore, handler: Handler, provider: Provider) -> None:
    other = derived_id("job", "other")
    lost(jobs)
    lost(jobs, attempting(job_id=other, token="y" * 43))
    told_nothing(call_back(handler, job_id=other))
    assert provider.asked == []


def test_a_task_that_another_job_has_is_not_taken(jobs: DynamoDBJobStore, handler: Handler, provider: Provider) -> None:
    other = attempting(job_id=derived_id("job", "other"), token="y" * 43)
    lost(jobs)
    assert other.attempt
    lost(jobs, other.accepted(other.attempt.attempt_id, TASK_ID, NOW))
    before = everything()
    told_nothing(call_back(handler))
    assert everything() == before
    assert provider.asked == []


# ---- What can't be read


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"data": null}',
        '{"data": []}',
        '{"data": {}}',
        '{"data": {"taskId": ""}}',
        '{"data": {"taskId": null}}',
        '{"data": {"taskId": 12}}',
        '{"data": {"taskId": ["x"]}}',
        '{"taskId": "x"}',
        '{"data": {"TaskId": "x"}}',
        '{"data": {"taskId": "' + "x" * 257 + '"}}',
        '{"data": {"taskId": "\\ud800"}}',
        '{"data": {"taskId": "\ud800"}}',
        '{"data": {"taskId": "x"}',
        "[" * 100_000,
        '{"data": ' * 20_000,
        body_of(param="x" * 256 * 1024),
    ],
)
def test_a_body_that_names_no_task_is_refused_and_nothing_asked(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, body: str
) -> None:
    lost(jobs)
    before = everything()
    status, problem, headers = call_back(handler, body)
    assert (status, problem["code"], problem["retryable"], problem["charged"]) == (400, "malformed_body", False, "no")
    assert headers["Content-Type"] == ["application/problem+json"]
    assert everything() == before
    assert provider.asked == []


def test_a_call_without_a_body_is_refused(jobs: DynamoDBJobStore, handler: Handler, provider: Provider) -> None:
    lost(jobs)
    assert call_back(handler, None)[0] == 400


@pytest.mark.parametrize("bytes_too_many", [0, 1])
def test_a_body_is_looked_at_up_to_a_quarter_of_a_megabyte(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, bytes_too_many: int
) -> None:
    lost(jobs)
    padding = 256 * 1024 - len(body_of(filler=""))
    body = body_of(filler="x" * (padding + bytes_too_many))
    assert call_back(handler, body)[0] == (400 if bytes_too_many else 204)
    assert len(provider.asked) == 1 - bytes_too_many


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (body_of().encode(), 204),
        (kies_body_of().encode(), 204),
        (b"\xef\xbb\xbf" + body_of().encode(), 400),
        (b"\xff\xfe", 400),
        (b"", 400),
        (b"x" * 256 * 1024, 400),
    ],
)
def test_a_body_that_the_gateway_took_for_bytes_is_read(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, body: bytes, status: int
) -> None:
    lost(jobs)
    assert call_back(handler, base64.b64encode(body).decode(), isBase64Encoded=True)[0] == status


@pytest.mark.parametrize("body", ["not base64!", "abc", "ä"])
def test_bytes_that_are_none_are_refused(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, body: str
) -> None:
    lost(jobs)
    assert call_back(handler, body, isBase64Encoded=True)[0] == 400


# ---- What is worth another call


def unconfirmed(answer: tuple[int, Any, dict[str, list[str]]]) -> None:
    status, problem, headers = answer
    assert (status, problem["code"], problem["retryable"], problem["charged"]) == (503, "unavailable", True, "no")
    assert headers["Retry-After"] == ["5"]


def test_a_task_that_the_provider_does_not_know_is_not_taken(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider
) -> None:
    lost(jobs)
    before, provider.state = everything(), NoAnswer("the provider said 404")
    unconfirmed(call_back(handler))
    assert everything() == before
    provider.state = StillRunning()
    assert call_back(handler)[0] == 204


@pytest.mark.parametrize("method", ["get", "owner_of", "save"])
def test_a_table_that_is_away_is_worth_another_call(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    lost(jobs)

    def away(*_: object) -> None:
        raise StorageFailed("job_x: InternalServerError")

    with monkeypatch.context() as patch:
        patch.setattr(DynamoDBJobStore, method, away)
        unconfirmed(call_back(handler))
    assert call_back(handler)[0] == 204


def test_who_is_overtaken_by_the_answer_itself_may_call_again(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost(jobs)

    def late(*_: object) -> None:
        raise StaleJob(JOB_ID)

    with monkeypatch.context() as patch:
        patch.setattr(DynamoDBJobStore, "save", late)
        unconfirmed(call_back(handler))
    assert call_back(handler)[0] == 204


# ---- Who knows the token


@pytest.mark.parametrize("state", [StillRunning(), NoAnswer("away")])
@pytest.mark.parametrize("body", [body_of(), "no JSON"])
def test_no_log_line_and_no_answer_to_a_call_holds_the_token_or_its_digest(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, logged: Callable[[], str], state: TaskState, body: str
) -> None:
    lost(jobs)
    provider.state = state
    answers = [call_back(handler, body), call_back(handler, body, token="wrong"), call_back(handler, body)]
    for text in (json.dumps(answers), logged()):
        assert TOKEN not in text
        assert DIGEST not in text
    assert JOB_ID in logged()


@pytest.mark.parametrize("error", [StorageFailed("x"), RuntimeError("x")])
def test_a_call_that_breaks_logs_no_token(
    jobs: DynamoDBJobStore,
    handler: Handler,
    provider: Provider,
    logged: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    lost(jobs)

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(DynamoDBJobStore, "save", broken)
    assert call_back(handler)[0] in {500, 503}
    assert "call failed" in logged()
    assert TOKEN not in logged()
    assert DIGEST not in logged()


def test_no_view_record_or_event_of_the_job_holds_the_token_or_its_digest(
    deployment: Deployment,
    jobs: DynamoDBJobStore,
    handler: Handler,
    provider: Provider,
    logged: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published: list[PublishedEvent] = []
    monkeypatch.setattr(EventBridgeBus, "publish", lambda _, event: published.append(event))
    lost(jobs)
    call_back(handler)
    event = read("get_job.json") | {"path": f"/v1/jobs/{JOB_ID}", "pathParameters": {"job_id": JOB_ID}}
    view = started("read_jobs")(event)["body"]
    failed = {"outcome": "failed", "job_id": JOB_ID, "failure": BLOCKED.model_dump(mode="json")}
    attempt_id = derived_id("att", JOB_ID, "1")
    assert started("finalize_job")(failed | {"attempt_id": attempt_id})["outcome"] == "over"
    view_of_the_end = started("read_jobs")(event)["body"]
    job = jobs.get(JOB_ID)
    assert job
    assert job.attempt
    assert job.attempt.callback_sha256 == DIGEST
    told = [view, view_of_the_end, record_of(job).decode(), *(event.model_dump_json() for event in published)]
    assert TASK_ID in view
    assert len(published) == 1
    for text in [*told, logged()]:
        assert TOKEN not in text
        assert DIGEST not in text
    assert "callback" not in "".join(told)
    # The token itself is nowhere at all; only its digest is kept.
    assert TOKEN not in str(everything())


def test_what_came_of_a_call_is_logged(
    jobs: DynamoDBJobStore, handler: Handler, provider: Provider, logged: Callable[[], str]
) -> None:
    lost(jobs)
    call_back(handler)
    call_back(handler)
    call_back(handler, token="wrong")
    results = re.findall(r"'outcome': <CallbackResult\.(\w+)", logged())
    assert list(dict.fromkeys(results)) == ["ADOPTED", "KNOWN", "UNKNOWN"]
