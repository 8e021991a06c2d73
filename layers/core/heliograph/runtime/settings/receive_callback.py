"""The settings of `receive_callback`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.jobs import JobStoreSettings
from heliograph.runtime.settings.providers import ProviderSettings


class ReceiveCallbackSettings(JobStoreSettings, ProviderSettings):
    """A callback may give a job its lost task back, and wakes the workflow that waits."""

    waits_table: Name
