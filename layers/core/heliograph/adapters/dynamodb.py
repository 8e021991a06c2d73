"""Amazon DynamoDB as a `JobStore`: one item per job, written only if nobody else wrote in between.

job_id (key) · revision · status · tenant · created_at   for conditions and for a person in the console
document                                                 the job, as JSON
open_shard, attention_at                                 until it is over and announced: the index `open-jobs`
expires_at                                               only once it is over: DynamoDB deletes it then (TTL)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.domain.errors import StaleJob, StorageFailed
from heliograph.domain.jobs import Job

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

OPEN_JOBS_INDEX = "open-jobs"
# A partition of the index takes 1,000 writes a second; job ids spread evenly over these.
OPEN_SHARDS = 8
_CONDITION_FAILED = "ConditionalCheckFailedException"


class DynamoDBJobStore:
    """Jobs in a table of that name; records of ended jobs are kept for `retention`."""

    def __init__(self, client: DynamoDBClient, table: str, *, retention: timedelta) -> None:
        self._client = client
        self._table = table
        self._retention = retention

    def add(self, job: Job) -> bool:
        """One conditional write."""
        with _translated(job.job_id):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=self._item(job),
                    ConditionExpression="attribute_not_exists(job_id)",
                )
            except ClientError as error:
                if _code(error) == _CONDITION_FAILED:
                    return False
                raise
        return True

    def get(self, job_id: str) -> Job | None:
        """One consistent read."""
        with _translated(job_id):
            answer = self._client.get_item(TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True)
        item = answer.get("Item")
        return _job(item) if item else None

    def save(self, job: Job) -> Job:
        """One conditional write: of two savers of the same revision, one wins."""
        saved = job.model_copy(update={"revision": job.revision + 1})
        with _translated(job.job_id):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=self._item(saved),
                    ConditionExpression="revision = :read",
                    ExpressionAttributeValues={":read": {"N": str(job.revision)}},
                )
            except ClientError as error:
                if _code(error) == _CONDITION_FAILED:
                    raise StaleJob(job.job_id) from error
                raise
        return saved

    def needing_attention(self, now: datetime, *, limit: int) -> list[Job]:
        """One query per shard of the index, then one read per job found."""
        found: list[tuple[int, str]] = []
        with _translated("open jobs"):
            for shard in range(OPEN_SHARDS):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName=OPEN_JOBS_INDEX,
                    KeyConditionExpression="open_shard = :shard AND attention_at <= :now",
                    ExpressionAttributeValues={
                        ":shard": {"S": str(shard)},
                        ":now": {"N": str(int(now.timestamp()))},
                    },
                    Limit=limit,
                )
                found += [(int(item["attention_at"]["N"]), item["job_id"]["S"]) for item in answer["Items"]]
        jobs = (self.get(job_id) for _, job_id in sorted(found)[:limit])
        # The index lags behind the table: what it shows may have been looked after.
        return [job for job in jobs if job and job.attention_at and job.attention_at <= now]

    def _item(self, job: Job) -> dict[str, AttributeValueTypeDef]:
        item: dict[str, AttributeValueTypeDef] = {
            "job_id": {"S": job.job_id},
            "revision": {"N": str(job.revision)},
            "status": {"S": job.status.value},
            "tenant": {"S": job.tenant},
            "created_at": {"S": job.created_at.isoformat()},
            "document": {"S": job.model_dump_json()},
        }
        if job.attention_at:
            item["open_shard"] = {"S": str(_shard(job.job_id))}
            item["attention_at"] = {"N": str(int(job.attention_at.timestamp()))}
        if job.finished_at:
            item["expires_at"] = {"N": str(int((job.finished_at + self._retention).timestamp()))}
        return item


def _job(item: dict[str, AttributeValueTypeDef]) -> Job:
    return Job.model_validate_json(item["document"]["S"])


def _shard(job_id: str) -> int:
    return ord(job_id[-1]) % OPEN_SHARDS


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise StorageFailed(f"{what}: {_code(error)}") from error
    except BotoCoreError as error:
        raise StorageFailed(f"{what}: {type(error).__name__}") from error
