"""What is measured of a job, a question, a webhook and a deployment: each fact once, with the right figures."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from heliograph.execution.outcomes import Failed, Finished
from heliograph.jobs.deadlines import attention_at
from heliograph.jobs.job import Job
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.monitoring.health import LONG_OVERDUE, HealthCheck
from heliograph.monitoring.measured import MeasuredEventBus, MeasuredJobStore
from heliograph.monitoring.metrics import (
    METRICS,
    HealthSnapshot,
    Measure,
    delivery_metrics,
    end_metrics,
    event_metrics,
    poll_metrics,
    submission_metrics,
    sweep_metrics,
)
from heliograph.providers.protocol import NoAnswer, StillRunning
from heliograph.routes.state import SpendingPause
from heliograph.webhooks.delivery import AttemptResult, DeliveryDone, DeliveryStatus, RetryDelivery

from tests.examples import after, failed_job, published_examples, queued_job, succeeded_job
from tests.fakes.deployment import BETA, ROUTES, InMemoryDeployment
from tests.fakes.script import Afterwards

ROUTE = next(iter(ROUTES))


class Told:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Measure, dict[str, Any]]] = []

    def __call__(self, measures: Any, **properties: Any) -> None:
        self.lines += [(measure, properties) for measure in measures]

    def __getitem__(self, name: str) -> list[tuple[float, str | None]]:
        return [(measure.value, measure.of) for measure, _ in self.lines if measure.metric.name == name]


def values(measures: Any) -> dict[str, tuple[float, str | None]]:
    return {measure.metric.name: (measure.value, measure.of) for measure in measures}


def failing(code: FailureCode) -> Job:
    failure = Failure(code=code, message="because", retryable=False, charged=Charged.NO)
    return queued_job().failed(failure, after(9))


@pytest.fixture
def told(here: InMemoryDeployment) -> Told:
    """What a deployment tells whose stores and bus are watched."""
    told = Told()
    here.jobs = MeasuredJobStore(here.jobs, told)  # type: ignore[assignment]
    here.bus = MeasuredEventBus(here.bus, told)  # type: ignore[assignment]
    return told


def test_no_two_metrics_have_one_name() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_a_job_is_told_once_when_it_comes_and_once_when_it_ends(here: InMemoryDeployment, told: Told) -> None:
    posted = here.post(key="same")
    assert here.post(key="same").job == posted.job
    finished = here.finished(posted.job.job_id)
    here.finalize(finished)
    here.finalize(finished)
    assert told["JobsSubmitted"] == [(1, "api")]
    assert told["JobsEnded"] == [(1, "succeeded")]
    assert told["SpentUsd"] == [(0.06, None)]
    assert [of for _, of in told["ProviderLatency"]] == [BETA]
    assert {properties["job_id"] for _, properties in told.lines} == {posted.job.job_id}


def test_the_end_is_told_also_if_the_bus_is_away(here: InMemoryDeployment, told: Told) -> None:
    finished = here.finished(here.job_id())
    here.bus._bus.on("publish", Afterwards(RuntimeError()))  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError):
        here.finalize(finished)
    here.finalize(finished)
    assert told["JobsEnded"] == [(1, "succeeded")]


def test_a_job_that_another_ended_first_is_told_once(here: InMemoryDeployment, told: Told) -> None:
    job_id = here.job_id()
    here.cancel(job_id)
    here.close(job_id, "crashed")
    assert told["JobsEnded"] == [(1, "canceled")]
    assert told["JobFaults"] == [(0, None)]


def test_the_sweep_tells_of_what_it_ends(here: InMemoryDeployment, told: Told) -> None:
    here.job_id()
    here.clock.step(24 * 3600)
    here.sweep()
    here.sweep()
    assert told["JobsEnded"] == [(1, "expired")]
    assert told["JobFaults"] == [(1, None)]


def test_a_picture_is_told_with_the_time_that_each_part_took() -> None:
    job = succeeded_job()
    attempt = job.attempts[0].model_copy(update={"intended_at": after(1), "ready_at": after(20)})
    job = job.model_copy(update={"attempts": (attempt,), "finished_at": after(22.5)})
    assert values(end_metrics(job)) == {
        "JobsEnded": (1, "succeeded"),
        "JobFaults": (0, None),
        "SpentUsd": (0.06, None),
        "QueueTime": (1, None),
        "JobTime": (22.5, None),
        "ProviderLatency": (19, attempt.route),
        "StorageLag": (2.5, None),
    }


def test_where_nobody_knows_when_a_picture_was_ready_nothing_is_made_up() -> None:
    told = values(end_metrics(succeeded_job()))
    assert "JobTime" in told
    assert not {"ProviderLatency", "StorageLag"} & told.keys()


def test_money_that_nobody_can_tell_is_told_apart() -> None:
    failure = Failure(code=FailureCode.SUBMISSION_UNCERTAIN, message="lost", retryable=False, charged=Charged.UNKNOWN)
    lost = queued_job().attempting("att_1", "run", ROUTE, after(1)).failed(failure, after(300))
    told = values(end_metrics(lost))
    assert (told["SpentUsd"], told["UnknownUsd"]) == ((0, None), (0.06, None))
    assert told["JobsEnded"] == (1, "submission_uncertain")


@pytest.mark.parametrize("code", FailureCode)
def test_nobody_is_woken_for_what_a_jobs_owner_can_fix(code: FailureCode) -> None:
    owners = {"invalid_input", "unsupported_media", "content_blocked", "budget_exceeded", "preset_stopped"}
    assert values(end_metrics(failing(code)))["JobFaults"] == (int(code not in owners), None)


def test_a_job_that_is_not_over_has_no_end() -> None:
    assert list(end_metrics(queued_job())) == []
    assert values(submission_metrics(queued_job())) == {"JobsSubmitted": (1, "upload")}


def test_questions_are_told_when_the_last_one_is_answered(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    watch = here.watched(job_id).model_copy(update={"polls": 4})
    here.provider.will_say(StillRunning(), NoAnswer("it said 502"))
    assert values(poll_metrics(here.poll(job_id, watch), watch)) == {}
    assert values(poll_metrics(here.poll(job_id, watch), watch)) == {"PollsUnanswered": (1, None)}
    finished = here.poll(job_id, watch)
    assert isinstance(finished, Finished)
    assert values(poll_metrics(finished, watch)) == {"Polls": (5, None)}
    failed = failed_job().failure
    assert failed
    assert values(poll_metrics(Failed(job_id=job_id, failure=failed), watch)) == {"Polls": (5, None)}


@pytest.mark.parametrize(
    ("attempt", "again", "expected"),
    [
        (
            AttemptResult(accepted=True, age_seconds=1.5),
            False,
            {"WebhookAttempts": (1, "taken"), "WebhookAge": (1.5, None)},
        ),
        (AttemptResult(accepted=True, age_seconds=None), False, {"WebhookAttempts": (1, "taken")}),
        (AttemptResult(accepted=False, age_seconds=1.5), False, {"WebhookAttempts": (1, "given_up")}),
        (AttemptResult(accepted=False, age_seconds=1.5), True, {"WebhookAttempts": (1, "refused")}),
        (None, True, {}),
        (None, False, {}),
    ],
    ids=["taken", "a replay", "given up", "refused", "not tried, again", "not tried, done"],
)
def test_an_attempt_at_a_webhook_is_measured_by_the_run_that_made_it(
    attempt: AttemptResult | None, again: bool, expected: Any
) -> None:
    outcome = (
        RetryDelivery(delivery_id="dlv_x", series=1, tries=1, wait_seconds=5, reason="503", attempt=attempt)
        if again
        else DeliveryDone(delivery_id="dlv_x", series=1, status=DeliveryStatus.DELIVERED, attempt=attempt)
    )
    assert values(delivery_metrics(outcome)) == expected


def test_events_are_told_that_are_not_about_a_job() -> None:
    told = {name: [m.of for m in event_metrics(event)] for name, event in published_examples().items()}
    assert told == {name: [] if name.startswith("image.job.") else [name] for name in told}


def test_a_sweep_always_tells_how_things_stand() -> None:
    assert values(sweep_metrics(0, HealthSnapshot(stuck_jobs=0, unavailable_routes=0))) == {
        "JobsSwept": (0, None),
        "StuckJobs": (0, None),
        "UnavailableRoutes": (0, None),
    }


def health(here: InMemoryDeployment) -> HealthSnapshot:
    return HealthCheck(jobs=here.jobs, routes=tuple(ROUTES), control=here.control).run()


def test_a_job_is_stuck_when_it_should_have_moved_long_ago(here: InMemoryDeployment) -> None:
    due = attention_at(here.post().job)
    assert due
    here.clock.step((due - here.clock.now() + LONG_OVERDUE - timedelta(seconds=1)).total_seconds())
    assert health(here).stuck_jobs == 0
    here.clock.step(1)
    assert health(here).stuck_jobs == 1
    here.sweep()
    assert health(here).stuck_jobs == 0


def test_routes_count_that_are_held_open_or_stopped_with_all_others(here: InMemoryDeployment) -> None:
    assert health(here).unavailable_routes == 0
    here.control.disable(ROUTE, "drill")
    assert health(here).unavailable_routes == 1
    here.states.set_spending_pause(SpendingPause(since=here.clock.now(), reason="too dear"))
    assert health(here).unavailable_routes == len(tuple(ROUTES))
    here.states.set_spending_pause(None)
    here.control.enable(ROUTE)
    assert health(here).unavailable_routes == 0
