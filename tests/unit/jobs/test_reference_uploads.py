"""`POST /v1/uploads`: a form for one file, whose id is then a reference of its tenant's jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from heliograph.intake.create_job import Submission
from heliograph.intake.create_reference_upload import ReferenceUploadCreator
from heliograph.intake.submit_upload import Upload
from heliograph.jobs.reference_uploads import (
    FORM_SECONDS,
    MAX_REFERENCE_BYTES,
    UPLOAD_ID,
    UploadForm,
    UploadRequest,
    is_upload,
    pending_location,
    read_upload_request,
    upload_id_of,
    upload_location,
)
from heliograph.jobs.request import read_request
from heliograph.kernel.errors import BudgetExceeded, InvalidRequest, StorageFailed
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.tenants import Limits, Tenants
from heliograph.storage.references import ObjectLocation

from tests.fakes.deployment import RESULTS, RULES, UPLOADS, InMemoryDeployment
from tests.pictures import PNG, png


def form(here: InMemoryDeployment, *, tenant: str = "default", call: str = "call-1") -> UploadForm:
    request = UploadRequest(content_type=MediaType.PNG, size_bytes=1000)
    creator = ReferenceUploadCreator(objects=here.objects, clock=here.clock, bucket=UPLOADS)
    return creator.create(request, tenant=tenant, call_id=call)


def sent(here: InMemoryDeployment, *, tenant: str = "default") -> tuple[str, ObjectLocation]:
    """An upload that has arrived: its id, and where the first job that names it keeps its bytes."""
    made = form(here, tenant=tenant)
    here.objects.drop(UPLOADS, made.fields["key"], PNG)
    kept = upload_location(made.upload_id, bucket=UPLOADS, tenant=tenant)
    return made.upload_id, replace(kept, version_id="v1")


def expire(here: InMemoryDeployment) -> None:
    """The bucket's rule deletes what is pending."""
    for key in here.objects.keys(UPLOADS):
        if key.startswith("pending/"):
            here.objects.delete(UPLOADS, key)


def kept_bytes(here: InMemoryDeployment, location: ObjectLocation) -> list[bytes]:
    """Every version that was ever kept of an upload."""
    return [found.body for found in here.objects.history(location)]


