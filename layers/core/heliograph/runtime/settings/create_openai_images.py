"""The settings of `create_openai_images`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.runtime.environment import none_is_none
from heliograph.runtime.settings.api_keys import AuthenticatorSettings
from heliograph.runtime.settings.submission import RequestSubmissionSettings
from heliograph.runtime.settings.waits import WaitsSettings


def _read_aliases(value: Any) -> Any:
    value = none_is_none(value)
    return ModelAliases.parse(value or "") if value is None or isinstance(value, str) else value


class CreateOpenAiImagesSettings(RequestSubmissionSettings, AuthenticatorSettings, WaitsSettings):
    """The function authenticates its callers itself, because its URL has no authorizer."""

    model_aliases: Annotated[ModelAliases, BeforeValidator(_read_aliases)]

    @model_validator(mode="after")
    def _aliases_lead_somewhere(self) -> CreateOpenAiImagesSettings:
        self.model_aliases.check(self.usable_routes)
        return self
