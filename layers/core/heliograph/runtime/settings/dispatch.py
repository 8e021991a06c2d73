"""The settings of `dispatch`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from heliograph.runtime.settings.jobs import PublishedJobsSettings
from heliograph.runtime.settings.providers import ProviderSettings


class DispatchSettings(PublishedJobsSettings, ProviderSettings):
    """A task is created at a provider, once money and the route allow it."""

    # Where providers can call us back; where they can't, what is uncertain stays so.
    callback_base_url: Annotated[str, Field(pattern=r"^(https?://[^/]+(/.*)?)?$")]
