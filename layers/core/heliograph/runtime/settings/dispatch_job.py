"""Settings of the function `dispatch_job`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from heliograph.runtime.environment import Name, none_is_none
from heliograph.runtime.settings.jobs import PublishedJobsSettings
from heliograph.runtime.settings.providers import ProviderSettings

CallbackUrl = Annotated[str, Field(pattern=r"^https?://[^/]+(/.*)?$")]


class DispatchJobSettings(PublishedJobsSettings, ProviderSettings):
    """The function creates tasks at providers, when budgets and routes allow it."""

    reuse_table: Name
    results_bucket: Name
    """Bucket of the copies of reused results."""
    callback_base_url: Annotated[CallbackUrl | None, BeforeValidator(none_is_none)]
    """Base URL of providers' callbacks. `None`: providers can't reach it, and an uncertain call stays uncertain."""
