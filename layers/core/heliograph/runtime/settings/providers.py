"""The providers' URLs, and the secrets that hold their keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name, NameOrNone, Settings

# Keys are sent there: HTTPS only, except for a simulator on the same machine.
Url = Annotated[str, Field(pattern=r"^(https://[^/]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)/")]


class ProviderSettings(Settings):
    """Settings of functions that call providers."""

    provider_base_url: Url
    provider_key_secret: Name
    kie_base_url: Url
    kie_key_secret: NameOrNone
    """`None`: the second provider has no key, and is off. `RoutesSettings` has this field too."""
