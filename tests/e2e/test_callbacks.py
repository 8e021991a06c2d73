"""What a provider's callback does to a job that waits: it asks now. Nothing is believed, nothing depends on it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
from heliograph.routes.config import Routes
from heliograph.routes.poll_schedule import Latencies, poll_times

from tests.e2e.conftest import ROUTES
from tests.e2e.world import World, wait_until

ROUTE = Routes.model_validate(ROUTES).default
# So the first wait is 12 s on this stack's clock: what is over sooner was woken.
SLOW = Latencies(seconds=(180.0,) * 80, callback_share=0.98)


@pytest.fixture(autouse=True)
def slow_route(world: World, closed_circuits: None) -> None:
    """Its tasks take minutes, as far as anybody knows."""
    states = DynamoDBRouteStates(world.stack.client("dynamodb"), world.stack.outputs["RoutesTableName"])
    state = states.snapshot([ROUTE]).routes[ROUTE.name]
    assert states.save(state, state.with_latencies(SLOW))
    assert poll_times(SLOW, has_callback=True)[0] > 100


def told(world: World, job_id: str, kind: str) -> list[str]:
    """What the job's timeline says of that kind of moments."""
    moments = world.call("GET", f"/v1/jobs/{job_id}/events").json()["data"]
    return [moment["detail"] for moment in moments if moment["kind"] == kind]


def waits(world: World, job: dict[str, Any]) -> list[str]:
    """The job's waits for its task."""
    return [detail for detail in told(world, job["id"], "waiting") if "callback" in detail]


def questions(world: World, job: dict[str, Any]) -> int:
    """How often the vendor was asked about the job's task."""
    return len(told(world, job["id"], "asked"))


def test_a_callback_makes_the_job_ask_at_once_and_once_is_enough(world: World, mark: str) -> None:
    job = world.finished(world.post(prompt=mark)["id"], seconds=11)

    assert job["status"] == "succeeded"
    assert questions(world, job) == 1
    assert waits(world, job) == ["waits for the provider's callback, or to ask: called back"]


def test_a_callback_that_comes_before_the_wait_began_is_not_waited_for(world: World, mark: str) -> None:
    world.fault("callback", "early", mark)

    job = world.finished(world.post(prompt=mark)["id"], seconds=11)

    assert questions(world, job) == 1
    assert waits(world, job) == ["waits for the provider's callback, or to ask: called back"]


def test_a_callback_that_lies_costs_two_questions_and_the_true_one_is_heard_all_the_same(
    world: World, mark: str
) -> None:
    world.fault("callback", "forged", mark)

    job = world.finished(world.post(prompt=mark)["id"], seconds=11)

    assert job["status"] == "succeeded"
    # At once, and soon after; then none until the end, if that did not come first.
    assert questions(world, job) in {2, 3}
    first, *_, last = waits(world, job)
    assert first == last == "waits for the provider's callback, or to ask: called back"


@pytest.mark.parametrize("kind", ["duplicate", "stale", "reordered"])
def test_a_callback_that_comes_again_is_no_news(world: World, mark: str, kind: str) -> None:
    world.fault("callback", kind, mark)

    job = world.finished(world.post(prompt=mark)["id"])

    assert job["status"] == "succeeded"
    assert questions(world, job) <= 2
    [task] = world.tasks(mark)
    assert task["charged_micro_usd"] == 60_000


def test_a_callback_that_never_comes_delays_the_job_and_no_more(world: World, mark: str) -> None:
    world.fault("callback", "never", mark)

    job = world.finished(world.post(prompt=mark)["id"])

    assert job["status"] == "succeeded"
    assert waits(world, job)[-1] == "waits for the provider's callback, or to ask"


def test_a_callback_that_comes_when_all_is_over_finds_nobody(world: World, mark: str) -> None:
    job = world.finished(world.post(prompt=mark)["id"])
    [task] = world.tasks(mark)
    [callback] = task["callbacks"]
    asked, calls = questions(world, job), len(job["attempts"])
    public, _, path = callback["url"].partition("/v1/callbacks/")
    assert public

    late = httpx.post(f"{world.stack.api_url}/v1/callbacks/{path}", json={"data": {"taskId": "t"}}, timeout=30)

    assert late.status_code == 404
    assert questions(world, job) == asked
    assert len(world.job(job["id"])["attempts"]) == calls


def test_a_call_whose_answer_was_lost_is_waited_for_until_its_task_announces_itself(world: World, mark: str) -> None:
    world.fault("create", "cut_after", mark, task_made=True)
    world.fault("task", "never_finishes", mark)
    job_id = world.post(prompt=mark)["id"]

    news = "waits for news of the create call: it is not known yet whether the call arrived"
    wait_until(lambda: news in told(world, job_id, "waiting") or None, seconds=20, what="its wait for news")
    world.finish(mark)

    assert world.finished(job_id)["status"] == "succeeded"
