"""Finalize: a paid image is stored, recorded and published, however many runs it takes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from heliograph.execution.outcomes import (
    Expired,
    Failed,
    FinalizeOutcome,
    Finished,
    Orphaned,
    Over,
    Processing,
    RetryFinalize,
)
from heliograph.jobs.job import JobStatus
from heliograph.jobs.provenance import MARKER
from heliograph.jobs.retry_policy import GIVE_UP, MAX_DELIVERIES
from heliograph.kernel.errors import PublishFailed, ResultUnusable, StaleJob, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.platform.threads import Threads
from heliograph.providers.protocol import Completed, NoAnswer
from heliograph.routes.poll_schedule import Latencies
from heliograph.storage.objects import DownloadedImage
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import JobExpired, JobFailed, JobSucceeded, event_type

from tests.fakes.deployment import RESULTS, ROUTES, InMemoryDeployment
from tests.fakes.provider import result_urls_of
from tests.fakes.results import ScriptedResultSource, picture_at
from tests.fakes.script import Afterwards, Crash

BROKEN = Failure(code=FailureCode.PROVIDER_FAILED, message="broken", retryable=True, charged=Charged.NO)
TORN = ResultUnusable("its download broke off", again=True)
UNREACHABLE = ResultUnusable("its host said 503", again=True, host_failed=True)
HOSTILE = ResultUnusable("its link is not on an allowed host", again=False)
THREE = result_urls_of("task-1", (1, 2, 3))


def three_pictures(here: InMemoryDeployment) -> Finished:
    here.provider.will_say(Completed(THREE))
    return here.finished(here.job_id())


def deliver_to_the_end(here: InMemoryDeployment, finished: Finished) -> list[FinalizeOutcome]:
    outcomes = [here.finalize(finished)]
    while isinstance(outcomes[-1], RetryFinalize):
        here.clock.step(outcomes[-1].wait_seconds)
        outcomes.append(here.finalize(outcomes[-1]))
    return outcomes


def test_the_image_is_stored_byte_for_byte_with_its_provenance(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())

    here.finalize(finished)

    stored = here.result(f"api/{finished.job_id}/1.png")
    assert stored
    assert stored.body == picture_at(finished.result_urls[0])
    assert stored.content_type == "image/png"
    assert stored.metadata[MARKER] == finished.job_id
    assert stored.metadata["heliograph-sha256"] == hashlib.sha256(stored.body).hexdigest()
    assert all(text.isascii() for pair in stored.metadata.items() for text in pair)


def test_the_route_learns_the_tasks_latency(here: InMemoryDeployment) -> None:
    here.provider.will_say(Completed(THREE, took_seconds=21.46))
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.step(25)
    finished = here.poll(job_id, watch)
    assert isinstance(finished, Finished)
    here.source.will_refuse(THREE[0], TORN)

    deliver_to_the_end(here, finished)
    here.finalize(finished)

    route = ROUTES.default
    # Once, however often its pictures were fetched.
    assert here.states.snapshot([route]).routes[route.name].latencies.seconds == (21.5,)


@pytest.mark.parametrize("found_after_seconds", [0.5, 30])
def test_the_route_learns_whether_the_provider_calls_back(here: InMemoryDeployment, found_after_seconds: float) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(Completed(THREE, took_seconds=20))
    here.clock.step(20 + found_after_seconds)
    told = here.poll(job_id, watch.model_copy(update={"called_back": True}))
    assert isinstance(told, Finished)
    here.finalize(told)
    after_a_callback = share(here)
    other = here.post(call="other").job.job_id
    here.provider.will_say(Completed(THREE, took_seconds=20))
    watch = here.watched(other)
    here.clock.step(20 + found_after_seconds)
    untold = here.poll(other, watch)
    assert isinstance(untold, Finished)
    here.finalize(untold)

    known = Latencies().with_callback()
    assert after_a_callback == known.callback_share
    assert share(here) == known.without_callback(found_after_seconds).callback_share


def test_a_callback_before_the_answer_counts_as_one(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.provider.will_say(NoAnswer("502"), Completed(THREE, took_seconds=20))
    here.clock.step(20)
    unanswered = here.poll(job_id, watch.model_copy(update={"called_back": True}))
    assert isinstance(unanswered, Processing)
    here.clock.step(unanswered.wait_seconds)
    finished = here.poll(job_id, unanswered.watch)
    assert isinstance(finished, Finished)

    here.finalize(finished)

    assert share(here) == Latencies().with_callback().callback_share


def test_without_a_callback_url_nothing_is_learned_about_callbacks(here: InMemoryDeployment) -> None:
    here.callback_base = None
    here.run(here.job_id())

    assert share(here) == Latencies().callback_share


def share(here: InMemoryDeployment) -> float:
    route = ROUTES.default
    return here.states.snapshot([route]).routes[route.name].latencies.callback_share


def test_the_job_succeeds_with_its_results_and_its_price(here: InMemoryDeployment) -> None:
    finished = three_pictures(here)

    assert here.finalize(finished) == Over(job_id=finished.job_id, status=JobStatus.SUCCEEDED)

    job = here.jobs.peek(finished.job_id)
    assert [result.key for result in job.results] == [f"api/{job.job_id}/{index}.png" for index in (1, 2, 3)]
    assert (job.results[0].width, job.results[0].height) == (1024, 768)
    for result in job.results:
        stored = here.objects.peek(ObjectLocation(result.bucket, result.key, result.version_id))
        assert stored
        assert hashlib.sha256(stored.body).hexdigest() == result.sha256
    assert job.price_microusd == 60_000


def test_the_event_of_success_says_where_everything_is(here: InMemoryDeployment) -> None:
    job_id = here.job_id(metadata={"order": "17"})
    here.finalize(here.finished(job_id))

    (event,) = here.bus
    assert isinstance(event, JobSucceeded)
    assert event_type(event) == "image.job.succeeded"
    assert event.data.results == here.jobs.peek(job_id).results
    assert event.data.record.key == f"records/{job_id}.json"
    assert (event.data.price_usd, event.data.metadata, event.data.attempts) == ("0.06", {"order": "17"}, 1)


def test_the_record_has_the_provenance_of_the_image(here: InMemoryDeployment) -> None:
    job_id = here.job_id(prompt="灯台の夜明け")
    here.finalize(here.finished(job_id))

    stored = here.result(f"records/{job_id}.json")
    assert stored
    record = json.loads(stored.body)
    assert "灯台の夜明け".encode() in stored.body
    assert record["request"]["nsfw_checker"] is False
    assert (record["status"], record["price_usd"]) == ("succeeded", "0.06")
    assert record["attempts"][0]["task_id"] == "task-1"
    assert "run_id" not in record["attempts"][0]
    assert record["results"][0]["key"] == f"api/{job_id}/1.png"


def test_the_event_is_published_only_after_the_end_is_saved(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.jobs.on("save", StorageFailed("throttled"))

    with pytest.raises(StorageFailed):
        here.finalize(finished)

    assert len(here.bus) == 0
    assert not here.jobs.peek(finished.job_id).is_over


def test_when_the_event_is_published_the_job_is_over_and_its_record_written(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    seen: list[tuple[JobStatus, set[str]]] = []
    here.bus.on("publish", lambda: seen.append((here.jobs.peek(finished.job_id).status, here.objects.keys(RESULTS))))

    here.finalize(finished)

    folder = f"api/{finished.job_id}"
    assert seen == [(JobStatus.SUCCEEDED, {f"{folder}/1.png", f"records/{finished.job_id}.json"})]


def test_a_second_run_changes_nothing_and_says_the_same(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.finalize(finished)
    job, puts, fetched = here.jobs.peek(finished.job_id), list(here.objects.puts), list(here.source.fetched)
    here.clock.step(3600)

    assert here.finalize(finished) == Over(job_id=job.job_id, status=JobStatus.SUCCEEDED)

    assert here.jobs.peek(job.job_id) == job
    assert (here.objects.puts, here.source.fetched) == (puts, fetched)
    first, second = here.bus
    assert first == second


@pytest.mark.parametrize("end", ["succeeded", "failed", "expired"])
def test_an_event_that_could_not_be_published_is_published_by_the_second_run(
    here: InMemoryDeployment, end: str
) -> None:
    job_id = here.job_id()
    outcome: Finished | Failed | Expired
    match end:
        case "succeeded":
            outcome = here.finished(job_id)
        case "failed":
            outcome = Failed(job_id=job_id, failure=BROKEN)
        case _:
            outcome = Expired(job_id=job_id)
    here.bus.on("publish", PublishFailed("throttled"))
    with pytest.raises(PublishFailed):
        here.finalize(outcome)
    assert len(here.bus) == 0

    here.finalize(outcome)

    (event,) = here.bus
    assert event_type(event) == f"image.job.{end}"


@pytest.mark.parametrize("method", ["look", "put"])
def test_a_bucket_that_fails_loses_nothing(here: InMemoryDeployment, method: str) -> None:
    finished = three_pictures(here)
    here.objects.on(method, None, StorageFailed("slow down"))
    with pytest.raises(StorageFailed):
        here.finalize(finished)
    assert not here.jobs.peek(finished.job_id).is_over

    here.finalize(finished)

    assert len(here.jobs.peek(finished.job_id).results) == 3


def test_an_image_that_an_earlier_run_stored_is_not_stored_again(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.jobs.on("save", Crash())
    with pytest.raises(Crash):
        here.finalize(finished)

    here.finalize(finished)

    pictures = [place for place in here.objects.puts if place.key.endswith(".png")]
    assert len(pictures) == 1
    assert here.jobs.peek(finished.job_id).results[0].version_id == "v1"


def test_an_image_of_another_job_under_the_same_key_does_not_keep_this_one_from_being_stored(
    here: InMemoryDeployment,
) -> None:
    finished = here.finished(here.job_id())
    key = f"api/{finished.job_id}/1.png"
    here.objects.drop(RESULTS, key, b"older", metadata={MARKER: "job_other", "heliograph-sha256": "0" * 64})

    here.finalize(finished)

    stored = here.result(key)
    assert stored
    assert stored.metadata[MARKER] == finished.job_id
    assert here.jobs.peek(finished.job_id).results[0].version_id == stored.version == "v2"


def test_an_older_result_that_was_archived_does_not_keep_a_paid_one_from_being_stored(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.objects.on("look", StorageFailed("s3://b/k: InvalidObjectState", refusal="k can't be read: it is archived"))

    here.finalize(finished)

    assert here.jobs.peek(finished.job_id).status is JobStatus.SUCCEEDED
    assert here.result(f"api/{finished.job_id}/1.png")


def test_a_refusal_to_store_a_paid_image_is_retried(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.objects.on("put", StorageFailed("s3://b/k: KMS.DisabledException"))
    with pytest.raises(StorageFailed):
        here.finalize(finished)
    assert not here.jobs.peek(finished.job_id).is_over

    here.finalize(finished)

    assert here.jobs.peek(finished.job_id).status is JobStatus.SUCCEEDED


def test_a_result_whose_download_breaks_off_is_downloaded_again_later(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.source.will_refuse(finished.result_urls[0], TORN, TORN)

    outcomes = deliver_to_the_end(here, finished)

    assert [outcome.outcome for outcome in outcomes] == ["again", "again", "over"]
    assert here.jobs.peek(finished.job_id).status is JobStatus.SUCCEEDED
    assert len(here.bus) == 1


def test_store_attempts_are_bounded_and_the_links_to_a_paid_image_kept(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.source.will_refuse(finished.result_urls[0], *[TORN] * 100)

    deliver_to_the_end(here, finished)

    job = here.jobs.peek(finished.job_id)
    assert len(here.source.fetched) == MAX_DELIVERIES
    assert job.failure
    assert (job.failure.code, job.failure.charged) == (FailureCode.RESULT_UNUSABLE, Charged.YES)
    assert job.provider_urls == finished.result_urls
    assert job.price_microusd == 60_000


def test_an_image_whose_host_fails_is_retried_for_a_day(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.source.will_refuse(finished.result_urls[0], *[UNREACHABLE] * MAX_DELIVERIES)

    outcomes = deliver_to_the_end(here, finished)

    assert outcomes[-1] == Orphaned(job_id=finished.job_id)
    assert not here.jobs.peek(finished.job_id).is_over
    assert len(here.bus) == 0
    here.clock.step(60)
    here.sweep()
    assert here.jobs.peek(finished.job_id).status is JobStatus.SUCCEEDED


def test_after_that_day_the_image_is_given_up(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.source.will_refuse(finished.result_urls[0], *[UNREACHABLE] * MAX_DELIVERIES)
    here.clock.go_to(finished.watch.deadline_at + GIVE_UP)

    outcomes = deliver_to_the_end(here, finished)

    assert outcomes[-1] == Over(job_id=finished.job_id, status=JobStatus.FAILED)
    (event,) = here.bus
    assert isinstance(event, JobFailed)
    assert here.jobs.peek(finished.job_id).provider_urls == finished.result_urls
    assert event.data.failure.charged is Charged.YES


def test_a_result_that_is_no_image_is_not_retried_for_a_day(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.source.will_refuse(finished.result_urls[0], *[TORN] * MAX_DELIVERIES)

    assert deliver_to_the_end(here, finished)[-1] == Over(job_id=finished.job_id, status=JobStatus.FAILED)


def test_a_permanently_unusable_result_is_downloaded_once(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.source.will_refuse(finished.result_urls[0], HOSTILE)

    assert len(deliver_to_the_end(here, finished)) == 1
    assert here.jobs.peek(finished.job_id).provider_urls == finished.result_urls


def test_of_several_results_the_good_ones_are_kept(here: InMemoryDeployment) -> None:
    finished = three_pictures(here)
    here.source.will_refuse(THREE[1], HOSTILE)

    here.finalize(finished)

    job = here.jobs.peek(finished.job_id)
    assert job.status is JobStatus.FAILED
    assert [result.key for result in job.results] == [f"api/{job.job_id}/{index}.png" for index in (1, 3)]
    assert job.provider_urls == THREE
    (event,) = here.bus
    assert isinstance(event, JobFailed)
    assert event.data.results == job.results
    assert (event.data.failure.charged, event.data.price_usd) == (Charged.YES, "0.06")
    record = here.result(f"records/{job.job_id}.json")
    assert record
    assert json.loads(record.body)["failure"]["code"] == "result_unusable"


def test_a_stored_result_is_not_stored_again_while_another_is_retried(here: InMemoryDeployment) -> None:
    finished = three_pictures(here)
    here.source.will_refuse(THREE[2], TORN, TORN)

    deliver_to_the_end(here, finished)

    keys = [place.key for place in here.objects.puts]
    assert len(keys) == len(set(keys)) == 4


def test_a_bucket_that_fails_for_one_result_has_the_others(here: InMemoryDeployment) -> None:
    finished = three_pictures(here)
    here.objects.on("put", None, StorageFailed("slow down"))

    with pytest.raises(StorageFailed):
        here.finalize(finished)

    assert here.objects.keys(RESULTS) == {f"api/{finished.job_id}/{index}.png" for index in (1, 3)}


def test_results_are_copied_all_at_once(here: InMemoryDeployment) -> None:
    finished = three_pictures(here)
    meeting = threading.Barrier(3)

    class Meeting(ScriptedResultSource):
        """Hands a picture over only when all of them are asked for."""

        @contextmanager
        def fetch(self, url: str) -> Iterator[DownloadedImage]:
            meeting.wait(10)
            with super().fetch(url) as picture:
                yield picture

    replace(here.finalizer, copier=replace(here.copier, source=Meeting(), together=Threads(3))).finalize(finished)

    job = here.jobs.peek(finished.job_id)
    assert [result.key for result in job.results] == [f"api/{job.job_id}/{index}.png" for index in (1, 2, 3)]
    for result, url in zip(job.results, THREE, strict=True):
        assert result.sha256 == hashlib.sha256(picture_at(url)).hexdigest()


def test_a_failure_is_saved_and_published(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    assert here.finalize(Failed(job_id=job_id, failure=BROKEN)) == Over(job_id=job_id, status=JobStatus.FAILED)

    (event,) = here.bus
    assert isinstance(event, JobFailed)
    assert event.data.failure == BROKEN
    assert here.jobs.peek(job_id).failure == BROKEN
    assert here.objects.puts == []


def test_an_unknown_cost_is_published_as_unknown(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    lost = Failure(code=FailureCode.PROVIDER_TIMEOUT, message="lost", retryable=False, charged=Charged.UNKNOWN)

    here.finalize(Failed(job_id=job_id, failure=lost))

    (event,) = here.bus
    assert isinstance(event, JobFailed)
    assert event.data.price_usd is None


def test_an_end_is_recorded_as_published_only_after_it_was(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.bus.on("publish", PublishFailed("throttled"))
    with pytest.raises(PublishFailed):
        here.finalize(finished)
    assert not here.jobs.peek(finished.job_id).announced

    here.finalize(finished)

    assert here.jobs.peek(finished.job_id).announced


def test_an_expired_job_is_saved_and_published(here: InMemoryDeployment) -> None:
    job_id = here.job_id()

    here.finalize(Expired(job_id=job_id))

    (event,) = here.bus
    assert isinstance(event, JobExpired)
    assert (event.data.failure.charged, event.data.price_usd) == (Charged.NO, "0.00")


def test_a_job_never_changes_its_end(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.finalize(finished)
    job = here.jobs.peek(finished.job_id)

    here.finalize(Failed(job_id=job.job_id, failure=BROKEN))
    here.finalize(Expired(job_id=job.job_id))

    assert here.jobs.peek(job.job_id) == job
    assert {event.event_id for event in here.bus} == {next(iter(here.bus)).event_id}


def test_if_another_run_ended_the_job_first_its_end_counts_and_is_published(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    other = Failed(job_id=finished.job_id, failure=BROKEN, attempt_id=finished.watch.attempt_id)
    here.jobs.on("save", lambda: here.finalize(other))

    assert here.finalize(finished) == Over(job_id=finished.job_id, status=JobStatus.FAILED)

    assert here.jobs.peek(finished.job_id).failure == BROKEN
    assert {event_type(event) for event in here.bus} == {"image.job.failed"}
    assert len({event.event_id for event in here.bus}) == 1


def test_an_end_whose_write_had_no_answer_is_published_by_the_repeat(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.jobs.on("save", Afterwards(StaleJob("retried by the client, and the first try had arrived")))

    assert here.finalize(finished) == Over(job_id=finished.job_id, status=JobStatus.SUCCEEDED)
    assert len(here.bus) == 1


def test_if_the_job_changed_but_goes_on_the_run_raises_for_a_retry(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.jobs.on("save", StaleJob(finished.job_id))

    with pytest.raises(StaleJob):
        here.finalize(finished)

    assert len(here.bus) == 0
    here.finalize(finished)
    assert here.jobs.peek(finished.job_id).status is JobStatus.SUCCEEDED


def test_an_execution_without_a_job_ends_quietly(here: InMemoryDeployment) -> None:
    assert here.finalize(Expired(job_id="job_nobody")) == Over(job_id="job_nobody", status=JobStatus.FAILED)
    assert len(here.bus) == 0


def test_events_of_other_ends_and_other_jobs_have_other_ids(here: InMemoryDeployment) -> None:
    jobs = [here.post(call=f"call-{number}").job.job_id for number in range(3)]
    here.finalize(here.finished(jobs[0]))
    here.finalize(Failed(job_id=jobs[1], failure=BROKEN))
    here.finalize(Expired(job_id=jobs[2]))

    assert len({event.event_id for event in here.bus}) == 3


def test_an_event_has_the_time_of_the_jobs_end_not_of_its_publication(here: InMemoryDeployment) -> None:
    finished = here.finished(here.job_id())
    here.finalize(finished)
    ended_at = here.clock.now()
    here.clock.step(timedelta(days=1).total_seconds())
    here.finalize(finished)

    assert [event.occurred_at for event in here.bus] == [ended_at, ended_at]
