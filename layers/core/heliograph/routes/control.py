"""Control the routes: record the results of their calls, probe them, disable them, and pause all spending."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.kernel.errors import PublishFailed, StaleRecord, StorageFailed
from heliograph.kernel.failures import Failure, FailureCode
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.routes.circuit_breaker import Breaker, Circuit, is_late, is_route_failure
from heliograph.routes.config import Route
from heliograph.routes.events import route_switched
from heliograph.routes.fair_queue import Weights
from heliograph.routes.poll_schedule import Latencies
from heliograph.routes.state import RouteState, SpendingPause

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.routes.ports import RouteStates

# A record that loses this often is dropped: the others say much the same.
_RECORD_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteControl:
    """Records how each route behaves, for all functions, and holds an operator's switches.

    No method `record_…` raises: a record is worth nothing against the call itself.
    """

    states: RouteStates
    bus: EventBus
    clock: Clock
    weights: Weights

    def record_acceptance(self, route: Route) -> None:
        """Records that the route accepted a call: its rate may increase a little. Writes only if it does."""
        now = self.clock.now()

        def change(state: RouteState) -> RouteState:
            if not state.queue.may_increase(now, self.weights):
                return state
            return state.with_queue(state.queue.increased(now, self.weights, route))

        self._record(route, change)

    def record_success(
        self,
        route: Route,
        began_at: datetime,
        *,
        tenant: str | None = None,
        learn: Callable[[Latencies], Latencies] = lambda latencies: latencies,
    ) -> None:
        """Records that a task that began at `began_at` produced an image. `learn` adds its latency."""
        now = self.clock.now()

        def change(state: RouteState) -> RouteState:
            after = state.with_breaker(state.breaker.after_success(now, began_at=began_at, tenant=tenant))
            return after.with_latencies(learn(after.latencies))

        self._record(route, change)

    def record_failure(
        self,
        route: Route,
        failure: Failure,
        began_at: datetime,
        *,
        tenant: str | None = None,
        wait_seconds: int | None = None,
    ) -> None:
        """Records that a call was refused or lost, or that its task failed. `wait_seconds`: as the provider asked for.

        A task that was given up at its job's deadline says nothing about the route, unless it was late for the route
        too.
        """
        now = self.clock.now()
        timed_out = failure.code is FailureCode.PROVIDER_TIMEOUT
        gave_up_early = timed_out and not is_late(now - began_at, usual_seconds=route.usual_seconds)

        def change(state: RouteState) -> RouteState:
            if failure.code is FailureCode.RATE_LIMITED:
                queue = state.queue.decreased(now, self.weights, route, wait_seconds=wait_seconds or 0)
                state = state.with_queue(queue)
            if is_route_failure(failure) and not gave_up_early:
                breaker = state.breaker.after_failure(failure.message, now, began_at=began_at, tenant=tenant)
                return state.with_breaker(breaker)
            # It says nothing about the route; if it was the probe, another may leave.
            return state.with_breaker(state.breaker.without_probe())

        self._record(route, change)

    def record_saturation(self, route: Route) -> None:
        """Records that the route runs as many tasks as it may: it is called too often for its speed."""
        now = self.clock.now()
        self._record(route, lambda state: state.with_queue(state.queue.after_saturation(now, self.weights, route)))

    def recent_latencies(self, route: Route | None) -> Latencies:
        """Latencies of the route's last tasks. Never raises: without them, the schedule is the documented one."""
        with suppress(StorageFailed):
            if route:
                return self._state_of(route).latencies
        return Latencies()

    def claim_probe(self, route: Route, *, tenant: str | None = None) -> bool:
        """True if the caller may call a route whose circuit was half-open a moment ago. Raises `StorageFailed`."""
        state, now = self._state_of(route), self.clock.now()
        match state.breaker.circuit(now, tenant):
            case Circuit.CLOSED:
                return True
            case Circuit.HALF_OPEN:
                return self.states.save(state, state.with_breaker(state.breaker.with_probe(now)))
            case Circuit.OPEN:
                return False

    def return_probe(self, route: Route) -> None:
        """Returns a claimed probe: its call was not made. Never raises; at worst, the next probe comes later."""
        self._record(route, lambda state: state.with_breaker(state.breaker.without_probe()))

    def disable(self, route: Route, reason: str) -> None:
        """Opens the route's circuit until `enable`, for a drill or a repair. Raises an `Unavailable` if it failed."""
        self._switch(route, lambda breaker, now: breaker.disabled(reason, now))

    def enable(self, route: Route) -> None:
        """Closes the route's circuit, disabled or not, and drops the wait that its provider asked for.

        Raises an `Unavailable` if it failed.
        """
        self._switch(route, lambda breaker, now: breaker.closed(now))
        now = self.clock.now()
        self._record(route, lambda state: state.with_queue(state.queue.without_hold(now, self.weights)))

    def pause_spending(self, reason: str) -> SpendingPause:
        """Stops every create call at once. Running tasks are still polled, and their results stored."""
        pause = SpendingPause(since=self.clock.now(), reason=reason)
        self.states.set_spending_pause(pause)
        return pause

    def resume_spending(self) -> None:
        """Ends the spending pause. Waiting jobs check for it once a minute."""
        self.states.set_spending_pause(None)

    def publish_changes(self, routes: Iterable[Route]) -> list[str]:
        """Publishes the changes of circuits that are not known to be published; returns one line for each."""
        snapshot = self.states.snapshot(routes)
        published = []
        for route in routes:
            state = snapshot.routes[route.name]
            if state.breaker.unpublished_change and self._publish(route, state):
                published.append(f"announced route {route.name}: {state.breaker.circuit(self.clock.now())}")
        return published

    def _state_of(self, route: Route) -> RouteState:
        return self.states.snapshot([route]).routes[route.name]

    def _switch(self, route: Route, change: Callable[[Breaker, datetime], Breaker]) -> None:
        saved = update_with_retry(
            lambda: self._state_of(route),
            lambda before: self._saved(before, before.with_breaker(change(before.breaker, self.clock.now()))),
            give_up=StorageFailed(f"route {route.name} changes too often at the moment"),
        )
        if saved:
            self._publish(route, saved)

    def _saved(self, before: RouteState, after: RouteState) -> RouteState | None:
        """The state as written; `None` if there was nothing to write. Raises `StaleRecord`."""
        if after == before:
            return None
        if not self.states.save(before, after):
            raise StaleRecord(before.route)
        return after.model_copy(update={"revision": before.revision + 1})

    def _record(self, route: Route, change: Callable[[RouteState], RouteState]) -> None:
        with suppress(StorageFailed, StaleRecord):
            saved = update_with_retry(
                lambda: self._state_of(route),
                lambda before: self._saved(before, change(before)),
                tries=_RECORD_TRIES,
            )
            if saved and saved.breaker.unpublished_change:
                self._publish(route, saved)

    def _publish(self, route: Route, state: RouteState) -> bool:
        """Publishes the last change of the circuit and records that; what fails is left to `sweep`."""
        event = route_switched(route, state.breaker)
        if event is None:
            return False
        try:
            self.bus.publish(event)
        except PublishFailed:
            return False
        with suppress(StorageFailed):
            self.states.save(state, state.with_breaker(state.breaker.as_published()))
        return True
