"""`POST /v1/uploads`: a form for one file, whose id is then a reference of its tenant's jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from heliograph.domain.errors import BudgetExceeded, InvalidRequest, StorageFailed
from heliograph.domain.media import MediaType
from heliograph.domain.references import ObjectLocation
from heliograph.domain.requests import read_request
from heliograph.domain.tenants import Limits, Tenants
from heliograph.domain.uploads import (
    FORM_SECONDS,
    MAX_REFERENCE_BYTES,
    UNUSED_TAG,
    UPLOAD_ID,
    UploadForm,
    UploadRequest,
    is_upload,
    read_upload_request,
    upload_id_of,
    upload_location,
)
from heliograph.steps.create_upload import create_upload
from heliograph.steps.submission import Submission
from heliograph.steps.submit_upload import Upload

from tests.fakes.deployment import RULES, UPLOADS, InMemoryDeployment
from tests.pictures import PNG, png


def form(here: InMemoryDeployment, *, tenant: str = "default", call: str = "call-1") -> UploadForm:
    request = UploadRequest(content_type=MediaType.PNG, size_bytes=1000)
    return create_upload(request, tenant=tenant, call=call, objects=here.objects, clock=here.clock, bucket=UPLOADS)


def sent(here: InMemoryDeployment, *, tenant: str = "default") -> tuple[str, ObjectLocation]:
    """An upload that has arrived: its id, and where its bytes lie."""
    upload_id = form(here, tenant=tenant).upload_id
    location = upload_location(upload_id, bucket=UPLOADS, tenant=tenant)
    version_id = here.objects.drop(UPLOADS, location.key, PNG)
    return upload_id, replace(location, version_id=version_id)


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

    assert made.fields["key"] == f"references/{made.upload_id}"
    assert theirs.fields["key"] == f"tenants/shop/references/{theirs.upload_id}"
    assert made.fields["tagging"] == "=".join(UNUSED_TAG)
    assert made.expires_at == here.clock.now() + timedelta(seconds=FORM_SECONDS)
    assert not here.objects.keys(UPLOADS)


def test_a_form_starts_no_job_when_it_is_sent(here: InMemoryDeployment) -> None:
    _, location = sent(here)

    here.announce_upload(Upload(UPLOADS, location.key, "v1", "etag", "1"))

    assert len(here.jobs) == 0
    assert len(here.bus) == 0


# ---- As a reference


def test_an_upload_is_a_reference_by_its_id_and_is_kept_from_then_on(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)

    job = here.post({"prompt": "brighter", "references": [upload_id]}).job

    assert job.request.references == (location.uri,)
    assert here.objects.untagged == [location]
    here.run(job.job_id)
    assert here.provider.requests[0].reference_urls == (f"https://signed.test/{UPLOADS}/{location.key}?version=v1",)


def test_what_is_sent_by_the_same_form_later_is_no_jobs_reference(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here)
    job = here.post({"prompt": "brighter", "references": [upload_id]}).job
    here.objects.drop(UPLOADS, location.key, png(4, 4))

    here.run(job.job_id)

    assert here.provider.requests[0].reference_urls == (f"https://signed.test/{UPLOADS}/{location.key}?version=v1",)


def test_only_uploads_are_kept_and_each_where_it_lies(here: InMemoryDeployment) -> None:
    upload_id, location = sent(here, tenant="shop")
    logo = "tenants/shop/logos/a.png"
    here.objects.drop(UPLOADS, logo, PNG)
    references = ["https://images.acme.com/a.png", f"s3://{UPLOADS}/{logo}", location.uri, upload_id]

    job = here.post({"prompt": "all", "references": references}, tenant="shop").job

    assert job.request.references == (*references[:3], location.uri)
    assert here.objects.untagged == [location, location]


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
    assert not here.objects.untagged


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
    assert here.objects.untagged == [location]


def test_a_call_that_is_refused_for_its_faults_leaves_the_upload_to_expire(here: InMemoryDeployment) -> None:
    upload_id, _ = sent(here)

    with pytest.raises(InvalidRequest):
        here.post({"prompt": " ", "references": [upload_id]})

    assert not here.objects.untagged


def test_a_call_that_fits_no_budget_keeps_the_upload_because_it_may_be_repeated_tomorrow(
    here: InMemoryDeployment,
) -> None:
    upload_id, location = sent(here)
    here.ledger.tenants = Tenants(together=Limits(daily_budget_usd="0.01"))

    with pytest.raises(BudgetExceeded):
        here.post({"prompt": "brighter", "references": [upload_id]})

    assert here.objects.untagged == [location]


def test_an_upload_that_can_not_be_kept_becomes_no_job(here: InMemoryDeployment) -> None:
    upload_id, _ = sent(here)
    here.objects.on("untag", StorageFailed("away"))

    with pytest.raises(StorageFailed):
        here.post({"prompt": "brighter", "references": [upload_id]})

    assert len(here.jobs) == 0


@pytest.mark.parametrize("kind", ["preset", "document"])
def test_an_upload_that_a_preset_or_a_job_document_names_is_kept_too(here: InMemoryDeployment, kind: str) -> None:
    upload_id, location = sent(here)
    recipe = f'{{"prompt": "with our logo", "references": ["{upload_id}"]}}'.encode()
    key = "jobs/order.json" if kind == "document" else "uploads/p/shoe.png"
    here.objects.drop(UPLOADS, "presets/p.json", recipe)
    version = here.objects.drop(UPLOADS, key, recipe if kind == "document" else PNG)

    submission = here.announce_upload(Upload(UPLOADS, key, version, "etag", "1"))

    assert isinstance(submission, Submission)
    assert location.uri in submission.job.request.references
    assert here.objects.untagged == [location]


@pytest.mark.parametrize(
    ("key", "tenant", "expected"),
    [
        ("references/{id}", "default", True),
        ("tenants/shop/references/{id}", "shop", True),
        ("tenants/shop/references/{id}", "default", False),
        ("references/{id}", "shop", False),
        ("references/x/{id}", "default", False),
        ("references/logo.png", "default", False),
        ("{id}", "default", False),
    ],
)
def test_an_upload_is_told_by_where_it_lies(key: str, tenant: str, expected: bool) -> None:
    location = ObjectLocation(UPLOADS, key.replace("{id}", upload_id_of("x", "y", MediaType.PNG)))

    assert is_upload(location, bucket=UPLOADS, tenant=tenant) is expected
    assert not is_upload(replace(location, bucket="another"), bucket=UPLOADS, tenant=tenant)
