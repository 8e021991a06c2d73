"""The settings of `authorize_call`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import RecogniserSettings


class AuthorizeCallSettings(RecogniserSettings):
    """Callers are recognised here, and nothing else is done."""
