"""Settings of the function `close`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class CloseSettings(EndingSettings, ProviderSettings):
    """The function ends a job after it has polled the provider."""
