"""The functions themselves, started anew as Lambda starts them, with AWS as moto plays it."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from heliograph.execution.sweep import ONE_JOB
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.deadlines import ORPHAN_GRACE
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.retry_policy import CALL_LIMIT
from heliograph.kernel.errors import ConfigurationError, StorageFailed
from heliograph.platform.event_bus import EventBridgeBus
from heliograph.providers.adapters.apimodels import ApiModels
from heliograph.providers.protocol import Accepted, Completed, NoAnswer, StillRunning, Uncertain
from heliograph.routes.poll_schedule import LONGEST_GAP_SECONDS
from heliograph.runtime.environment import variables_of
from heliograph.webhooks.event_catalogue import BudgetWarning, PublishedEvent, event_type

from tests.contract.cfn_template import ROOT
from tests.contract.function_settings import settings_of
from tests.examples import (
    ATTEMPT_ID,
    JOB_ID,
    NOW,
    RESULT_VERSION,
    TASK_ID,
    UPLOAD_KEY,
    attempting_job,
    failed_job,
    processing_job,
    queued_job,
    state_examples,
    succeeded_job,
)
from tests.fakes.clock import SteppingClock
from tests.integration.conftest import API_KEY, Deployment, items, secrets_manager
from tests.integration.lambdas import Context, Handler, started
from tests.integration.uploads import announcing, executions, put
from tests.pictures import jpeg, png
from tests.triggers import read

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(2126, 1, 1, tzinfo=UTC)
NAMES = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The functions log to standard output, at length."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", NAMES)
def test_a_function_starts_with_its_own_variables_alone(name: str, environment: dict[str, str]) -> None:
    assert callable(started(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_function_that_lacks_one_of_its_variables_does_not_start_and_names_it(
    name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in sorted(variables_of(settings_of(name))):
        with monkeypatch.context() as lacking:
            lacking.delenv(variable)
            with pytest.raises(ConfigurationError, match=f"^{variable}: is required$"):
                started(name)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_a_function_lacks_is_named_at_once(
    name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = variables_of(settings_of(name))
    for variable in own:
        monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError) as caught:
        started(name)
    assert set(str(caught.value).split("; ")) == {f"{variable}: is required" for variable in own}


PRESET = json.dumps({"prompt": "a white background", "aspect_ratio": "1:1"}).encode()


def failed_messages(answer: Any) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def upload(deployment: Deployment, key: str = UPLOAD_KEY, body: bytes = jpeg()) -> tuple[str, str]:
    return key, put(deployment.uploads_bucket, key, body)


def test_an_upload_becomes_a_job_that_runs(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    batch = announcing(upload(deployment), bucket=deployment.uploads_bucket)
    assert failed_messages(started("submit_upload")(batch)) == []
    [job_id] = executions(deployment)
    job = jobs.get(job_id)
    assert job
    assert (job.request.prompt, job.source.preset, job.status) == (
        "a white background",
        "white-background",
        JobStatus.QUEUED,
    )


def test_an_upload_announced_twice_is_one_job(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    one = upload(deployment)
    handler = started("submit_upload")
    for _ in range(2):
        assert failed_messages(handler(announcing(one, one, bucket=deployment.uploads_bucket))) == []
    assert len(executions(deployment)) == 1


def test_a_bad_message_keeps_no_good_one_waiting(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    batch = announcing(upload(deployment), bucket=deployment.uploads_bucket)
    batch["Records"].insert(0, {**batch["Records"][0], "messageId": "bad", "body": "{}"})
    assert failed_messages(started("submit_upload")(batch)) == ["bad"]
    assert len(executions(deployment)) == 1


@pytest.mark.parametrize("body", ["", "no JSON", "[]", '{"detail": {}}', '{"detail": {"bucket": {"name": "b"}}}'])
def test_a_batch_of_which_all_failed_goes_back_message_by_message(jobs: DynamoDBJobStore, body: str) -> None:
    record = read("upload_created.sqs.json")["Records"][0]
    batch = {"Records": [{**record, "messageId": name, "body": body} for name in ("a", "b")]}
    assert failed_messages(started("submit_upload")(batch)) == ["a", "b"]


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (UPLOAD_KEY, b"no picture"),
        (UPLOAD_KEY, b""),
        (UPLOAD_KEY, jpeg()),  # there is no preset
        ("jobs/order.json", b"{"),
        ("jobs/order.json", b"[]"),
        ("jobs/order.json", json.dumps({"prompt": ""}).encode()),
        ("jobs/order.txt", b"{}"),
        ("uploads/shoe.jpg", jpeg()),
    ],
)
def test_a_rejected_upload_is_done_with_and_starts_nothing(
    deployment: Deployment, jobs: DynamoDBJobStore, key: str, body: bytes
) -> None:
    batch = announcing(upload(deployment, key, body), bucket=deployment.uploads_bucket)
    assert failed_messages(started("submit_upload")(batch)) == []
    assert executions(deployment) == []


def test_a_preset_with_faults_is_announced_and_listed_when_it_arrives(
    deployment: Deployment, jobs: DynamoDBJobStore, published: list[PublishedEvent]
) -> None:
    key = "presets/white.json"
    version = put(deployment.uploads_bucket, key, b'{"prompt": "x", "aspect_ratio": "4x5"}')
    batch = announcing((key, version), (key, version), bucket=deployment.uploads_bucket)
    assert failed_messages(started("submit_upload")(batch)) == []
    assert types_of(published) == ["image.preset.rejected"] * 2
    [item] = items(deployment.rejections_table)
    assert (item["kind"], item["preset"]) == ({"S": "preset"}, {"S": "white"})


def test_a_result_that_is_put_among_the_uploads_starts_nothing(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    metadata = {"heliograph-job-id": JOB_ID}
    version = put(deployment.uploads_bucket, UPLOAD_KEY, jpeg(), **metadata)
    batch = announcing((UPLOAD_KEY, version), bucket=deployment.uploads_bucket)
    assert failed_messages(started("submit_upload")(batch)) == []
    assert executions(deployment) == []


def test_an_upload_whose_bucket_can_not_be_read_comes_again(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    batch = announcing((UPLOAD_KEY, "v1"), bucket="nobodys-bucket")
    assert failed_messages(started("submit_upload")(batch)) == ["0"]


def post(handler: Handler, body: Any = None, **changes: Any) -> tuple[int, Any, dict[str, list[str]]]:
    """The answer to `POST /v1/jobs`."""
    event = read("post_job.json") | changes
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    answer = handler(event)
    return answer["statusCode"], json.loads(answer["body"]), answer["multiValueHeaders"]


def test_a_call_becomes_a_job_that_runs(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    status, document, headers = post(started("submit_job"))
    assert (status, document["status"], document["task"]) == (202, "queued", "text-to-image")
    assert headers["Location"] == [f"jobs/{document['id']}"]
    assert executions(deployment) == [document["id"]]
    job = jobs.get(document["id"])
    assert job
    assert (job.tenant, job.request.aspect_ratio) == ("default", "16:9")


def test_the_same_call_again_is_the_same_job(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    handler = started("submit_job")
    _, first, headers = post(handler)
    status, second, again = post(handler)
    assert (status, second["id"]) == (202, first["id"])
    assert ("Idempotent-Replayed" in headers, again["Idempotent-Replayed"]) == (False, ["true"])
    assert len(executions(deployment)) == 1


def test_a_key_used_with_another_body_is_refused(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    handler = started("submit_job")
    post(handler)
    status, problem, _ = post(handler, {"prompt": "something else"})
    assert (status, problem["code"]) == (422, "invalid_input")
    assert len(executions(deployment)) == 1


def test_calls_without_a_key_are_jobs_of_their_own(
    deployment: Deployment, jobs: DynamoDBJobStore, clock: SteppingClock
) -> None:
    handler = started("submit_job")
    event = read("post_job.json")
    # Each is answered at once; calls that were slow would be one.
    clock.go_to(datetime.fromtimestamp(event["requestContext"]["requestTimeEpoch"] / 1000, UTC))
    headers = {name: value for name, value in event["headers"].items() if name != "Idempotency-Key"}
    for number in range(2):
        post(
            handler,
            headers=headers,
            multiValueHeaders={},
            requestContext={**event["requestContext"], "requestId": str(number)},
        )
    assert len(executions(deployment)) == 2


@pytest.mark.parametrize("spelling", ["idempotency-key", "IDEMPOTENCY-KEY"])
def test_a_header_is_found_in_any_spelling(deployment: Deployment, jobs: DynamoDBJobStore, spelling: str) -> None:
    handler = started("submit_job")
    _, first, _ = post(handler)
    event = read("post_job.json")
    headers = {name: value for name, value in event["headers"].items() if name != "Idempotency-Key"}
    _, second, _ = post(handler, headers={**headers, spelling: "order-1041-hero"}, multiValueHeaders={})
    assert second["id"] == first["id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "malformed_body"),
        ("{", 400, "malformed_body"),
        ("[]", 400, "malformed_body"),
        ("NaN", 400, "malformed_body"),
        ('{"prompt": NaN}', 400, "malformed_body"),
        ("[" * 100_000, 400, "malformed_body"),
        ({}, 422, "invalid_input"),
        ({"prompt": " "}, 422, "invalid_input"),
        ({"prompt": "\ud800"}, 400, "malformed_body"),
        ({"prompt": "x", "metadata": {"\udc00": "x"}}, 400, "malformed_body"),
        ({"prompt": "x", "output_key": "{name}/{index}.png"}, 422, "invalid_input"),
        ({"prompt": "x", "output_key": "{name}/{index}{ext}"}, 422, "invalid_input"),
        ({"prompt": "x", "output_key": "{name}.{ext}/{index}"}, 422, "invalid_input"),
        ({"prompt": "x", "size": "1024"}, 422, "invalid_input"),
        ({"prompt": "x", "references": ["https://169.254.169.254/"]}, 422, "invalid_input"),
        ({"prompt": "x", "references": ["s3://heliograph-uploads/nowhere.png"]}, 422, "invalid_input"),
        ({"prompt": "x", "references": ["s3://another-bucket/a.png"]}, 422, "invalid_input"),
        ({"prompt": "x" * 300_000}, 413, "payload_too_large"),
    ],
)
def test_a_call_that_can_not_become_a_job_is_told_why(
    deployment: Deployment, jobs: DynamoDBJobStore, body: Any, status: int, code: str
) -> None:
    answered, problem, headers = post(started("submit_job"), body)
    assert (answered, problem["code"], problem["charged"]) == (status, code, "no")
    assert headers["Content-Type"] == ["application/problem+json"]
    assert executions(deployment) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"prompt": "x"}', 202, None),
        ('{"prompt": "夕暮れ 🌊"}'.encode(), 202, None),
        (b'{"prompt": "\xff\xfe"}', 400, "malformed_body"),
        (b"\x89PNG\r\n\x1a\n\x00", 400, "malformed_body"),
        (b"\xed\xa0\x80", 400, "malformed_body"),
        (b"", 400, "malformed_body"),
        (b"\xff" * 262_145, 413, "payload_too_large"),
        (b" " * 262_144, 400, "malformed_body"),
    ],
)
def test_a_body_that_the_gateway_took_for_bytes_is_read(
    deployment: Deployment, jobs: DynamoDBJobStore, body: bytes, status: int, code: str | None
) -> None:
    answered, document, _ = post(
        started("submit_job"), base64.b64encode(body).decode(), isBase64Encoded=True, headers={}
    )
    assert (answered, document.get("code")) == (status, code)
    assert len(executions(deployment)) == (status == 202)


def test_an_output_key_that_can_not_end_well_is_named(jobs: DynamoDBJobStore) -> None:
    _, problem, _ = post(started("submit_job"), {"prompt": "x", "output_key": "{name}/{index}.png"})
    assert problem["errors"] == [{"pointer": "/output_key", "detail": "must end with the file's name and .{ext}"}]


def test_a_call_without_a_body_is_told_so(jobs: DynamoDBJobStore) -> None:
    answer = started("submit_job")(read("post_job.json") | {"body": None})
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "x" * 256])
def test_an_idempotency_key_that_is_none_is_refused(jobs: DynamoDBJobStore, key: str) -> None:
    headers = read("post_job.json")["headers"] | {"Idempotency-Key": key}
    status, problem, _ = post(started("submit_job"), headers=headers, multiValueHeaders={})
    assert (status, problem["code"]) == (422, "invalid_input")


def test_a_reference_in_our_buckets_is_looked_at(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    put(deployment.uploads_bucket, "logos/a b.png", png())
    uri = f"s3://{deployment.uploads_bucket}/logos/a b.png"
    status, document, _ = post(started("submit_job"), {"prompt": "x", "references": [uri]})
    assert (status, document["task"], document["request"]["references"]) == (202, "edit", [uri])


def test_a_broken_reference_is_its_owners_to_fix(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    put(deployment.uploads_bucket, "logos/half.png", png()[:-10])
    uri = f"s3://{deployment.uploads_bucket}/logos/half.png"
    status, problem, _ = post(started("submit_job"), {"prompt": "x", "references": [uri]})
    assert (status, problem["code"], problem["charged"]) == (422, "unsupported_media", "no")
    [fault] = problem["errors"]
    assert fault["pointer"] == "/references/0"
    assert "send the whole file again" in fault["detail"]
    assert not list(jobs.scan())


def test_a_table_that_is_away_is_a_problem_that_says_to_repeat(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> bool:
        raise StorageFailed("job_x: InternalServerError")

    monkeypatch.setattr(DynamoDBJobStore, "add", away)
    status, problem, headers = post(started("submit_job"))
    assert (status, problem["code"], problem["charged"]) == (503, "unavailable", "unknown")
    assert headers["Retry-After"] == ["5"]


def test_a_call_that_broke_and_has_no_key_must_not_be_repeated_blindly(
    jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> bool:
        raise StorageFailed("job_x: InternalServerError")

    monkeypatch.setattr(DynamoDBJobStore, "add", away)
    status, problem, headers = post(started("submit_job"), headers={}, multiValueHeaders={})
    assert (status, problem["code"], problem["retryable"], problem["charged"]) == (503, "unavailable", False, "unknown")
    assert "Retry-After" not in headers
    assert "may have made a job" in problem["detail"]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[PublishedEvent]:
    """What the functions publish."""
    events: list[PublishedEvent] = []
    monkeypatch.setattr(EventBridgeBus, "publish", lambda _, event: events.append(event))
    return events


def types_of(events: list[PublishedEvent]) -> list[str]:
    return [event_type(event) for event in events]


@pytest.mark.parametrize("name", ["DAILY_BUDGET_USD", "MONTHLY_BUDGET_USD"])
def test_a_call_that_does_not_fit_the_budget_is_refused_and_leaves_nothing_but_an_announcement(
    deployment: Deployment,
    jobs: DynamoDBJobStore,
    published: list[PublishedEvent],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv(name, "0.059999")
    handler = started("submit_job")
    for _ in range(2):
        status, problem, headers = post(handler)
        assert (status, problem["title"], problem["code"]) == (402, "Payment Required", "budget_exceeded")
        assert (problem["charged"], "Retry-After" in headers) == ("no", False)
        assert problem["detail"].startswith("the budget of all tenants together for 2")
        # How much it is concerns nobody but the operator.
        assert "0.059999" not in problem["detail"]
        assert headers["Content-Type"] == ["application/problem+json"]
    assert executions(deployment) == []
    assert items("jobs") == []
    assert ["committed" in page for page in items("ledger")] == [False]
    assert types_of(published) == ["image.budget.exhausted"]


def test_a_tenant_is_told_of_its_own_budget(jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANTS", json.dumps({"default": {"daily_budget_usd": "0.01"}}))
    status, problem, _ = post(started("submit_job"))
    assert (status, problem["detail"].partition(" for ")[0]) == (402, "the budget of tenant default")


def test_the_call_that_used_the_budget_up_can_be_repeated(
    jobs: DynamoDBJobStore, published: list[PublishedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILY_BUDGET_USD", "0.06")
    handler = started("submit_job")
    first = post(handler)
    assert first[0] == 202
    status, document, headers = post(handler)
    assert (status, document["id"], headers["Idempotent-Replayed"]) == (202, first[1]["id"], ["true"])
    other = read("post_job.json")["headers"] | {"Idempotency-Key": "another"}
    assert post(handler, headers=other, multiValueHeaders={})[0] == 402


def test_a_dry_run_costs_no_budget(
    jobs: DynamoDBJobStore, published: list[PublishedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILY_BUDGET_USD", "0.01")
    assert post(started("submit_job"), {"prompt": "x", "dry_run": True})[0] == 200
    assert (items("ledger"), published) == ([], [])


def test_an_upload_that_does_not_fit_the_budget_is_rejected_and_done_with(
    deployment: Deployment,
    jobs: DynamoDBJobStore,
    published: list[PublishedEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MONTHLY_BUDGET_USD", "0.01")
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    batch = announcing(upload(deployment), bucket=deployment.uploads_bucket)
    assert failed_messages(started("submit_upload")(batch)) == []
    assert (executions(deployment), items("jobs")) == ([], [])
    assert types_of(published) == ["image.budget.exhausted", "image.upload.rejected"]


def test_the_ledger_is_even_when_a_job_is_done(
    a_queued_job: Job, jobs: DynamoDBJobStore, published: list[PublishedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiModels, "create", lambda *_: Accepted(TASK_ID))
    started("dispatch_job")(state("turn"))
    assert {page["reserved"]["N"] for page in items("ledger")} == {"60000"}
    assert [item["running"]["N"] for item in items("routes") if "running" in item] == ["1"]
    assert started("finalize_job")(state("failed") | {"attempt_id": ATTEMPT_ID})["outcome"] == "over"
    assert {page["committed"]["N"] for page in items("ledger")} == {"0"}
    assert [item["running"]["N"] for item in items("routes") if "running" in item] == ["0"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/jobs", "/v1/jobs/x/results", "/images/v2/jobs"])
def test_a_path_that_is_nobodys_is_not_found(environment: dict[str, str], path: str) -> None:
    event = read("get_job.json") | {"path": path, "resource": "/{proxy+}", "pathParameters": {"proxy": path[1:]}}
    answer = started("read_jobs")(event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/jobs", "/images/v1/jobs"])
def test_a_domain_may_put_a_path_before_ours(jobs: DynamoDBJobStore, path: str) -> None:
    assert post(started("submit_job"), path=path)[0] == 202


def get(handler: Handler, job_id: str, tenant: str = "default") -> tuple[int, Any]:
    """The answer to `GET /v1/jobs/{job_id}`."""
    event = read("get_job.json") | {"path": f"/v1/jobs/{job_id}", "pathParameters": {"job_id": job_id}}
    event["requestContext"]["authorizer"]["tenant"] = tenant
    answer = handler(event)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_job_is_shown_with_links_to_its_results(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    jobs.add(succeeded_job())
    status, document = get(started("read_jobs"), JOB_ID)
    assert (status, document["status"]) == (200, "succeeded")
    [result] = document["results"]
    link = urlsplit(result["url"])
    assert link.netloc == f"{deployment.results_bucket}.s3.eu-central-1.amazonaws.com"
    query = parse_qs(link.query)
    assert (query["X-Amz-Expires"], query["versionId"]) == (["900"], [RESULT_VERSION])
    assert result["version_id"] == RESULT_VERSION


@pytest.mark.parametrize("job_id", ["job_" + "a" * 26, "job_x", "x", JOB_ID.upper(), JOB_ID + "a", "..", "%2e%2e"])
def test_a_job_that_is_not_there_is_not_found(jobs: DynamoDBJobStore, job_id: str) -> None:
    jobs.add(queued_job())
    status, problem = get(started("read_jobs"), job_id)
    assert (status, problem["code"]) == (404, "not_found")


def test_another_tenants_job_is_not_found(jobs: DynamoDBJobStore) -> None:
    jobs.add(queued_job())
    handler = started("read_jobs")
    assert get(handler, JOB_ID, "another")[0] == 404
    assert get(handler, JOB_ID)[0] == 200


def effect(answer: dict[str, Any]) -> tuple[str, list[str]]:
    [statement] = answer["policyDocument"]["Statement"]
    return statement["Effect"], statement["Resource"]


@pytest.mark.parametrize("header", [f"Bearer {API_KEY}", f"bearer {API_KEY}"])
def test_the_right_key_opens_every_path_of_the_stage(environment: dict[str, str], header: str) -> None:
    answer = started("authorize_call")(read("authorize.json") | {"authorizationToken": header})
    arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/live/*/*"
    assert effect(answer) == ("Allow", [arn])
    told = {"tenant": "default", "scopes": "admin jobs:read jobs:write"}
    assert (answer["principalId"], answer["context"]) == ("default", told)


@pytest.mark.parametrize(("partition", "region"), [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")])
@pytest.mark.parametrize(("key", "opened"), [(API_KEY, "Allow"), ("wrong", "Deny")])
def test_an_answer_is_about_the_partition_of_its_call(
    environment: dict[str, str], partition: str, region: str, key: str, opened: str
) -> None:
    event = read("authorize.json")
    arn = event["methodArn"].replace("arn:aws:", f"arn:{partition}:").replace("eu-central-1", region)
    answer = started("authorize_call")(event | {"methodArn": arn, "authorizationToken": f"Bearer {key}"})
    assert effect(answer) == (opened, [f"arn:{partition}:execute-api:{region}:123456789012:a1b2c3d4e5/live/*/*"])


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", API_KEY, f"Basic {API_KEY}", "ä"])
def test_any_other_key_opens_nothing(environment: dict[str, str], header: str) -> None:
    answer = started("authorize_call")(read("authorize.json") | {"authorizationToken": header})
    assert effect(answer)[0] == "Deny"


def test_a_key_that_can_not_be_read_opens_nothing(
    environment: dict[str, str], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets_manager().delete_secret(SecretId=deployment.api_key_secret, ForceDeleteWithoutRecovery=True)
    handler = started("authorize_call")
    with pytest.raises(StorageFailed):
        handler(read("authorize.json"))


def state(name: str) -> dict[str, Any]:
    return state_examples()[name].model_dump(mode="json")


@pytest.fixture
def a_queued_job(jobs: DynamoDBJobStore) -> Job:
    job = queued_job(deadline_at=processing_job().created_at.replace(year=2126))
    jobs.add(job)
    return job


def test_the_dispatch_function_makes_a_task_and_writes_it_down(
    a_queued_job: Job, jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiModels, "create", lambda *_: Accepted(TASK_ID))
    answer = started("dispatch_job")(state("turn"))
    assert (answer["outcome"], answer["watch"]["task_id"]) == ("processing", TASK_ID)
    job = jobs.get(JOB_ID)
    assert job
    assert job.attempt
    assert (job.status, job.attempt.task_id) == (JobStatus.PROCESSING, TASK_ID)
    assert job.attempt.run_id == Context.aws_request_id


def test_the_dispatch_function_hands_the_provider_a_link_to_the_upload(
    a_queued_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Any] = []

    def create(_: ApiModels, request: Any) -> Uncertain:
        requests.append(request)
        return Uncertain("x")

    monkeypatch.setattr(ApiModels, "create", create)
    answer = started("dispatch_job")(state("turn"))
    assert (answer["outcome"], answer["failure"]["code"]) == ("failed", "submission_uncertain")
    [link] = requests[0].reference_urls
    assert "versionId=" in link
    assert "X-Amz-Expires=3600" in link


def test_the_poll_function_asks_once_and_passes_json_on(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApiModels, "poll", lambda *_: Completed(("https://r2.apimodels.app/1.png",)))
    answer = json.loads(json.dumps(started("poll_task")(state("processing"))))
    assert (answer["outcome"], answer["result_urls"]) == ("finished", ["https://r2.apimodels.app/1.png"])


def test_the_poll_function_counts_its_questions(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiModels, "poll", lambda *_: StillRunning())
    waiting = state("processing")
    waiting["watch"] |= {"began_at": "2026-01-01T00:00:00Z", "deadline_at": "2126-01-01T00:00:00Z"}
    answer = started("poll_task")(waiting)
    said = (answer["outcome"], answer["watch"]["polls"], answer["wait_seconds"])
    # It has run for longer than anybody planned.
    assert said == ("processing", 1, LONGEST_GAP_SECONDS)


@pytest.mark.parametrize(("name", "status"), [("failed", "failed"), ("expired", "expired")])
def test_the_finalize_function_ends_a_job_once(
    a_queued_job: Job, jobs: DynamoDBJobStore, name: str, status: str
) -> None:
    handler = started("finalize_job")
    assert handler(state(name)) == handler(state(name))
    job = jobs.get(JOB_ID)
    assert job
    assert (job.status, job.announced, job.revision) == (JobStatus(status), True, 2)


def test_the_finalize_function_refuses_what_is_no_outcome(environment: dict[str, str]) -> None:
    handler = started("finalize_job")
    with pytest.raises(ValueError, match="outcome"):
        handler({"outcome": "surprise", "job_id": JOB_ID})


def test_the_close_function_ends_a_job_that_never_began(a_queued_job: Job, jobs: DynamoDBJobStore) -> None:
    answer = started("recover_job")(state("crashed"))
    assert (answer["outcome"], answer["status"]) == ("over", "failed")
    job = jobs.get(JOB_ID)
    assert job
    assert job.failure
    assert (job.failure.code, job.failure.charged) == ("internal", "no")


def working_on(jobs: DynamoDBJobStore, job: Job, intended_at: datetime) -> None:
    """Writes the job down with that attempt (its task, if it has one, as old), and a deadline far away."""
    attempts = [
        attempt.model_copy(
            update={"intended_at": intended_at, "accepted_at": intended_at if attempt.accepted_at else None}
        )
        for attempt in job.attempts
    ]
    jobs.add(job.model_copy(update={"attempts": tuple(attempts), "deadline_at": FAR_AWAY}))


def test_the_close_function_leaves_a_create_call_that_may_be_answered_to_the_sweep(jobs: DynamoDBJobStore) -> None:
    working_on(jobs, attempting_job(), NOW)
    crash = {"outcome": "crashed", "job_id": JOB_ID, "error": "dispatch_job: States.Timeout"}
    assert started("recover_job")(crash) == {"outcome": "orphaned", "job_id": JOB_ID}
    job = jobs.get(JOB_ID)
    assert job
    assert (job.is_over, job.orphaned_at) == (False, NOW)
    assert jobs.needing_attention(NOW, limit=1) == []
    assert jobs.needing_attention(NOW + ORPHAN_GRACE, limit=1) == [job.job_id]


def test_the_close_function_gives_a_create_call_up_in_the_end(jobs: DynamoDBJobStore) -> None:
    working_on(jobs, attempting_job(), NOW - CALL_LIMIT)
    crash = {"outcome": "crashed", "job_id": JOB_ID, "error": "dispatch_job: States.Timeout"}
    assert started("recover_job")(crash) == {"outcome": "over", "job_id": JOB_ID, "status": "failed"}
    job = jobs.get(JOB_ID)
    assert job
    assert job.failure
    assert (job.failure.charged, job.failure.retryable) == ("unknown", False)


@pytest.mark.parametrize("written", [processing_job(), attempting_job()], ids=["task in the record", "task not"])
def test_the_close_function_leaves_a_running_task_to_the_sweep(
    jobs: DynamoDBJobStore, written: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(_: ApiModels, task_id: str) -> StillRunning:
        asked.append(task_id)
        return StillRunning()

    monkeypatch.setattr(ApiModels, "poll", ask)
    working_on(jobs, written, NOW)
    assert started("recover_job")(state("crashed")) == {"outcome": "orphaned", "job_id": JOB_ID}
    job = jobs.get(JOB_ID)
    assert job
    assert job.attempt
    assert (job.status, job.attempt.task_id, asked) == (JobStatus.PROCESSING, TASK_ID, [TASK_ID])
    assert job.orphaned_at
    assert jobs.needing_attention(job.orphaned_at + ORPHAN_GRACE, limit=1) == [job.job_id]


def test_the_sweep_function_asks_for_an_orphan_again(jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiModels, "poll", lambda *_: StillRunning())
    working_on(jobs, processing_job().as_orphaned(LONG_AGO), NOW)
    assert started("sweep_jobs")(read("every_few_minutes.json")) == [f"recovered {JOB_ID}: orphaned"]
    job = jobs.get(JOB_ID)
    assert job
    assert job.orphaned_at
    assert job.orphaned_at > LONG_AGO


def test_the_sweep_function_announces_what_was_not(jobs: DynamoDBJobStore) -> None:
    jobs.add(failed_job().model_copy(update={"finished_at": LONG_AGO}))
    handler = started("sweep_jobs")
    assert handler(read("every_few_minutes.json")) == [f"announced {JOB_ID}"]
    assert handler(read("every_few_minutes.json")) == []
    job = jobs.get(JOB_ID)
    assert job
    assert job.announced


def test_the_sweep_function_begins_nothing_that_it_could_not_end(jobs: DynamoDBJobStore) -> None:
    jobs.add(failed_job().model_copy(update={"finished_at": LONG_AGO}))
    hurried = Context(remaining_time_in_millis=int(ONE_JOB.total_seconds() * 1000) - 1)
    handler = started("sweep_jobs")
    assert handler(read("every_few_minutes.json"), hurried) == []
    assert handler(read("every_few_minutes.json")) == [f"announced {JOB_ID}"]


def test_the_sweep_function_warns_once_of_a_budget_that_is_nearly_used_up(
    jobs: DynamoDBJobStore,
    published: list[PublishedEvent],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The one job is of today, whenever that is; what it costs is 60 % of a budget, and less than half of another.
    monkeypatch.setenv("TENANTS", json.dumps({"default": {"monthly_budget_usd": "0.10"}, "shop": {"weight": 2}}))
    monkeypatch.setenv("DAILY_BUDGET_USD", "0.13")
    status, _, _ = post(started("submit_job"))
    assert status == 202
    handler = started("sweep_jobs")
    sums = [{name: page.get(name) for name in ("reserved", "spent", "committed")} for page in items("ledger")]
    capsys.readouterr()

    first, again = handler(read("every_few_minutes.json")), handler(read("every_few_minutes.json"))

    [warned] = published
    assert isinstance(warned, BudgetWarning)
    assert (warned.data.account, warned.data.threshold_percent, warned.data.reserved_usd) == ("default", 50, "0.06")
    assert first == [f"warned of the budget of default for {warned.data.period}: 50 %"]
    assert again == []
    assert sums == [{name: page.get(name) for name in ("reserved", "spent", "committed")} for page in items("ledger")]
    assert {"event": "image.budget.warning", "Announcements": [1.0]} in told_by(capsys)


def told_by(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines that CloudWatch makes metrics of, as far as a metric can see them."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    found = []
    for line in lines:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Heliograph/tests"
        [dimensions] = directive["Dimensions"]
        names = [metric["Name"] for metric in directive["Metrics"]]
        found.append({name: line[name] for name in (*dimensions, *names)})
    return found


def test_a_job_tells_once_how_it_ended(
    deployment: Deployment, jobs: DynamoDBJobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.add(queued_job(quote_microusd=60_000))
    handler = started("finalize_job")
    capsys.readouterr()
    handler(state("failed"))
    handler(state("failed"))
    assert told_by(capsys) == [
        {"outcome": "content_blocked", "JobsEnded": [1]},
        {"JobFaults": [0], "SpentUsd": [0]},
    ]


def test_the_line_of_a_jobs_end_leads_to_the_job_and_its_tenant(
    jobs: DynamoDBJobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.add(queued_job(quote_microusd=60_000, deadline_at=FAR_AWAY))
    started("recover_job")(state("crashed"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"JobsEnded"' in line]
    assert [(line["job_id"], line["tenant"], line["outcome"]) for line in lines] == [(JOB_ID, "default", "internal")]
    assert "service" not in lines[0]


def test_a_submission_tells_once_where_it_came_from(
    deployment: Deployment, jobs: DynamoDBJobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put(deployment.uploads_bucket, "presets/white-background.json", PRESET)
    event = announcing(upload(deployment), bucket=deployment.uploads_bucket)
    handler = started("submit_upload")
    capsys.readouterr()
    handler(event)
    handler(event)
    assert told_by(capsys) == [{"source": "upload", "JobsSubmitted": [1]}]


def test_a_question_without_an_answer_is_told(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ApiModels, "poll", lambda *_: NoAnswer("it said 502"))
    started("poll_task")(state("processing"))
    assert told_by(capsys) == [{"PollsUnanswered": [1]}]


def test_a_sweep_that_finds_nothing_tells_that(jobs: DynamoDBJobStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert started("sweep_jobs")(read("every_few_minutes.json")) == []
    assert told_by(capsys) == [{"JobsSwept": [0], "StuckJobs": [0], "UnavailableRoutes": [0]}]


def test_what_can_not_be_told_harms_nothing(jobs: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE")
    jobs.add(queued_job(quote_microusd=60_000))
    assert started("finalize_job")(state("failed"))["outcome"] == "over"


@pytest.mark.parametrize(("disabled", "traced"), [("1", False), ("0", True)])
def test_the_sdk_of_traces_is_imported_only_where_calls_are_traced(disabled: str, traced: bool) -> None:
    looking = (
        "import sys; from heliograph.monitoring.logging import instrumented; instrumented(lambda event, context: 0); "
        "print(any(name.startswith('aws_xray_sdk') for name in sys.modules))"
    )
    paths = {"PYTHONPATH": str(ROOT / "layers" / "core"), "POWERTOOLS_TRACE_DISABLED": disabled}
    ran = subprocess.run([sys.executable, "-c", looking], env=paths, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(traced)


def test_the_sweep_function_closes_what_is_stuck_and_tells(jobs: DynamoDBJobStore) -> None:
    long_ago = queued_job().created_at.replace(year=2020)
    jobs.add(queued_job(created_at=long_ago, deadline_at=long_ago))
    assert started("sweep_jobs")(read("every_few_minutes.json")) == [f"recovered {JOB_ID}: over"]
    assert started("sweep_jobs")(read("every_few_minutes.json")) == []


def test_the_sweep_function_starts_what_never_started(deployment: Deployment, jobs: DynamoDBJobStore) -> None:
    created_at = queued_job().created_at.replace(year=2020)
    jobs.add(queued_job(created_at=created_at, deadline_at=created_at.replace(year=2126)))
    assert started("sweep_jobs")(read("every_few_minutes.json")) == [f"started {JOB_ID}"]
    assert executions(deployment) == [JOB_ID]
