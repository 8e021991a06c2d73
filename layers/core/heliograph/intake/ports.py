"""Ports of the ways in: recent calls, rejected uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.intake.recent_calls import Recent
    from heliograph.intake.rejections import Rejection, RejectionQuery
    from heliograph.kernel.pagination import Page


class RecentCalls(Protocol):
    """Calls of the last minutes that asked for the same thing. Raises `StorageFailed`."""

    def look(self, digest: str) -> Recent:
        """Those that asked for the thing of that digest (a consistent read)."""
        ...

    def save(self, digest: str, before: Recent, after: Recent) -> bool:
        """Writes them; `False`, and nothing written, if somebody else was faster."""
        ...


class RejectionStore(Protocol):
    """Rejected objects of the uploads bucket. Every method raises `StorageFailed`."""

    def add(self, rejection: Rejection) -> bool:
        """Writes a rejection; `False`, and nothing written, if that object's is there already."""
        ...

    def list(self, tenant: str, query: RejectionQuery) -> Page[Rejection]:
        """The tenant's rejections that fit, newest first (one of a moment ago may be missing)."""
        ...
