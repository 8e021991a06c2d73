"""The settings of `submit_request`."""

from __future__ import annotations

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.api_keys import KeysTableSettings
from heliograph.runtime.settings.submission import RequestSubmissionSettings


class SubmitRequestSettings(RequestSubmissionSettings, KeysTableSettings):
    """A call of the API becomes a job."""

    reuse_table: Name
