"""The settings of `poll`."""

from __future__ import annotations

from heliograph.runtime.settings.providers import ProviderSettings


class PollSettings(ProviderSettings):
    """A provider is asked about a task here, and nothing else is done."""
