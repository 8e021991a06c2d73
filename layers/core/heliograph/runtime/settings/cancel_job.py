"""The settings of `cancel_job`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import CallsTableSettings
from heliograph.runtime.settings.jobs import PublishedJobsSettings


class CancelJobSettings(PublishedJobsSettings, CallsTableSettings):
    """A job is canceled, and that is published with the place of its results."""

    results_bucket: Name
