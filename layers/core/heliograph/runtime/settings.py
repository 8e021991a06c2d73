"""The deployment's settings: the only reader of the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from heliograph.domain.errors import ConfigurationError
from heliograph.domain.faults import faults_of
from heliograph.domain.routes import Routes


def _origins(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _json(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]


class Settings(BaseModel):
    """What template.yaml gives to a function, by the same names in capitals. Where one is missing, nothing starts."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    jobs_table: Annotated[str, Field(min_length=1)]
    uploads_bucket: Annotated[str, Field(min_length=1)]
    results_bucket: Annotated[str, Field(min_length=1)]
    event_bus: Annotated[str, Field(min_length=1)]
    routes: Annotated[Routes, BeforeValidator(_json)]
    upstream_base_url: Annotated[str, Field(pattern=r"^https?://[^/]+/")]
    upstream_key_secret: Annotated[str, Field(min_length=1)]
    result_origins: Annotated[frozenset[Origin], BeforeValidator(_origins), Field(min_length=1)]
    max_result_bytes: Annotated[int, Field(gt=0)]
    job_deadline_seconds: Annotated[int, Field(ge=60, le=7200)]
    job_retention_days: Annotated[int, Field(ge=91)]
    # Only where they are used; see `only_here`.
    state_machine_arn: str | None = None
    api_key_secret: str | None = None

    @property
    def job_deadline(self) -> timedelta:
        """How long after its submission a job may still begin or wait for a task."""
        return timedelta(seconds=self.job_deadline_seconds)

    @property
    def job_retention(self) -> timedelta:
        """How long the record of an ended job is kept."""
        return timedelta(days=self.job_retention_days)

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
    try:
        return Settings.model_validate({name.lower(): value for name, value in environment.items()})
    except ValidationError as error:
        faults = (f"{fault.pointer.strip('/').upper()}: {fault.detail}" for fault in faults_of(error))
        raise ConfigurationError("; ".join(faults)) from error
