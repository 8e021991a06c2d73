"""The deployment's settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from heliograph.domain.errors import ConfigurationError
from heliograph.domain.requests import Policy
from heliograph.domain.routes import Routes
from heliograph.domain.tenants import Budget, Limits, Tenant, TenantName, Tenants
from heliograph.runtime.environment import ProviderSettings, read


def _origins(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _json(value: object) -> object:
    return json.loads(value, object_pairs_hook=_each_once) if isinstance(value, str) else value


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"says {', '.join(twice)} twice")
    return dict(pairs)


Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]


class Settings(ProviderSettings):
    """What template.yaml gives to a function, by the same names in capitals. Where one is missing, nothing starts."""

    jobs_table: Annotated[str, Field(min_length=1)]
    ledger_table: Annotated[str, Field(min_length=1)]
    routes_table: Annotated[str, Field(min_length=1)]
    uploads_bucket: Annotated[str, Field(min_length=1)]
    results_bucket: Annotated[str, Field(min_length=1)]
    event_bus: Annotated[str, Field(min_length=1)]
    routes: Annotated[Routes, BeforeValidator(_json)]
    # Where providers can call us back; where they can't, what is uncertain stays so.
    callback_base_url: Annotated[str, Field(pattern=r"^(https?://[^/]+(/.*)?)?$")] = ""
    default_policy: Policy = Policy.BETA_FIRST
    tenants: Annotated[Mapping[TenantName, Tenant], BeforeValidator(_json)] = {}
    daily_budget_usd: Annotated[Budget | None, BeforeValidator(_blank_is_none)] = None
    monthly_budget_usd: Annotated[Budget | None, BeforeValidator(_blank_is_none)] = None
    result_origins: Annotated[frozenset[Origin], BeforeValidator(_origins), Field(min_length=1)]
    max_result_bytes: Annotated[int, Field(gt=0)]
    job_deadline_seconds: Annotated[int, Field(ge=60, le=21600)]
    upload_deadline_seconds: Annotated[int, Field(ge=60, le=21600)]
    job_retention_days: Annotated[int, Field(ge=91)]
    # Whether webhooks may go to this very machine: in the local stack only.
    local_webhooks: Literal["on", "off"] = "off"
    # Only where they are used; see `only_here`.
    state_machine_arn: str | None = None
    api_key_secret: str | None = None
    keys_table: str | None = None
    waits_table: str | None = None
    # Where calls in OpenAI's shape go, for those who describe the API.
    images_url: str = ""
    endpoints_table: str | None = None
    deliveries_table: str | None = None
    delivery_machine_arn: str | None = None
    webhook_secret: str | None = None

    @field_validator("default_policy")
    @classmethod
    def _names_a_route(cls, value: Policy) -> Policy:
        if value is Policy.PINNED:
            raise ValueError("pinned names no route without a model; choose beta-first or cheapest")
        return value

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Settings:
        if self.routes.of(self.providers) is None:
            raise ValueError("no route of ROUTES goes through a provider that there is a key for")
        return self

    @property
    def usable_routes(self) -> Routes:
        """The configured routes through providers that there is a key for."""
        return self.routes.of(self.providers) or self.routes

    @property
    def tenancy(self) -> Tenants:
        """Who pays, and within which limits."""
        together = Limits(daily_budget_usd=self.daily_budget_usd, monthly_budget_usd=self.monthly_budget_usd)
        return Tenants(named=self.tenants, together=together)

    @property
    def job_deadline(self) -> timedelta:
        """How long after its submission a job of the API may still begin or wait for a task."""
        return timedelta(seconds=self.job_deadline_seconds)

    @property
    def upload_deadline(self) -> timedelta:
        """The same for uploads, which come in batches of thousands and wait for their turn."""
        return timedelta(seconds=self.upload_deadline_seconds)

    @property
    def job_retention(self) -> timedelta:
        """How long the record of an ended job is kept."""
        return timedelta(days=self.job_retention_days)

    @property
    def has_local_webhooks(self) -> bool:
        """Whether webhooks may go to this very machine."""
        return self.local_webhooks == "on"

    @property
    def reference_buckets(self) -> frozenset[str]:
        """The buckets whose objects may be references."""
        return frozenset({self.uploads_bucket, self.results_bucket})

    def only_here(self, name: str) -> str:
        """A setting that only some functions have. Raises `ConfigurationError` where it is missing."""
        value: str | None = getattr(self, name)
        if not value:
            raise ConfigurationError(f"{name.upper()} is required by this function")
        return value


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings, checked. Raises `ConfigurationError` naming every fault at once."""
    return read(Settings, environment)
