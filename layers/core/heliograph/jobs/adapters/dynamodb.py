"""Amazon DynamoDB as a `JobStore`: one item per job, written only if nobody else wrote in between.

job_id (key) · revision                                  for conditions
tenant · created_at · status · tags · preset             the index `by-tenant`, for lists
document                                                 the job, as JSON
task                                                     of its latest attempt, once known: the index `by-task`
open_shard, attention_at                                 until it is over and announced: the index `open-jobs`
expires_at                                               only once it is over: DynamoDB deletes it then (TTL)

Each key of results that several jobs write to has an item that names its holder (`key_…`, with the
holder as JSON in `held_by`, and nothing else). It stays for good, as results do.

Each task of an earlier attempt has an item of its own (`<job_id>#<attempt_id>`, with `task` and nothing else), so that
the index finds the owner of every task.

What changes with a job elsewhere (the ledger's pages, the number of tasks on a route) is written in one transaction
with it: all of it, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from heliograph.budgets.adapters.dynamodb import page_update, usage_update
from heliograph.budgets.ledger import Booking, Usage, UsageLine
from heliograph.jobs.accounting import (
    AccountingChange,
    accounting_change,
    budget_limits,
    takes_a_share,
    with_accounting,
)
from heliograph.jobs.deadlines import attention_at
from heliograph.jobs.job import Job
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.kernel.errors import BudgetExceeded, HeliographError, KeyHeld, RouteFull, StaleJob, StorageFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import MAX_LIMIT, Cursor, Page, Records
from heliograph.kernel.tenants import Period, Tenants
from heliograph.platform.dynamodb import (
    CONDITION_FAILED,
    code_of,
    failed_conditions,
    record_of,
    records_of,
    running_key,
    translated,
)
from heliograph.routes.config import Routes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

OPEN_JOBS_INDEX = "open-jobs"
BY_TASK_INDEX = "by-task"
BY_TENANT_INDEX = "by-tenant"
# Where few jobs match, a list looks at this many, then says where it stopped.
_LOOKED_AT, _LOOKS = 1000, 5
# A partition of the index takes 1,000 writes a second; job ids spread evenly over these.
OPEN_SHARDS = 8


class _Beside(NamedTuple):
    """An item written in a transaction with a job, and the error to raise if its condition fails."""

    item: TransactWriteItemTypeDef
    refusal: HeliographError | None = None


class DynamoDBJobReader:
    """Jobs in a table of that name, to be read: no more is needed for that than the table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, job_id: str) -> Job | None:
        """One consistent read."""
        with translated(job_id):
            answer = self._client.get_item(TableName=self._table, Key={"job_id": {"S": job_id}}, ConsistentRead=True)
        item = answer.get("Item")
        return _job(item) if item else None

    def holder_of(self, key: str) -> KeyHolder | None:
        """One consistent read."""
        with translated(key):
            answer = self._client.get_item(
                TableName=self._table, Key={"job_id": {"S": _holder_id(key)}}, ConsistentRead=True
            )
        item = answer.get("Item")
        return KeyHolder.model_validate_json(item["held_by"]["S"]) if item else None

    def owner_of(self, provider: str, task_id: str) -> str | None:
        """One query of the index, which lags behind the table by milliseconds."""
        with translated(task_id):
            answer = self._client.query(
                TableName=self._table,
                IndexName=BY_TASK_INDEX,
                KeyConditionExpression="task = :task",
                ExpressionAttributeValues={":task": {"S": _task(provider, task_id)}},
                Limit=1,
            )
        return next((item["job_id"]["S"].partition("#")[0] for item in answer["Items"]), None)

    def list(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        """Queries of the index, which holds what is filtered by, then one consistent read of the jobs themselves."""
        if after and wanted.created_after and after.created_at <= wanted.created_after:
            # Nothing is left; and DynamoDB takes no start from outside the range.
            return Page((), None)
        found: list[Cursor] = []
        unreadable: list[str] = []
        end = after
        with translated("a list"):
            for _ in range(_LOOKS):
                answer = self._client.query(**self._listing(tenant, wanted, end))
                positions = records_of(answer["Items"], _position, key="job_id")
                found += positions.readable
                unreadable += positions.unreadable
                end = _position(last) if (last := answer.get("LastEvaluatedKey")) else None
                if end is None or len(found) > limit:
                    break
            if len(found) > limit:
                found, end = found[:limit], found[limit - 1]
            read = self._several([position.id for position in found])
        jobs = {job.job_id: job for job in read}
        # A job that changed since it was found is returned only if it still matches.
        told = (job for position in found if (job := jobs.get(position.id)) and wanted.wants(job))
        return Page(tuple(told), end, (*unreadable, *read.unreadable))

    def scan(self) -> Iterator[Job]:
        """A scan, page by page."""
        with translated("all jobs"):
            for page in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
                for item in page["Items"]:
                    if "document" in item:
                        yield _job(item)

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """One query per shard of the index."""
        found: list[tuple[int, str]] = []
        with translated("open jobs"):
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
        return [job_id for _, job_id in sorted(found)[:limit]]

    def _listing(self, tenant: str, wanted: JobFilter, after: Cursor | None) -> Any:
        newer = "" if wanted.created_after is None else " AND created_at > :created_after"
        values: dict[str, AttributeValueTypeDef] = {":tenant": {"S": tenant}}
        if wanted.created_after:
            values[":created_after"] = {"S": _sortable(wanted.created_after)}
        conditions = []
        for name, value in (("status", wanted.status), ("preset", wanted.preset)):
            if value:
                conditions.append(f"#{name} = :{name}")
                values[f":{name}"] = {"S": value}
        if wanted.tag:
            conditions.append("contains(#tags, :tags)")
            values[":tags"] = {"S": wanted.tag}
        names = {f"#{name}": name for name in ("status", "preset", "tags") if f":{name}" in values}
        return {
            "TableName": self._table,
            "IndexName": BY_TENANT_INDEX,
            "KeyConditionExpression": f"tenant = :tenant{newer}",
            "ExpressionAttributeValues": values,
            "ScanIndexForward": False,
            "Limit": _LOOKED_AT if conditions else MAX_LIMIT + 1,
            **({"FilterExpression": " AND ".join(conditions), "ExpressionAttributeNames": names} if conditions else {}),
            **({"ExclusiveStartKey": _start(tenant, after)} if after else {}),
        }

    def _several(self, job_ids: Sequence[str]) -> Records[Job]:
        wanted: dict[str, Any] = {"Keys": [{"job_id": {"S": job_id}} for job_id in job_ids], "ConsistentRead": True}
        found: list[dict[str, AttributeValueTypeDef]] = []
        # Answers are cut at 16 MB, and what throttling left out is asked for again by the caller.
        for _ in range(len(job_ids)):
            if not wanted["Keys"]:
                break
            answer = self._client.batch_get_item(RequestItems={self._table: wanted})  # type: ignore[dict-item]
            found += answer["Responses"].get(self._table, [])
            wanted = dict(answer["UnprocessedKeys"].get(self._table, {"Keys": []}))
        if wanted["Keys"]:
            raise StorageFailed("a list: some of it could not be read")
        return records_of(found, _read, key="job_id")


class DynamoDBJobStore(DynamoDBJobReader):
    """Jobs in a table of that name; records of ended jobs are kept for `retention`."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        ledger_table: str,
        routes_table: str,
        tenants: Tenants,
        routes: Routes,
        retention: timedelta,
    ) -> None:
        super().__init__(client, table)
        self._ledger_table = ledger_table
        self._routes_table = routes_table
        self._tenants = tenants
        self._routes = routes
        self._retention = retention

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        """One transaction of the job and its four pages of the ledger; one conditional write if it costs nothing."""
        try:
            return self._write(job, "attribute_not_exists(job_id)", {}, taking)
        except StaleJob:
            return None
        except BudgetExceeded:
            # A repeat of a job that fitted at its time returns that job.
            if self.get(job.job_id):
                return None
            raise

    def save(self, job: Job) -> Job:
        """One conditional write: of two savers of the same revision, one wins. A transaction where money moves."""
        changed = job.model_copy(update={"revision": job.revision + 1})
        return self._write(changed, "revision = :read", {":read": {"N": str(job.revision)}})

    def _write(
        self, job: Job, condition: str, values: dict[str, AttributeValueTypeDef], taking: Taking | None = None
    ) -> Job:
        written, change = with_accounting(job), accounting_change(job)
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": self._item(written),
            "ConditionExpression": condition,
            **({"ExpressionAttributeValues": values} if values else {}),
        }
        others = [
            *self._bookings(job, change.booking),
            *self._usages(job, change.usage_by_route),
            *self._counts(job, change),
            *self._earlier_tasks(job),
        ]
        if taking:
            others.append(_Beside(self._holder(taking), KeyHeld(taking.holder.key)))
        with translated(job.job_id):
            try:
                if others:
                    items: list[Any] = [{"Put": put}, *(other.item for other in others)]
                    self._client.transact_write_items(TransactItems=items)
                else:
                    self._client.put_item(**put)
            except ClientError as error:
                failed = failed_conditions(error)
                if code_of(error) == CONDITION_FAILED or 0 in failed:
                    raise StaleJob(job.job_id) from error
                if failed and (refusal := others[failed[0] - 1].refusal):
                    raise refusal from error
                raise
        return written

    def _bookings(self, job: Job, difference: Booking) -> Iterator[_Beside]:
        if not any(difference):
            return
        for page, most in budget_limits(job, self._tenants):
            # What became known after its end is written, whatever the limit is.
            limit = most if difference.committed > 0 and not job.is_over else None
            refusal = None if limit is None else BudgetExceeded(page.account, page.period, limit)
            yield _Beside(page_update(self._ledger_table, page, difference, limit_microusd=limit), refusal)

    def _usages(self, job: Job, changes: Mapping[str, Usage]) -> Iterator[_Beside]:
        for route, more in changes.items():
            line = UsageLine(Period.DAY.of(job.created_at), job.tenant, route, more)
            yield _Beside(usage_update(self._ledger_table, line))

    def _counts(self, job: Job, change: AccountingChange) -> Iterator[_Beside]:
        if change.left:
            yield _Beside(self._running(running_key(change.left), -1, None))
            if takes_a_share(job):
                yield _Beside(self._running(running_key(change.left, job.tenant), -1, None))
        if change.entered:
            route = self._routes.named(change.entered)
            most = route.max_in_flight if route else None
            yield _Beside(self._running(running_key(change.entered), 1, most), RouteFull(change.entered))
            if takes_a_share(job):
                share = route.most_of(job.tenant) if route else None
                refusal = RouteFull(change.entered, of_tenant=True)
                yield _Beside(self._running(running_key(change.entered, job.tenant), 1, share), refusal)

    def _earlier_tasks(self, job: Job) -> Iterator[_Beside]:
        until = (job.finished_at or job.deadline_at) + self._retention
        for attempt in job.attempts[:-1]:
            if attempt.task_id:
                item: dict[str, AttributeValueTypeDef] = {
                    "job_id": {"S": f"{job.job_id}#{attempt.attempt_id}"},
                    "task": {"S": _task(attempt.provider, attempt.task_id)},
                    "expires_at": {"N": str(int(until.timestamp()))},
                }
                yield _Beside({"Put": {"TableName": self._table, "Item": item}})

    def _holder(self, taking: Taking) -> TransactWriteItemTypeDef:
        held_by = taking.holder.model_dump_json()
        put: Any = {
            "TableName": self._table,
            "Item": {"job_id": {"S": _holder_id(taking.holder.key)}, "held_by": {"S": held_by}},
            "ConditionExpression": "attribute_not_exists(job_id)",
        }
        if taking.before:
            put["ConditionExpression"] = "held_by = :before"
            put["ExpressionAttributeValues"] = {":before": {"S": taking.before.model_dump_json()}}
        return {"Put": put}

    def _running(self, key: str, difference: int, most: int | None) -> TransactWriteItemTypeDef:
        update: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._routes_table,
                "Key": {"route": {"S": key}},
                "UpdateExpression": "ADD running :difference",
                "ExpressionAttributeValues": {":difference": {"N": str(difference)}},
            }
        }
        if most is not None:
            update["Update"]["ConditionExpression"] = "attribute_not_exists(running) OR running < :most"
            update["Update"]["ExpressionAttributeValues"] = {
                ":difference": {"N": str(difference)},
                ":most": {"N": str(most)},
            }
        return update

    def _item(self, job: Job) -> dict[str, AttributeValueTypeDef]:
        item: dict[str, AttributeValueTypeDef] = {
            "job_id": {"S": job.job_id},
            "revision": {"N": str(job.revision)},
            "status": {"S": job.status.value},
            "tenant": {"S": job.tenant},
            "created_at": {"S": _sortable(job.created_at)},
            "document": {"S": job.model_dump_json()},
        }
        if job.request.tags:
            item["tags"] = {"SS": list(job.request.tags)}
        if job.source.preset:
            item["preset"] = {"S": job.source.preset}
        if job.attempt and job.attempt.task_id:
            item["task"] = {"S": _task(job.attempt.provider, job.attempt.task_id)}
        if due := attention_at(job):
            item["open_shard"] = {"S": str(_shard(job.job_id))}
            item["attention_at"] = {"N": str(int(due.timestamp()))}
        if job.finished_at:
            item["expires_at"] = {"N": str(int((job.finished_at + self._retention).timestamp()))}
        return item


def _job(item: dict[str, AttributeValueTypeDef]) -> Job:
    return record_of(item, _read, key="job_id")


def _read(item: dict[str, AttributeValueTypeDef]) -> Job:
    return Job.model_validate_json(item["document"]["S"])


def _holder_id(key: str) -> str:
    return derived_id("key", key)


def _sortable(at: datetime) -> str:
    """Texts in the order of the times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _position(item: Mapping[str, AttributeValueTypeDef]) -> Cursor:
    return Cursor(datetime.fromisoformat(item["created_at"]["S"]), item["job_id"]["S"])


def _start(tenant: str, after: Cursor) -> dict[str, AttributeValueTypeDef]:
    created_at = {"S": _sortable(after.created_at)}
    return {"tenant": {"S": tenant}, "created_at": created_at, "job_id": {"S": after.id}}  # type: ignore[dict-item]


def _task(provider: str, task_id: str) -> str:
    return f"{provider}:{task_id}"


def _shard(job_id: str) -> int:
    return ord(job_id[-1]) % OPEN_SHARDS
