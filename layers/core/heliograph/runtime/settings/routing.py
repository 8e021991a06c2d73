"""The usable routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from heliograph.routes.config import Routes
from heliograph.runtime.environment import NameOrNone, Settings, parsed

ConfiguredRoutes = Annotated[Routes, BeforeValidator(parsed)]


class RoutesSettings(Settings):
    """The configured routes, and whether the second provider has a key."""

    routes: ConfiguredRoutes
    kie_key_secret: NameOrNone

    @model_validator(mode="after")
    def _has_usable_route(self) -> RoutesSettings:
        if self.routes.of(self.providers) is None:
            raise ValueError("ROUTES has no route through a provider that has a key")
        return self

    @property
    def providers(self) -> frozenset[str]:
        """Providers with a key."""
        return frozenset({"apimodels", "kie"} if self.kie_key_secret else {"apimodels"})

    @property
    def usable_routes(self) -> Routes:
        """Configured routes of providers with a key."""
        return self.routes.of(self.providers) or self.routes
