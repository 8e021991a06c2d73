"""The settings of `recover_job`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings
from heliograph.runtime.settings.providers import ProviderSettings


class RecoverJobSettings(EndingSettings, ProviderSettings):
    """A job is ended here once its provider has been asked."""
