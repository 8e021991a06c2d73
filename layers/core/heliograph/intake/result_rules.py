"""Rules of a preset against loops: whether it edits results of ours, and how many jobs one source may come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heliograph.kernel.errors import Fault
from heliograph.kernel.tenants import Period

FIELDS = frozenset({"accept_results", "max_jobs_per_source"})
# A UTC day: a loop whose rounds take minutes is found as well as one of seconds.
PERIOD = Period.DAY
USUAL_JOBS_PER_SOURCE = 20
_MOST_JOBS_PER_SOURCE = 100_000


@dataclass(frozen=True, slots=True)
class ResultRules:
    """`accept_results`: an upload that is a result of ours is edited. `max_jobs_per_source`: in a UTC day.

    The source of a result is what it was made of in the first place, however many times it was edited since.
    """

    accept_results: bool = False
    max_jobs_per_source: int = USUAL_JOBS_PER_SOURCE


def read_result_rules(preset: Mapping[str, Any]) -> tuple[ResultRules, list[Fault]]:
    """The rules that a preset sets, and what is wrong with them."""
    rules, faults = ResultRules(), []
    accepts = preset.get("accept_results", rules.accept_results)
    most = preset.get("max_jobs_per_source", rules.max_jobs_per_source)
    if not isinstance(accepts, bool):
        faults.append(Fault("/accept_results", "must be true or false"))
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MOST_JOBS_PER_SOURCE:
        faults.append(Fault("/max_jobs_per_source", f"must be a whole number from 1 to {_MOST_JOBS_PER_SOURCE}"))
    return (rules if faults else ResultRules(accepts, most)), faults
