"""The settings of `sweep_jobs`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class SweepJobsSettings(EndingSettings, ProviderSettings):
    """Jobs that never began are started, and those that are stuck are closed."""

    state_machine_arn: Name
