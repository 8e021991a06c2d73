"""Settings of the function `sweep_jobs`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class SweepJobsSettings(EndingSettings, ProviderSettings):
    """The function starts jobs that never started, and closes stuck jobs."""

    state_machine_arn: Name
