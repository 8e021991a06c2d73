"""Settings of the function `sweep`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class SweepSettings(EndingSettings, ProviderSettings):
    """The function starts jobs that never started, and closes stuck jobs."""

    state_machine_arn: Name
