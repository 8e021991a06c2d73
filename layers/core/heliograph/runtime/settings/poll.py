"""Settings of the function `poll`."""

from __future__ import annotations

from heliograph.runtime.settings.providers import ProviderSettings


class PollSettings(ProviderSettings):
    """The function polls providers for the state of tasks, and does nothing else."""
