"""Settings of functions that end jobs: they store results, and write and publish the end."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.jobs import PublishedJobsSettings


def _origins(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


# HTTPS only, except for a simulator on the same machine.
Origin = Annotated[str, Field(pattern=r"^(https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:[0-9]+)?$")]


class EndingSettings(PublishedJobsSettings):
    """Origins and destination of results."""

    results_bucket: Name
    result_origins: Annotated[frozenset[Origin], BeforeValidator(_origins), Field(min_length=1)]
    """Origins that results may be downloaded from."""
    max_result_bytes: Annotated[int, Field(gt=0)]
