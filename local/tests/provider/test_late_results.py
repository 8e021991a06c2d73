"""A completed task whose results are listed late, with both adapters and the schedule of polls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from heliograph.execution.outcomes import Failed, Finished, Processing, Watch
from heliograph.execution.poll import Poller
from heliograph.jobs.retry_policy import RESULT_PATIENCE
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.providers.adapters.apimodels import ApiModels
from heliograph.providers.adapters.kie import Kie
from heliograph.providers.ports import ImageProvider
from heliograph.providers.protocol import Accepted, NoResultYet, TaskRequest

from local.tests.provider.simulation import API, KEY, Simulation

KIE_KEY = "00112233445566778899aabbccddeeff"
REQUEST = TaskRequest("gpt-image-2", "a red shoe", AspectRatio.LANDSCAPE_16_9, False, ())
PATIENCE_SECONDS = RESULT_PATIENCE.total_seconds()


class SimulatedClock:
    """The simulation's clock, as the application's port."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._simulation.clock(), UTC)


def provider_of(simulation: Simulation, provider: str) -> ImageProvider:
    base, key = ("/kie/api/v1", KIE_KEY) if provider == "kie" else ("/v1", KEY)

    def forward(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix(base)
        answer = simulation.call(request.method, path, key=key, base=base, content=request.content)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    adapter = Kie if provider == "kie" else ApiModels
    return adapter(f"{API}{base}", lambda: key, transport=httpx.MockTransport(forward))


def outcome_of(simulation: Simulation, provider: ImageProvider) -> tuple[Finished | Failed, float]:
    """Outcome of polling on `poll`'s schedule, and the seconds from the task's end to it."""
    accepted = provider.create(REQUEST)
    assert isinstance(accepted, Accepted)
    simulation.advance(60)
    assert provider.ask(accepted.task_id) == NoResultYet()
    clock = SimulatedClock(simulation)
    began_at = clock.now()
    watch = Watch(
        attempt_id="att_1",
        provider="it",
        model="gpt-image-2",
        task_id=accepted.task_id,
        deadline_at=began_at + timedelta(seconds=1),
    )
    while True:
        outcome = Poller(providers={"it": provider}, clock=clock).poll("job_1", watch)
        if not isinstance(outcome, Processing):
            return outcome, (clock.now() - began_at).total_seconds()
        watch = outcome.watch
        simulation.advance(outcome.wait_seconds)


@pytest.mark.parametrize("provider", ["apimodels", "kie"])
@pytest.mark.parametrize("seconds", [70, 200])
def test_an_image_that_is_listed_late_is_found(simulation: Simulation, provider: str, seconds: int) -> None:
    simulation.fault("task", "empty_result", seconds=seconds)

    outcome, waited_seconds = outcome_of(simulation, provider_of(simulation, provider))

    assert isinstance(outcome, Finished)
    assert simulation.result(outcome.result_urls[0]).status_code == 200
    assert waited_seconds <= seconds + 30


@pytest.mark.parametrize("provider", ["apimodels", "kie"])
def test_one_that_is_never_listed_is_given_up_after_minutes(simulation: Simulation, provider: str) -> None:
    simulation.fault("task", "empty_result")

    outcome, waited_seconds = outcome_of(simulation, provider_of(simulation, provider))

    assert isinstance(outcome, Failed)
    assert waited_seconds == PATIENCE_SECONDS
