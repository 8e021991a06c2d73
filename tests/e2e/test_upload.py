"""A photo dropped in the bucket comes back as an edited picture and an event."""

from __future__ import annotations

import hashlib
import io
import json
import random
from concurrent.futures import ThreadPoolExecutor
from email.header import Header
from urllib.parse import quote

import jsonschema
from heliograph.intake.check_image import HEAD_BYTES
from PIL import Image

from tests.contract.cfn_template import ROOT
from tests.e2e.world import Event, World, wait_until
from tests.pictures import encoded
from tests.pictures import jpeg as small_jpeg


def test_a_photo_under_a_preset_comes_back_edited_with_an_event_and_a_record(
    world: World, mark: str, photo: bytes
) -> None:
    preset = world.preset(prompt=f"white background {mark}", aspect_ratio="4:5", metadata={"shop": "north"})
    key = f"uploads/{preset}/shoes/red shoe é.png"
    version = world.upload(key, photo)

    event = world.event_about(key)

    assert event["source"] == "heliograph"
    assert event["detail-type"] == "image.job.succeeded"
    jsonschema.validate(
        event["detail"],
        json.loads((ROOT / "events/published/image.job.succeeded.schema.json").read_text()),
    )
    data = event["detail"]["data"]
    assert data["task"] == "edit"
    assert data["price_usd"] == "0.06"
    assert data["metadata"] == {"shop": "north"}

    picture, stored = world.result(event)
    announced = data["results"][0]
    assert announced["key"] == f"{preset}/shoes/red shoe é/{data['job_id']}/1.jpg"
    assert stored["ContentType"] == "image/jpeg"
    assert stored["Metadata"]["heliograph-job-id"] == data["job_id"]
    assert hashlib.sha256(picture).hexdigest() == announced["sha256"] == stored["Metadata"]["heliograph-sha256"]
    size = Image.open(io.BytesIO(picture)).size
    assert size == (announced["width"], announced["height"])
    assert abs(size[0] / size[1] - 4 / 5) < 0.01

    record = world.record(event)
    assert record["source"]["version_id"] == version
    assert record["source"]["preset"] == preset
    assert record["source"]["preset_version"]
    assert record["attempts"][0]["task_id"]
    assert record["results"] == data["results"]

    [task] = world.tasks(mark)
    assert task["params"]["nsfw_checker"] is False
    assert task["params"]["aspect_ratio"] == "4:5"
    assert "X-Amz-Signature" in task["params"]["image_url"]
    assert task["charged_micro_usd"] == 60_000


def test_a_photo_of_more_than_is_read_at_once_is_read_to_its_end(world: World, mark: str) -> None:
    noise = Image.frombytes("RGB", (640, 480), random.Random(1).randbytes(3 * 640 * 480))
    photo = encoded(noise, "PNG")
    assert len(photo) > 2 * HEAD_BYTES
    preset = world.preset(prompt=f"large {mark}")
    whole, cut = (f"uploads/{preset}/{name}.png" for name in ("whole", "cut"))
    world.upload(whole, photo)
    world.upload(cut, photo[:-1000] + bytes(1000))

    assert world.event_about(whole)["detail-type"] == "image.job.succeeded"
    assert world.event_about(cut)["detail-type"] == "image.upload.rejected"
    assert len(world.tasks(mark)) == 1


def test_the_objects_own_metadata_goes_over_the_preset_in_any_script(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt="of the preset", aspect_ratio="1:1")
    percent, rfc2047 = f"雪の中の狐 🦊 {mark}", f"наклейка, лиса {mark}"
    world.upload(
        f"uploads/{preset}/{mark}-a.png", photo, prompt=quote(percent), aspect_ratio="16:9", nsfw_checker="true"
    )
    world.upload(f"uploads/{preset}/{mark}-b.png", photo, prompt=Header(rfc2047, "utf-8").encode(maxlinelen=9999))

    world.event_about(f"uploads/{preset}/{mark}-a.png")
    world.event_about(f"uploads/{preset}/{mark}-b.png")

    sent = {task["params"]["prompt"]: task["params"] for task in world.tasks(mark)}
    assert sent.keys() == {percent, rfc2047}
    assert sent[percent]["aspect_ratio"] == "16:9"
    assert sent[percent]["nsfw_checker"] is True
    assert sent[rfc2047]["aspect_ratio"] == "1:1"


