"""Every exception of ours, drawn.

Expected outcomes (a refused create, a failed task, a rejected upload) are values, see `outcomes.py` and
`failures.py`. What is raised is either a fault of the input or something that a later run may find fixed:

    HeliographError
    ├── InvalidRequest        the caller's input is wrong; every fault named; never retried
    │   ├── MalformedDocument  it is no JSON object at all
    │   ├── UnsupportedMedia   references that no model could read, and nothing else
    │   └── UnusableParameters  of a call in OpenAI's shape; says by OpenAI's code which kind of fault it is
    ├── ConfigurationError    the deployment is wrong; every fault named; never retried
    ├── Conflict              what is asked for can't be done to the thing as it is; nothing was changed
    ├── TooSoon               the same was done a moment ago; nothing was changed
    ├── KeyRevoked            the caller's key was revoked since the gateway let it in; nothing was done
    ├── WriteConflict         another writer was faster; nothing was written: read again and decide anew
    │   ├── StaleJob          of a job
    │   ├── StaleRecord       of any other record: an endpoint, a delivery, an API key, a route's state, recent calls
    │   └── KeyHeld           another source took the key for its results
    ├── BudgetExceeded        a limit would be passed; nothing was written
    ├── RouteFull             as many tasks as may be are running on the route; nothing was written
    ├── TooManyWaits          the key holds as many waiting calls as it may; nothing was done
    ├── Interrupted           some of several jobs were made, then something gave way; a repeat makes the others
    ├── UnusableImage         bytes that are no whole image, or one of too many pixels; says whether to try another copy
    ├── ResultUnusable        a result could not be fetched or is no picture; says whether to try again
    └── Unavailable           an AWS service did not do its part; safe to repeat
        ├── StorageFailed     a bucket, the job table or the secret store
        │   └── ObjectChanged  the key holds another object than before: look again and decide anew
        ├── PublishFailed     the event bus took none or not all of the entries
        └── WorkflowFailed    the state machine could not be started

Step Functions matches these class names in `ErrorEquals`: renaming one changes the workflow
(a contract test compares the two).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from heliograph.kernel.money import usd

MAX_FAULTS = 100
_TOLD_FAULTS = 10
# What the details that go on from the name of a field begin with.
_PREDICATE = re.compile(r"(is|are|has|have|must|may|can't|holds|lies|leads|points|belongs|does|says|names|carries)\b")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a document: where (an RFC 6901 JSON pointer, "" for the whole) and what."""

    pointer: str
    detail: str

    @property
    def sentence(self) -> str:
        """Both in one line: `prompt is required`, `references[0] must be …`, `colour: there is no such field`."""
        name, *rest = (part.replace("~1", "/").replace("~0", "~") for part in self.pointer.lstrip("?/").split("/"))
        if not name:
            return self.detail
        place = name + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in rest)
        return f"{place} {self.detail}" if _PREDICATE.match(self.detail) else f"{place}: {self.detail}"


class HeliographError(Exception):
    """The root: nothing of ours is raised that is not one of these."""


class InvalidRequest(HeliographError):
    """The input can't be accepted as it is. `faults` names everything wrong with it at once, never only the first.

    A document made of nothing but faults is named in its first hundred: an answer and an event have their limits.
    """

    def __init__(self, *faults: Fault) -> None:
        more = len(faults) - MAX_FAULTS
        self.faults = (*faults[:MAX_FAULTS], Fault("", f"and {more} more")) if more > 0 else faults
        told = [fault.sentence for fault in self.faults[:_TOLD_FAULTS]]
        super().__init__("; ".join([*told, "…"] if len(self.faults) > _TOLD_FAULTS else told))
        self._more = len(faults) - 1

    @property
    def headline(self) -> str:
        """The first fault, and how many more there are: `prompt is required (and 2 more problems)`."""
        first = self.faults[0].sentence
        return first if self._more < 1 else f"{first} (and {self._more} more problem{'s' if self._more > 1 else ''})"


class MalformedDocument(InvalidRequest):
    """What should be a JSON object is none, or can't be read for sure; nothing in it was looked at.

    `what` that is ("the body"), where the faults are at places in it and do not say so themselves.
    """

    def __init__(self, *faults: Fault, what: str = "") -> None:
        super().__init__(*faults)
        self.what = what

    def __str__(self) -> str:
        """All faults, as of any request."""
        return self._of_what(super().__str__())

    @property
    def headline(self) -> str:
        """The first fault, as of any request."""
        return self._of_what(super().headline)

    def _of_what(self, told: str) -> str:
        return f"{self.what} can't be read: {told}" if self.what else told


