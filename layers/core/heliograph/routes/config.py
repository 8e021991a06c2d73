"""Routes to the models: capabilities, limits and prices. All of it is configuration (`ROUTES`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    model_validator,
)

from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.money import microdollars
from heliograph.kernel.tenants import DEFAULT_TENANT


def _is_an_amount(value: str) -> str:
    if microdollars(value) <= 0:
        raise ValueError("a price is more than nothing")
    return value


class Route(BaseModel):
    """One provider's model: its caps, its flat price for an image, and its limits.

    The price is the same whatever the ratio or reference count. No provider publishes its limits: the rate starts at
    `creates_per_minute` and adapts between the two bounds; at most `max_in_flight` tasks run there at once.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = ""
    """Name in records, events and operators' reports; by default its model's name."""
    provider: Literal["apimodels", "kie"]
    model: Annotated[str, Field(min_length=1)]
    price_usd: Annotated[str, AfterValidator(_is_an_amount)]
    max_references: Annotated[int, Field(ge=0)]
    # 20,000 is inferred from the channel behind the provider, hence configuration.
    max_prompt_characters: Annotated[int, Field(ge=1)] = 20_000
    aspect_ratios: Annotated[frozenset[AspectRatio], Field(min_length=1)] = frozenset(AspectRatio)
    # 20 creates in 10 s and 100 tasks at once were seen on the channel behind the provider [unknown].
    creates_per_minute: Annotated[int, Field(gt=0, le=60_000)] = 120
    slowest_per_minute: Annotated[int, Field(gt=0, le=60_000)] = 6
    fastest_per_minute: Annotated[int, Field(gt=0, le=60_000)] = 600
    max_in_flight: Annotated[int, Field(gt=0)] = 100
    usual_seconds: Annotated[int, Field(gt=0)] = 40
    """Usual duration of a task, at the long end: by then a full route is expected to have room again."""

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, value: Any) -> Any:
        if isinstance(value, dict) and "name" not in value and isinstance(value.get("model"), str):
            return {**value, "name": re.sub(r"[^A-Za-z0-9._-]", "-", value["model"])[:64]}
        return value

    @model_validator(mode="after")
    def _has_a_rate_within_its_bounds(self) -> Route:
        if not self.slowest_per_minute <= self.creates_per_minute <= self.fastest_per_minute:
            raise ValueError("creates_per_minute must lie between slowest_per_minute and fastest_per_minute")
        return self

    @property
    def price_microusd(self) -> int:
        """Price of one image, in micro-dollars."""
        return microdollars(self.price_usd)

    def most_of(self, tenant: str) -> int:
        """Tasks of a tenant that may run at once: should they hang, other tenants still have a quarter of the route.

        The tenant `default` is the operator's own, and in most deployments the only one: it may use the whole route.
        """
        return self.max_in_flight - (0 if tenant == DEFAULT_TENANT else self.max_in_flight // 4)


class Routes(RootModel[tuple[Route, ...]]):
    """Configured routes, in order of preference. Never empty; names are unique, and so is a provider's model."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    @model_validator(mode="after")
    def _is_usable(self) -> Routes:
        if not self.root:
            raise ValueError("at least one route is needed")
        names = [route.name for route in self.root]
        if len(set(names)) != len(names):
            raise ValueError("each route needs a name of its own; unless given, it is the model's")
        models = [(route.provider, route.model) for route in self.root]
        if len(set(models)) != len(models):
            raise ValueError("each model of a provider may have one route only")
        return self

    def __iter__(self) -> Iterator[Route]:  # type: ignore[override]
        return iter(self.root)

    @property
    def default(self) -> Route:
        """The most preferred route. A document that fits no route is measured by its caps."""
        return self.root[0]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that a job may request."""
        return tuple(dict.fromkeys(route.model for route in self.root))

    def to(self, model: str) -> Routes | None:
        """Routes to that model, if there are any."""
        found = tuple(route for route in self.root if route.model == model)
        return Routes(found) if found else None

    def named(self, name: str) -> Route | None:
        """The route of that name."""
        return next((route for route in self.root if route.name == name), None)

    def of(self, providers: Collection[str]) -> Routes | None:
        """Routes through these providers, if there are any."""
        found = tuple(route for route in self.root if route.provider in providers)
        return Routes(found) if found else None

    def taking(
        self, *, references: int, aspect_ratio: str, prompt_characters: int, cheapest_first: bool = False
    ) -> tuple[Route, ...]:
        """Routes whose caps fit, in the configured order or by price."""
        fitting = [
            route
            for route in self.root
            if references <= route.max_references
            and aspect_ratio in route.aspect_ratios
            and prompt_characters <= route.max_prompt_characters
        ]
        return tuple(sorted(fitting, key=lambda route: route.price_microusd) if cheapest_first else fitting)

    @property
    def most_references(self) -> int:
        """Most references that any route takes."""
        return max(route.max_references for route in self.root)

    @property
    def longest_prompt(self) -> int:
        """Longest prompt that any route takes, in characters."""
        return max(route.max_prompt_characters for route in self.root)

    @property
    def aspect_ratios(self) -> tuple[AspectRatio, ...]:
        """Aspect ratios that at least one route offers, in the usual order."""
        return tuple(ratio for ratio in AspectRatio if any(ratio in route.aspect_ratios for route in self.root))
