"""Settings of the function `recover_job`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class RecoverJobSettings(EndingSettings, ProviderSettings):
    """The function ends a job after it has polled the provider."""
