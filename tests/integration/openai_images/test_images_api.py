"""Calls in OpenAI's shape, from the function's own trigger: who is let in, what is made, how each error is told."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from heliograph.access.adapters.dynamodb import DynamoDBKeyStore
from heliograph.access.adapters.dynamodb_open_waits import DynamoDBOpenWaits
from heliograph.access.keys import ApiKey, Scope, read_key_request
from heliograph.api.openai.refusal import Refusal
from heliograph.api.openai.responses import images_response
from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
from heliograph.jobs.adapters.dynamodb import DynamoDBJobReader, DynamoDBJobStore
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.results import Result
from heliograph.kernel.errors import (
    BudgetExceeded,
    ConfigurationError,
    Fault,
    Interrupted,
    InvalidRequest,
    MalformedDocument,
    StorageFailed,
    UnusableParameters,
    WorkflowFailed,
)
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.media_types import MediaType
from heliograph.openai_images.image_links import FILES
from heliograph.openai_images.linked_images import ImageUrl
from heliograph.openai_images.make_images import GeneratedImage, Images, Missing
from heliograph.openai_images.model_aliases import OPENAI_MODELS
from heliograph.openai_images.parameters import GenerationRequest
from heliograph.platform import aws
from heliograph.storage.adapters.s3 import S3ObjectStore
from heliograph.storage.references import ObjectLocation

from tests.examples import after, failed_job, processing_job, queued_job
from tests.fakes.clock import SteppingClock
from tests.integration.conftest import API_KEY, Deployment, items
from tests.integration.lambdas import Handler, started
from tests.pictures import jpeg, png
from tests.programs import PROGRAMS, Program
from tests.triggers import read

HOST = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-central-1.on.aws"
STRANGER = "hg_" + "s" * 43
SHOPS = "hg_" + "p" * 43
BROKE = Failure(code=FailureCode.PROVIDER_FAILED, message="it broke", retryable=True, charged=Charged.NO)


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.runtime.wiring.jobs.time.sleep", lambda _: None)


class Workers:
    """What the state machine would do, at each look at an open job."""

    def __init__(self, deployment: Deployment, store: DynamoDBJobStore) -> None:
        self._deployment, self._store = deployment, store
        self.body = png(320, 200)
        self.failure: Failure | None = None

    def done(self, job: Job) -> Job:
        if job.is_over:
            return job
        if self.failure:
            changed = job.model_copy(
                update={"status": JobStatus.FAILED, "failure": self.failure, "finished_at": job.created_at}
            )
        else:
            changed = job.model_copy(
                update={
                    "status": JobStatus.SUCCEEDED,
                    "results": (self._stored(job),),
                    "price_microusd": 60_000,
                    "finished_at": job.created_at,
                }
            )
        return self._store.save(changed)

    def _stored(self, job: Job) -> Result:
        key = f"{job.output_key_template}".format(job_id=job.job_id, index=1, ext="png")
        answer = aws.s3().put_object(Bucket=self._deployment.results_bucket, Key=key, Body=self.body)
        return Result(
            bucket=self._deployment.results_bucket,
            key=key,
            version_id=answer["VersionId"],
            content_type=MediaType.PNG,
            size_bytes=len(self.body),
            sha256="0" * 64,
            width=320,
            height=200,
        )


@pytest.fixture
def workers(deployment: Deployment, jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> Workers:
    found = Workers(deployment, jobs)
    get = DynamoDBJobReader.get

    def worked_on(store: DynamoDBJobReader, job_id: str) -> Job | None:
        job = get(store, job_id)
        return found.done(job) if job else None

    monkeypatch.setattr(DynamoDBJobReader, "get", worked_on)
    return found


@pytest.fixture
def images(environment: dict[str, str], workers: Workers) -> Iterator[Handler]:
    del environment, workers
    return started("create_openai_images")  # type: ignore[return-value]


def call(
    handler: Handler,
    body: Any = None,
    *,
    path: str = "/v1/images/generations",
    method: str = "POST",
    number: int = 1,
    query: dict[str, str] | None = None,
    **headers: str | None,
) -> tuple[int, Any, dict[str, str]]:
    event = read("post_images.json")
    event["queryStringParameters"] = query or {}
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    event["requestContext"]["requestId"] += f"-{number}"
    event["requestContext"]["timeEpoch"] += 1000 * number
    if isinstance(body, bytes):
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    elif body is not None:
        event["body"] = json.dumps(body)
    for name, value in headers.items():
        event["headers"].pop(name.replace("_", "-"), None)
        if value is not None:
            event["headers"][name.replace("_", "-")] = value
    answer = handler(event)
    if answer.get("isBase64Encoded"):
        return answer["statusCode"], base64.b64decode(answer["body"]), answer["headers"]
    assert path.startswith(FILES) or answer["headers"]["X-Request-Id"] == event["requestContext"]["requestId"]
    return answer["statusCode"], json.loads(answer["body"] or "null"), answer["headers"]


def fetch(handler: Handler, link: str, *, authorization: str | None) -> tuple[int, Any, dict[str, str]]:
    url = httpx.URL(link)
    assert (url.scheme, url.host) == ("https", HOST)
    return call(handler, path=url.path, query=dict(url.params), method="GET", authorization=authorization)


def edit(handler: Handler, *files: tuple[str, bytes], number: int = 1, **texts: str) -> tuple[int, Any, dict[str, str]]:
    request = httpx.Request(
        "POST", "http://x/", data={"prompt": "x", **texts}, files=[(name, ("a", body)) for name, body in files]
    )
    kind = request.headers["content-type"]
    return call(handler, request.read(), path="/v1/images/edits", number=number, content_type=kind)


def keep(key: str, **asked: Any) -> None:
    DynamoDBKeyStore(aws.dynamodb(), "keys").save(ApiKey.of(key, read_key_request({"name": "x", **asked}), after(0)))


# ---- What comes back


def test_a_picture_in_openais_shape(images: Handler, workers: Workers) -> None:
    status, answer, headers = call(images)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
    [picture] = answer["data"]
    assert base64.b64decode(picture["b64_json"]) == workers.body
    assert fetch(images, picture["url"], authorization=None)[1] == workers.body
    assert (answer["size"], answer["output_format"]) == ("320x200", "png")
    assert isinstance(answer["created"], int)
    assert answer["heliograph"] == {
        "requested_model": None,
        "requested_size": "1536x1024",
        "aspect_ratio": "3:2",
        "ignored": [],
        "joined": False,
        "failures": [],
    }
    assert picture["heliograph"]["model"] == "gpt-image-2-beta"
    assert picture["heliograph"]["price_usd"] == "0.06"
    assert headers["X-Heliograph-Job-Ids"] == picture["heliograph"]["job_id"]


def test_the_job_is_one_of_the_api(images: Handler, jobs: DynamoDBJobStore) -> None:
    _, answer, _ = call(images)
    job = jobs.get(answer["data"][0]["heliograph"]["job_id"])
    assert job
    assert (job.source.kind, job.tenant, job.request.aspect_ratio) == ("api", "default", "3:2")


def test_an_answer_fits_what_lambda_hands_on(images: Handler, workers: Workers) -> None:
    workers.body = png(320, 200) + b"x" * 2_000_000
    _, answer, _ = call(images, {"prompt": "x", "n": 10})
    assert ["b64_json" in picture for picture in answer["data"]] == [True, True] + [False] * 8
    assert len(json.dumps({"body": json.dumps(answer)})) < 6_291_556


def test_images_are_edited(images: Handler, deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    status, answer, _ = edit(images, ("image[]", png(8, 8)), ("image[]", jpeg(8, 8)), n="2")
    assert (status, len(answer["data"])) == (200, 2)
    job = jobs.get(answer["data"][0]["heliograph"]["job_id"])
    assert job
    kept = aws.s3().list_objects_v2(Bucket=deployment.uploads_bucket)["Contents"]
    named = {ObjectLocation.parse(reference).key for reference in job.request.reference_uris}
    assert {item["Key"] for item in kept} == named | {f"pending/{key}" for key in named}
    assert {key.partition("/")[0] for key in named} == {"references"}


def test_a_repeat_with_another_boundary_is_the_same_call(images: Handler) -> None:
    _, first, _ = edit(images, ("image", png(8, 8)))
    request = httpx.Request("POST", "http://x/", data={"prompt": "x"}, files=[("image", ("b", png(8, 8)))])
    _, second, _ = call(
        images,
        request.read(),
        path="/v1/images/edits",
        number=2,
        content_type=request.headers["content-type"],
        x_stainless_retry_count="1",
    )
    assert first["data"][0]["heliograph"]["job_id"] == second["data"][0]["heliograph"]["job_id"]


# ---- Programs, with base_url and key changed


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_gets_its_image(images: Handler, workers: Workers, program: Program) -> None:
    sent = {"prompt": "a fox", **program.body}
    if program.file_field:
        texts = {name: str(value) for name, value in sent.items()}
        status, answer, headers = edit(images, (program.file_field, png(8, 8)), **texts)  # type: ignore[arg-type]
    else:
        status, answer, headers = call(images, sent)
    assert status == 200, answer
    assert len(answer["data"]) == int(program.body.get("n", 1))
    for image in answer["data"]:
        assert {"url", "b64_json"} & image.keys() == {program.reads}
        if program.reads == "url":
            key = f"Bearer {API_KEY}" if program.with_key else None
            status, body, shown = fetch(images, image["url"], authorization=key)
            assert (status, shown["Content-Type"]) == (200, "image/png")
        else:
            body = base64.b64decode(image["b64_json"])
        assert body == workers.body
    ignored = program.ignored | ({"output_format"} if program.body.get("output_format", "png") != "png" else set())
    assert set(answer["heliograph"]["ignored"]) == ignored
    assert headers.get("X-Heliograph-Ignored", "") == ", ".join(sorted(ignored))
    assert answer["heliograph"]["requested_model"] == program.body["model"]


def test_at_least_ten_programs_are_tried() -> None:
    assert len({re.split("[, ]", program.name)[0] for program in PROGRAMS}) >= 10
    assert {program.body["model"] for program in PROGRAMS} <= set(OPENAI_MODELS)


def test_the_models_are_listed_in_openais_shape(images: Handler) -> None:
    status, answer, _ = call(images, path="/v1/models", method="GET")
    assert (status, answer["object"]) == (200, "list")
    assert [entry["id"] for entry in answer["data"]] == ["gpt-image-2-beta", *OPENAI_MODELS]
    assert answer["data"][0] == {"id": "gpt-image-2-beta", "object": "model", "created": 0, "owned_by": "heliograph"}


@pytest.mark.parametrize("name", ["gpt-image-2-beta", "dall-e-3", "gpt-image-1.5"])
def test_one_model_is_told_in_openais_shape(images: Handler, name: str) -> None:
    status, answer, _ = call(images, path=f"/v1/models/{name}", method="GET")
    assert (status, answer["id"], answer["object"]) == (200, name, "model")


def test_a_model_that_is_not_there_is_told_so(images: Handler) -> None:
    status, answer, _ = call(images, path="/v1/models/gpt-4o", method="GET")
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (404, "model_not_found", "model")


# ---- Links that carry their own permission


@pytest.fixture
def link(images: Handler) -> str:
    _, answer, _ = call(images, {"prompt": "x", "response_format": "url"})
    return str(answer["data"][0]["url"])


@pytest.mark.parametrize("header", [None, f"Bearer {API_KEY}", f"Bearer {STRANGER}", "Basic eA=="])
def test_a_link_is_read_whatever_authorization_comes_with_it(
    images: Handler, workers: Workers, link: str, header: str | None
) -> None:
    status, body, headers = fetch(images, link, authorization=header)
    assert (status, body, headers["Content-Type"]) == (200, workers.body, "image/png")


def test_an_image_without_room_in_an_answer_is_redirected_to(images: Handler, workers: Workers) -> None:
    workers.body = png(320, 200) + b"x" * 4_500_000
    _, answer, _ = call(images, {"prompt": "x", "response_format": "url"})
    status, _, headers = fetch(images, answer["data"][0]["url"], authorization=None)
    assert status == 302
    assert "X-Amz-Signature=" in headers["Location"]
    assert headers["Cache-Control"] == "no-store"


def test_a_link_lasts_an_hour(images: Handler, link: str, clock: SteppingClock) -> None:
    clock.step(3599)
    assert fetch(images, link, authorization=None)[0] == 200
    clock.step(1)
    status, answer, _ = fetch(images, link, authorization=None)
    assert (status, answer["error"]["code"]) == (404, "no_such_file")


@pytest.mark.parametrize(
    ("part", "other"),
    [("proof=.", "proof=x"), ("until=.", "until=9"), ("/1.png", "/2.png"), ("proof=", "proof=é")],
)
def test_a_link_that_was_changed_leads_nowhere(images: Handler, link: str, part: str, other: str) -> None:
    changed = re.sub(part, other, link)
    assert changed != link
    status, answer, _ = fetch(images, changed, authorization=f"Bearer {API_KEY}")
    assert (status, answer["error"]["code"]) == (404, "no_such_file")


def test_a_link_made_up_reads_nothing(
    images: Handler, workers: Workers, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    def asked(*_: object) -> Any:
        pytest.fail("a table was asked")

    monkeypatch.setattr(DynamoDBJobReader, "get", asked)
    for path in (f"{FILES}/job_{'a' * 26}/1.png", f"{FILES}/x/1.png", f"{FILES}/", f"{FILES}/a/b/c"):
        status, answer, _ = call(images, path=path, method="GET", query={"until": "9999999999", "proof": "0" * 64})
        assert status == 404
        assert answer["error"]["type"] == "invalid_request_error"


def test_a_link_leads_to_where_the_caller_sees_the_function(images: Handler) -> None:
    _, answer, _ = call(
        images,
        {"prompt": "x", "response_format": "url"},
        x_forwarded_proto="http",
        x_forwarded_host="127.0.0.1:4566",
        x_forwarded_prefix="/there/",
    )
    assert answer["data"][0]["url"].startswith(f"http://127.0.0.1:4566/there{FILES}/job_")


# ---- Who is let in


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", f"Bearer {STRANGER}", f"Basic {API_KEY}", API_KEY])
@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits", "/", "/v1/jobs"])
def test_nobody_gets_in_without_a_key(images: Handler, header: str | None, path: str) -> None:
    status, answer, headers = call(images, path=path, authorization=header)
    assert (status, answer["error"]["code"], headers["x-should-retry"]) == (401, "invalid_api_key", "false")
    assert items("jobs") == []


def test_a_revoked_key_opens_nothing(images: Handler) -> None:
    keep(SHOPS)
    record = next(iter(DynamoDBKeyStore(aws.dynamodb(), "keys").scan()))
    assert call(images, authorization=f"Bearer {SHOPS}")[0] == 200
    DynamoDBKeyStore(aws.dynamodb(), "keys").save(record.model_copy(update={"revoked_at": after(1)}))
    assert call(images, authorization=f"Bearer {SHOPS}")[0] == 401


@pytest.mark.parametrize("scope", [Scope.JOBS_READ, Scope.JOBS_WRITE])
def test_a_key_must_open_both_what_is_made_and_what_is_shown(images: Handler, scope: Scope) -> None:
    keep(SHOPS, scopes=[scope])
    status, answer, _ = call(images, authorization=f"Bearer {SHOPS}")
    assert (status, answer["error"]["code"]) == (403, "insufficient_scope")
    assert items("jobs") == []


def test_a_key_has_its_tenant_and_its_budget(images: Handler, jobs: DynamoDBJobStore) -> None:
    keep(SHOPS, tenant="shop", daily_budget_usd="0.10")
    status, answer, _ = call(images, authorization=f"Bearer {SHOPS}")
    job = jobs.get(answer["data"][0]["heliograph"]["job_id"])
    assert job
    assert (status, job.tenant, job.results[0].key.partition("/")[0]) == (200, "shop", "tenants")
    status, answer, headers = call(images, number=2, authorization=f"Bearer {SHOPS}")
    assert (status, answer["error"]["code"], headers["x-should-retry"]) == (429, "insufficient_quota", "false")


def test_what_is_too_often_is_refused_and_its_repeat_is_no_repeat_of_what_was_answered(
    images: Handler, clock: SteppingClock
) -> None:
    clock.go_to(after(18))
    keep(SHOPS, requests_per_minute=1)
    _, first, headers = call(images, authorization=f"Bearer {SHOPS}")
    assert headers["RateLimit"] == '"key";r=0;t=42'
    status, answer, headers = call(images, number=2, authorization=f"Bearer {SHOPS}")
    assert (status, answer["error"]["code"]) == (429, "rate_limit_exceeded")
    assert (headers["Retry-After"], headers["x-should-retry"]) == ("42", "true")
    clock.step(60)
    status, later, _ = call(images, number=3, authorization=f"Bearer {SHOPS}", x_stainless_retry_count="1")
    assert status == 200
    assert first["data"][0]["heliograph"]["job_id"] != later["data"][0]["heliograph"]["job_id"]


def test_each_image_of_n_counts_as_a_call(images: Handler, clock: SteppingClock) -> None:
    clock.go_to(after(18))
    keep(SHOPS, requests_per_minute=5)
    status, _, headers = call(images, {"prompt": "x", "n": 4}, authorization=f"Bearer {SHOPS}")
    assert (status, headers["RateLimit"]) == (200, '"key";r=1;t=42')
    status, answer, _ = call(images, {"prompt": "y", "n": 2}, number=2, authorization=f"Bearer {SHOPS}")
    assert (status, answer["error"]["code"]) == (429, "rate_limit_exceeded")
    assert len(items("jobs")) == 4


def test_more_images_at_once_than_a_minute_has_are_refused_for_good(images: Handler) -> None:
    keep(SHOPS, requests_per_minute=1)
    status, answer, headers = call(images, {"prompt": "x", "n": 10}, authorization=f"Bearer {SHOPS}")
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (429, "rate_limit_exceeded", "n")
    assert headers["x-should-retry"] == "false"
    assert items("jobs") == []


def written_bytes() -> int:
    return len(json.dumps(items("calls")))


def test_a_call_over_the_rate_stores_no_image_and_writes_a_bounded_number_of_bytes(
    images: Handler, deployment: Deployment, clock: SteppingClock
) -> None:
    clock.go_to(after(18))
    keep(SHOPS, requests_per_minute=1)
    call(images, authorization=f"Bearer {SHOPS}")
    before = written_bytes()
    for number in range(2, 42):
        form = httpx.Request("POST", "http://x/", data={"prompt": "x"}, files=[("image", ("a", png(8, 8)))])
        kind = form.headers["content-type"]
        key = f"Bearer {SHOPS}"
        options: dict[str, Any] = {"number": number, "authorization": key, "content_type": kind}
        status, _, _ = call(images, form.read(), path="/v1/images/edits", **options)
        assert status == 429
    assert "Contents" not in aws.s3().list_objects_v2(Bucket=deployment.uploads_bucket)
    assert written_bytes() - before < 1_000


def test_a_key_without_budget_stores_no_image(images: Handler, deployment: Deployment) -> None:
    keep(SHOPS, daily_budget_usd="0.01")
    form = httpx.Request("POST", "http://x/", data={"prompt": "x"}, files=[("image", ("a", png(8, 8)))])
    kind = form.headers["content-type"]
    status, answer, _ = call(
        images, form.read(), path="/v1/images/edits", authorization=f"Bearer {SHOPS}", content_type=kind
    )
    assert (status, answer["error"]["code"]) == (429, "insufficient_quota")
    assert "Contents" not in aws.s3().list_objects_v2(Bucket=deployment.uploads_bucket)


def stored_keys(deployment: Deployment) -> list[str]:
    listed = aws.s3().list_objects_v2(Bucket=deployment.uploads_bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


def test_an_image_is_pending_until_a_job_names_it(
    images: Handler, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = S3ObjectStore.copy
    seen: list[str] = []

    def copying(store: S3ObjectStore, *which: Any, **how: Any) -> Any:
        seen.extend(stored_keys(deployment))
        return copy(store, *which, **how)

    monkeypatch.setattr(S3ObjectStore, "copy", copying)
    assert edit(images, ("image", png(8, 8)))[0] == 200
    name = f"references/{hashlib.sha256(png(8, 8)).hexdigest()}.png"
    assert seen == [f"pending/{name}"]
    assert stored_keys(deployment) == [f"pending/{name}", name]


def test_the_next_of_too_many_waits_of_a_key_is_refused_and_costs_nothing(images: Handler) -> None:
    keep(SHOPS)
    [record] = DynamoDBKeyStore(aws.dynamodb(), "keys").scan()
    waits = DynamoDBOpenWaits(aws.dynamodb(), "calls")
    for number in range(10):
        waits.begin(record.key_id, f"w{number}", now=after(0), until=after(300))
    status, answer, headers = call(images, authorization=f"Bearer {SHOPS}")
    assert (status, answer["error"]["code"], answer["error"]["type"]) == (429, "too_many_waits", "rate_limit_error")
    assert (headers["Retry-After"], headers["x-should-retry"]) == ("5", "true")
    assert items("jobs") == []
    waits.end(record.key_id, "w3")
    assert call(images, authorization=f"Bearer {SHOPS}", number=2)[0] == 200
    assert call(images, authorization=f"Bearer {SHOPS}", number=3)[0] == 200


# ---- How it is told what went wrong


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": "x" * 20_001}, "prompt", "invalid_value"),
        ({"prompt": "x", "seed": 1}, "seed", "unknown_parameter"),
        ({"prompt": "x", "quality": "best"}, "quality", "invalid_value"),
        ({"prompt": "x", "svg": {}}, "svg", "unsupported_parameter"),
        ({"prompt": "x", "background": "transparent"}, "background", "unsupported_value"),
        ({"prompt": "x", "stream": True}, "stream", "unsupported_value"),
        ({"prompt": "x", "size": "1024x3072"}, "size", "unsupported_value"),
        ({"prompt": "x", "model": "dall-e-1"}, "model", "model_not_found"),
        ({"prompt": "x", "user": "u" * 513}, "user", "invalid_value"),
        ([], None, "invalid_body"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(images: Handler, body: Any, param: str | None, code: str) -> None:
    status, answer, headers = call(images, body)
    error = answer["error"]
    assert (status, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)
    assert headers["x-should-retry"] == "false"
    assert items("jobs") == []


def test_a_prompt_that_is_too_long_for_anybody_is_not_read(images: Handler) -> None:
    status, answer, _ = call(images, {"prompt": "x" * 300_000})
    assert (status, answer["error"]["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("files", "param", "code"),
    [
        ([("image", b"no picture")], "image", "unsupported_media"),
        ([("image", b"")], "image", "unsupported_media"),
        ([("image", jpeg()[:-2])], "image", "unsupported_media"),
        ([("image", b"\xff\xd8\xff")] * 17, "image", "invalid_value"),
        ([("other", b"\xff\xd8\xff")], "other", "invalid_value"),
        ([("image", b"\xff\xd8\xff"), ("mask", b"x")], "mask", "unsupported_parameter"),
        ([("image", b"\xff\xd8\xff"), ("markup", b"x")], "markup", "unsupported_parameter"),
    ],
)
def test_an_image_that_is_wrong_is_named(
    images: Handler, deployment: Deployment, files: list[tuple[str, bytes]], param: str, code: str
) -> None:
    status, answer, _ = edit(images, *files)
    assert (status, answer["error"]["param"], answer["error"]["code"]) == (400, param, code)
    assert "Contents" not in aws.s3().list_objects_v2(Bucket=deployment.uploads_bucket)


def test_an_edit_that_is_no_form_is_told_so(images: Handler) -> None:
    status, answer, _ = call(images, {"prompt": "x"}, path="/v1/images/edits")
    assert (status, answer["error"]["code"]) == (400, "invalid_body")
    assert "multipart/form-data" in answer["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/images/edits"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_not_allowed(images: Handler, path: str, method: str) -> None:
    status, answer, headers = call(images, path=path, method=method)
    assert (status, answer["error"]["code"], headers["Allow"]) == (405, "method_not_allowed", "POST")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/images", "/v1/images/variations", "/images/generations", "/v1/jobs"])
def test_another_path_is_not_there(images: Handler, path: str) -> None:
    status, answer, _ = call(images, path=path)
    assert (status, answer["error"]["code"]) == (404, "unknown_url")


CASES: list[tuple[Exception, int, str, str | None, bool]] = [
    (MalformedDocument(Fault("", "no JSON")), 400, "invalid_body", None, False),
    (InvalidRequest(Fault("/references/1", "x")), 400, "invalid_value", "image", False),
    (InvalidRequest(Fault("/aspect_ratio", "x")), 400, "invalid_value", "size", False),
    (InvalidRequest(Fault("/metadata/user", "x")), 400, "invalid_value", "user", False),
    (InvalidRequest(Fault("", "x")), 400, "invalid_value", None, False),
    (UnusableParameters("unknown_parameter", Fault("/seed", "x")), 400, "unknown_parameter", "seed", False),
    (BudgetExceeded("*", "2026-11-22", 5_000_000), 429, "insufficient_quota", None, False),
    (Interrupted(("job_a",)), 503, "unavailable", None, True),
    (StorageFailed("x"), 503, "unavailable", None, True),
    (WorkflowFailed("x"), 503, "unavailable", None, True),
    (ConfigurationError("x"), 500, "internal", None, True),
    (KeyError("secret"), 500, "internal", None, True),
]


@pytest.mark.parametrize(("error", "status", "code", "param", "again"), CASES)
def test_what_is_raised_is_told_in_openais_words(
    error: Exception, status: int, code: str, param: str | None, again: bool
) -> None:
    answer = Refusal.of(error).response()
    told = json.loads(str(answer.body))["error"]
    assert (answer.status_code, told["code"], told["param"]) == (status, code, param)
    assert answer.headers["x-should-retry"] == str(again).lower()
    assert "secret" not in told["message"]


WISH = GenerationRequest(prompt="a fox")


def no_link(_: GeneratedImage) -> ImageUrl:
    pytest.fail("there is nothing to link to")


STATUSES = {
    FailureCode.INVALID_INPUT: (400, "invalid_value"),
    FailureCode.UNSUPPORTED_MEDIA: (400, "unsupported_media"),
    FailureCode.CONTENT_BLOCKED: (400, "content_policy_violation"),
    FailureCode.BUDGET_EXCEEDED: (429, "insufficient_quota"),
    FailureCode.RATE_LIMITED: (429, "rate_limit_exceeded"),
    FailureCode.ROUTE_UNAVAILABLE: (503, "route_unavailable"),
    FailureCode.PROVIDER_TIMEOUT: (504, "provider_timeout"),
    FailureCode.PROVIDER_FAILED: (502, "provider_failed"),
    FailureCode.SUBMISSION_UNCERTAIN: (502, "submission_uncertain"),
    FailureCode.RESULT_UNUSABLE: (502, "result_unusable"),
    FailureCode.PRESET_STOPPED: (400, "preset_stopped"),
    FailureCode.INTERNAL: (500, "internal"),
}


@pytest.mark.parametrize("code", FailureCode)
@pytest.mark.parametrize("charged", Charged)
def test_a_job_that_failed_is_told_once_and_what_it_cost(code: FailureCode, charged: Charged) -> None:
    failure = Failure(code=code, message="it went wrong", retryable=charged is Charged.NO, charged=charged)
    job = failed_job().model_copy(update={"failure": failure})
    with pytest.raises(Refusal) as raised:
        images_response(Images((job,), missing=(Missing(job, failure),)), WISH, no_link)
    refusal = raised.value
    assert (refusal.status, refusal.code) == STATUSES[code]
    # The same call has the same job, which has failed for good.
    assert refusal.should_retry is False
    assert ("Nothing was charged" in refusal.message) == (charged is Charged.NO)
    assert ("may succeed" in refusal.message) == failure.retryable


def test_a_job_that_is_not_over_is_worth_waiting_for_again() -> None:
    with pytest.raises(Refusal) as raised:
        images_response(Images((processing_job(),), missing=(Missing(processing_job(), None),)), WISH, no_link)
    assert (raised.value.status, raised.value.code, raised.value.should_retry) == (504, "still_processing", True)


def test_a_job_that_was_canceled_is_told_so() -> None:
    job = queued_job(status=JobStatus.CANCELED)
    with pytest.raises(Refusal) as raised:
        images_response(Images((job,), missing=(Missing(job, None),)), WISH, no_link)
    assert (raised.value.status, raised.value.code, raised.value.should_retry) == (409, "canceled", False)


def test_a_failed_job_is_told_by_the_function(images: Handler, workers: Workers) -> None:
    workers.failure = BROKE
    status, answer, headers = call(images)
    assert (status, answer["error"]["code"], headers["x-should-retry"]) == (502, "provider_failed", "false")
    assert headers["X-Heliograph-Job-Ids"].startswith("job_")


@pytest.mark.parametrize(
    ("store", "method"),
    [
        (DynamoDBKeyStore, "get"),
        (DynamoDBRecentCalls, "look"),
        (DynamoDBRecentCalls, "save"),
        (DynamoDBJobStore, "add"),
    ],
)
def test_a_table_that_is_away_is_told_as_worth_repeating(
    images: Handler, monkeypatch: pytest.MonkeyPatch, store: type, method: str
) -> None:
    def away(*_: object, **__: object) -> Any:
        raise StorageFailed("x: InternalServerError")

    monkeypatch.setattr(store, method, away)
    status, answer, headers = call(images, authorization=f"Bearer {STRANGER if method == 'get' else API_KEY}")
    assert (status, answer["error"]["code"], headers["x-should-retry"]) == (503, "unavailable", "true")


def test_what_nobody_thought_of_is_told_in_the_same_shape(images: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise KeyError("secret")

    monkeypatch.setattr(DynamoDBKeyStore, "get", broken)
    status, answer, _ = call(images, authorization=f"Bearer {STRANGER}")
    assert (status, set(answer["error"])) == (500, {"message", "type", "param", "code"})
    assert "secret" not in json.dumps(answer)


def test_neither_keys_nor_prompts_nor_links_are_logged(
    images: Handler, logged: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    call(images, {"prompt": "a-secret-prompt", "seed": "a-secret-value"})
    call(images, {"prompt": "a-secret-prompt"}, number=2)
    call(images, authorization=f"Bearer {STRANGER}", number=3)
    edit(images, ("image", b"a-secret-image"), number=4)
    told = logged() + capsys.readouterr().out
    assert "images made" in told
    assert not re.search(f"a-secret|X-Amz-Signature|{API_KEY}|{STRANGER}", told)
