"""The settings of `authorize`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import AuthenticatorSettings


class AuthorizeSettings(AuthenticatorSettings):
    """The function authenticates callers, and does nothing else."""
