"""The ways to the model, and what was done on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from heliograph.api.representations import Representation
from heliograph.api.representations.jobs import Usd
from heliograph.api.representations.me import BudgetTold, budgets_told
from heliograph.budgets.ledger import UsageLine
from heliograph.budgets.read_me import BudgetLeft
from heliograph.intake.list_models import Models
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.money import usd
from heliograph.routes.circuit_breaker import Circuit
from heliograph.routes.config import Route


class ModelTold(Representation):
    """A way to the model: what it takes, what it costs, and how it is doing."""

    name: Annotated[str, Field(description="The route.")]
    provider: str
    model: Annotated[str, Field(description="What a job names to be pinned to it.")]
    price_usd: Annotated[Usd, Field(description="Of an image, whatever its ratio and references.")]
    max_references: int
    longest_prompt: Annotated[int, Field(description="In characters.")]
    aspect_ratios: tuple[AspectRatio, ...]
    max_in_flight: Annotated[int, Field(description="How many tasks run there at once, at most.")]
    circuit: Annotated[Circuit, Field(description="`open` takes no calls at the moment.")]
    is_default: Annotated[bool, Field(description="Taken by a job that names neither a model nor a policy.")]


class ModelsTold(Representation):
    """Every usable route, in the configured order."""

    data: tuple[ModelTold, ...]
    spending_paused: Annotated[
        bool, Field(description="The operator has paused spending: jobs are accepted, and wait until it is resumed.")
    ]

    @classmethod
    def of(cls, models: Models) -> ModelsTold:
        """The routes for a caller."""
        told = tuple(_model(route, circuit, route == models.default) for route, circuit in models.circuits.items())
        return cls(data=told, spending_paused=models.spending_paused)


def _model(route: Route, circuit: Circuit, is_default: bool) -> ModelTold:
    return ModelTold(
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


class UsageTold(Representation):
    """What a tenant's jobs of a UTC day did on a route."""

    day: str
    tenant: str
    route: str
    pictures: int
    spent_usd: Usd
    unknown_usd: Annotated[Usd, Field(description="May have been charged; nobody can tell.")]


class UsagesTold(Representation):
    """Newest day first."""

    data: tuple[UsageTold, ...]
    spent_usd: Annotated[Usd, Field(description="Of all lines together.")]
    budgets: Annotated[
        tuple[BudgetTold, ...],
        Field(description="The budgets that limit the caller's own jobs today, as in `GET /v1/me`."),
    ]

    @classmethod
    def of(cls, lines: Iterable[UsageLine], budgets: Iterable[BudgetLeft] = ()) -> UsagesTold:
        """The lines for a caller."""
        found = tuple(lines)
        return cls(
            data=tuple(
                UsageTold(
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
            budgets=budgets_told(budgets),
        )
