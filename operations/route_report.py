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
    routes: Routes, snapshot: RoutesSnapshot, running: Mapping[str, int], *, weights: Weights, now: datetime
) -> Iterator[str]:
    """Line by line. `running`: tasks by route."""
    if snapshot.spending_pause:
        yield _pause(snapshot.spending_pause)
    rows, why = [], {}
    for route in routes:
        state = snapshot.routes[route.name]
        waiting = [tenant for tenant in state.queue.finish_tags if state.queue.is_backlogged(tenant, now, weights)]
        rows.append(
            (
                route.name,
                route_state(state.breaker, now),
                f"{running[route.name]} of {route.max_in_flight} tasks running",
                f"{state.queue.creates_per_minute:.1f} create calls a minute",
                f"waiting: {', '.join(waiting)}" if waiting else "",
            )
        )
        why[route.name] = state.breaker
    for line, breaker in zip(columns(rows), why.values(), strict=True):
        yield line
        if breaker.open_circuit and breaker.open_circuit.half_open_at:
            yield f"  failing since {_moment(breaker.open_circuit.opened_at)}: {breaker.open_circuit.cause}"


def route_state(breaker: Breaker, now: datetime) -> str:
    """In service, suspended (by itself, until a probe succeeds) or disabled (by an operator)."""
    found = breaker.open_circuit
    if found is None:
        return "in service"
    if found.half_open_at is None:
        return f"disabled by an operator since {_moment(found.opened_at)}: {found.cause}"
    if found.probe_until and now < found.probe_until:
        return "suspended (a probe is running)"
    if now >= found.half_open_at:
        return "suspended (the next job is the probe)"
    return f"suspended (probe at {found.half_open_at:%H:%M:%S} UTC)"


def _pause(pause: SpendingPause) -> str:
    return (
        f"SPENDING IS PAUSED since {_moment(pause.since)}: {pause.reason}. No create call leaves, and jobs wait; "
        "`make resume-spending` ends it."
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
