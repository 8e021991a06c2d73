"""Settle: paid images are stored even after their job's end, and the job's cost is corrected."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from heliograph.api.representations.jobs import JobResource
from heliograph.budgets.ledger import Booking, Usage
from heliograph.execution.create_task import uncertain_call
from heliograph.execution.outcomes import Expired, NotYet, Over, Processing
from heliograph.execution.receive_callback import CallbackResult
from heliograph.jobs.audit_ledger import check_ledger, check_usage
from heliograph.jobs.job import FIRST_LATE_LOOK, JobStatus
from heliograph.jobs.retry_policy import GIVE_UP
from heliograph.kernel.errors import Conflict, PublishFailed, ResultUnusable, RouteFull, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.providers.protocol import NoAnswer, StillRunning, TaskFailed, Uncertain
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import JobSettled, event_type

from tests.fakes.deployment import RESULTS, InMemoryDeployment
from tests.fakes.provider import result_urls_of
from tests.fakes.script import Afterwards, Crash

TOKEN, TASK = "token-1", "task-1"
EMPTY = TaskFailed(Failure(code=FailureCode.RESULT_UNUSABLE, message="empty", retryable=False, charged=Charged.UNKNOWN))
FREE = TaskFailed(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO))


def timed_out(here: InMemoryDeployment, **document: Any) -> str:
    """A job that ended at its deadline while its task ran; nothing can be said of the charge."""
    job_id = here.job_id(**document)
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at)
    here.provider.will_say(StillRunning())
    here.finalize(here.poll(job_id, watch))  # type: ignore[arg-type]
    job = here.jobs.peek(job_id)
    assert (job.status, job.charged, job.price_usd) == (JobStatus.FAILED, Charged.UNKNOWN, None)
    assert here.ledger.read(next(iter(here.ledger.pages))) == Booking(unknown=60_000)
    return job_id


def lost(here: InMemoryDeployment, **document: Any) -> str:
    """A job that ended because its create call got no answer."""
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(**document)
    assert here.run(job_id).charged is Charged.UNKNOWN
    return job_id


def crashed(here: InMemoryDeployment) -> str:
    """A job whose workflow crashed, and whose task still ran at the deadline."""
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.clock.go_to(watch.deadline_at)
    here.provider.will_say(StillRunning())
    here.close(job_id, watch=watch)
    assert here.jobs.peek(job_id).charged is Charged.UNKNOWN
    return job_id


def books_agree(here: InMemoryDeployment) -> None:
    jobs = list(here.jobs)
    since = here.clock.now() - timedelta(days=999)
    assert all(line.agrees for line in check_ledger(jobs, here.ledger.pages.items(), complete_since=since))
    told = check_usage(jobs, here.ledger.usage("0001-01-01", "9999-12-31"), complete_since=since)
    assert all(line.agrees for line in told)


def look(here: InMemoryDeployment) -> list[str]:
    """The next sweep after the first late look is due."""
    here.clock.step(FIRST_LATE_LOOK.total_seconds())
    return here.sweep()


def events(here: InMemoryDeployment) -> list[str]:
    return [event_type(event) for event in here.bus]


@pytest.mark.parametrize("how", [timed_out, crashed])
def test_a_task_that_ends_after_its_job_is_stored_and_charged(here: InMemoryDeployment, how: Any) -> None:
    job_id = how(here)
    before = here.jobs.peek(job_id)

    assert look(here) == [f"settled {job_id}"]

    job = here.jobs.peek(job_id)
    assert (job.status, job.finished_at, job.failure) == (JobStatus.FAILED, before.finished_at, before.failure)
    assert (job.charged, job.price_usd, job.delivered_late_at) == (Charged.YES, "0.06", here.clock.now())
    [result] = job.all_results
    stored = here.result(result.key)
    assert stored
    assert stored.metadata["heliograph-attempt-id"] == job.attempts[0].attempt_id
    assert here.ledger.pages[next(iter(here.ledger.pages))] == Booking(spent=60_000)
    assert list(here.ledger.used.values()) == [Usage(pictures=1, spent=60_000)]
    books_agree(here)


def test_a_late_image_is_announced_once_and_the_announced_end_of_its_job_stays(
    here: InMemoryDeployment,
) -> None:
    job_id = timed_out(here)
    [failed] = here.bus
    look(here)

    # A repeated step of the workflow.
    here.finalize(Expired(job_id=job_id))
    here.clock.step(GIVE_UP.total_seconds())
    assert here.sweep() == []

    assert events(here) == ["image.job.failed", "image.job.settled", "image.job.failed"]
    assert list(here.bus)[2] == failed
    settled = list(here.bus)[1]
    assert isinstance(settled, JobSettled)
    data = settled.data
    assert (data.job_id, data.status, data.charged, data.price_usd) == (job_id, "failed", "yes", "0.06")
    assert data.results == here.jobs.peek(job_id).all_results
    assert here.jobs.peek(job_id).attention_at is None


def test_its_owner_sees_the_image_the_charge_and_when_it_came(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    view = here.read(job_id)
    assert view
    assert "may still bring an image" in (JobResource.of(view).notice or "")
    look(here)

    view = here.read(job_id)
    assert view
    told = JobResource.of(view)
    assert (told.status, told.charged, told.price_usd) == ("failed", "yes", "0.06")
    assert len(told.results) == 1
    assert told.delivered_late_at == here.clock.now()
    assert told.failure
    assert told.failure.charged is Charged.YES
    assert told.attempts[0].failure
    assert told.attempts[0].failure.charged is Charged.YES


def test_the_record_of_a_job_has_its_late_image(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    look(here)

    stored = here.result(here.jobs.peek(job_id).record_key)
    assert stored
    record = json.loads(stored.body)
    assert (record["status"], record["price_usd"], len(record["results"])) == ("failed", "0.06", 1)
    assert record["delivered_late_at"]
    assert record["failure"]["charged"] == "yes"


def test_a_task_that_fails_after_its_job_costs_nothing(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    here.provider.will_say(FREE)

    look(here)

    job = here.jobs.peek(job_id)
    assert (job.charged, job.price_usd, job.all_results) == (Charged.NO, "0.00", ())
    assert events(here) == ["image.job.failed", "image.job.settled"]
    assert not any(any(booking) for booking in here.ledger.pages.values())
    books_agree(here)


@pytest.mark.parametrize("state", [StillRunning(), NoAnswer("502"), EMPTY], ids=["running", "no answer", "empty"])
def test_an_uncertain_task_is_polled_for_a_day_with_growing_gaps(here: InMemoryDeployment, state: Any) -> None:
    job_id = timed_out(here)
    ended = here.clock.now()
    here.provider.questions.clear()
    looks = []
    while (due := here.jobs.peek(job_id).attention_at) is not None:
        here.clock.go_to(due)
        here.provider.will_say(state)
        here.sweep()
        looks.append(due - ended)

    assert len(here.provider.questions) == len(looks)
    gaps = [after - before for before, after in zip([timedelta(0), *looks], looks, strict=False)]
    assert looks[0] == FIRST_LATE_LOOK
    assert looks[-1] == GIVE_UP
    assert gaps[1:-1] == sorted(gaps[1:-1])
    assert 10 <= len(looks) <= 20
    assert here.jobs.peek(job_id).charged is Charged.UNKNOWN
    assert events(here) == ["image.job.failed"]


@pytest.mark.parametrize("after", [timedelta(minutes=1), timedelta(hours=1), timedelta(days=6)])
def test_a_callback_that_comes_after_the_end_makes_the_next_sweep_poll(
    here: InMemoryDeployment, after: timedelta
) -> None:
    job_id = timed_out(here)
    here.provider.questions.clear()
    while (due := here.jobs.peek(job_id).attention_at) and due < here.clock.now() + after:
        here.clock.go_to(due)
        here.provider.will_say(StillRunning())
        here.sweep()
    here.clock.step(after.total_seconds())
    asked = len(here.provider.questions)

    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.KNOWN
    assert len(here.provider.questions) == asked, "the callback itself asks nothing about a task that is known"
    saves = here.jobs.saves
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.KNOWN
    assert here.jobs.saves == saves, "a repeat writes nothing"
    here.sweep()

    assert here.jobs.peek(job_id).charged is Charged.YES
    assert here.hear(job_id, TOKEN, TASK) is CallbackResult.UNKNOWN


def test_a_lost_call_whose_task_announces_itself_after_the_end_is_stored(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    here.clock.step(3600)

    assert here.hear(job_id, TOKEN, "task-7") is CallbackResult.ADOPTED
    assert here.provider.questions == ["task-7"]
    here.sweep()

    job = here.jobs.peek(job_id)
    assert (job.status, job.charged) == (JobStatus.FAILED, Charged.YES)
    assert job.attempts[0].task_id == "task-7"
    assert len(job.all_results) == 1
    assert here.provider.create_calls == 1
    books_agree(here)


def test_a_forged_callback_after_the_end_changes_nothing(here: InMemoryDeployment) -> None:
    job_id = lost(here)
    other = another(here)
    here.run(other)
    before = here.jobs.peek(job_id)

    assert here.hear(job_id, "token-9", "task-7") is CallbackResult.UNKNOWN
    assert here.hear(job_id, TOKEN, None) is CallbackResult.MALFORMED
    assert here.hear(job_id, TOKEN, here.jobs.peek(other).attempts[0].task_id) is CallbackResult.UNKNOWN
    here.provider.will_say(NoAnswer("404"))
    assert here.hear(job_id, TOKEN, "task-of-nobody") is CallbackResult.UNCONFIRMED

    assert here.jobs.peek(job_id) == before


def test_if_a_second_charge_was_accepted_both_images_are_stored(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    here.dispatch(job_id)
    here.clock.go_to(here.jobs.peek(job_id).lost_call_deadline)
    assert here.run(job_id).status is JobStatus.SUCCEEDED
    [first] = here.jobs.peek(job_id).results

    assert here.hear(job_id, TOKEN, "task-7") is CallbackResult.ADOPTED
    here.sweep()

    job = here.jobs.peek(job_id)
    assert job.results == (first,)
    assert [result.key for result in job.all_results] == [f"api/{job_id}/{index}.png" for index in (1, 2)]
    assert (job.charged, job.price_usd) == (Charged.YES, "0.11")
    assert here.ledger.pages[next(iter(here.ledger.pages))] == Booking(spent=110_000)
    assert events(here) == ["image.job.succeeded", "image.job.settled"]
    books_agree(here)


def test_a_callback_for_an_earlier_attempt_is_received_while_the_next_one_runs(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    here.dispatch(job_id)
    here.clock.go_to(here.jobs.peek(job_id).lost_call_deadline)
    processing = here.dispatch(job_id)
    assert isinstance(processing, Processing)

    assert here.hear(job_id, TOKEN, "task-7") is CallbackResult.ADOPTED
    assert here.waits.woken == [], "nobody waits for that attempt"
    assert isinstance(here.finalize(here.poll(job_id, processing.watch)), Over)  # type: ignore[arg-type]
    look(here)

    assert len(here.jobs.peek(job_id).all_results) == 2
    books_agree(here)


def test_a_canceled_jobs_image_stays_at_the_provider_and_its_charge_is_published(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id)
    here.cancel(job_id)
    here.clock.go_to(watch.deadline_at)
    here.provider.will_say(StillRunning())
    here.finalize(here.poll(job_id, watch))  # type: ignore[arg-type]
    assert here.jobs.peek(job_id).charged is Charged.UNKNOWN

    look(here)

    job = here.jobs.peek(job_id)
    assert (job.status, job.charged, job.all_results) == (JobStatus.CANCELED, Charged.YES, ())
    assert job.all_provider_urls == result_urls_of(TASK)
    assert events(here) == ["image.job.canceled", "image.job.settled"]
    books_agree(here)


def test_an_image_whose_host_fails_is_downloaded_by_a_later_sweep(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    here.source.will_refuse(result_urls_of(TASK)[0], ResultUnusable("503", again=True, host_failed=True))

    look(here)
    assert here.jobs.peek(job_id).charged is Charged.UNKNOWN
    here.clock.step(600)
    here.sweep()

    assert len(here.jobs.peek(job_id).all_results) == 1


def test_an_image_that_can_not_be_had_for_a_day_names_its_links(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    here.clock.step(GIVE_UP.total_seconds())
    here.source.will_refuse(result_urls_of(TASK)[0], ResultUnusable("503", again=True, host_failed=True))

    here.sweep()

    job = here.jobs.peek(job_id)
    assert (job.charged, job.all_results, job.all_provider_urls) == (Charged.YES, (), result_urls_of(TASK))
    assert "503" in job.settlements[0].message
    assert job.attention_at is None


@pytest.mark.parametrize("moment", range(6))
@pytest.mark.parametrize("afterwards", [False, True])
def test_a_late_settlement_that_crashes_at_any_write_is_repeated_to_the_same_end(
    here: InMemoryDeployment, moment: int, afterwards: bool
) -> None:
    job_id = timed_out(here)
    crash: Any = Afterwards(Crash()) if afterwards else Crash()
    port, method, skip = [
        (here.objects, "put", 0),
        (here.objects, "put", 1),
        (here.jobs, "save", 0),
        (here.jobs, "save", 1),
        (here.jobs, "save", 2),
        (here.bus, "publish", 0),
    ][moment]
    port.on(method, *[None] * skip, crash)  # type: ignore[attr-defined]
    with pytest.raises(Crash):
        look(here)
    here.clock.step(3600)
    here.sweep()

    job = here.jobs.peek(job_id)
    assert (job.charged, len(job.all_results), len(job.settlements)) == (Charged.YES, 1, 1)
    assert here.objects.puts.count(ObjectLocation(RESULTS, job.all_results[0].key)) == 1
    assert len({event.event_id for event in here.bus}) == 2
    assert job.attention_at is None
    assert here.ledger.pages[next(iter(here.ledger.pages))] == Booking(spent=60_000)
    books_agree(here)


@pytest.mark.parametrize("error", [StorageFailed("throttled"), PublishFailed("away")])
def test_a_late_settlement_that_fails_is_completed_by_a_later_sweep(here: InMemoryDeployment, error: Exception) -> None:
    job_id = timed_out(here)
    if isinstance(error, StorageFailed):
        here.objects.on("put", error)
    else:
        here.bus.on("publish", error)

    [said] = look(here)
    assert said.startswith(f"left {job_id}")
    here.clock.step(600)
    here.sweep()

    assert events(here) == ["image.job.failed", "image.job.settled"]
    assert here.jobs.peek(job_id).attention_at is None


def test_a_late_image_does_not_take_the_place_of_another_jobs(here: InMemoryDeployment) -> None:
    stable = {"output_key": "shop/{name}.{ext}"}
    first = timed_out(here, **stable)
    second = another(here, **stable)
    place(here, second, of=first)
    assert here.run(second).status is JobStatus.SUCCEEDED
    [theirs] = here.jobs.peek(second).results

    here.clock.step(600)
    here.sweep()

    [late] = here.jobs.peek(first).all_results
    assert late.key != theirs.key
    assert first in late.key
    assert here.jobs.peek(first).superseded_by == second
    assert here.jobs.peek(first).settlements[0].record_key != here.jobs.peek(second).record_key
    assert here.objects.puts.count(ObjectLocation(RESULTS, theirs.key)) == 1


def another(here: InMemoryDeployment, **document: Any) -> str:
    """Another job."""
    return here.post({"prompt": "a second lighthouse", **document}, key="another").job.job_id


def place(here: InMemoryDeployment, job_id: str, *, of: str) -> None:
    """As a retry of an upload's job does: the same name, hence the same place."""
    job = here.jobs.peek(job_id)
    here.jobs.save(job.model_copy(update={"output_stem": here.jobs.peek(of).output_stem}))


