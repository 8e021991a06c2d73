"""Ports of providers: tasks, and the host of results."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from heliograph.providers.books import Books
    from heliograph.providers.protocol import CreateOutcome, TaskRequest, TaskState
    from heliograph.storage.objects import (
        DownloadedImage,
    )


class ImageProvider(Protocol):
    """A provider of image models. No call raises for anything that the provider or the network does."""

    def create(self, request: TaskRequest) -> CreateOutcome:
        """Creates one task: **not idempotent**, and money is held for it. Never repeats the call by itself."""
        ...

    def poll(self, task_id: str) -> TaskState:
        """Reads the state of one task. Free."""
        ...

    def books(self) -> Books | None:
        """Balance of the account and what is held of it; `None` if the provider does not say, or not at once. Free."""
        ...


class ResultSource(Protocol):
    """The host of finished images."""

    def fetch(self, url: str) -> AbstractContextManager[DownloadedImage]:
        """Downloads to disk in constant memory. Raises `ResultUnusable`, saying whether to try again."""
        ...