@pytest.mark.parametrize("media_type", MediaType)
def test_an_id_tells_the_type_and_nothing_of_the_tenant(media_type: MediaType) -> None:
    upload_id = upload_id_of("shop", "call-1", media_type)

    assert UPLOAD_ID.fullmatch(upload_id)
    assert upload_id.endswith(f".{media_type.extension}")
    assert upload_id != upload_id_of("blog", "call-1", media_type) != upload_id_of("blog", "call-2", media_type)
    assert upload_id == upload_id_of("shop", "call-1", media_type)


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({}, ["/content_type", "/size_bytes"]),
        ({"content_type": "image/gif", "size_bytes": 1}, ["/content_type"]),
        ({"content_type": "image/png; x", "size_bytes": 1}, ["/content_type"]),
        ({"content_type": "image/png", "size_bytes": 0}, ["/size_bytes"]),
        ({"content_type": "image/png", "size_bytes": MAX_REFERENCE_BYTES + 1}, ["/size_bytes"]),
        ({"content_type": "image/png", "size_bytes": "7"}, ["/size_bytes"]),
        ({"content_type": "image/png", "size_bytes": True}, ["/size_bytes"]),
        ({"content_type": "image/png", "size_bytes": 1, "key": "uploads/x.png"}, ["/key"]),
    ],
)
def test_every_fault_of_a_request_is_named(document: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_upload_request(document)

    assert [fault.pointer for fault in refusal.value.faults] == pointers


def test_a_form_is_for_the_tenants_folder_where_nothing_starts_a_job_and_ends_soon(here: InMemoryDeployment) -> None:
    made, theirs = form(here), form(here, tenant="shop")

    assert made.fields["key"] == f"pending/references/{made.upload_id}"
    assert theirs.fields["key"] == f"pending/tenants/shop/references/{theirs.upload_id}"
    assert made.expires_at == here.clock.now() + timedelta(seconds=FORM_SECONDS)
    assert not here.objects.keys(UPLOADS)


def test_a_form_starts_no_job_when_it_is_sent(here: InMemoryDeployment) -> None:
    _, kept = sent(here)

    for location in (pending_location(kept), kept):
        here.announce_upload(Upload(UPLOADS, location.key, "v1", "etag", "1"))

    assert len(here.jobs) == 0
    assert len(here.bus) == 0


# ---- As a reference


def test_an_upload_is_a_reference_by_its_id_and_is_kept_from_then_on(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)

    job = here.post({"prompt": "brighter", "references": [upload_id]}).job

    assert job.request.reference_uris == (location.uri,)
    assert here.objects.copies == [
        (replace(pending_location(location), version_id="v1"), replace(location, version_id=None))
    ]
    expire(here)
    here.run(job.job_id)
    assert here.provider.requests[0].reference_urls == (f"https://signed.test/{UPLOADS}/{location.key}?version=v1",)


def test_what_is_sent_by_the_same_form_later_is_no_jobs_reference(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    job = here.post({"prompt": "brighter", "references": [upload_id]}).job
    again = png(4, 4)
    here.objects.drop(UPLOADS, pending_location(location).key, again)

    second = here.post({"prompt": "darker", "references": [upload_id]}, key="another").job
    here.run(job.job_id)

    assert second.request.reference_uris == job.request.reference_uris
    assert kept_bytes(here, location) == [PNG]
    assert here.provider.requests[0].reference_urls == (f"https://signed.test/{UPLOADS}/{location.key}?version=v1",)


def test_only_uploads_are_kept_and_each_where_it_lies(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here, tenant="shop")
    logo = "tenants/shop/logos/a.png"
    here.objects.drop(UPLOADS, logo, PNG)
    unpinned = replace(location, version_id=None).uri
    references = ["https://images.acme.com/a.png", f"s3://{UPLOADS}/{logo}", unpinned, upload_id]

    job = here.post({"prompt": "all", "references": references}, tenant="shop").job

    assert job.request.reference_uris == (*references[:2], location.uri, location.uri)
    assert len(here.objects.copies) == 1


def test_another_tenants_upload_is_as_absent_as_one_that_was_never_sent(here: InMemoryDeployment) -> None:
    upload_id, _ = sent(here, tenant="shop")
    never_sent = upload_id_of("blog", "x", MediaType.PNG)
    refusals = []
    for reference in (upload_id, never_sent):
        with pytest.raises(InvalidRequest) as refusal:
            here.post({"prompt": "theirs", "references": [reference]}, tenant="blog")
        refusals.append(refusal.value.faults)

    assert refusals[0] == refusals[1]
    assert refusals[0][0].detail.startswith("is no upload of yours: its form was not sent")
    assert not here.objects.copies


@pytest.mark.parametrize(
    "reference",
    ["up_", "up_" + "a" * 26, "up_" + "a" * 26 + ".gif", "up_" + "1" * 26 + ".png", "up_" + "a" * 26 + ".png\n", "UP"],
)
def test_what_is_no_id_is_judged_like_any_other_reference(reference: str) -> None:
    with pytest.raises(InvalidRequest, match=r"references\[0\]"):
        read_request({"prompt": "x", "references": [reference]}, RULES)


@pytest.mark.parametrize(
    "reference",
    [
        "upl_doesnotexist",
        "up_" + "A" * 26 + ".png",
        "upload_1",
        "up-123.jpg",
        " up_" + "a" * 26 + ".png",
        "UP_1",
        "references/up_" + "a" * 26 + ".png",
        "up_" + "a" * 26,
    ],
)
def test_what_looks_like_an_id_of_an_upload_is_told_what_one_looks_like(reference: str) -> None:
    with pytest.raises(InvalidRequest, match="is no id of an upload, which POST /v1/uploads gives: up_, 26 letters"):
        read_request({"prompt": "x", "references": [reference]}, RULES)


def test_the_same_call_again_is_the_same_job_though_its_upload_is_gone(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    document = {"prompt": "brighter", "references": [upload_id]}
    first = here.post(document, key="k")
    here.objects._versions.clear()

    assert here.post(document, key="k").job.job_id == first.job.job_id
    assert [target.key for _, target in here.objects.copies] == [location.key]


def test_a_call_that_is_refused_for_its_faults_leaves_the_upload_to_expire(here: InMemoryDeployment) -> None:
    upload_id, _ = sent(here)

    with pytest.raises(InvalidRequest):
        here.post({"prompt": " ", "references": [upload_id]})

    assert not here.objects.copies


def test_a_call_that_fits_no_budget_keeps_the_upload_because_it_may_be_repeated_tomorrow(
    here: InMemoryDeployment,
) -> None:
    upload_id, location = sent(here)
    here.ledger.tenants = Tenants(together=Limits(daily_budget_usd="0.01"))

    with pytest.raises(BudgetExceeded):
        here.post({"prompt": "brighter", "references": [upload_id]})

    assert kept_bytes(here, location) == [PNG]


def test_an_upload_that_can_not_be_kept_becomes_no_job(here: InMemoryDeployment) -> None:
    upload_id, _ = sent(here)
    here.objects.on("copy", StorageFailed("away"))

    with pytest.raises(StorageFailed):
        here.post({"prompt": "brighter", "references": [upload_id]})

    assert len(here.jobs) == 0


def test_a_kept_upload_is_found_without_the_pending_one(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    first = here.post({"prompt": "brighter", "references": [upload_id]}).job
    expire(here)

    second = here.post({"prompt": "darker", "references": [upload_id]}, key="another").job

    assert second.request.reference_uris == first.request.reference_uris == (location.uri,)
    assert len(here.objects.copies) == 1


def test_a_repeat_of_a_call_whose_job_could_not_be_written_finds_what_it_kept(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    here.jobs.on("add", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        here.post({"prompt": "brighter", "references": [upload_id]}, key="k")
    expire(here)

    assert here.post({"prompt": "brighter", "references": [upload_id]}, key="k").job.request.reference_uris == (
        location.uri,
    )
    assert kept_bytes(here, location) == [PNG]


def test_an_upload_that_expires_between_its_check_and_its_copy_becomes_no_job(here: InMemoryDeployment) -> None:
    upload_id, _ = sent(here)
    here.objects.on("copy", lambda: expire(here))

    with pytest.raises(InvalidRequest) as refusal:
        here.post({"prompt": "brighter", "references": ["https://images.acme.com/a.png", upload_id]})

    [fault] = refusal.value.faults
    assert fault.pointer == "/references/1"
    assert fault.detail.startswith("is no upload of yours")
    assert len(here.jobs) == 0


def test_a_copy_is_of_the_bytes_that_were_checked(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    here.objects.on("copy", lambda: here.objects.drop(UPLOADS, pending_location(location).key, b"no image"))

    here.post({"prompt": "brighter", "references": [upload_id]})

    assert kept_bytes(here, location) == [PNG]


def test_of_two_jobs_at_once_the_second_has_the_upload_that_the_first_kept(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    here.objects.on("copy", lambda: here.objects.drop(UPLOADS, location.key, PNG))

    job = here.post({"prompt": "brighter", "references": [upload_id]}).job

    assert job.request.reference_uris == (location.uri,)
    assert kept_bytes(here, location) == [PNG]


def test_a_job_whose_upload_was_kept_with_other_bytes_meanwhile_is_to_be_sent_again(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    here.objects.on("copy", lambda: here.objects.drop(UPLOADS, location.key, png(4, 4)))

    with pytest.raises(StorageFailed, match="another version of the upload was kept just now"):
        here.post({"prompt": "brighter", "references": [upload_id]})

    assert len(here.jobs) == 0
    assert here.post({"prompt": "brighter", "references": [upload_id]}).job.request.reference_uris == (location.uri,)


def test_a_dry_run_keeps_nothing(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)

    here.quote({"prompt": "brighter", "references": [upload_id]})

    assert kept_bytes(here, location) == []


def test_a_retry_finds_the_kept_upload(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    job = here.post({"prompt": "brighter", "references": [upload_id]}).job
    here.cancel(job.job_id)
    expire(here)

    again = here.retry(job.job_id)

    assert again
    assert again.job.request.reference_uris == (location.uri,)


@pytest.mark.parametrize("tenant", ["default", "shop"])
@pytest.mark.parametrize(
    "key",
    [
        "pending/references/{id}",
        "pending/references/{id}?versionId=v1",
        "pending/tenants/shop/references/{id}",
        "pending/tenants/shop/references/{id}?versionId=v1",
        "pending/logo.png",
        "references/../pending/references/{id}",
        "./pending/references/{id}",
        "tenants/shop/../../pending/tenants/shop/references/{id}",
    ],
)
def test_a_pending_object_is_no_reference_however_it_is_spelled(
    here: InMemoryDeployment, key: str, tenant: str
) -> None:
    upload_id, _ = sent(here, tenant="shop")

    with pytest.raises(InvalidRequest) as refusal:
        here.post({"prompt": "x", "references": [f"s3://{UPLOADS}/{key.format(id=upload_id)}"]}, tenant=tenant)

    assert [fault.pointer for fault in refusal.value.faults] == ["/references/0"]
    assert not here.objects.copies


def test_a_result_of_the_same_folder_name_is_a_reference(here: InMemoryDeployment) -> None:
    here.objects.drop(RESULTS, "pending/a.png", PNG)

    job = here.post({"prompt": "x", "references": [f"s3://{RESULTS}/pending/a.png"]}).job

    assert job.request.reference_uris == (f"s3://{RESULTS}/pending/a.png",)


@pytest.mark.parametrize("kind", ["preset", "document"])
def test_an_upload_that_a_preset_or_a_job_document_names_is_kept_too(here: InMemoryDeployment, kind: str) -> None:
    upload_id, location = sent(here)
    recipe = f'{{"prompt": "with our logo", "references": ["{upload_id}"]}}'.encode()
    key = "jobs/order.json" if kind == "document" else "uploads/p/shoe.png"
    here.objects.drop(UPLOADS, "presets/p.json", recipe)
    version = here.objects.drop(UPLOADS, key, recipe if kind == "document" else PNG)

    submission = here.announce_upload(Upload(UPLOADS, key, version, "etag", "1"))

    assert isinstance(submission, Submission)
    assert location.uri in submission.job.request.reference_uris
    assert kept_bytes(here, location) == [PNG]


@pytest.mark.parametrize(
    ("key", "tenant", "expected"),
    [
        ("references/{id}", "default", True),
        ("tenants/shop/references/{id}", "shop", True),
        ("tenants/shop/references/{id}", "default", False),
        ("references/{id}", "shop", False),
        ("references/x/{id}", "default", False),
        ("pending/references/{id}", "default", False),
        ("pending/tenants/shop/references/{id}", "shop", False),
        ("references/logo.png", "default", False),
        ("{id}", "default", False),
    ],
)
def test_an_upload_is_told_by_where_it_lies(key: str, tenant: str, expected: bool) -> None:
    location = ObjectLocation(UPLOADS, key.replace("{id}", upload_id_of("x", "y", MediaType.PNG)))

    assert is_upload(location, bucket=UPLOADS, tenant=tenant) is expected
    assert not is_upload(replace(location, bucket="another"), bucket=UPLOADS, tenant=tenant)
