"""Tell all functions how a route behaves: its pace and its circuit follow what its calls bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.kernel.errors import PublishFailed, StaleRecord, StorageFailed
from heliograph.kernel.failures import Failure, FailureCode
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.routes.circuit_breaker import Breaker, Circuit, is_late, is_of_the_route
from heliograph.routes.config import Route
from heliograph.routes.events import route_switched
from heliograph.routes.fair_queue import Weights
from heliograph.routes.poll_schedule import Latencies
from heliograph.routes.state import RouteState, SpendingPause

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.routes.ports import RouteStates

# A report that loses this often is left: the others said much the same.
_REPORT_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteControl:
    """What watching over the routes takes."""

    states: RouteStates
    bus: EventBus
    clock: Clock
    weights: Weights


def record_acceptance(route: Route, *, control: RouteControl) -> None:
    """The route took a call: it may be called a little faster. Writes only where that is so.

    Never raises, as none of these reports: it is worth nothing against the call itself.
    """
    now = control.clock.now()

    def change(state: RouteState) -> RouteState:
        if not state.pace.may_rise(now, control.weights):
            return state
        return state.paced(state.pace.increased(now, control.weights, route))

    _report(route, change, control=control)


def record_success(
    route: Route,
    began_at: datetime,
    *,
    control: RouteControl,
    tenant: str | None = None,
    learn: Callable[[Latencies], Latencies] = lambda latencies: latencies,
) -> None:
    """A task that was begun at `began_at` brought its picture; `learn`: what there is to know of it. Never raises."""
    now = control.clock.now()

    def change(state: RouteState) -> RouteState:
        switched = state.with_breaker(state.breaker.after_success(now, began_at=began_at, tenant=tenant))
        return switched.learning(learn(switched.latencies))

    _report(route, change, control=control)


def recent_latencies(route: Route | None, *, control: RouteControl) -> Latencies:
    """What the route's tasks took. Never raises: without, the schedule is the documented one."""
    with suppress(StorageFailed):
        if route:
            return control.states.look([route]).routes[route.name].latencies
    return Latencies()


def record_failure(
    route: Route,
    failure: Failure,
    began_at: datetime,
    *,
    control: RouteControl,
    tenant: str | None = None,
    wait_seconds: int | None = None,
) -> None:
    """A call was refused, lost, or its task failed; `wait_seconds` as the provider wished. Never raises.

    A task that was given up at its job's deadline says nothing about the route, unless it was late for the route too.
    """
    now = control.clock.now()
    timed_out = failure.code is FailureCode.PROVIDER_TIMEOUT
    gave_up_early = timed_out and not is_late(now - began_at, usual_seconds=route.usual_seconds)

    def change(state: RouteState) -> RouteState:
        if failure.code is FailureCode.RATE_LIMITED:
            state = state.paced(state.pace.decreased(now, control.weights, route, wait_seconds=wait_seconds or 0))
        if is_of_the_route(failure) and not gave_up_early:
            breaker = state.breaker.after_failure(failure.message, now, began_at=began_at, tenant=tenant)
            return state.with_breaker(breaker)
        # It says nothing of the route; if it was the probe, another may be.
        return state.with_breaker(state.breaker.not_probed())

    _report(route, change, control=control)


def record_saturation(route: Route, *, control: RouteControl) -> None:
    """As many tasks as may be are running on the route: it is called too often for how fast it works."""
    now = control.clock.now()
    _report(route, lambda state: state.paced(state.pace.after_saturation(now, control.weights, route)), control=control)


def may_probe(route: Route, *, now: datetime, states: RouteStates, tenant: str | None = None) -> bool:
    """Whether the caller may call a route that was half-open a moment ago. Raises `StorageFailed`."""
    state = states.look([route]).routes[route.name]
    match state.breaker.circuit(now, tenant):
        case Circuit.CLOSED:
            return True
        case Circuit.HALF_OPEN:
            return states.save(state, state.with_breaker(state.breaker.probed(now)))
        case Circuit.OPEN:
            return False


def give_back_probe(route: Route, *, control: RouteControl) -> None:
    """The call that was to be the probe was not made. Never raises: the next probe may only come later."""
    _report(route, lambda state: state.with_breaker(state.breaker.not_probed()), control=control)


def hold_open(route: Route, reason: str, *, control: RouteControl) -> None:
    """Opens a route until `close_circuit`: for a drill, or a repair. Raises an `Unavailable` if it may not be done."""
    _switch(route, lambda breaker, now: breaker.held_open(reason, now), control=control)


def close_circuit(route: Route, *, control: RouteControl) -> None:
    """Closes a route, whoever opened it, and forgets how long it wished to be left alone.

    Raises an `Unavailable` if it may not be done."""
    _switch(route, lambda breaker, now: breaker.closed(now), control=control)
    now = control.clock.now()
    _report(route, lambda state: state.paced(state.pace.without_slot(now, control.weights)), control=control)


def halt(reason: str, *, control: RouteControl) -> SpendingPause:
    """Stops every create call at once; tasks that run are still asked for and delivered."""
    stop = SpendingPause(since=control.clock.now(), reason=reason)
    control.states.halt(stop)
    return stop


def resume(*, control: RouteControl) -> None:
    """Lets create calls leave again: jobs that wait look once a minute."""
    control.states.halt(None)


def announce_switches(routes: Iterable[Route], *, control: RouteControl) -> list[str]:
    """Publishes what is not known to be published of the routes' circuits; returns which."""
    found = control.states.look(routes)
    told = []
    for route in routes:
        state = found.routes[route.name]
        if state.breaker.untold and _announce(route, state, control=control):
            told.append(f"announced route {route.name}: {state.breaker.circuit(control.clock.now())}")
    return told


def _switch(route: Route, change: Callable[[Breaker, datetime], Breaker], *, control: RouteControl) -> None:
    saved = update_with_retry(
        lambda: _state_of(route, control),
        lambda before: _saved(before, before.with_breaker(change(before.breaker, control.clock.now())), control),
        give_up=StorageFailed(f"route {route.name} changes too often at the moment"),
    )
    if saved:
        _announce(route, saved, control=control)


def _report(route: Route, change: Callable[[RouteState], RouteState], *, control: RouteControl) -> None:
    with suppress(StorageFailed, StaleRecord):
        saved = update_with_retry(
            lambda: _state_of(route, control),
            lambda before: _saved(before, change(before), control),
            tries=_REPORT_TRIES,
        )
        if saved and saved.breaker.untold:
            _announce(route, saved, control=control)


def _state_of(route: Route, control: RouteControl) -> RouteState:
    return control.states.look([route]).routes[route.name]


def _saved(before: RouteState, after: RouteState, control: RouteControl) -> RouteState | None:
    """The state that was written; `None` where there was nothing to write."""
    if after == before:
        return None
    if not control.states.save(before, after):
        raise StaleRecord(before.route)
    return after.model_copy(update={"revision": before.revision + 1})


def _announce(route: Route, state: RouteState, *, control: RouteControl) -> bool:
    """Publishes, then notes that it did: what can't be published now, `sweep` will publish."""
    event = route_switched(route, state.breaker)
    if event is None:
        return False
    try:
        control.bus.publish(event)
    except PublishFailed:
        return False
    with suppress(StorageFailed):
        control.states.save(state, state.with_breaker(state.breaker.as_told()))
    return True
