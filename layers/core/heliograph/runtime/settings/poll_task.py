"""Settings of the function `poll_task`."""

from __future__ import annotations

from heliograph.runtime.settings.providers import ProviderSettings


class PollTaskSettings(ProviderSettings):
    """The function polls providers for the state of tasks, and does nothing else."""
