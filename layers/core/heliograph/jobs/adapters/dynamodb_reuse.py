"""Amazon DynamoDB as a `ResultIndex` and as a `ReuseIndex`: small items, told apart by how their ids begin.

In the table of jobs, whose writers are those who store results:

job_id (key)                     attributes
result#<sha256>                  origin                          bytes of a result of ours

In a table that only those reach who take jobs and begin them:

id (key)                         attributes
image#<reuse key>                job_id                          the job that makes or has made that image
upload#<digest of bucket, key>   identity, job_id, sequencer     the newest upload of a key
bytes#<fingerprint>              sha256                          of an object that was read
preset#<version>                                                 a version of a preset that was stopped
preset#<version>#<origin>#<day>  jobs                            how many jobs one origin had on a day

No item names a tenant. Each is deleted (TTL) when the records of jobs of its time are.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.jobs.recipes import KeyedUpload
from heliograph.platform.dynamodb import Attribute, Attributes, Table
from heliograph.storage.sequencers import sortable

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient

    from heliograph.kernel.ports import Clock

# How long the jobs of a day are counted.
_COUNTED = timedelta(days=2)
_ABOUT = "the index of results"


class DynamoDBResultIndex:
    """The index of results, in the table of jobs of that name; entries are kept for `retention`."""

    def __init__(self, client: DynamoDBClient, jobs_table: str, *, retention: timedelta, clock: Clock) -> None:
        self._jobs_table = Table(client, jobs_table)
        self._retention = retention
        self._clock = clock

    def origin_of(self, sha256: str) -> str | None:
        """One consistent read."""
        return self._read(self._jobs_table, {"job_id": f"result#{sha256}"}).get("origin")

    def note_result(self, sha256: str, origin: str) -> None:
        """One write."""
        self._write(self._jobs_table, {"job_id": f"result#{sha256}", "origin": origin})

    def _read(self, table: Table, key: Attributes) -> dict[str, str]:
        item = table.get(key, about=_ABOUT) or {}
        return {name: value for name, value in item.items() if isinstance(value, str)}

    def _write(self, table: Table, entry: Attributes, *conditions: ConditionBase) -> bool:
        """`False`, and nothing written, if the conditions don't hold."""
        return table.put_if({**entry, "expires_at": self._after(self._retention)}, *conditions, about=_ABOUT)

    def _after(self, time: timedelta) -> int:
        return int((self._clock.now() + time).timestamp())


class DynamoDBReuseIndex(DynamoDBResultIndex):
    """The whole index, the rest of it in a table of its own."""

    def __init__(
        self, client: DynamoDBClient, table: str, *, jobs_table: str, retention: timedelta, clock: Clock
    ) -> None:
        super().__init__(client, jobs_table, retention=retention, clock=clock)
        self._table = Table(client, table)

    def holder(self, reuse_key: str) -> str | None:
        """One consistent read."""
        return self._get(f"image#{reuse_key}").get("job_id")

    def hold(self, reuse_key: str, job_id: str, *, instead_of: str | None) -> bool:
        """One conditional write."""
        unchanged = Attribute("job_id").eq(instead_of) if instead_of else Attribute("id").not_exists()
        return self._put(f"image#{reuse_key}", {"job_id": job_id}, unchanged)

    def upload(self, bucket: str, key: str) -> KeyedUpload | None:
        """One consistent read."""
        found = self._get(_upload(bucket, key))
        if not found:
            return None
        return KeyedUpload(identity=found["identity"], job_id=found["job_id"], sequencer=found["sequencer"])

    def note_upload(self, bucket: str, key: str, upload: KeyedUpload) -> None:
        """One conditional write."""
        entry = {"identity": upload.identity, "job_id": upload.job_id, "sequencer": upload.sequencer}
        if not upload.sequencer:
            self._put(_upload(bucket, key), entry)
            return
        entry["sequencer"] = sortable(upload.sequencer)
        is_newer = Attribute("id").not_exists() | Attribute("sequencer").lte(entry["sequencer"])
        self._put(_upload(bucket, key), entry, is_newer)

    def sha256_of(self, fingerprint: str) -> str | None:
        """One consistent read."""
        return self._get(f"bytes#{fingerprint}").get("sha256")

    def note_sha256(self, fingerprint: str, sha256: str) -> None:
        """One write."""
        self._put(f"bytes#{fingerprint}", {"sha256": sha256})

    def count_job(self, preset_version: str, origin: str, day: str) -> int:
        """One atomic write."""
        counted = self._table.update(
            {"id": f"preset#{preset_version}#{origin}#{day}"},
            assign={"expires_at": self._after(_COUNTED)},
            add={"jobs": 1},
            returning="UPDATED_NEW",
            about=_ABOUT,
        )
        return int(counted["jobs"])

    def is_stopped(self, preset_version: str) -> bool:
        """One consistent read."""
        return bool(self._get(f"preset#{preset_version}"))

    def stop(self, preset_version: str) -> None:
        """One write."""
        self._put(f"preset#{preset_version}", {"stopped": "yes"})

    def _get(self, entry_id: str) -> dict[str, str]:
        return self._read(self._table, {"id": entry_id})

    def _put(self, entry_id: str, entry: Attributes, *conditions: ConditionBase) -> bool:
        return self._write(self._table, {"id": entry_id, **entry}, *conditions)


def _upload(bucket: str, key: str) -> str:
    """Of fixed length: a key of DynamoDB's has room for any key of S3's, but need not hold its text."""
    return f"upload#{hashlib.sha256(f'{bucket}/{key}'.encode()).hexdigest()}"
