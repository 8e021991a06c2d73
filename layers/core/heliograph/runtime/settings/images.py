"""The settings of `images`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import RecogniserSettings
from heliograph.runtime.settings.submission import RequestSubmissionSettings


class ImagesSettings(RequestSubmissionSettings, RecogniserSettings):
    """The function recognises its callers itself, because no authorizer stands before its URL."""
