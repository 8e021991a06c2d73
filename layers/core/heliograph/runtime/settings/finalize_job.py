"""The settings of `finalize_job`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings


class FinalizeJobSettings(EndingSettings):
    """A job is ended here, and nothing else is done."""
