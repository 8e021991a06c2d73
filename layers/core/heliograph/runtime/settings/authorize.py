"""The settings of `authorize`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import RecogniserSettings


class AuthorizeSettings(RecogniserSettings):
    """Callers are recognised here, and nothing else is done."""
