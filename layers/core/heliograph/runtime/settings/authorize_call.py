"""The settings of `authorize_call`."""

from __future__ import annotations

from heliograph.runtime.settings.api_keys import AuthenticatorSettings


class AuthorizeCallSettings(AuthenticatorSettings):
    """The function authenticates callers, and does nothing else."""
