"""How long functions wait for what no run here can measure. Assumed, in one place.

The simulator and the emulator answer from the same machine, at once. On AWS a function waits for the provider and for
its result host, and is paid for and counted among the account's concurrent executions meanwhile. No provider publishes
how long that is. A deployment knows: `accepted_at` less `intended_at` of each attempt is the first of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Wait(NamedTuple):
    """What a call of a function waits for, and how long, in seconds."""

    what: str
    seconds: float


WAITS: Mapping[str, Wait] = {
    "DispatchJob": Wait("the answer to a create call", 1.5),
    "PollTask": Wait("the answer to a poll", 0.5),
    "FinalizeJob": Wait("a result of 2 MB, from its host into the bucket", 1.5),
}


def wait_seconds(function: str) -> float:
    """Of each call of the function."""
    return WAITS[function].seconds if function in WAITS else 0.0


def waited_seconds(job: Mapping[str, Any]) -> float:
    """Of all calls that a job made, together."""
    return sum(float(told["invocations"]) * wait_seconds(name) for name, told in job["functions"].items())


def in_words() -> str:
    """All of them, for a page."""
    told = [f"{wait.seconds:g} s for {wait.what}" for wait in WAITS.values()]
    return f"{', '.join(told[:-1])} and {told[-1]}"
