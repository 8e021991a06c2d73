"""Of several jobs that write to one key, the newest upload's result is there in the end; and a key has one source."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from heliograph.api.representations.jobs import JobResource
from heliograph.execution.outcomes import Finished, NotYet, Processing
from heliograph.intake.create_job import Submission
from heliograph.intake.preset_events import PresetRejected
from heliograph.intake.submit_upload import Ignored, Upload
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.provenance import MARKER
from heliograph.jobs.result_order import KeyHolder, ResultOrder
from heliograph.kernel.failures import FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.providers.protocol import StillRunning
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import JobSucceeded, UploadRejected
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import after
from tests.fakes.deployment import UPLOADS, InMemoryDeployment
from tests.fakes.results import picture_at
from tests.pictures import JPEG, PNG

STABLE = {"prompt": "a white background", "output_key": "shop/{name}.{ext}"}
SEQUENCERS = st.text("0123456789abcdef", max_size=20)


def order(sequencer: str = "1", *, held_since: float = 0, accepted: float = 0, key: str = "a") -> ResultOrder:
    holder = KeyHolder(key="shop/a", source="s3://u/a", held_since=after(held_since))
    return ResultOrder.of(derived_id("key", key), holder=holder, sequencer=sequencer, accepted_at=after(accepted))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6"),
        # As S3 says: zeros on the right of the shorter one, then as texts.
        ("0055AED6DCD9", "0055AED6DCD90281E5"),
        ("0055AED6DCD90281E5", "0055AED6DD"),
        ("9", "A"),
        ("0a", "0B"),
        ("", "1"),
    ],
)
def test_uploads_follow_each_other_as_s3_numbers_them(older: str, newer: str) -> None:
    first, second = order(older, accepted=9), order(newer, accepted=1)
    assert (first.is_older_than(second), second.is_older_than(first)) == (True, False)


def test_of_one_upload_the_job_that_was_accepted_later_is_newer() -> None:
    first, second = order("10", accepted=1), order("1", accepted=2)
    assert (first.is_older_than(second), second.is_older_than(first)) == (True, False)


def test_a_later_source_of_a_key_is_newer_whatever_its_sequencer() -> None:
    first, second = order("ff", held_since=1), order("01", held_since=2)
    assert (first.is_older_than(second), second.is_older_than(first)) == (True, False)


@given(st.lists(st.tuples(SEQUENCERS, st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6))
def test_there_is_one_newest(several: list[tuple[str, int, int]]) -> None:
    orders = [order(sequencer, held_since=since, accepted=at) for sequencer, since, at in several]
    newest = [one for one in orders if not any(one.is_older_than(other) for other in orders)]
    assert newest
    assert not any(one.is_older_than(other) for one in newest for other in newest)


@given(SEQUENCERS, SEQUENCERS)
def test_what_an_object_says_is_read_as_it_was_written(one: str, other: str) -> None:
    first, second = order(one), order(other)
    metadata = {"heliograph-order": second.written()}
    assert first.is_overruled_by(metadata) is first.is_older_than(second)
    assert second.written().isascii()


@pytest.mark.parametrize("written", ["", "x", order(key="b").written(), "key_a 1 1", order().written() + " "])
def test_a_result_of_another_key_is_never_replaced(written: str) -> None:
    assert order().is_overruled_by({"heliograph-order": written})


def test_a_result_of_an_earlier_release_is_older_than_any() -> None:
    assert not order().is_overruled_by({MARKER: "job_x"})


# ---- Jobs that finish in another order than their uploads came


def shop(here: InMemoryDeployment, **recipe: Any) -> None:
    here.objects.drop(UPLOADS, "presets/shop.json", json.dumps({**STABLE, **recipe}).encode())


def uploaded(
    here: InMemoryDeployment, key: str = "uploads/shop/shoe.jpg", *, sequencer: str = "1", body: bytes = b""
) -> Submission | UploadRejected | PresetRejected | Ignored:
    """A photo drops into the bucket and is announced. Unless `body` is given, each is another photo."""
    here.clock.step(1)
    body = body or _photo(sequencer)
    version = here.objects.drop(UPLOADS, key, body)
    return here.announce_upload(Upload(UPLOADS, key, version, etag="e", sequencer=sequencer))


def _photo(mark: str) -> bytes:
    """A JPEG with the mark in a comment."""
    comment = mark.encode()
    return JPEG[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + JPEG[2:]


def job_of(outcome: Submission | UploadRejected | PresetRejected | Ignored) -> Job:
    assert isinstance(outcome, Submission)
    return outcome.job


def ready(here: InMemoryDeployment, job_id: str) -> Finished:
    """Brings a job, when it is its turn, to the point where its image waits to be delivered."""
    outcome = here.dispatch(job_id)
    while isinstance(outcome, NotYet):
        here.clock.step(outcome.wait_seconds)
        outcome = here.dispatch(outcome)
    assert isinstance(outcome, Processing)
    finished = here.poll(job_id, outcome.watch)
    assert isinstance(finished, Finished)
    return finished


def refusal_of(outcome: Submission | UploadRejected | PresetRejected | Ignored) -> str:
    assert isinstance(outcome, UploadRejected)
    assert outcome.data.failure.code is FailureCode.INVALID_INPUT
    return outcome.data.failure.message


def shown(here: InMemoryDeployment, key: str = "shop/shoe.png") -> str | None:
    """The job whose result a reader of the key gets."""
    found = here.result(key)
    return found.metadata[MARKER] if found else None


@pytest.mark.parametrize("finishing", [*permutations(range(3))])
def test_the_newest_upload_has_the_key_in_whatever_order_jobs_finish(
    here: InMemoryDeployment, finishing: tuple[int, ...]
) -> None:
    shop(here)
    jobs = [job_of(uploaded(here, sequencer=f"0{number}")).job_id for number in range(3)]
    waiting = {job_id: ready(here, job_id) for job_id in jobs}

    for number in finishing:
        here.finalize(waiting[jobs[number]])

    assert shown(here) == jobs[2]
    for job_id in jobs:
        job = here.jobs.peek(job_id)
        assert job.status is JobStatus.SUCCEEDED
        [result] = job.results
        [link] = waiting[job_id].result_urls
        kept = here.objects.peek(ObjectLocation(result.bucket, result.key, result.version_id))
        assert kept
        assert kept.body == picture_at(link)
        assert result.key in {"shop/shoe.png", f"shop/shoe-{job_id}.png"}


def test_uploads_are_ordered_by_their_sequencers_not_by_their_announcements(here: InMemoryDeployment) -> None:
    shop(here)
    newer = job_of(uploaded(here, sequencer="0B")).job_id
    older = job_of(uploaded(here, sequencer="0a")).job_id

    here.run(newer)
    here.run(older)

    assert shown(here) == newer


def test_a_superseded_job_says_so_everywhere(here: InMemoryDeployment) -> None:
    shop(here)
    older, newer = (job_of(uploaded(here, sequencer=number)).job_id for number in "12")
    here.run(newer)
    here.run(older)

    job = here.jobs.peek(older)
    [result] = job.results
    assert (job.superseded_by, result.superseded_by, result.key) == (newer, newer, f"shop/shoe-{older}.png")
    *_, event = here.bus
    assert isinstance(event, JobSucceeded)
    assert (event.data.job_id, event.data.superseded_by, event.data.results) == (older, newer, job.results)
    record = here.result(job.record_key)
    assert record
    assert json.loads(record.body)["superseded_by"] == newer
    view = here.read(older)
    assert view
    assert JobResource.of(view).superseded_by == newer
    assert here.jobs.peek(newer).superseded_by is None


@pytest.mark.parametrize("times", [1, 3])
def test_an_older_result_that_is_on_its_way_never_replaces_a_newer(here: InMemoryDeployment, times: int) -> None:
    """The newer result is stored after the older job looked at the key, and before it writes."""
    shop(here)
    older, *newer = (job_of(uploaded(here, sequencer=str(number))).job_id for number in range(1 + times))
    waiting = {job_id: ready(here, job_id) for job_id in [older, *newer]}

    def the_others_are_faster() -> None:
        for job_id in newer:
            here.finalize(waiting[job_id])

    here.objects.on("put", the_others_are_faster)
    here.finalize(waiting[older])

    assert shown(here) == newer[-1]
    assert [result.key for result in here.jobs.peek(older).results] == [f"shop/shoe-{older}.png"]


def test_a_newer_result_whose_write_meets_an_older_one_is_written_again(here: InMemoryDeployment) -> None:
    shop(here)
    older, newer = (job_of(uploaded(here, sequencer=number)).job_id for number in "12")
    waiting = {job_id: ready(here, job_id) for job_id in (older, newer)}
    here.objects.on("put", lambda: here.finalize(waiting[older]))

    here.finalize(waiting[newer])

    assert shown(here) == newer
    assert [result.superseded_by for result in here.jobs.peek(newer).results] == [None]


def test_a_run_that_died_after_it_stored_and_is_superseded_meanwhile_loses_nothing(here: InMemoryDeployment) -> None:
    shop(here)
    older, newer = (job_of(uploaded(here, sequencer=number)).job_id for number in "12")
    waiting = {job_id: ready(here, job_id) for job_id in (older, newer)}
    here.jobs.on("save", RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        here.finalize(waiting[older])
    here.finalize(waiting[newer])

    here.finalize(waiting[older])

    assert shown(here) == newer
    job = here.jobs.peek(older)
    assert (job.status, job.superseded_by) == (JobStatus.SUCCEEDED, newer)


def test_a_retry_has_the_age_of_its_upload(here: InMemoryDeployment) -> None:
    shop(here)
    first = job_of(uploaded(here, sequencer="1")).job_id
    here.cancel(first)
    newer = job_of(uploaded(here, sequencer="2")).job_id
    here.run(newer)
    again = here.retry(first)
    assert again

    here.run(again.job.job_id)

    assert shown(here) == newer
    assert here.jobs.peek(again.job.job_id).superseded_by == newer


def test_an_image_that_comes_late_does_not_replace_a_newer(here: InMemoryDeployment) -> None:
    shop(here)
    late = job_of(uploaded(here, sequencer="1")).job_id
    watch = here.watched(late)
    here.clock.go_to(watch.deadline_at)
    here.provider.will_say(StillRunning())
    here.finalize(here.poll(late, watch))  # type: ignore[arg-type]
    newer = job_of(uploaded(here, sequencer="2")).job_id
    here.run(newer)
    here.clock.step(600)

    here.sweep()

    assert shown(here) == newer
    assert here.jobs.peek(late).superseded_by == newer
    assert len(here.jobs.peek(late).all_results) == 1


def test_a_late_image_of_the_newest_upload_has_the_key(here: InMemoryDeployment) -> None:
    shop(here)
    older = job_of(uploaded(here, sequencer="1")).job_id
    late = job_of(uploaded(here, sequencer="2")).job_id
    watch = here.watched(late)
    here.clock.go_to(watch.deadline_at)
    here.provider.will_say(StillRunning())
    here.finalize(here.poll(late, watch))  # type: ignore[arg-type]
    here.run(older)
    here.clock.step(600)

    here.sweep()

    assert shown(here) == late


def test_a_name_can_not_be_chosen_so_that_it_replaces_another_jobs_result(here: InMemoryDeployment) -> None:
    theirs = here.run(here.job_id())
    [result] = theirs.results
    shop(here, output_key="{name}.{ext}")

    mine = here.run(job_of(uploaded(here, f"uploads/shop/{result.key.removesuffix('.png')}.jpg")).job_id)

    assert shown(here, result.key) == theirs.job_id
    assert mine.status is JobStatus.SUCCEEDED
    assert mine.superseded_by == theirs.job_id


# ---- Sources that would share a key


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("uploads/shop/shoe.jpg", "uploads/shop/shoe.png"),
        ("uploads/shop/shoe.jpg", "uploads/shop/shoe"),
        ("uploads/shop/a/shoe.jpg", "uploads/shop/a//shoe.jpg"),
        ("uploads/shop/a/shoe.jpg", "uploads/shop//a/shoe.jpg"),
        ("uploads/shop/" + "x" * 1000 + "a.jpg", "uploads/shop/" + "x" * 1000 + "b.jpg"),
        ("uploads/shop/shoe.jpg", "uploads/other/shoe.jpg"),
        ("uploads/shop/shoe.jpg", "jobs/shoe.json"),
        ("uploads/shop/..jpg", "uploads/shop/_.jpg"),
    ],
)
def test_a_second_source_of_one_key_is_refused_when_it_arrives(
    here: InMemoryDeployment, first: str, second: str
) -> None:
    shop(here)
    here.objects.drop(UPLOADS, "presets/other.json", json.dumps(STABLE).encode())
    taken = job_of(uploaded(here, first))
    document = json.dumps(STABLE).encode()

    outcome = uploaded(here, second, body=document if second.endswith(".json") else JPEG)

    message = refusal_of(outcome)
    assert f"s3://{UPLOADS}/{first}" in message
    assert "rename" in message
    assert [job.job_id for job in here.jobs] == here.workflow.executions == [taken.job_id]


def test_a_refused_source_stays_refused_after_the_first_is_done(here: InMemoryDeployment) -> None:
    shop(here)
    first = job_of(uploaded(here)).job_id
    here.run(first)

    assert "shoe.jpg" in refusal_of(uploaded(here, "uploads/shop/shoe.png", body=PNG))
    assert job_of(uploaded(here, sequencer="2"))


def test_of_two_sources_at_once_one_has_the_key(here: InMemoryDeployment) -> None:
    shop(here)
    here.objects.drop(UPLOADS, "uploads/shop/shoe.png", PNG)
    here.jobs.on("add", lambda: uploaded(here, "uploads/shop/shoe.png", body=PNG))

    assert "shoe.png" in refusal_of(uploaded(here))
    [job] = here.jobs
    assert job.source.key == "uploads/shop/shoe.png"


def test_once_its_source_is_deleted_a_key_goes_to_the_next_one_and_that_is_newer(here: InMemoryDeployment) -> None:
    shop(here)
    first = job_of(uploaded(here, sequencer="ff")).job_id
    here.run(first)
    here.objects.delete(UPLOADS, "uploads/shop/shoe.jpg")

    second = job_of(uploaded(here, "uploads/shop/shoe.png", sequencer="01", body=PNG)).job_id
    here.run(second)

    assert shown(here) == second
    here.objects.drop(UPLOADS, "uploads/shop/shoe.jpg", JPEG)
    assert "shoe.png" in refusal_of(uploaded(here, sequencer="100"))


@pytest.mark.parametrize(
    "pair",
    [
        ("uploads/shop/shoe.jpg", "uploads/shop/Shoe.jpg"),
        ("uploads/shop/shoe.jpg", "uploads/shop/b/shoe.jpg"),
        ("uploads/shop/shoe.v1.jpg", "uploads/shop/shoe.v2.jpg"),
    ],
)
def test_sources_of_different_keys_do_not_meet(here: InMemoryDeployment, pair: tuple[str, str]) -> None:
    shop(here)
    for key in pair:
        here.run(job_of(uploaded(here, key)).job_id)
    assert len({result.key for job in here.jobs for result in job.results}) == 2


def test_keys_with_the_jobs_id_are_held_by_nobody(here: InMemoryDeployment) -> None:
    shop(here, output_key="shop/{name}/{job_id}.{ext}")
    assert job_of(uploaded(here)).key_holder is None
    assert job_of(uploaded(here, "uploads/shop/shoe.png", body=PNG)).key_holder is None


def test_an_announcement_that_comes_again_finds_its_job_whoever_holds_the_key_now(here: InMemoryDeployment) -> None:
    shop(here)
    key = "uploads/shop/shoe.jpg"
    upload = Upload(UPLOADS, key, here.objects.drop(UPLOADS, key, JPEG), etag="e", sequencer="1")
    first = job_of(here.announce_upload(upload))

    assert job_of(here.announce_upload(upload)).job_id == first.job_id
    assert len(here.jobs) == 1


def test_records_of_two_jobs_never_meet(here: InMemoryDeployment) -> None:
    shop(here)
    jobs = [here.run(job_of(uploaded(here, sequencer=number)).job_id) for number in "12"]
    records = [here.result(job.record_key) for job in jobs]
    assert [json.loads(record.body)["job_id"] for record in records if record] == [job.job_id for job in jobs]
