"""Fairness: ten thousand uploads at once, simulated with the real use cases."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from heliograph.execution.outcomes import DispatchOutcome, NotYet, Processing
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import Tenant, Tenants
from heliograph.routes.config import Route, Routes

from tests.fakes import deployment
from tests.fakes.deployment import InMemoryDeployment

# As many executions a second as Step Functions starts in a large region, once its burst is used up.
STARTS_PER_SECOND = 300
PER_MINUTE = 120
# Held at its rate: how that adapts is looked at elsewhere.
ROUTE = Route(
    provider="apimodels",
    model="gpt-image-2-beta",
    price_usd="0.06",
    max_references=16,
    creates_per_minute=PER_MINUTE,
    fastest_per_minute=PER_MINUTE,
)
FREE = Failure(code=FailureCode.PROVIDER_FAILED, message="done with", retryable=True, charged=Charged.NO)


@dataclass
class Crowd:
    """Jobs that are dispatched at their time, and finished by the vendor after theirs."""

    here: InMemoryDeployment
    routes: Routes = field(default_factory=lambda: Routes((ROUTE,)))
    served: list[tuple[datetime, str]] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    task_seconds: float = 27.5

    def __post_init__(self) -> None:
        self._order = count()
        self._agenda: list[tuple[datetime, int, str, Any]] = []

    def arrive(
        self, tenant: str, jobs: int, *, after_seconds: float = 0, per_second: float = STARTS_PER_SECOND
    ) -> None:
        """So many jobs of a tenant, whose workflows start one after another."""
        start = self.here.clock.now() + timedelta(seconds=after_seconds)
        for number in range(jobs):
            job_id = self.here.post(call=f"{tenant}-{start}-{number}", tenant=tenant).job.job_id
            self._plan(start + timedelta(seconds=number / STARTS_PER_SECOND), "dispatch", job_id)

    def play(self) -> None:
        """Until nobody waits any more."""
        while self._agenda:
            at, _, what, subject = heapq.heappop(self._agenda)
            self.here.clock.go_to(max(at, self.here.clock.now()))
            if what == "end":
                job = self.here.jobs.peek(subject)
                self.here.jobs.save(job.failed(FREE, self.here.clock.now()))
            else:
                self._dispatch(subject)

    def _dispatch(self, subject: str | NotYet) -> None:
        outcome: DispatchOutcome = self.here.dispatch(subject, routes=self.routes)
        self.turns[outcome.job_id] += 1
        now = self.here.clock.now()
        if isinstance(outcome, NotYet):
            self.waits[outcome.job_id] += 1
            self._plan(now + timedelta(seconds=outcome.wait_seconds), "dispatch", outcome)
        else:
            assert isinstance(outcome, Processing), outcome
            self.served.append((now, self.here.jobs.peek(outcome.job_id).tenant))
            self._plan(now + timedelta(seconds=self.task_seconds), "end", outcome.job_id)

    def _plan(self, at: datetime, what: str, subject: str | NotYet) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), what, subject))

    def most_within(self, seconds: float) -> int:
        """The most create calls in any stretch of that length."""
        window: deque[datetime] = deque()
        most = 0
        for at, _ in self.served:
            window.append(at)
            while window[0] <= at - timedelta(seconds=seconds):
                window.popleft()
            most = max(most, len(window))
        return most

    def shares(self, first: int) -> Counter[str]:
        """Whose the first so many calls were."""
        return Counter(tenant for _, tenant in self.served[:first])


@pytest.fixture
def crowd(here: InMemoryDeployment, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    # As long as uploads may wait for their turn.
    monkeypatch.setattr(deployment, "DEADLINE", timedelta(hours=6))
    return Crowd(here)


@pytest.mark.slow
def test_ten_thousand_uploads_at_once_are_served_in_turn_without_a_thundering_herd(
    crowd: Crowd, capsys: pytest.CaptureFixture[str]
) -> None:
    crowd.here.ledger.tenants = Tenants(named={"press": Tenant(weight=2)})
    crowd.arrive("shop", 8_000)
    crowd.arrive("press", 1_000)
    crowd.arrive("blog", 1_000)
    before = crowd.here.states.writes

    crowd.play()

    jobs = len(crowd.served)
    waits = sum(crowd.waits.values()) / jobs
    turns = sum(crowd.turns.values()) / jobs
    writes = (crowd.here.states.writes - before) / jobs
    # While all three wait: two calls of the one with twice the weight for each of the others.
    shares = crowd.shares(1_900)
    with capsys.disabled():
        minutes = (crowd.served[-1][0] - crowd.served[0][0]).total_seconds() / 60
        print(
            f"\n10,000 uploads at once at {PER_MINUTE} creates a minute: {minutes:.0f} minutes"
            f"\n  per job   {waits:.2f} waits, {turns:.2f} dispatches, {3 * turns - 1:.2f} transitions before the task,"
            f" {writes:.2f} writes of the route's state"
            f"\n  at most   {crowd.most_within(10)} creates in 10 s, {max(crowd.waits.values())} waits of one job"
            f"\n  of the first 1,900 calls: {dict(shares)} (weights shop 1, press 2, blog 1)"
        )

    assert jobs == 10_000
    assert waits <= 1.25
    assert crowd.most_within(10) <= 10 * PER_MINUTE / 60 + 3
    assert shares["press"] == pytest.approx(950, abs=20)
    assert shares["shop"] == pytest.approx(475, abs=20)
    assert shares["blog"] == pytest.approx(475, abs=20)


def test_a_late_tenant_is_not_served_after_all_earlier_jobs(crowd: Crowd) -> None:
    crowd.arrive("shop", 1_200)
    crowd.arrive("blog", 100, after_seconds=120)

    crowd.play()

    start = crowd.served[0][0]
    last_of_blog = max(at for at, tenant in crowd.served if tenant == "blog")
    # Every second call is the latecomer's: a hundred of them take a hundred seconds, not the ten minutes of the queue.
    assert last_of_blog - start <= timedelta(seconds=120 + 110)
    assert crowd.most_within(10) <= 10 * PER_MINUTE / 60 + 2
    # Who had a place already waits once more, because somebody else's turns came in between; nobody more often.
    assert max(crowd.waits.values()) <= 3
    assert crowd.served[-1][0] - start <= timedelta(seconds=1_300 / 2 + 15)


def test_a_full_route_is_called_as_fast_as_it_finishes_tasks(crowd: Crowd) -> None:
    crowd.routes = Routes((ROUTE.model_copy(update={"max_in_flight": 20}),))
    crowd.here.jobs._caps = {ROUTE.name: 20}
    crowd.arrive("shop", 400)

    crowd.play()

    # 20 tasks of 27.5 s at once are 0.73 a second: 400 of them take nine minutes, however fast they might be called.
    took = crowd.served[-1][0] - crowd.served[0][0]
    assert took <= timedelta(minutes=9.2 * 1.2)
    # Those who find it full come back; those behind them are told before they come.
    assert sum(crowd.turns.values()) / 400 <= 6
