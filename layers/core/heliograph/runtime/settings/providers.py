"""Where the providers' APIs are, and which secrets hold their keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name, NameOrNone, Settings

# A key goes there: never in clear, but to a simulator on the same machine.
Url = Annotated[str, Field(pattern=r"^(https://[^/]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)/")]


class ProviderSettings(Settings):
    """What it takes to call every provider that there is a key for."""

    provider_base_url: Url
    provider_key_secret: Name
    kie_base_url: Url
    # None: there is no key for the second provider, and it is off. `RoutesSettings` reads it too.
    kie_key_secret: NameOrNone
