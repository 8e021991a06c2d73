"""The settings of `poll_task`."""

from __future__ import annotations

from heliograph.runtime.settings.providers import ProviderSettings


class PollTaskSettings(ProviderSettings):
    """A provider is asked about a task here, and nothing else is done."""
