"""Ports of the execution: waits of workflows, and the trial of links."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class LinkTrial(Protocol):
    """Tries signed links, as a provider would fetch them."""

    def refusal(self, url: str) -> str | None:
        """The answer that refuses the link for good; `None` if it works, or without an answer. Never raises."""
        ...


class Waits(Protocol):
    """Waits of workflows for callbacks."""

    def wake(self, attempt_id: str, at: datetime) -> bool:
        """Ends the wait for the attempt now. A wait that begins after a poll from before `at` ends at once.

        Returns whether a workflow was waiting. Raises `StorageFailed` or `WorkflowFailed` where a retry may succeed.
        """
        ...
