"""The routes, as far as they can be used."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from heliograph.routes.config import Routes
from heliograph.runtime.environment import NameOrNone, Settings, parsed

ConfiguredRoutes = Annotated[Routes, BeforeValidator(parsed)]


class RoutesSettings(Settings):
    """The configured routes, and whether there is a key for the second provider."""

    routes: ConfiguredRoutes
    kie_key_secret: NameOrNone

    @model_validator(mode="after")
    def _leads_somewhere(self) -> RoutesSettings:
        if self.routes.of(self.providers) is None:
            raise ValueError("no route of ROUTES goes through a provider that there is a key for")
        return self

    @property
    def providers(self) -> frozenset[str]:
        """The providers that there is a key for."""
        return frozenset({"apimodels", "kie"} if self.kie_key_secret else {"apimodels"})

    @property
    def usable_routes(self) -> Routes:
        """The configured routes through providers that there is a key for."""
        return self.routes.of(self.providers) or self.routes
