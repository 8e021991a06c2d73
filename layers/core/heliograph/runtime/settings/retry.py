"""The settings of `retry`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import KeysTableSettings
from heliograph.runtime.settings.submission import SubmissionSettings


class RetrySettings(SubmissionSettings, KeysTableSettings):
    """A job is submitted again; how long it may take stands in its record."""
