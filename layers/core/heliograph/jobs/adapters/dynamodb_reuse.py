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
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from heliograph.jobs.fingerprints import KeyedUpload
from heliograph.platform.dynamodb import CONDITION_FAILED, code_of, translated
from heliograph.storage.sequencers import sortable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from heliograph.kernel.ports import Clock

# How long the jobs of a day are counted.
_COUNTED = timedelta(days=2)


class DynamoDBResultIndex:
    """The index of results, in the table of jobs of that name; entries are kept for `retention`."""

    def __init__(self, client: DynamoDBClient, jobs_table: str, *, retention: timedelta, clock: Clock) -> None:
        self._client = client
        self._jobs_table = jobs_table
        self._retention = retention
        self._clock = clock

    def origin_of(self, sha256: str) -> str | None:
        """One consistent read."""
        return self._read(self._jobs_table, {"job_id": f"result#{sha256}"}).get("origin")

    def note_result(self, sha256: str, origin: str) -> None:
        """One write."""
        self._write(self._jobs_table, {"job_id": f"result#{sha256}", "origin": origin})

    def _read(self, table: str, key: Mapping[str, str]) -> dict[str, str]:
        with translated("the index of results"):
            answer = self._client.get_item(TableName=table, Key=_texts(key), ConsistentRead=True)
        return {name: value["S"] for name, value in answer.get("Item", {}).items() if "S" in value}

    def _write(
        self, table: str, entry: Mapping[str, str], *, condition: str = "", values: Mapping[str, str] | None = None
    ) -> bool:
        """`False`, and nothing written, if the condition does not hold."""
        only: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if values:
            only["ExpressionAttributeValues"] = _texts(values)
        item = {**_texts(entry), "expires_at": {"N": self._after(self._retention)}}
        with translated("the index of results"):
            try:
                self._client.put_item(TableName=table, Item=item, **only)
            except ClientError as error:
                if code_of(error) == CONDITION_FAILED:
                    return False
                raise
        return True

    def _after(self, time: timedelta) -> str:
        return str(int((self._clock.now() + time).timestamp()))


class DynamoDBReuseIndex(DynamoDBResultIndex):
    """The whole index, the rest of it in a table of its own."""

    def __init__(
        self, client: DynamoDBClient, table: str, *, jobs_table: str, retention: timedelta, clock: Clock
    ) -> None:
        super().__init__(client, jobs_table, retention=retention, clock=clock)
        self._table = table

    def holder(self, reuse_key: str) -> str | None:
        """One consistent read."""
        return self._get(f"image#{reuse_key}").get("job_id")

    def hold(self, reuse_key: str, job_id: str, *, instead_of: str | None) -> bool:
        """One conditional write."""
        condition = "job_id = :before" if instead_of else "attribute_not_exists(id)"
        values = {":before": instead_of} if instead_of else {}
        return self._put(f"image#{reuse_key}", {"job_id": job_id}, condition=condition, values=values)

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
        condition = "attribute_not_exists(id) OR sequencer <= :sequencer"
        self._put(_upload(bucket, key), entry, condition=condition, values={":sequencer": entry["sequencer"]})

    def sha256_of(self, fingerprint: str) -> str | None:
        """One consistent read."""
        return self._get(f"bytes#{fingerprint}").get("sha256")

    def note_sha256(self, fingerprint: str, sha256: str) -> None:
        """One write."""
        self._put(f"bytes#{fingerprint}", {"sha256": sha256})

    def count_job(self, preset_version: str, origin: str, day: str) -> int:
        """One atomic write."""
        with translated("the index of results"):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": f"preset#{preset_version}#{origin}#{day}"}},
                UpdateExpression="ADD jobs :one SET expires_at = :expires_at",
                ExpressionAttributeValues={":one": {"N": "1"}, ":expires_at": {"N": self._after(_COUNTED)}},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["jobs"]["N"])

    def is_stopped(self, preset_version: str) -> bool:
        """One consistent read."""
        return bool(self._get(f"preset#{preset_version}"))

    def stop(self, preset_version: str) -> None:
        """One write."""
        self._put(f"preset#{preset_version}", {"stopped": "yes"})

    def _get(self, entry_id: str) -> dict[str, str]:
        return self._read(self._table, {"id": entry_id})

    def _put(
        self, entry_id: str, entry: Mapping[str, str], *, condition: str = "", values: Mapping[str, str] | None = None
    ) -> bool:
        return self._write(self._table, {"id": entry_id, **entry}, condition=condition, values=values)


def _texts(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in values.items()}


def _upload(bucket: str, key: str) -> str:
    """Of fixed length: a key of DynamoDB's has room for any key of S3's, but need not hold its text."""
    return f"upload#{hashlib.sha256(f'{bucket}/{key}'.encode()).hexdigest()}"
