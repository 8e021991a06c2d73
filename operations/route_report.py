"""What `make routes` tells: how every route is doing, in everybody's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from heliograph.routes.circuit_breaker import Breaker
from heliograph.routes.config import Routes
from heliograph.routes.fair_queue import Weights
from heliograph.routes.state import RoutesSnapshot, SpendingPause

from operations.tables import columns


def route_report(
    routes: Routes, routes_now: RoutesSnapshot, running: Mapping[str, int], *, weights: Weights, now: datetime
) -> Iterator[str]:
    """Line by line. `running`: tasks by route."""
    if routes_now.halt:
        yield _pause(routes_now.halt)
    rows, why = [], {}
    for route in routes:
        state = routes_now.routes[route.name]
        waiting = [tenant for tenant in state.pace.lanes if state.pace.is_waiting(tenant, now, weights)]
        rows.append(
            (
                route.name,
                route_state(state.breaker, now),
                f"{running[route.name]} of {route.max_in_flight} tasks running",
                f"{state.pace.creates_per_minute:.1f} create calls a minute",
                f"waiting: {', '.join(waiting)}" if waiting else "",
            )
        )
        why[route.name] = state.breaker
    for line, breaker in zip(columns(rows), why.values(), strict=True):
        yield line
        if breaker.opening and breaker.opening.until:
            yield f"  failing since {_moment(breaker.opening.at)}: {breaker.opening.cause}"


def route_state(breaker: Breaker, now: datetime) -> str:
    """In service, suspended (by itself, until a probe succeeds) or disabled (by an operator)."""
    opening = breaker.opening
    if opening is None:
        return "in service"
    if opening.until is None:
        return f"disabled by an operator since {_moment(opening.at)}: {opening.cause}"
    if opening.probing_until and now < opening.probing_until:
        return "suspended (a probe is running)"
    if now >= opening.until:
        return "suspended (the next job is the probe)"
    return f"suspended (probe at {opening.until:%H:%M:%S} UTC)"


def _pause(pause: SpendingPause) -> str:
    return (
        f"SPENDING IS PAUSED since {_moment(pause.since)}: {pause.reason}. No create call leaves, and jobs wait; "
        "`make resume-spending` ends it."
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
