"""The settings of `finalize`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings


class FinalizeSettings(EndingSettings):
    """A job is ended here, and nothing else is done."""
