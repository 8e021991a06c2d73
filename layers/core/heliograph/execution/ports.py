"""Ports of the work on a job: waits, and the trial of links."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    pass


class LinkTrial(Protocol):
    """Signed links, as somebody else would fetch them."""

    def refusal(self, url: str) -> str | None:
        """What refuses the link for good; `None` for a link that works, or if nobody can tell. Never raises."""
        ...


class Waits(Protocol):
    """Where workflows wait for news of an attempt, and how they are woken."""

    def wake(self, attempt_id: str, at: datetime) -> bool:
        """Ends the wait for the attempt now; one that begins after a question from before `at` ends at once.

        Whether anybody was waiting. Raises `StorageFailed` or `WorkflowFailed`: then a repeat will do better.
        """
        ...