def test_a_recipe_changed_in_the_bucket_counts_for_the_next_upload(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=f"first {mark}")
    world.upload(f"uploads/{preset}/{mark}-1.png", photo)
    world.event_about(f"uploads/{preset}/{mark}-1.png")

    world.upload(f"presets/{preset}.json", json.dumps({"prompt": f"second {mark}"}).encode())
    world.upload(f"uploads/{preset}/{mark}-2.png", photo)
    world.event_about(f"uploads/{preset}/{mark}-2.png")

    assert [task["params"]["prompt"] for task in world.tasks(mark)] == [f"first {mark}", f"second {mark}"]


def test_a_presets_output_key_decides_where_the_result_lies(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark, output_key="cdn/{name}.{ext}")
    key = f"uploads/{preset}/{mark}.png"
    world.upload(key, photo)

    event = world.event_about(key)

    assert event["detail"]["data"]["results"][0]["key"] == f"cdn/{mark}.jpg"
    job_id = event["detail"]["data"]["job_id"]
    assert event["detail"]["data"]["record"]["key"] == f"records/{job_id}.json"
    assert world.record(event)["job_id"] == job_id


def test_the_newest_upload_has_the_key_whichever_task_ends_first(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark, output_key="cdn/{name}.{ext}")
    key = f"uploads/{preset}/{mark}.png"
    world.fault("task", "never_finishes", f"older {mark}")
    older = world.upload(key, photo, prompt=f"older {mark}")
    wait_until(lambda: world.tasks(f"older {mark}"), seconds=30, what="the older task")
    newer = world.upload(key, photo, prompt=f"newer {mark}")
    first = _event_of_version(world, newer)

    world.finish(f"older {mark}")
    last = _event_of_version(world, older)

    assert [event["detail-type"] for event in (first, last)] == ["image.job.succeeded"] * 2
    stored = world.s3.head_object(Bucket=world.results, Key=f"cdn/{mark}.jpg")
    winner, loser = (event["detail"]["data"]["job_id"] for event in (first, last))
    assert stored["Metadata"]["heliograph-job-id"] == winner
    assert last["detail"]["data"]["superseded_by"] == world.job(loser)["superseded_by"] == winner
    [result] = last["detail"]["data"]["results"]
    assert result["key"] == f"cdn/{mark}-{loser}.jpg"
    assert hashlib.sha256(world.result(last)[0]).hexdigest() == result["sha256"]
    assert world.job(winner)["superseded_by"] is None


def test_a_second_file_that_would_share_a_key_is_refused_and_nothing_is_paid(
    world: World, mark: str, photo: bytes, jpeg: bytes
) -> None:
    preset = world.preset(prompt=mark, output_key="cdn/{name}.{ext}")
    world.upload(f"uploads/{preset}/{mark}.png", photo)
    world.event_about(f"uploads/{preset}/{mark}.png")
    world.upload(f"uploads/{preset}/{mark}.jpg", jpeg)

    event = world.event_about(f"uploads/{preset}/{mark}.jpg")

    assert event["detail-type"] == "image.upload.rejected"
    assert f"uploads/{preset}/{mark}.png" in event["detail"]["data"]["failure"]["message"]
    assert len(world.tasks(mark)) == 1


def test_an_upload_says_no_more_than_its_preset_allows(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark, nsfw_checker=True)
    said = {"off": {"nsfw_checker": "false"}, "model": {"model": "gpt-image-2"}, "typo": {"promt": "a hat"}}
    for name, metadata in said.items():
        world.upload(f"uploads/{preset}/{mark}-{name}.png", photo, **metadata)

    for name, field in {"off": "/nsfw_checker", "model": "/model", "typo": ""}.items():
        event = world.event_about(f"uploads/{preset}/{mark}-{name}.png")
        assert event["detail-type"] == "image.upload.rejected"
        assert [fault["pointer"] for fault in event["detail"]["data"]["errors"]] == [field]
    assert world.tasks(mark) == []


