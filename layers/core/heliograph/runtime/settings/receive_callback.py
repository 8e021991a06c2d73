"""Settings of the function `receive_callback`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.jobs import JobStoreSettings
from heliograph.runtime.settings.providers import ProviderSettings


class ReceiveCallbackSettings(JobStoreSettings, ProviderSettings):
    """A callback may give a job the id of a task that was lost, and resumes the workflow that waits for it."""

    waits_table: Name
