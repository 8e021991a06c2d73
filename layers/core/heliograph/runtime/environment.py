"""The only reader of the environment, and what those functions need of it that only talk to a provider."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from heliograph.domain.errors import ConfigurationError
from heliograph.domain.faults import faults_of

Read = TypeVar("Read", bound=BaseModel)


class ProviderSettings(BaseModel):
    """Where the providers are, and which secrets hold their keys."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)

    upstream_base_url: Annotated[str, Field(pattern=r"^https?://[^/]+/")]
    upstream_key_secret: Annotated[str, Field(min_length=1)]
    # The second provider: off where there is no secret with a key.
    kie_base_url: Annotated[str, Field(pattern=r"^https?://[^/]+/")] = "https://api.kie.ai/api/v1"
    kie_key_secret: str = ""

    @property
    def providers(self) -> frozenset[str]:
        """The providers that there is a key for."""
        return frozenset({"apimodels", "kie"} if self.kie_key_secret else {"apimodels"})


def is_traced(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether calls are traced: known before anything else is, because it decides what is imported."""
    return environment.get("POWERTOOLS_TRACE_DISABLED") == "false"


def read(model: type[Read], environment: Mapping[str, str] = os.environ) -> Read:
    """What the model asks for, checked. Raises `ConfigurationError` naming every fault at once."""
    try:
        return model.model_validate({name.lower(): value for name, value in environment.items()})
    except ValidationError as error:
        faults = (f"{fault.pointer.strip('/').upper()}: {fault.detail}" for fault in faults_of(error))
        raise ConfigurationError("; ".join(faults)) from error