def test_a_job_document_fuses_up_to_sixteen_references(world: World, mark: str, photo: bytes, jpeg: bytes) -> None:
    for index in range(16):
        world.upload(f"references/{mark}/{index}", photo if index % 2 else jpeg)
    references = [f"s3://{world.uploads}/references/{mark}/{index}" for index in range(16)]
    key = f"jobs/{mark}.json"
    world.upload(key, json.dumps({"prompt": f"fuse {mark}", "references": references}).encode())

    event = world.event_about(key)

    assert event["detail-type"] == "image.job.succeeded"
    assert event["detail"]["data"]["task"] == "fusion"
    [task] = world.tasks(mark)
    assert len(task["params"]["image_urls"]) == 16
    assert [f"references/{mark}/{index}?" in url for index, url in enumerate(task["params"]["image_urls"])] == [
        True
    ] * 16


def test_duplicate_and_reordered_announcements_make_one_job(world: World, mark: str, photo: bytes, jpeg: bytes) -> None:
    preset = world.preset(prompt=mark)
    keys = [f"uploads/{preset}/{mark}-{index}.png" for index in range(2)]
    versions = {key: world.upload(key, photo if key == keys[0] else jpeg) for key in keys}
    announcements = [
        json.dumps(
            {
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {
                    "bucket": {"name": world.uploads},
                    "object": {"key": key, "version-id": versions[key], "etag": "e", "sequencer": "0"},
                },
            }
        )
        for key in [keys[1], keys[0], keys[1], keys[0]]
    ]
    for announcement in announcements:
        world.sqs.send_message(QueueUrl=world.stack.outputs["UploadQueueUrl"], MessageBody=announcement)

    for key in keys:
        world.event_about(key)

    _queue_is_empty(world)
    assert len(world.tasks(mark)) == 2
    jobs = {event["detail"]["data"]["job_id"] for event in world.events(lambda e: mark in json.dumps(e))}
    assert len(jobs) == 2


def test_results_start_nothing_even_when_somebody_copies_one_back(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark)
    world.upload(f"uploads/{preset}/{mark}.png", photo)
    place = world.event_about(f"uploads/{preset}/{mark}.png")["detail"]["data"]["results"][0]

    copy = f"uploads/{preset}/{mark}-copy.jpg"
    world.s3.copy_object(Bucket=world.uploads, Key=copy, CopySource={"Bucket": place["bucket"], "Key": place["key"]})

    event = world.event_about(copy)
    assert event["detail-type"] == "image.upload.rejected"
    assert "result of this deployment" in event["detail"]["data"]["failure"]["message"]
    assert len(world.tasks(mark)) == 1


def test_twenty_uploads_at_once_are_twenty_jobs_each_paid_once(world: World, mark: str) -> None:
    preset = world.preset(prompt=mark)
    keys = [f"uploads/{preset}/{mark}-{index:02}.jpg" for index in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: world.upload(keys[index], small_jpeg(index + 1, 5)), range(20)))

    events = [world.event_about(key, seconds=120) for key in keys]

    assert {event["detail-type"] for event in events} == {"image.job.succeeded"}
    assert len({event["detail"]["data"]["job_id"] for event in events}) == 20
    tasks = world.tasks(mark)
    assert len(tasks) == 20
    assert sum(task["charged_micro_usd"] for task in tasks) == 20 * 60_000


def _event_of_version(world: World, version: str) -> Event:
    """The event of the job of that very upload."""

    def is_of_it(event: Event) -> bool:
        return bool(event["detail"]["data"].get("source", {}).get("version_id") == version)

    return wait_until(lambda: next(iter(world.events(is_of_it)), None), seconds=60, what=f"an event of {version}")


def _queue_is_empty(world: World) -> None:
    def is_empty() -> bool:
        attributes = world.sqs.get_queue_attributes(
            QueueUrl=world.stack.outputs["UploadQueueUrl"],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return all(int(count) == 0 for count in attributes.values())

    wait_until(is_empty, seconds=30, what="an empty queue")


def test_an_image_that_was_stored_with_a_wrong_encoding_is_edited_all_the_same(
    world: World, mark: str, photo: bytes
) -> None:
    preset = world.preset(prompt=mark)
    key = f"uploads/{preset}/{mark}.png"
    world.s3.put_object(Bucket=world.uploads, Key=key, Body=photo, ContentEncoding="gzip")

    assert world.event_about(key)["detail-type"] == "image.job.succeeded"
    assert len(world.tasks(mark)) == 1
