"""Settings of the function `finalize_job`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings


class FinalizeJobSettings(EndingSettings):
    """The function ends jobs, and does nothing else."""
