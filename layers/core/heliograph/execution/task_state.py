"""Read a task's state from its provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from heliograph.providers.protocol import NoAnswer, TaskState

if TYPE_CHECKING:
    from heliograph.providers.ports import ImageProvider


def task_state(providers: Mapping[str, ImageProvider], provider_name: str, task_id: str) -> TaskState:
    """State of the task, by one poll of its provider."""
    provider = providers.get(provider_name)
    return provider.ask(task_id) if provider else NoAnswer(f"{provider_name} is no longer configured")
