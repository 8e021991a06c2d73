"""The settings of `dispatch_job`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from heliograph.runtime.environment import Name, none_is_none
from heliograph.runtime.settings.jobs import PublishedJobsSettings
from heliograph.runtime.settings.providers import ProviderSettings

CallbackUrl = Annotated[str, Field(pattern=r"^https?://[^/]+(/.*)?$")]


class DispatchJobSettings(PublishedJobsSettings, ProviderSettings):
    """A task is created at a provider, once money and the route allow it."""

    reuse_table: Name
    # Where copies of results go that are reused.
    results_bucket: Name
    # Where providers can call us back. None: they can't, and what is uncertain stays so.
    callback_base_url: Annotated[CallbackUrl | None, BeforeValidator(none_is_none)]
