"""What it takes to end a job: to store its results, to write its end and to publish it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from heliograph.runtime.environment import Name
from heliograph.runtime.settings.jobs import PublishedJobsSettings


def _origins(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


# Never in clear, but from a simulator on the same machine.
Origin = Annotated[str, Field(pattern=r"^(https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost))(:[0-9]+)?$")]


class EndingSettings(PublishedJobsSettings):
    """Where results come from and where they go."""

    results_bucket: Name
    result_origins: Annotated[frozenset[Origin], BeforeValidator(_origins), Field(min_length=1)]
    max_result_bytes: Annotated[int, Field(gt=0)]
