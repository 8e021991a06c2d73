"""Failures of jobs, each with the two things its owner needs: whether to try again, and whether it cost money."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class FailureCode(StrEnum):
    """Reasons why there is no image. Published: in the API, in events and in the record."""

    INVALID_INPUT = "invalid_input"
    UNSUPPORTED_MEDIA = "unsupported_media"
    CONTENT_BLOCKED = "content_blocked"
    BUDGET_EXCEEDED = "budget_exceeded"
    PRESET_STOPPED = "preset_stopped"
    RATE_LIMITED = "rate_limited"
    ROUTE_UNAVAILABLE = "route_unavailable"
    PROVIDER_TIMEOUT = "provider_timeout"
    PROVIDER_FAILED = "provider_failed"
    SUBMISSION_UNCERTAIN = "submission_uncertain"
    RESULT_UNUSABLE = "result_unusable"
    INTERNAL = "internal"


class Charged(StrEnum):
    """Charge by the provider. `unknown` only if it can't be found out."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class Failure(BaseModel):
    """One failure. `retryable`: the same job, sent again later and unchanged, may succeed.

    Never where money may have gone already: an invitation to repeat must not be one to pay twice.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    code: FailureCode
    message: str
    retryable: bool
    charged: Charged

    @model_validator(mode="after")
    def _invites_nobody_to_pay_twice(self) -> Self:
        if self.retryable and self.charged is not Charged.NO:
            raise ValueError("what may have been charged is not retryable")
        return self