class UnsupportedMedia(InvalidRequest):
    """References that are no images, no whole ones, or too large. All faults are of that kind."""


class UnusableParameters(InvalidRequest):
    """Parameters that such a call does not know, can't have or must have. `code` is of the first fault."""

    def __init__(self, code: str, *faults: Fault) -> None:
        super().__init__(*faults)
        self.code = code


class ConfigurationError(HeliographError):
    """The deployment's configuration can't work. Raised when a function starts, so that it shows at once."""


class Conflict(HeliographError):
    """The state of a thing does not allow what is asked; nothing was changed. `code`: published, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooSoon(HeliographError):
    """The same was done a moment ago. Nothing was changed. `seconds`: until it may be done again."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class KeyRevoked(HeliographError):
    """The caller's key was revoked since it was let in. Nothing was done."""


class WriteConflict(HeliographError):
    """A record changed between reading and writing it. Nothing was written."""


class StaleJob(WriteConflict):
    """The job changed between reading and writing it. Nothing was written."""


class StaleRecord(WriteConflict):
    """A record other than a job changed between reading and writing it. Nothing was written."""


class KeyHeld(WriteConflict):
    """The holder of a result's key changed between reading and writing it. Nothing was written."""


class BudgetExceeded(HeliographError):
    """What a job may cost does not fit into the budget of `account` (a tenant, or everybody) for `period`."""

    def __init__(self, account: str, period: str, limit_microusd: int) -> None:
        from heliograph.kernel.tenants import EVERYBODY, KEY_ACCOUNT

        is_a_key = KEY_ACCOUNT.fullmatch(account) is not None
        whose = "all tenants together" if account == EVERYBODY else account if is_a_key else f"tenant {account}"
        # Every tenant is told that all of them together have spent their budget, and none how much that is.
        amount = "" if account == EVERYBODY else f", {usd(limit_microusd)} USD,"
        super().__init__(f"the budget of {whose} for {period}{amount} is used up")
        self.account = account
        self.period = period
        self.limit_microusd = limit_microusd


class RouteFull(HeliographError):
    """The cap on tasks that run on a route at once is reached: of all, or `of_tenant`. Nothing was written."""

    def __init__(self, route: str, *, of_tenant: bool = False) -> None:
        super().__init__(route)
        self.of_tenant = of_tenant


class TooManyWaits(HeliographError):
    """A key has as many calls that wait as it may have at once."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} calls of this key wait already, and no more may at the same time")
        self.most = most


class Interrupted(HeliographError):
    """Something of ours gave way after the first of several jobs were made. A repeat finds them."""

    def __init__(self, job_ids: tuple[str, ...]) -> None:
        super().__init__(f"{len(job_ids)} were made: {', '.join(job_ids)}")
        self.job_ids = job_ids


class UnusableImage(HeliographError):
    """Bytes that are no image to use. `again`: another copy of it may be whole."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class ResultUnusable(HeliographError):
    """A result of a finished (and paid) task could not be stored.

    `again`: a later try may well succeed. `host_failed`: its host did not hand it over, which says nothing about the
    picture; such a one is worth a day of patience.
    """

    def __init__(self, message: str, *, again: bool, host_failed: bool = False) -> None:
        super().__init__(message)
        self.again = again
        self.host_failed = host_failed


class Unavailable(HeliographError):
    """A service of ours did not answer as it should. The step is safe to repeat from its beginning."""


class StorageFailed(Unavailable):
    """A bucket, the job table or the secret store did not read or write.

    `refusal`: why an object that is there can't be read, however often it is tried, and what to do about it. Those who
    take work in reject it with that; to everybody else it is one more failure that passes when somebody fixes it.
    `unreadable`: the id of a record that is there, and that this release can't read.
    """

    def __init__(self, message: str = "", *, refusal: str | None = None, unreadable: str | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.unreadable = unreadable


class ObjectChanged(StorageFailed):
    """A conditional write of an object found another object than before. Nothing was written."""


class PublishFailed(Unavailable):
    """The event bus did not take every entry (`FailedEntryCount` > 0, or the call failed)."""


class WorkflowFailed(Unavailable):
    """The state machine could not be started or read."""
