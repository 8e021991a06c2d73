"""`POST /v1/jobs`: one job for one wish."""

from __future__ import annotations

from typing import Any

import pytest
from heliograph.jobs.job import JobStatus, Source
from heliograph.jobs.reference_uploads import MAX_REFERENCE_BYTES
from heliograph.jobs.request import Rules
from heliograph.kernel.errors import (
    Fault,
    InvalidRequest,
    MalformedDocument,
    StorageFailed,
    UnsupportedMedia,
    WorkflowFailed,
)
from heliograph.kernel.ids import JOB_ID
from heliograph.routes.config import Routes

from tests.fakes.deployment import DEADLINE, RESULTS, ROUTES, RULES, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.script import Afterwards
from tests.pictures import PNG, png

PROMPT = {"prompt": "a lighthouse at dawn"}


def test_a_request_becomes_a_job_with_an_execution(here: InMemoryDeployment) -> None:
    submission = here.post(PROMPT)

    job = submission.job
    assert (submission.created, submission.started) == (True, True)
    assert here.jobs.peek(job.job_id) == job
    assert here.workflow.executions == [job.job_id]
    assert JOB_ID.fullmatch(job.job_id)
    assert (job.status, job.source) == (JobStatus.QUEUED, Source(kind="api"))
    assert job.deadline_at == job.created_at + DEADLINE == here.clock.now() + DEADLINE


def test_the_job_is_written_before_its_workflow_starts(here: InMemoryDeployment) -> None:
    written: list[int] = []
    here.workflow.on("start", lambda: written.append(len(here.jobs)))

    here.post(PROMPT)

    assert written == [1]


def test_the_same_key_and_body_are_one_job_with_one_execution(here: InMemoryDeployment) -> None:
    first = here.post(PROMPT, key="order-17", call="call-1")
    here.clock.step(60)
    second = here.post(b'{ "prompt" : "a lighthouse at dawn" }', key="order-17", call="call-2")

    assert (first.created, second.created) == (True, False)
    assert second.job == first.job
    assert len(here.jobs) == len(here.workflow.executions) == 1


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(here: InMemoryDeployment) -> None:
    first = here.post(PROMPT, key="order-17").job

    with pytest.raises(InvalidRequest, match="used with another body"):
        here.post({"prompt": "a windmill"}, key="order-17")

    assert [here.jobs.peek(first.job_id)] == list(here.jobs) == [first]


def test_a_repeat_finds_its_job_though_its_reference_is_gone(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "a.png", PNG)
    document = {**PROMPT, "references": [f"s3://{UPLOADS}/a.png"]}
    first = here.post(document, key="order-17")
    here.objects.drop(UPLOADS, "a.png", b"")

    assert here.post(document, key="order-17").job == first.job


def test_a_repeat_finds_its_job_though_our_defaults_have_changed_since(here: InMemoryDeployment) -> None:
    first = here.post(PROMPT, key="order-17")
    rules = Rules(Routes(tuple(reversed(ROUTES.root))), RULES.reference_buckets, UPLOADS)

    assert here.post(PROMPT, key="order-17", rules=rules).job == first.job


def test_a_repeat_finds_its_job_though_its_model_is_offered_no_more(here: InMemoryDeployment) -> None:
    document = {**PROMPT, "model": SECOND}
    first = here.post(document, key="order-17")
    rules = Rules(Routes((ROUTES.default,)), RULES.reference_buckets, UPLOADS)

    assert here.post(document, key="order-17", rules=rules).job == first.job


def test_a_repeat_is_the_body_that_was_sent_in_whatever_order(here: InMemoryDeployment) -> None:
    first = here.post(b'{"prompt": "caf\\u00e9", "metadata": {"a": "1", "b": "2"}}', key="order-17")

    again = here.post('{"metadata":{"b":"2","a":"1"},"prompt":"café"}'.encode(), key="order-17")

    assert again.job == first.job


def test_a_default_that_is_written_out_is_another_body(here: InMemoryDeployment) -> None:
    here.post(PROMPT, key="order-17")

    with pytest.raises(InvalidRequest, match="used with another body"):
        here.post({**PROMPT, "nsfw_checker": False}, key="order-17")


def test_a_key_that_is_taken_says_so_whatever_the_other_body_holds(here: InMemoryDeployment) -> None:
    here.post(PROMPT, key="order-17")

    with pytest.raises(InvalidRequest, match="used with another body"):
        here.post({"prompt": "", "references": [1]}, key="order-17")


