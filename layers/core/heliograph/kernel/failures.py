"""How a job can fail, and the two things its owner wants to know: shall I try again, and did it cost me money?"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class FailureCode(StrEnum):
    """Why there is no picture. Published: in the API, in events and in the record."""

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
    """Whether the provider billed. `unknown` is said only where nobody can tell, never out of laziness."""

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
