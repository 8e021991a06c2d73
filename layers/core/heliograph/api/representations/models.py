"""Routes to the models, and usage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from heliograph.api.representations import Representation
from heliograph.api.representations.jobs import Usd
from heliograph.api.representations.me import BudgetResource, budget_resources
from heliograph.budgets.ledger import UsageLine
from heliograph.budgets.read_me import BudgetLeft
from heliograph.intake.list_models import Models
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.money import usd
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route


class ModelResource(Representation):
    """A route: its limits, price and state."""

    name: Annotated[str, Field(description="Name of the route.")]
    provider: str
    model: Annotated[str, Field(description="Model name, for jobs that ask for it.")]
    price_usd: Annotated[Usd, Field(description="Price of an image, whatever its ratio and references.")]
    max_references: int
    longest_prompt: Annotated[int, Field(description="In characters.")]
    aspect_ratios: tuple[AspectRatio, ...]
    max_in_flight: Annotated[int, Field(description="Most tasks that run at once.")]
    circuit: Annotated[Circuit, Field(description="`open`: no calls at the moment.")]
    is_default: Annotated[bool, Field(description="Used by jobs that name neither a model nor a policy.")]


class ModelsResource(Representation):
    """Every usable route, in the configured order."""

    data: tuple[ModelResource, ...]
    spending_paused: Annotated[
        bool, Field(description="The operator has paused spending: jobs are accepted, and wait until it is resumed.")
    ]

    @classmethod
    def of(cls, models: Models) -> ModelsResource:
        """The routes, as the caller sees them."""
        data = tuple(_model(route, circuit, route == models.default) for route, circuit in models.circuits.items())
        return cls(data=data, spending_paused=models.spending_paused)


def _model(route: Route, circuit: Circuit, is_default: bool) -> ModelResource:
    return ModelResource(
        name=route.name,
        provider=route.provider,
        model=route.model,
        price_usd=usd(route.price_microusd),
        max_references=route.max_references,
        longest_prompt=route.max_prompt_characters,
        aspect_ratios=tuple(ratio for ratio in AspectRatio if ratio in route.aspect_ratios),
        max_in_flight=route.max_in_flight,
        circuit=circuit,
        is_default=is_default,
    )


class UsageResource(Representation):
    """Usage of a tenant on a route in a UTC day."""

    day: str
    tenant: str
    route: str
    pictures: int
    spent_usd: Usd
    unknown_usd: Annotated[Usd, Field(description="May have been charged; unknown.")]


class UsageReport(Representation):
    """Usage by day, newest first."""

    data: tuple[UsageResource, ...]
    spent_usd: Annotated[Usd, Field(description="Total of all lines.")]
    budgets: Annotated[
        tuple[BudgetResource, ...],
        Field(description="The budgets that limit the caller's own jobs today, as in `GET /v1/me`."),
    ]

    @classmethod
    def of(cls, lines: Iterable[UsageLine], budgets: Iterable[BudgetLeft] = ()) -> UsageReport:
        """The lines, as the caller sees them."""
        found = tuple(lines)
        return cls(
            data=tuple(
                UsageResource(
                    day=line.day,
                    tenant=line.tenant,
                    route=line.route,
                    pictures=line.usage.pictures,
                    spent_usd=usd(line.usage.spent),
                    unknown_usd=usd(line.usage.unknown),
                )
                for line in found
            ),
            spent_usd=usd(sum(line.usage.spent for line in found)),
            budgets=budget_resources(budgets),
        )
