"""Settings of the function `finalize`."""

from __future__ import annotations

from heliograph.runtime.settings.ending import EndingSettings


class FinalizeSettings(EndingSettings):
    """The function ends jobs, and does nothing else."""
