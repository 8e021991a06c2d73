"""The same bytes are paid once: synced again, touched, copied in place, copied back, or under another key."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.world import Event, World, wait_until
from tests.pictures import jpeg

# More show the same: 200 take 90 s on two busy cores.
UPLOADS = 60


def events_about(world: World, mark: str) -> list[Event]:
    return world.events(lambda event: mark in json.dumps(event))


def jobs_of(world: World, preset: str) -> list[str]:
    """All jobs of the preset, by the API."""
    found, query = [], {"preset": preset, "limit": "100"}
    while True:
        listed = world.call("GET", "/v1/jobs", params=query).json()
        found += [job["id"] for job in listed["data"]]
        if not listed["has_more"]:
            return found
        query["cursor"] = listed["next_cursor"]


def queue_is_empty(world: World) -> None:
    def is_empty() -> bool:
        attributes = world.sqs.get_queue_attributes(
            QueueUrl=world.stack.outputs["UploadQueueUrl"],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return all(int(count) == 0 for count in attributes.values())

    wait_until(is_empty, seconds=60, what="an empty queue")


def test_uploads_synced_twice_cost_once(world: World, mark: str) -> None:
    preset = world.preset(prompt=mark)
    bodies = {f"uploads/{preset}/{mark}-{index:03}.jpg": jpeg(index + 1, 7) for index in range(UPLOADS)}
    with ThreadPoolExecutor(8) as pool:
        # The second time comes while the first is still under way.
        for _ in range(2):
            list(pool.map(lambda upload: world.upload(*upload), bodies.items()))

    def all_are_done() -> bool:
        return {event["detail"]["data"]["source"]["key"] for event in events_about(world, preset)} == bodies.keys()

    wait_until(all_are_done, seconds=240, what="every upload's event")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda upload: world.upload(*upload), bodies.items()))
    queue_is_empty(world)
    wait_until(lambda: len(set(jobs_of(world, preset))) >= UPLOADS, seconds=30, what="all jobs in the list")

    tasks = world.tasks(mark)
    assert len(tasks) == UPLOADS
    assert sum(task["charged_micro_usd"] for task in tasks) == UPLOADS * 60_000
    assert {event["detail-type"] for event in events_about(world, preset)} == {"image.job.succeeded"}


def test_a_change_in_place_makes_no_new_job(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark)
    key = f"uploads/{preset}/{mark}.png"
    world.upload(key, photo)
    world.event_about(key)
    source = {"Bucket": world.uploads, "Key": key}

    world.s3.copy_object(Bucket=world.uploads, Key=key, CopySource=source, StorageClass="STANDARD_IA")
    world.s3.copy_object(
        Bucket=world.uploads,
        Key=key,
        CopySource=source,
        MetadataDirective="REPLACE",
        CacheControl="max-age=60",
        Metadata={"mtime": "1700000000"},
    )
    world.upload(key, photo)
    last = f"uploads/{preset}/{mark}-last.txt"
    world.upload(last, b"no image")
    assert world.event_about(last)["detail-type"] == "image.upload.rejected"
    queue_is_empty(world)

    assert len(world.tasks(mark)) == 1
    assert len(jobs_of(world, preset)) == 1


def test_results_that_are_copied_back_without_their_mark_are_edited_once(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark)
    world.upload(f"uploads/{preset}/{mark}.png", photo)
    place = world.event_about(f"uploads/{preset}/{mark}.png")["detail"]["data"]["results"][0]
    source = {"Bucket": place["bucket"], "Key": place["key"]}

    for number in range(5):
        copy = f"uploads/{preset}/{mark}-copy-{number}.jpg"
        world.s3.copy_object(
            Bucket=world.uploads, Key=copy, CopySource=source, MetadataDirective="REPLACE", Metadata={}
        )
        event = world.event_about(copy)
        assert event["detail-type"] == "image.upload.rejected"
        assert "result of this deployment" in event["detail"]["data"]["failure"]["message"]
        source = {"Bucket": world.uploads, "Key": copy}

    assert len(world.tasks(mark)) == 1


def test_a_loop_that_a_preset_allows_is_stopped_by_the_trip_wire(world: World, mark: str, photo: bytes) -> None:
    preset = world.preset(prompt=mark, accept_results=True, max_jobs_per_source=2)
    key = f"uploads/{preset}/{mark}-0.png"
    world.upload(key, photo)

    for number in range(1, 3):
        place = world.event_about(key)["detail"]["data"]["results"][0]
        key = f"uploads/{preset}/{mark}-{number}.jpg"
        # Any tool that writes the image anew.
        body = world.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
        world.upload(key, body, prompt=f"{mark} {number}")

    rejection = world.event_about(key)
    assert rejection["detail-type"] == "image.upload.rejected"
    assert rejection["detail"]["data"]["failure"]["code"] == "preset_stopped"
    [stop] = [event for event in events_about(world, preset) if event["detail-type"] == "image.preset.stopped"]
    assert stop["detail"]["data"]["jobs"] == 3
    assert len(world.tasks(mark)) == 2


@pytest.mark.parametrize("reuse", ["tenant", "never"])
def test_under_another_key_the_result_is_reused_unless_the_preset_says_never(
    world: World, mark: str, photo: bytes, reuse: str
) -> None:
    preset = world.preset(prompt=mark, reuse=reuse)
    first, second = (f"uploads/{preset}/{mark}-{name}.png" for name in ("shoe", "boot"))
    world.upload(first, photo)
    paid = world.event_about(first)
    world.upload(second, photo)

    event = world.event_about(second)

    assert event["detail-type"] == "image.job.succeeded"
    if reuse == "never":
        assert event["detail"]["data"]["reused_from"] is None
        assert len(world.tasks(mark)) == 2
        return
    job = world.job(event["detail"]["data"]["job_id"])
    assert (job["reused_from"], job["price_usd"], job["charged"]) == (paid["detail"]["data"]["job_id"], "0.00", "no")
    assert world.result(event)[0] == world.result(paid)[0]
    assert world.record(event)["reused_from"] == job["reused_from"]
    assert len(world.tasks(mark)) == 1