def test_a_job_whose_image_came_late_is_not_retried(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    look(here)

    with pytest.raises(Conflict, match="arrived after all"):
        here.retry(job_id)


def test_a_retry_that_was_made_before_the_late_image_is_returned_again(here: InMemoryDeployment) -> None:
    job_id = timed_out(here)
    again = here.retry(job_id)
    look(here)

    assert again
    told = here.retry(job_id)
    assert told
    assert told.job.job_id == again.job.job_id


def test_a_job_that_ended_with_certainty_is_never_polled_again(here: InMemoryDeployment) -> None:
    assert here.run(here.job_id()).attention_at is None
    here.provider.will_say(FREE)
    free = here.run(another(here))
    assert (free.charged, free.attention_at) == (Charged.NO, None)


def test_a_lost_call_that_is_found_before_the_second_one_leaves_is_waited_for_instead(
    here: InMemoryDeployment,
) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    here.dispatch(job_id)
    here.clock.go_to(here.jobs.peek(job_id).lost_call_deadline)
    here.control.pause_spending("a drill")
    job = here.jobs.peek(job_id)
    here.jobs.save(job.refused(job.attempts[0].attempt_id, uncertain_call("cut"), here.clock.now()))

    assert here.hear(job_id, TOKEN, "task-7") is CallbackResult.ADOPTED
    here.control.resume_spending()
    processing = here.dispatch(job_id)

    assert isinstance(processing, Processing)
    assert processing.watch.task_id == "task-7"
    assert here.jobs.peek(job_id).booking == Booking(reserved=60_000)
    here.finalize(here.poll(job_id, processing.watch))  # type: ignore[arg-type]
    assert (here.jobs.peek(job_id).status, here.provider.create_calls) == (JobStatus.SUCCEEDED, 1)
    books_agree(here)


def test_a_lost_call_that_is_found_while_its_route_is_full_waits_for_room(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    job_id = here.job_id(on_uncertain="resubmit")
    here.dispatch(job_id)
    job = here.jobs.peek(job_id)
    here.jobs.save(job.refused(job.attempts[0].attempt_id, uncertain_call("cut"), here.clock.now()))
    here.hear(job_id, TOKEN, "task-7")
    here.jobs.on("save", RouteFull("apimodels/gpt-image-2-beta"))

    assert isinstance(here.dispatch(job_id), NotYet)
    assert isinstance(here.dispatch(job_id), Processing)
    assert here.provider.create_calls == 1
