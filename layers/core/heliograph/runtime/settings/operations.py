"""The settings of `operations`, which a person runs with the variables of two deployed functions, Sweep and Keys."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import KeysTableSettings
from heliograph.runtime.settings.jobs import PublishedJobsSettings


class OperationsSettings(PublishedJobsSettings, KeysTableSettings):
    """What the control room and the keys need: `variables_of` this model is all that there is to copy."""
