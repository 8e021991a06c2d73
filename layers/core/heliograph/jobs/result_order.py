"""Which job's result a key holds that several jobs write to: the newest upload's, in whatever order they finish.

Without `{job_id}` in its output key, a job writes to a key that others of the same source write to as well. One source
at a time holds such a key (`KeyHolder`), and its uploads follow each other as S3 numbers them (`ResultOrder`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from heliograph.storage.sequencers import sortable

# The metadata in which a result says its order.
ORDER = "heliograph-order"
# Of a job, in events and in the API.
SUPERSEDED_BY = Field(
    description="The job whose newer result has the key that this job's was meant for; this job's has one of its own."
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WRITTEN = re.compile(r"(key_[a-z2-7]{26}) ([0-9]{1,20}) ([0-9a-f]{0,64}) ([0-9]{1,20})")
_SEQUENCER = re.compile(r"[0-9a-f]{1,64}")


class KeyHolder(BaseModel):
    """The one source whose results may go to a key. `key`: of its first result, without extension."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    key: str
    # The URI of the object that holds it, without a version.
    source: str
    held_since: AwareDatetime


@dataclass(frozen=True, slots=True)
class Taking:
    """A source takes a key: from the one that held it `before`, or a key that no source held."""

    holder: KeyHolder
    before: KeyHolder | None


@dataclass(frozen=True, slots=True)
class ResultOrder:
    """The place of one job's results among all that are written to the same key."""

    # Names the key; results of different keys have no order between them.
    key_id: str
    held_since: int
    sequencer: str
    accepted_at: int

    @classmethod
    def of(cls, key_id: str, *, holder: KeyHolder | None, sequencer: str, accepted_at: datetime) -> ResultOrder:
        """The order of a job that was accepted then, of the upload that S3 gave that sequencer."""
        held_since = _microseconds(holder.held_since) if holder else 0
        known = sequencer.lower()
        return cls(key_id, held_since, known if _SEQUENCER.fullmatch(known) else "", _microseconds(accepted_at))

    def written(self) -> str:
        """The order as an object's metadata: ASCII."""
        return f"{self.key_id} {self.held_since} {self.sequencer} {self.accepted_at}"

    def is_overruled_by(self, metadata: Mapping[str, str]) -> bool:
        """Whether the object with this metadata must not be replaced by results of this order.

        It is a newer result of the same key, or a result that was stored under another job's key. A result without an
        order is one of an earlier release, and older than any.
        """
        written = metadata.get(ORDER)
        if written is None:
            return False
        other = _read(written)
        if other is None or other.key_id != self.key_id:
            return True
        return self.is_older_than(other)

    def is_older_than(self, other: ResultOrder) -> bool:
        """Whether the other is newer: of a later holder of the key, a later upload, or accepted later."""
        if self.held_since != other.held_since:
            return self.held_since < other.held_since
        mine, theirs = sortable(self.sequencer), sortable(other.sequencer)
        return (mine, self.accepted_at) < (theirs, other.accepted_at)


def _read(written: str) -> ResultOrder | None:
    found = _WRITTEN.fullmatch(written)
    return ResultOrder(found[1], int(found[2]), found[3], int(found[4])) if found else None


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
