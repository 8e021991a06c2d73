"""A bad upload gets a reason on the bus; the object stays, and the queue goes on."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.contract.cfn_template import ROOT
from tests.e2e.world import Event, World
from tests.pictures import IMAGES

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def rejection(world: World, key: str) -> Event:
    event = world.event_about(key)
    assert event["detail-type"] == "image.upload.rejected", event
    schema = json.loads((ROOT / "events/published" / "image.upload.rejected.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(event["detail"], schema)
    assert world.s3.head_object(Bucket=world.uploads, Key=key)
    data: Event = event["detail"]["data"]
    assert data["failure"]["charged"] == "no"
    return data


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"just text", "unsupported_media", "no JPEG, PNG or WEBP"),
        (b"", "unsupported_media", "empty"),
        (PNG_HEAD + bytes(30 * 1024 * 1024), "unsupported_media", "at most"),
        ((IMAGES / "truncated.jpg").read_bytes(), "unsupported_media", "send the whole file again"),
        ((IMAGES / "bomb_20000.png").read_bytes(), "unsupported_media", "20,000 by 20,000 pixels"),
    ],
    ids=["no picture", "empty", "oversized", "half a photo", "a bomb"],
)
def test_what_is_no_usable_picture_is_rejected(world: World, mark: str, body: bytes, code: str, says: str) -> None:
    preset = world.preset(prompt=mark)
    key = f"uploads/{preset}/{mark}.png"
    world.upload(key, body)

    data = rejection(world, key)

    assert data["failure"]["code"] == code
    assert says in data["failure"]["message"]
    assert data["preset"] == preset


def test_an_unknown_preset_is_rejected_by_name(world: World, mark: str, photo: bytes) -> None:
    key = f"uploads/{mark}/a.png"
    world.upload(key, photo)

    assert f"presets/{mark}.json" in rejection(world, key)["failure"]["message"]


@pytest.mark.parametrize(
    ("recipe", "says"), [(b"{prompt: no}", "no valid JSON"), (b'["a list"]', "must be a JSON object")]
)
def test_a_preset_that_is_no_json_object_is_rejected(
    world: World, mark: str, photo: bytes, recipe: bytes, says: str
) -> None:
    world.upload(f"presets/{mark}.json", recipe)
    key = f"uploads/{mark}/a.png"
    world.upload(key, photo)

    assert says in rejection(world, key)["failure"]["message"]


def test_every_fault_of_a_preset_is_named_at_once(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(aspect_ratio="7:1", colour="red", model="gpt-image-9")
    key = f"uploads/{preset}/{mark}.png"
    world.upload(key, photo)

    errors = rejection(world, key)["errors"]

    assert {error["pointer"] for error in errors} == {"/prompt", "/aspect_ratio", "/colour", "/model"}


def test_a_job_document_with_bad_references_names_each(world: World, mark: str) -> None:
    document = {
        "prompt": mark,
        "references": [
            f"s3://{world.uploads}/references/missing-{mark}",
            "s3://somebody-elses-bucket/key",
            "https://169.254.169.254/latest/meta-data",
        ],
    }
    key = f"jobs/{mark}.json"
    world.upload(key, json.dumps(document).encode())

    errors = rejection(world, key)["errors"]

    assert {error["pointer"] for error in errors} >= {"/references/1", "/references/2"}
    assert not world.tasks(mark)


def test_a_good_upload_after_bad_ones_is_not_kept_waiting(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark)
    for index in range(5):
        world.upload(f"uploads/{preset}/{mark}-bad-{index}.png", b"bad")
    key = f"uploads/{preset}/{mark}-good.png"
    world.upload(key, photo)

    assert world.event_about(key)["detail-type"] == "image.job.succeeded"


def test_an_archived_upload_is_rejected_with_what_to_do_and_listed(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark)
    key = f"uploads/{preset}/{mark}.png"
    world.s3.put_object(Bucket=world.uploads, Key=key, Body=photo, StorageClass="GLACIER")

    data = rejection(world, key)

    assert "restore it" in data["failure"]["message"]
    assert [error["detail"] for error in data["errors"]] == [data["failure"]["message"]]
    [listed] = world.call("GET", f"/v1/uploads?status=rejected&preset={preset}").json()["data"]
    assert (listed["key"], listed["code"], listed["message"]) == (key, "invalid_input", data["failure"]["message"])


def test_a_broken_preset_is_announced_when_it_arrives_and_listed(world: World, mark: str) -> None:
    preset = world.preset(prompt=mark, aspect_ratio="4x5", colour="red")
    key = f"presets/{preset}.json"

    event = world.event_about(key)

    assert event["detail-type"] == "image.preset.rejected"
    schema = json.loads((ROOT / "events/published" / "image.preset.rejected.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(event["detail"], schema)
    assert {error["pointer"] for error in event["detail"]["data"]["errors"]} == {"/aspect_ratio", "/colour"}
    [listed] = world.call("GET", f"/v1/uploads?status=rejected&preset={preset}").json()["data"]
    assert (listed["kind"], listed["key"]) == ("preset", key)


@pytest.mark.parametrize("part", ["..", "."])
def test_an_upload_whose_link_no_provider_can_fetch_costs_no_call(
    world: World, mark: str, photo: bytes, part: str
) -> None:
    preset = world.preset(prompt=mark)
    key = f"uploads/{preset}/a/{part}/{mark}.png"
    world.upload(key, photo)

    assert "give the object another key" in rejection(world, key)["failure"]["message"]
    assert not world.tasks(mark)
