"""A preset arrived: every fault is told at once, with its place in the preset, and nothing else is done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliograph.intake.rejections import RejectedKind, RejectionQuery
from heliograph.intake.submit_upload import MAX_DOCUMENT_BYTES, Ignored, Upload
from heliograph.kernel.errors import PublishFailed, StorageFailed
from heliograph.kernel.failures import Charged
from heliograph.webhooks.event_catalogue import PresetRejected, UploadRejected

from tests.fakes.deployment import UPLOADS, InMemoryDeployment
from tests.pictures import JPEG, PNG

WHITE = "presets/white.json"


def put(here: InMemoryDeployment, recipe: dict[str, Any] | bytes, key: str = WHITE) -> Upload:
    body = recipe if isinstance(recipe, bytes) else json.dumps(recipe).encode()
    return Upload(UPLOADS, key, here.objects.drop(UPLOADS, key, body), etag="e", sequencer="1")


def rejected(here: InMemoryDeployment, recipe: dict[str, Any] | bytes, key: str = WHITE) -> PresetRejected:
    """The rejection of a preset, listed and published."""
    outcome = here.announce_upload(put(here, recipe, key))
    assert isinstance(outcome, PresetRejected)
    assert list(here.bus) == [outcome]
    [listed] = here.rejections.list("default", RejectionQuery()).items
    assert (listed.kind, listed.key, listed.errors) == (RejectedKind.PRESET, key, outcome.data.errors)
    assert (outcome.data.failure.charged, outcome.data.failure.retryable) == (Charged.NO, False)
    return outcome


@pytest.mark.parametrize(
    "recipe",
    [
        {"prompt": "a white background"},
        {"aspect_ratio": "1:1"},  # each upload brings its own prompt
        {"prompt": "x", "references": ["https://images.example.com/logo.png"] * 15},
        {"prompt": "x", "references": [f"s3://{UPLOADS}/logo.png"]},
    ],
)
def test_a_preset_that_can_be_used_is_taken_in_silence(here: InMemoryDeployment, recipe: dict[str, Any]) -> None:
    here.objects.drop(UPLOADS, "logo.png", PNG)
    assert here.announce_upload(put(here, recipe)) == Ignored()
    assert len(here.bus) == len(here.jobs) == len(here.objects.puts) == len(here.objects.copies) == 0
    assert not here.rejections.list("default", RejectionQuery()).items


def test_every_fault_is_told_with_its_place_in_the_preset(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "half.png", PNG[:-5])
    rejection = rejected(
        here,
        {
            "prompt": "K\ufffdse",
            "aspect_ratio": "4x5",
            "colour": "red",
            "references": ["https://images.example.com/a.png", "https://10.0.0.8/a.png"],
        },
    )
    assert {fault.pointer for fault in rejection.data.errors} == {
        "/prompt",
        "/aspect_ratio",
        "/colour",
        "/references/1",
    }
    assert rejection.data.preset == "white"
    assert rejection.data.failure.message.endswith("(and 3 more problems)")


def test_a_reference_that_is_gone_or_broken_is_found_when_the_preset_arrives(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "half.png", PNG[:-5])
    recipe = {"prompt": "x", "references": [f"s3://{UPLOADS}/{name}.png" for name in ("half", "gone")]}
    found = {fault.pointer: fault.detail for fault in rejected(here, recipe).data.errors}
    assert set(found) == {"/references/0", "/references/1"}
    assert found["/references/1"] == "there is no such object"


def test_too_many_references_are_counted_with_the_upload(here: InMemoryDeployment) -> None:
    recipe = {"prompt": "x", "references": ["https://images.example.com/a.png"] * 16}
    [fault] = rejected(here, recipe).data.errors
    assert fault.pointer == "/references"


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"prompt":"x",}', b"[]", b"null", b"\xff", b"{}" + b" " * MAX_DOCUMENT_BYTES]
)
def test_what_is_no_json_object_is_told(here: InMemoryDeployment, body: bytes) -> None:
    [fault] = rejected(here, body).data.errors
    assert "white" in fault.detail


@pytest.mark.parametrize(
    "key",
    ["presets/white background.json", "presets/white.jsn", "presets/a/b.json", "presets/.json", "presets/x"],
)
def test_a_key_that_names_no_preset_is_told(here: InMemoryDeployment, key: str) -> None:
    rejection = rejected(here, {"prompt": "x"}, key)
    assert rejection.data.preset is None
    assert "presets/<name>.json" in rejection.data.failure.message


def test_a_folder_marker_and_a_preset_that_is_gone_are_ignored(here: InMemoryDeployment) -> None:
    assert here.announce_upload(put(here, b"", "presets/")) == Ignored()
    assert here.announce_upload(Upload(UPLOADS, WHITE, "v9", etag="e", sequencer="1")) == Ignored()
    assert len(here.bus) == 0


def test_a_preset_that_the_store_refuses_for_good_is_told(here: InMemoryDeployment) -> None:
    here.objects.on("read", StorageFailed("x", refusal="presets/white.json can't be read: restore it"))
    [fault] = rejected(here, {"prompt": "x"}).data.errors
    assert "restore it" in fault.detail


@pytest.mark.parametrize("fault", ["read", "list", "publish"])
def test_what_may_pass_is_tried_again_and_is_one_entry(here: InMemoryDeployment, fault: str) -> None:
    upload = put(here, b"{")
    if fault == "read":
        here.objects.on("read", StorageFailed("slow down"))
    elif fault == "list":
        here.rejections.on("add", StorageFailed("slow down"))
    else:
        here.bus.on("publish", PublishFailed("throttled"))
    with pytest.raises((StorageFailed, PublishFailed)):
        here.announce_upload(upload)

    events = [here.announce_upload(upload) for _ in range(2)]

    assert all(isinstance(event, PresetRejected) for event in events)
    assert len(here.rejections.list("default", RejectionQuery()).items) == 1


def test_an_upload_under_a_broken_preset_names_the_preset_and_each_fault_once(here: InMemoryDeployment) -> None:
    put(here, {"prompt": "x", "aspect_ratio": "4x5", "colour": "red"})
    key = "uploads/white/a.jpg"
    outcome = here.announce_upload(Upload(UPLOADS, key, here.objects.drop(UPLOADS, key, JPEG), etag="e", sequencer="1"))

    assert isinstance(outcome, UploadRejected)
    message = outcome.data.failure.message
    assert message.startswith("with the preset white, /aspect_ratio")
    assert message.endswith("(and 1 more problem)")
    assert [fault.pointer for fault in outcome.data.errors] == ["/aspect_ratio", "/colour"]
    [listed] = here.rejections.list("default", RejectionQuery()).items
    assert (listed.kind, listed.failure) == (RejectedKind.UPLOAD, outcome.data.failure)


@pytest.mark.parametrize(
    ("key", "body"), [("uploads/white/a.jpg", b"GIF89a"), ("jobs/a.json", b"{"), ("uploads/a.jpg", PNG)]
)
def test_a_rejection_with_one_fault_tells_it_among_its_errors_too(
    here: InMemoryDeployment, key: str, body: bytes
) -> None:
    put(here, {"prompt": "x"})
    outcome = here.announce_upload(Upload(UPLOADS, key, here.objects.drop(UPLOADS, key, body), etag="e", sequencer="1"))

    assert isinstance(outcome, UploadRejected)
    [fault] = outcome.data.errors
    assert fault.detail == outcome.data.failure.message
    assert "document:" not in fault.detail
