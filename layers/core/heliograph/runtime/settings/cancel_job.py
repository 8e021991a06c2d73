"""Settings of the function `cancel_job`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.jobs import PublishedJobsSettings


class CancelJobSettings(PublishedJobsSettings, CallsTableSettings):
    """The function cancels jobs; the event that it publishes names the results' bucket."""

    results_bucket: Name