def test_of_two_posts_with_one_key_at_once_the_other_body_loses(here: InMemoryDeployment) -> None:
    here.jobs.on("add", lambda: here.post({"prompt": "a windmill"}, key="order-17"))

    with pytest.raises(InvalidRequest, match="used with another body"):
        here.post(PROMPT, key="order-17")

    assert [job.request.prompt for job in here.jobs] == ["a windmill"]


def test_a_repeat_after_the_end_finds_the_ended_job_and_starts_nothing(here: InMemoryDeployment) -> None:
    ended = here.run(here.post(PROMPT, key="order-17").job.job_id)
    here.workflow.executions.clear()

    repeated = here.post(PROMPT, key="order-17")

    assert repeated.job == ended
    assert here.workflow.executions == []
    assert here.provider.create_calls == 1


def test_keys_belong_to_their_tenant(here: InMemoryDeployment) -> None:
    mine, theirs = (here.post(PROMPT, key="order-17", tenant=tenant) for tenant in ("mine", "theirs"))

    assert mine.job.job_id != theirs.job.job_id
    assert theirs.created


def test_without_a_key_every_call_is_a_job_of_its_own(here: InMemoryDeployment) -> None:
    first, second, repeated = (here.post(PROMPT, call=call) for call in ("call-1", "call-2", "call-1"))

    assert first.job.job_id != second.job.job_id
    assert repeated.job == first.job


def test_a_key_is_never_taken_for_a_call(here: InMemoryDeployment) -> None:
    assert here.post(PROMPT, key="same").job.job_id != here.post(PROMPT, call="same").job.job_id


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "é", "a\n", "a\x7f"])
def test_a_key_is_printable_ascii_of_some_length(here: InMemoryDeployment, key: str) -> None:
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        here.post(PROMPT, key=key)

    assert len(here.jobs) == 0


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "!~"])
def test_any_other_key_will_do(here: InMemoryDeployment, key: str) -> None:
    assert here.post(PROMPT, key=key).created


@pytest.mark.parametrize("body", [b"", b"[]", b'{"prompt": NaN}'])
def test_a_body_that_is_no_object_makes_no_job(here: InMemoryDeployment, body: bytes) -> None:
    with pytest.raises(MalformedDocument):
        here.post(body)

    assert len(here.jobs) == len(here.workflow.executions) == 0


def test_a_request_with_a_fault_makes_no_job(here: InMemoryDeployment) -> None:
    with pytest.raises(InvalidRequest):
        here.post({"prompt": ""})

    assert len(here.jobs) == len(here.workflow.executions) == 0


def test_every_object_that_can_not_be_a_reference_is_named_at_once(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "good.png", PNG)
    here.objects.drop(UPLOADS, "empty.png", b"")
    here.objects.drop(UPLOADS, "page.png", b"<html></html>")
    here.objects.drop(RESULTS, "huge.png", PNG, pretended_bytes=MAX_REFERENCE_BYTES + 1)
    links = [
        f"s3://{UPLOADS}/good.png",
        f"s3://{UPLOADS}/gone.png",
        f"s3://{UPLOADS}/empty.png",
        "https://images.example.com/a.png",
        f"s3://{UPLOADS}/page.png",
        f"s3://{RESULTS}/huge.png",
        f"s3://{UPLOADS}/good.png?versionId=v9",
    ]

    with pytest.raises(InvalidRequest) as refused:
        here.post({**PROMPT, "references": links})

    assert {fault.pointer: fault.detail.split(";")[0] for fault in refused.value.faults} == {
        "/references/1": "there is no such object",
        "/references/2": "is empty",
        "/references/4": "is no JPEG, PNG or WEBP by its bytes",
        "/references/5": f"has {MAX_REFERENCE_BYTES + 1} bytes",
        "/references/6": "there is no such object",
    }
    assert len(here.jobs) == 0


@pytest.mark.parametrize("method", ["head", "rest"])
def test_a_reference_that_the_store_refuses_for_good_is_named_with_what_to_do(
    here: InMemoryDeployment, method: str
) -> None:
    here.objects.drop(UPLOADS, "logo.png", png(size_bytes=400_000))
    here.objects.on(method, StorageFailed("s3://b/k: AccessDenied", refusal="logo.png can't be read: allow it"))

    with pytest.raises(InvalidRequest) as refused:
        here.post({**PROMPT, "references": ["https://images.example.com/a.png", f"s3://{UPLOADS}/logo.png"]})

    assert refused.value.faults == (Fault("/references/1", "logo.png can't be read: allow it"),)
    assert len(here.jobs) == 0


