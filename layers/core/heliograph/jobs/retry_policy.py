"""How often and how soon to try again: the one place for our own repetitions (the workflow holds AWS's)."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil

from heliograph.kernel.jitter import jittered

# A refused call costs nothing, but each stands in the record. Waits are such that these last until the deadline.
MAX_ATTEMPTS = 40
# How long a create call may be on its way: the provider's edge cuts silent answers after about 100 s, and the function
# ends before this. An intent older than this with no answer written will not get one.
CALL_LIMIT = timedelta(seconds=210)
# How long a paid picture may wait for a host that does not hand it over, or a store of ours that does not store: as
# long as results are promised to be kept.
GIVE_UP = timedelta(hours=24)
MAX_DELIVERIES = 6
# How long a provider may take to name the pictures of a task that it calls completed. Clients saw seconds.
RESULT_PATIENCE = timedelta(minutes=5)
_SOON_SECONDS = 2
_LONGEST_RESULT_WAIT_SECONDS = 30
_LONGEST_WAIT_SECONDS = 60


def wait_before_attempt(job_id: str, attempts: int, asked_seconds: int | None, *, patience: timedelta) -> int:
    """Seconds before the next create call after `attempts` refused ones; never less than the provider asked for.

    The longest waits are such that all attempts together last for the job's whole `patience`. Spread by half to either
    side, so that jobs that were refused together don't come back together.
    """
    longest = max(_LONGEST_WAIT_SECONDS, int(patience.total_seconds() * 1.5) // MAX_ATTEMPTS)
    usual = min(1 << min(attempts, 20), longest)
    return max(asked_seconds or 0, 1) + jittered(usual, f"{job_id}{attempts}")


def wait_for_news(since: datetime, until: datetime, now: datetime) -> int:
    """Seconds before looking again whether a task has announced itself; the longer it is ago, the longer."""
    age, left = (now - since).total_seconds(), (until - now).total_seconds()
    return max(1, ceil(min(max(5, age / 2), _LONGEST_WAIT_SECONDS, left)))


def wait_before_delivery(deliveries: int) -> int:
    """Seconds before a result is fetched again after `deliveries` failed tries."""
    return min(1 << deliveries, _LONGEST_WAIT_SECONDS)


def wait_for_result(since: datetime, now: datetime) -> int:
    """Seconds before asking again for the pictures of a task that is completed `since` then; the longer, the longer."""
    age = (now - since).total_seconds()
    left = (since + RESULT_PATIENCE - now).total_seconds()
    return max(1, ceil(min(max(_SOON_SECONDS, age), _LONGEST_RESULT_WAIT_SECONDS, left)))
