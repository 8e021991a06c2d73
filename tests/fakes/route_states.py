"""The shared state of routes in a dictionary, with the conditions of the real table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from heliograph.routes.config import Route
from heliograph.routes.fair_queue import Pace
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause

from tests.fakes.script import Line, Script


class InMemoryRouteStates:
    """`RouteStates` that compare as the table does, count their writes, and fail when told to."""

    def __init__(self) -> None:
        self._states: dict[str, RouteState] = {}
        self._halt: SpendingPause | None = None
        self._script = Script()
        self.writes = 0
        # Kept by the job store, as the real one's transactions do.
        self.counts: Counter[str] = Counter()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `look`, `queue`, `save` or `halt`."""
        self._script.on(method, *lines)

    def look(self, routes: Iterable[Route]) -> RoutesSnapshot:
        with self._script.playing("look"):
            return RoutesSnapshot(halt=self._halt, routes={route.name: self._state(route) for route in routes})

    def queue(self, route: Route, tenant: str, *, step: int, beyond: int) -> RouteState | None:
        with self._script.playing("queue"):
            state = self._states.get(route.name)
            if state is None or state.pace.lanes.get(tenant, 0) <= beyond:
                return None
            lanes = {**state.pace.lanes, tenant: state.pace.lanes[tenant] + step}
            self._states[route.name] = state.paced(state.pace.model_copy(update={"lanes": lanes}))
            self.writes += 1
            return self._states[route.name]

    def save(self, before: RouteState, after: RouteState) -> bool:
        with self._script.playing("save"):
            now = self._states.get(before.route)
            if (now.revision if now else 0) != before.revision:
                return False
            lanes = dict(now.pace.lanes if now else {})
            for tenant in {*before.pace.lanes, *after.pace.lanes}:
                old, new = before.pace.lanes.get(tenant), after.pace.lanes.get(tenant)
                if old == new:
                    continue
                if lanes.pop(tenant, None) != old:
                    return False
                if new is not None:
                    lanes[tenant] = new
            pace = after.pace.model_copy(update={"lanes": lanes})
            # Through JSON, as the real store does.
            written = after.model_copy(update={"pace": pace, "revision": before.revision + 1})
            self._states[before.route] = RouteState.model_validate_json(written.model_dump_json())
            self.writes += 1
            return True

    def running(self, route: Route) -> int:
        with self._script.playing("running"):
            return self.counts[route.name]

    def halt(self, halt: SpendingPause | None) -> None:
        with self._script.playing("halt"):
            self._halt = halt

    def _state(self, route: Route) -> RouteState:
        return self._states.get(route.name) or RouteState(route=route.name, pace=Pace.starting(route))
