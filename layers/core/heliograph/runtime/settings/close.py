"""The settings of `close`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class CloseSettings(EndingSettings, ProviderSettings):
    """A job is ended here once its provider has been asked."""
