"""The shared state of routes in a dictionary, with the conditions of the real table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from heliograph.routes.config import Route
from heliograph.routes.fair_queue import FairQueue
from heliograph.routes.state import RoutesSnapshot, RouteState, SpendingPause

from tests.fakes.script import Line, Script


class InMemoryRouteStates:
    """`RouteStates` that compare as the table does, count their writes, and fail on request."""

    def __init__(self) -> None:
        self._states: dict[str, RouteState] = {}
        self._spending_pause: SpendingPause | None = None
        self._script = Script()
        self.writes = 0
        # Kept by the job store, as the real one's transactions do.
        self.counts: Counter[str] = Counter()

    def on(self, method: str, *lines: Line) -> None:
        """Scripts the next calls of `snapshot`, `extend_flow`, `save`, `running` or `set_spending_pause`."""
        self._script.on(method, *lines)

    def snapshot(self, routes: Iterable[Route]) -> RoutesSnapshot:
        with self._script.playing("snapshot"):
            return RoutesSnapshot(
                spending_pause=self._spending_pause, routes={route.name: self._state(route) for route in routes}
            )

    def extend_flow(self, route: Route, tenant: str, *, length: int, beyond: int) -> RouteState | None:
        with self._script.playing("extend_flow"):
            state = self._states.get(route.name)
            if state is None or state.queue.finish_tags.get(tenant, 0) <= beyond:
                return None
            finish_tags = {**state.queue.finish_tags, tenant: state.queue.finish_tags[tenant] + length}
            self._states[route.name] = state.with_queue(state.queue.model_copy(update={"finish_tags": finish_tags}))
            self.writes += 1
            return self._states[route.name]

    def save(self, before: RouteState, after: RouteState) -> bool:
        with self._script.playing("save"):
            now = self._states.get(before.route)
            if (now.revision if now else 0) != before.revision:
                return False
            finish_tags = dict(now.queue.finish_tags if now else {})
            for tenant in {*before.queue.finish_tags, *after.queue.finish_tags}:
                old, new = before.queue.finish_tags.get(tenant), after.queue.finish_tags.get(tenant)
                if old == new:
                    continue
                if finish_tags.pop(tenant, None) != old:
                    return False
                if new is not None:
                    finish_tags[tenant] = new
            queue = after.queue.model_copy(update={"finish_tags": finish_tags})
            # Through JSON, as the real store does.
            written = after.model_copy(update={"queue": queue, "revision": before.revision + 1})
            self._states[before.route] = RouteState.model_validate_json(written.model_dump_json())
            self.writes += 1
            return True

    def running(self, route: Route) -> int:
        with self._script.playing("running"):
            return self.counts[route.name]

    def set_spending_pause(self, pause: SpendingPause | None) -> None:
        with self._script.playing("set_spending_pause"):
            self._spending_pause = pause

    def _state(self, route: Route) -> RouteState:
        return self._states.get(route.name) or RouteState(route=route.name, queue=FairQueue.starting(route))
