"""An object arrived: one job, or a rejection that says why; never a loop, never two."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from heliograph.intake.create_job import Submission
from heliograph.intake.submit_upload import MAX_DOCUMENT_BYTES, Ignored, Upload
from heliograph.jobs.job import Job, Source
from heliograph.jobs.provenance import MARKER
from heliograph.jobs.reference_uploads import MAX_REFERENCE_BYTES
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import PublishFailed, StorageFailed, WorkflowFailed
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.webhooks.event_catalogue import UploadRejected

from tests.fakes.deployment import BETA, RESULTS, SECOND, UPLOADS, InMemoryDeployment
from tests.pictures import IMAGES, JPEG, PNG, jpeg, png

SHOE = "uploads/white/shoe.jpg"
RECIPE: dict[str, Any] = {"prompt": "a white background", "aspect_ratio": "1:1"}


def preset(here: InMemoryDeployment, recipe: dict[str, Any] | bytes = RECIPE, name: str = "white") -> str:
    body = recipe if isinstance(recipe, bytes) else json.dumps(recipe, ensure_ascii=False).encode()
    return here.objects.drop(UPLOADS, f"presets/{name}.json", body)


def dropped(here: InMemoryDeployment, key: str = SHOE, body: bytes = JPEG, **how: Any) -> Upload:
    """An object in the uploads bucket, as it is announced."""
    version = here.objects.drop(UPLOADS, key, body, **how)
    return Upload(UPLOADS, key, version, etag="e", sequencer="1")


def job_of(outcome: object) -> Job:
    assert isinstance(outcome, Submission)
    return outcome.job


def rejected(here: InMemoryDeployment, upload: Upload) -> UploadRejected:
    """The rejection of an upload, which started nothing and was published."""
    outcome = here.announce_upload(upload)
    assert isinstance(outcome, UploadRejected)
    assert list(here.bus) == [outcome]
    assert len(here.jobs) == len(here.workflow.executions) == 0
    assert outcome.data.failure.charged is Charged.NO
    assert outcome.data.failure.retryable is False
    return outcome


def pointers(rejection: UploadRejected) -> set[str]:
    return {fault.pointer for fault in rejection.data.errors}


def test_an_upload_is_edited_as_its_preset_says(here: InMemoryDeployment) -> None:
    recipe_version = preset(here)

    job = job_of(here.announce_upload(dropped(here)))

    assert here.workflow.executions == [job.job_id]
    assert (job.request.prompt, job.request.aspect_ratio) == ("a white background", AspectRatio.SQUARE)
    assert job.request.reference_uris == (f"s3://{UPLOADS}/{SHOE}?versionId=v1",)
    assert job.request.nsfw_checker is False
    assert job.source == Source(
        kind="upload",
        bucket=UPLOADS,
        key=SHOE,
        version_id="v1",
        preset="white",
        preset_version=recipe_version,
    )


def test_the_result_of_an_upload_lies_under_its_name(here: InMemoryDeployment) -> None:
    preset(here)

    job = here.run(job_of(here.announce_upload(dropped(here, "uploads/white/autumn/shoe.jpg"))).job_id)

    assert [result.key for result in job.results] == [f"white/autumn/shoe/{job.job_id}/1.png"]


def test_the_pictures_of_the_preset_come_after_the_upload(here: InMemoryDeployment) -> None:
    logo = "https://images.example.com/logo.png"
    preset(here, {**RECIPE, "references": [logo]})

    job = job_of(here.announce_upload(dropped(here)))

    assert job.request.reference_uris == (f"s3://{UPLOADS}/{SHOE}?versionId=v1", logo)


def test_the_upload_counts_as_a_reference(here: InMemoryDeployment) -> None:
    preset(here, {**RECIPE, "references": ["https://images.example.com/logo.png"] * 16})

    assert pointers(rejected(here, dropped(here))) == {"/references"}


def test_an_announcement_that_comes_again_finds_the_same_job(here: InMemoryDeployment) -> None:
    preset(here)
    upload = dropped(here)

    first, second = here.announce_upload(upload), here.announce_upload(upload)

    assert job_of(first) == job_of(second)
    assert len(here.jobs) == len(here.workflow.executions) == 1


def test_announcements_out_of_order_are_one_job_for_each_version(here: InMemoryDeployment) -> None:
    preset(here)
    older, newer = dropped(here), dropped(here, body=jpeg(4, 4))

    jobs = [job_of(here.announce_upload(upload)).job_id for upload in (newer, older, newer, older)]

    assert jobs[0] == jobs[2] != jobs[1] == jobs[3]
    assert len(here.jobs) == 2
    assert here.jobs.peek(jobs[1]).request.reference_uris == (f"s3://{UPLOADS}/{SHOE}?versionId=v1",)


def test_where_the_bucket_keeps_no_versions_other_bytes_are_another_job(here: InMemoryDeployment) -> None:
    preset(here)
    here.objects.drop(UPLOADS, SHOE, JPEG)
    first = [Upload(UPLOADS, SHOE, None, etag="e", sequencer=sequencer) for sequencer in ("1", "1", "2")]
    jobs = [job_of(here.announce_upload(upload)).job_id for upload in first]
    here.objects.drop(UPLOADS, SHOE, jpeg(4, 4))

    other = job_of(here.announce_upload(Upload(UPLOADS, SHOE, None, etag="f", sequencer="3")))

    assert len(set(jobs)) == 1
    assert other.job_id not in jobs


def test_a_later_preset_does_not_change_a_job_that_exists(here: InMemoryDeployment) -> None:
    preset(here)
    upload = dropped(here)
    first = job_of(here.announce_upload(upload))
    preset(here, {"prompt": "a black background"})

    assert job_of(here.announce_upload(upload)) == first


@pytest.mark.parametrize(
    "key", ["uploads/", "uploads/white/", "uploads/white/autumn/", "jobs/", "presets/", "logo.png"]
)
def test_folder_markers_and_other_objects_are_ignored(here: InMemoryDeployment, key: str) -> None:
    assert here.announce_upload(dropped(here, key, b"")) == Ignored()
    assert len(here.bus) == len(here.jobs) == 0


@pytest.mark.parametrize("key", [SHOE, "jobs/autumn.json"])
def test_a_result_of_ours_never_starts_a_job(here: InMemoryDeployment, key: str) -> None:
    preset(here)
    body = JPEG if key == SHOE else json.dumps(RECIPE).encode()

    rejection = rejected(here, dropped(here, key, body, metadata={MARKER: "job_x"}))

    assert rejection.data.failure.code is FailureCode.INVALID_INPUT
    assert "result of this deployment" in rejection.data.failure.message


def test_what_we_store_would_be_refused_as_an_upload(here: InMemoryDeployment) -> None:
    preset(here)
    job = here.run(here.job_id())
    stored = here.result(job.results[0].key)
    assert stored

    outcome = here.announce_upload(dropped(here, body=stored.body, metadata=stored.metadata))

    assert isinstance(outcome, UploadRejected)
    assert len(here.jobs) == 1


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"body": b""}, "is empty"),
        ({"body": PNG, "pretended_bytes": MAX_REFERENCE_BYTES + 1}, "at most"),
        ({"body": b"GIF89a"}, "no JPEG, PNG or WEBP"),
        ({"body": b"%PDF-1.7"}, "no JPEG, PNG or WEBP"),
        ({"body": JPEG[:-2]}, "without its end marker; send the whole file again"),
        ({"body": PNG[:40] + bytes(len(PNG) - 40)}, "is broken"),
        ({"body": (IMAGES / "bomb_20000.png").read_bytes()}, "at most 120,000,000 in all are allowed"),
    ],
)
def test_an_upload_that_the_model_can_not_read_is_rejected(
    here: InMemoryDeployment, how: dict[str, Any], word: str
) -> None:
    preset(here)

    rejection = rejected(here, dropped(here, **how))

    assert rejection.data.failure.code is FailureCode.UNSUPPORTED_MEDIA
    assert word in rejection.data.failure.message
    assert (rejection.data.bucket, rejection.data.key, rejection.data.preset) == (UPLOADS, SHOE, "white")


def test_a_preset_with_a_broken_reference_is_rejected_as_media(here: InMemoryDeployment) -> None:
    preset(here, {**RECIPE, "references": [f"s3://{UPLOADS}/logos/a.png"]})
    here.objects.drop(UPLOADS, "logos/a.png", PNG[:-5])

    rejection = rejected(here, dropped(here))

    assert rejection.data.failure.code is FailureCode.UNSUPPORTED_MEDIA
    assert [fault.pointer for fault in rejection.data.errors] == ["/references/1"]


def test_an_upload_is_looked_at_once(here: InMemoryDeployment) -> None:
    preset(here)
    upload = dropped(here)
    here.objects.on("head", None, StorageFailed("a second look"))

    job_of(here.announce_upload(upload))


def test_an_upload_that_is_gone_is_rejected(here: InMemoryDeployment) -> None:
    preset(here)

    rejection = rejected(here, Upload(UPLOADS, SHOE, "v9", etag="e", sequencer="1"))

    assert rejection.data.failure.code is FailureCode.INVALID_INPUT
    assert "the upload is gone" in rejection.data.failure.message


@pytest.mark.parametrize("key", ["uploads/white/a/../b.jpg", "uploads/white/./c.jpg"])
def test_an_upload_whose_link_no_provider_can_fetch_is_rejected(here: InMemoryDeployment, key: str) -> None:
    preset(here)

    rejection = rejected(here, dropped(here, key))

    assert pointers(rejection) == {"/references/0"}
    assert "give the object another key" in rejection.data.failure.message


ARCHIVED = StorageFailed("s3://b/k: InvalidObjectState", refusal="k can't be read: it is archived: restore it")


@pytest.mark.parametrize(("key", "method"), [(SHOE, "head"), (SHOE, "rest"), (SHOE, "read"), ("jobs/a.json", "read")])
def test_what_the_store_refuses_for_good_is_rejected_with_its_reason(
    here: InMemoryDeployment, key: str, method: str
) -> None:
    preset(here)
    upload = dropped(here, key, png(size_bytes=400_000) if key == SHOE else json.dumps(RECIPE).encode())
    here.objects.on(method, ARCHIVED)

    rejection = rejected(here, upload)

    assert rejection.data.failure.code is FailureCode.INVALID_INPUT
    assert "restore it" in rejection.data.failure.message


@pytest.mark.parametrize("method", ["head", "read", "copy"])
def test_what_the_store_may_do_later_is_tried_again(here: InMemoryDeployment, method: str) -> None:
    preset(here, {**RECIPE, "references": ["up_" + "a" * 26 + ".png"]})
    here.objects.drop(UPLOADS, "pending/references/up_" + "a" * 26 + ".png", PNG)
    upload = dropped(here)
    here.objects.on(method, StorageFailed("s3://b/k: SlowDown"))

    with pytest.raises(StorageFailed):
        here.announce_upload(upload)
    assert len(here.bus) == 0
    assert job_of(here.announce_upload(upload))


def test_an_upload_without_its_preset_is_told_where_to_put_one(here: InMemoryDeployment) -> None:
    assert "presets/white.json" in rejected(here, dropped(here)).data.failure.message


@pytest.mark.parametrize("key", ["uploads/shoe.jpg", "uploads/white background/shoe.jpg", "jobs/autumn.txt"])
def test_a_key_that_was_meant_to_start_a_job_and_can_not_is_rejected(here: InMemoryDeployment, key: str) -> None:
    assert rejected(here, dropped(here, key)).data.failure.code is FailureCode.INVALID_INPUT


@pytest.mark.parametrize("recipe", [b"", b"{", b"[]", b"null", b'{"prompt": NaN}', b"\xff", b"[" * 100_000])
def test_a_preset_that_is_no_json_object_is_named(here: InMemoryDeployment, recipe: bytes) -> None:
    preset(here, recipe)

    assert "the preset white" in rejected(here, dropped(here)).data.failure.message


def test_every_fault_of_a_preset_is_named_at_once(here: InMemoryDeployment) -> None:
    preset(here, {"aspect_ratio": "7:5", "resolution": "4K", "references": "logo.png"})

    found = pointers(rejected(here, dropped(here)))

    assert found == {"/prompt", "/aspect_ratio", "/resolution", "/references"}


def test_a_preset_that_is_far_too_long_is_rejected(here: InMemoryDeployment) -> None:
    preset(here, b"{}" + b" " * MAX_DOCUMENT_BYTES)

    assert "larger than" in rejected(here, dropped(here)).data.failure.message


def test_a_preset_with_a_reference_that_is_gone_is_rejected(here: InMemoryDeployment) -> None:
    preset(here, {**RECIPE, "references": [f"s3://{UPLOADS}/logo.png"]})

    assert pointers(rejected(here, dropped(here))) == {"/references/1"}


def test_the_uploads_own_metadata_overrides_its_preset(here: InMemoryDeployment) -> None:
    preset(here, {**RECIPE, "overrides": ["prompt", "aspect_ratio", "model", "output_key"]})
    metadata = {
        "prompt": quote("灯台の夜明け 100%"),
        "aspect-ratio": "16:9",
        "nsfw-checker": "true",
        "model": SECOND,
        "output-key": "white/shop/{job_id}.{ext}",
        "camera": "an old one",
    }

    job = job_of(here.announce_upload(dropped(here, metadata=metadata)))

    assert job.request.prompt == "灯台の夜明け 100%"
    assert job.request.aspect_ratio is AspectRatio.LANDSCAPE_16_9
    assert job.request.nsfw_checker is True
    assert (job.request.model, job.output_key_template) == (SECOND, "white/shop/{job_id}.{ext}")


def test_metadata_in_rfc_2047_is_read_as_s3_writes_it(here: InMemoryDeployment) -> None:
    preset(here)
    prompt = f"=?UTF-8?B?{base64.b64encode('маяк'.encode()).decode()}?= =?UTF-8?Q?_=E2=98=80?="

    assert job_of(here.announce_upload(dropped(here, metadata={"prompt": prompt}))).request.prompt == "маяк ☀"


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({"nsfw-checker": "yes"}, "/nsfw_checker"),
        ({"nsfw-checker": ""}, "/nsfw_checker"),
        ({"aspect-ratio": "wide"}, "/aspect_ratio"),
        ({"model": "dall-e-3"}, "/model"),
        ({"prompt": "%20"}, "/prompt"),
        ({"output-key": "same.png"}, "/output_key"),
    ],
)
def test_metadata_that_makes_no_sense_is_rejected_not_ignored(
    here: InMemoryDeployment, metadata: dict[str, str], pointer: str
) -> None:
    preset(here, {**RECIPE, "overrides": ["prompt", "aspect_ratio", "model", "output_key"]})

    assert pointers(rejected(here, dropped(here, metadata=metadata))) == {pointer}


def test_a_job_document_is_a_whole_request(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "logos/a.png", PNG)
    links = [f"s3://{UPLOADS}/logos/a.png", "https://images.example.com/b.png"]
    document = json.dumps({"prompt": "fuse", "references": links, "metadata": {"order": "17"}}).encode()

    job = job_of(here.announce_upload(dropped(here, "jobs/autumn/sale.json", document)))

    assert job.request.reference_uris == tuple(links)
    assert job.request.metadata == {"order": "17"}
    assert job.source == Source(kind="document", bucket=UPLOADS, key="jobs/autumn/sale.json", version_id="v1")
    assert here.run(job.job_id).results[0].key == f"jobs/autumn/sale/{job.job_id}/1.png"


def test_a_job_document_that_comes_again_is_one_job(here: InMemoryDeployment) -> None:
    upload = dropped(here, "jobs/autumn.json", json.dumps(RECIPE).encode())

    assert job_of(here.announce_upload(upload)) == job_of(here.announce_upload(upload))
    assert len(here.jobs) == len(here.workflow.executions) == 1


def test_every_fault_of_a_job_document_is_named_at_once(here: InMemoryDeployment) -> None:
    links = ["s3://somebody-elses/a.png", "http://images.example.com/b.png", "https://images.example.com/c.png"]
    document = json.dumps({"references": links, "size": "1K"}).encode()

    rejection = rejected(here, dropped(here, "jobs/autumn.json", document))

    assert pointers(rejection) == {"/prompt", "/references/0", "/references/1", "/size"}
    assert rejection.data.preset is None


def test_a_job_document_whose_objects_are_gone_is_rejected(here: InMemoryDeployment) -> None:
    document = json.dumps({"prompt": "x", "references": [f"s3://{RESULTS}/a.png"]}).encode()

    assert pointers(rejected(here, dropped(here, "jobs/a.json", document))) == {"/references/0"}


@pytest.mark.parametrize("body", [b"", b"\xff\xd8\xff", b"[]", b" " * (MAX_DOCUMENT_BYTES + 1)])
def test_a_job_document_that_is_none_is_rejected(here: InMemoryDeployment, body: bytes) -> None:
    assert rejected(here, dropped(here, "jobs/a.json", body)).data.failure.code is FailureCode.INVALID_INPUT


def test_the_rejection_of_a_document_made_of_faults_stays_small(here: InMemoryDeployment) -> None:
    document = b'{"prompt":"x","references":[' + b",".join([b"1"] * 120_000) + b"]}"

    rejection = rejected(here, dropped(here, "jobs/a.json", document))

    # The bus takes 256 KB.
    assert len(rejection.model_dump_json()) < 50_000
    assert rejection.data.errors[-1].detail.endswith("more")


@pytest.mark.parametrize("key", [SHOE, "jobs/a.json"])
def test_a_recipe_with_half_a_surrogate_pair_is_rejected(here: InMemoryDeployment, key: str) -> None:
    recipe = b'{"prompt": "x", "references": ["s3://the-uploads/\\ud800"]}'
    preset(here, recipe)

    rejection = rejected(here, dropped(here, key, JPEG if key == SHOE else recipe))

    assert rejection.data.failure.code is FailureCode.INVALID_INPUT
    assert "surrogate" in rejection.data.failure.message


def test_an_upload_whose_key_looks_like_a_version_is_read_as_itself(here: InMemoryDeployment) -> None:
    preset(here)
    key = "uploads/white/a.png?versionId=7.png"
    here.objects.drop(UPLOADS, key, JPEG)

    job = job_of(here.announce_upload(Upload(UPLOADS, key, None, etag="e", sequencer="1")))
    here.dispatch(job.job_id)

    assert {location.key for location, _ in here.objects.presigned} == {key}


def test_a_job_document_that_is_gone_is_rejected(here: InMemoryDeployment) -> None:
    assert "gone" in rejected(here, Upload(UPLOADS, "jobs/a.json", "v9", "e", "1")).data.failure.message


def test_a_rejection_that_is_told_twice_is_recognisable(here: InMemoryDeployment) -> None:
    uploads = [dropped(here), dropped(here)]

    events = [here.announce_upload(upload) for upload in (uploads[0], uploads[0], uploads[1])]

    ids = [event.event_id for event in events if isinstance(event, UploadRejected)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("method", ["head", "read"])
def test_a_bucket_that_does_not_answer_sends_the_announcement_back(here: InMemoryDeployment, method: str) -> None:
    preset(here)
    upload = dropped(here)
    here.objects.on(method, StorageFailed("slow down"))
    with pytest.raises(StorageFailed):
        here.announce_upload(upload)
    assert len(here.bus) == len(here.jobs) == 0

    assert job_of(here.announce_upload(upload))


def test_a_table_that_does_not_answer_sends_the_announcement_back(here: InMemoryDeployment) -> None:
    preset(here)
    here.jobs.on("add", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        here.announce_upload(dropped(here))

    assert len(here.bus) == 0


def test_a_rejection_that_could_not_be_published_sends_the_announcement_back(here: InMemoryDeployment) -> None:
    here.bus.on("publish", PublishFailed("throttled"))

    with pytest.raises(PublishFailed):
        here.announce_upload(dropped(here))


def test_an_upload_whose_workflow_can_not_start_now_is_kept(here: InMemoryDeployment) -> None:
    preset(here)
    upload = dropped(here)
    here.workflow.on("start", WorkflowFailed("throttled"))

    first, second = here.announce_upload(upload), here.announce_upload(upload)

    assert isinstance(first, Submission)
    assert isinstance(second, Submission)
    assert (first.started, second.started) == (False, True)
    assert here.workflow.executions == [first.job.job_id]


def test_the_upload_itself_is_never_touched(here: InMemoryDeployment) -> None:
    preset(here)

    here.announce_upload(dropped(here))

    assert here.objects.puts == []


@pytest.mark.parametrize(
    ("recipe", "metadata", "model"),
    [
        ({"policy": "cheapest"}, {"model": BETA}, BETA),
        ({"model": BETA}, {"policy": "cheapest"}, SECOND),
    ],
)
def test_the_uploads_own_choice_of_a_route_replaces_its_presets(
    here: InMemoryDeployment, recipe: dict[str, str], metadata: dict[str, str], model: str
) -> None:
    preset(here, {"prompt": "x", "overrides": ["model", "policy"], **recipe})

    assert job_of(here.announce_upload(dropped(here, metadata=metadata))).request.model == model
