"""Rejections in a dictionary."""

from __future__ import annotations

from heliograph.intake.rejections import Rejection, RejectionQuery
from heliograph.kernel.pagination import Cursor, Page

from tests.fakes.script import Line, Script


class InMemoryRejectionStore:
    """A `RejectionStore` that fails when told to."""

    def __init__(self) -> None:
        self._rejections: dict[str, str] = {}
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of a method."""
        self._script.on(method, *lines)

    def add(self, rejection: Rejection) -> bool:
        with self._script.playing("add"):
            if rejection.rejection_id in self._rejections:
                return False
            self._rejections[rejection.rejection_id] = rejection.model_dump_json()
            return True

    def list(self, tenant: str, query: RejectionQuery) -> Page[Rejection]:
        with self._script.playing("list"):
            every = map(Rejection.model_validate_json, self._rejections.values())
            found = [rejection for rejection in every if rejection.tenant == tenant and _fits(rejection, query)]
            found.sort(key=_place, reverse=True)
            if query.after:
                found = [rejection for rejection in found if _place(rejection) < query.after]
            kept = found[: query.limit]
            return Page(tuple(kept), _place(kept[-1]) if len(found) > len(kept) else None)


def _place(rejection: Rejection) -> Cursor:
    return Cursor(rejection.rejected_at, rejection.rejection_id)


def _fits(rejection: Rejection, query: RejectionQuery) -> bool:
    return query.kind in (None, rejection.kind) and query.preset in (None, rejection.preset)
