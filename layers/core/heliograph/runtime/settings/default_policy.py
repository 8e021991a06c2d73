"""Policy of jobs that name neither a model nor a policy."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from heliograph.jobs.request import Policy


def _names_a_route(value: Policy) -> Policy:
    if value is Policy.PINNED:
        raise ValueError("pinned names no route without a model; choose beta-first or cheapest")
    return value


DefaultPolicy = Annotated[Policy, AfterValidator(_names_a_route)]