def test_references_that_are_there_and_broken_are_unsupported_media(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "good.png", PNG)
    here.objects.drop(UPLOADS, "half.png", PNG[:-5])

    with pytest.raises(UnsupportedMedia) as refused:
        here.post({**PROMPT, "references": [f"s3://{UPLOADS}/good.png", f"s3://{UPLOADS}/half.png"]})

    [fault] = refused.value.faults
    assert fault.pointer == "/references/1"
    assert "send the whole file again" in fault.detail
    assert len(here.jobs) == 0


def test_the_largest_reference_is_still_welcome(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "a.png", png(size_bytes=MAX_REFERENCE_BYTES))

    assert here.post({**PROMPT, "references": [f"s3://{UPLOADS}/a.png"]}).created


def test_a_job_whose_workflow_can_not_start_now_is_kept(here: InMemoryDeployment) -> None:
    here.workflow.on("start", WorkflowFailed("throttled"))

    submission = here.post(PROMPT)

    assert (submission.created, submission.started) == (True, False)
    assert here.jobs.peek(submission.job.job_id) == submission.job


def test_a_repeat_starts_what_could_not_start_before(here: InMemoryDeployment) -> None:
    here.workflow.on("start", WorkflowFailed("throttled"))
    job_id = here.post(PROMPT, key="order-17").job.job_id

    assert here.post(PROMPT, key="order-17").started
    assert here.workflow.executions == [job_id]


@pytest.mark.parametrize("line", [StorageFailed("throttled"), Afterwards(StorageFailed("timed out"))])
def test_a_job_that_may_not_be_written_is_told_and_a_repeat_makes_exactly_one(
    here: InMemoryDeployment, line: StorageFailed | Afterwards
) -> None:
    here.jobs.on("add", line)
    with pytest.raises(StorageFailed):
        here.post(PROMPT, key="order-17")
    assert here.workflow.executions == []

    here.post(PROMPT, key="order-17")

    assert len(here.jobs) == len(here.workflow.executions) == 1


def test_a_bucket_that_does_not_answer_is_no_fault_of_the_request(here: InMemoryDeployment) -> None:
    here.objects.on("head", StorageFailed("slow down"))

    with pytest.raises(StorageFailed):
        here.post({**PROMPT, "references": [f"s3://{UPLOADS}/a.png"]})


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({}, "api/{job_id}/1.png"),
        ({"output_key": "shop/{job_id}-{index}.{ext}"}, "shop/{job_id}-1.png"),
        ({"output_key": "shop/{name}.{ext}"}, "shop/{job_id}.png"),
        ({"output_key": "shop/{preset}/{job_id}.{ext}"}, "shop/api/{job_id}.png"),
    ],
)
def test_the_request_decides_where_its_result_goes(
    here: InMemoryDeployment, document: dict[str, Any], key: str
) -> None:
    job = here.run(here.job_id(**document))

    assert [result.key for result in job.results] == [key.format(job_id=job.job_id)]


# ---- What is said of a job besides its picture


@pytest.mark.parametrize(("asked", "seconds"), [(60, 60), (21_600, 21_600), (None, 1800)])
def test_a_deadline_is_the_calls_own_or_else_the_deployments(
    here: InMemoryDeployment, asked: int | None, seconds: int
) -> None:
    job = here.post({"prompt": "x", "deadline_seconds": asked}).job

    assert (job.deadline_at - job.created_at).total_seconds() == seconds


def test_a_job_expires_at_its_own_deadline_not_at_the_deployments(here: InMemoryDeployment) -> None:
    job_id = here.job_id(deadline_seconds=60)
    here.clock.step(61)

    assert here.run(job_id).status == "expired"


@pytest.mark.parametrize("other", [{"tags": ["b"]}, {"tags": []}, {"deadline_seconds": 61}, {"metadata": {"a": "b"}}])
def test_a_key_used_again_with_other_tags_or_another_deadline_is_refused(
    here: InMemoryDeployment, other: dict[str, object]
) -> None:
    body = {"prompt": "x", "tags": ["a"], "deadline_seconds": 60}
    first = here.post(body, key="k")

    with pytest.raises(InvalidRequest, match="another body"):
        here.post({**body, **other}, key="k")

    again = here.post(dict(reversed(body.items())), key="k")
    assert (again.job.job_id, again.created) == (first.job.job_id, False)
