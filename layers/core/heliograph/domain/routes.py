"""The ways to the model: what each can take and what it costs. All of it is configuration (`ROUTES`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    model_validator,
)

from heliograph.domain.money import microdollars


class AspectRatio(StrEnum):
    """The eleven ratios of the product page; `auto` leaves it to the model."""

    AUTO = "auto"
    SQUARE = "1:1"
    PORTRAIT_2_3 = "2:3"
    LANDSCAPE_3_2 = "3:2"
    PORTRAIT_3_4 = "3:4"
    LANDSCAPE_4_3 = "4:3"
    PORTRAIT_4_5 = "4:5"
    LANDSCAPE_5_4 = "5:4"
    PORTRAIT_9_16 = "9:16"
    LANDSCAPE_16_9 = "16:9"
    LANDSCAPE_21_9 = "21:9"


def _is_an_amount(value: str) -> str:
    if microdollars(value) <= 0:
        raise ValueError("a price is more than nothing")
    return value


class Route(BaseModel):
    """One provider's model with its caps and its flat price for an image, whatever the ratio or reference count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Literal["apimodels"]
    model: Annotated[str, Field(min_length=1)]
    price_usd: Annotated[str, AfterValidator(_is_an_amount)]
    max_references: Annotated[int, Field(ge=0)]
    # 20,000 is inferred from the channel behind the vendor, hence configuration.
    max_prompt_characters: Annotated[int, Field(ge=1)] = 20_000
    aspect_ratios: frozenset[AspectRatio] = frozenset(AspectRatio)

    @property
    def price_microusd(self) -> int:
        """What one image costs, in micro-dollars."""
        return microdollars(self.price_usd)


class Routes(RootModel[tuple[Route, ...]]):
    """Every configured route, in order of preference. Never empty, models unique."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _is_usable(self) -> Routes:
        if not self.root:
            raise ValueError("at least one route is needed")
        models = [route.model for route in self.root]
        if len(set(models)) != len(models):
            raise ValueError("each model may have one route only")
        return self

    @property
    def default(self) -> Route:
        """The most preferred route; what a document is measured by that fits none."""
        return self.root[0]

    @property
    def models(self) -> tuple[str, ...]:
        """The names that a job may ask for."""
        return tuple(route.model for route in self.root)

    def serving(self, model: str) -> Route | None:
        """The route to that model, if it is configured."""
        return next((route for route in self.root if route.model == model), None)

    def taking(
        self, *, references: int, aspect_ratio: str, prompt_characters: int, cheapest_first: bool = False
    ) -> tuple[Route, ...]:
        """The routes whose caps fit, in the configured order or by price."""
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
        """What the most capable route takes: more can't be served at all."""
        return max(route.max_references for route in self.root)

    @property
    def longest_prompt(self) -> int:
        """What the most patient route reads, in characters."""
        return max(route.max_prompt_characters for route in self.root)
