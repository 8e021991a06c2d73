"""Settings of `python -m operations`, which runs with the variables of two deployed functions, Sweep and Keys."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import KeysTableSettings
from heliograph.runtime.settings.jobs import PublishedJobsSettings


class OperationsSettings(PublishedJobsSettings, KeysTableSettings):
    """Settings of the operator's tools and of keys: `variables_of` this model are the variables to copy."""
