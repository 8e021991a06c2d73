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

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from heliograph.budgets.adapters.dynamodb import page_update, usage_update
from heliograph.budgets.ledger import UsageLine
from heliograph.jobs.job import Job, JobFilter
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.kernel.errors import BudgetExceeded, HeliographError, KeyHeld, RouteFull, StaleJob, StorageFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import MAX_LIMIT, Cursor, Page, Records
from heliograph.kernel.tenants import Period, Tenants
from heliograph.platform.dynamodb import (
    Attribute,
    Attributes,
    Item,
    ItemPage,
    Key,
    Table,
    record_of,
    records_of,
    sortable,
    transact,
)
from heliograph.routes.adapters.dynamodb_running import running_update
from heliograph.routes.config import Routes

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

OPEN_JOBS_INDEX = "open-jobs"
BY_TASK_INDEX = "by-task"
BY_TENANT_INDEX = "by-tenant"
# Where few jobs match, a list looks at this many, then says where it stopped.
_LOOKED_AT, _LOOKS = 1000, 5
# A partition of the index takes 1,000 writes a second; job ids spread evenly over these.
OPEN_SHARDS = 8


class _Beside(NamedTuple):
    """What is written in a transaction with a job; what to raise if its own condition does not hold."""

    part: TransactWriteItemTypeDef
    refusal: HeliographError | None = None


class DynamoDBJobReader:
    """Jobs in a table of that name, to be read: no more is needed for that than the table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def get(self, job_id: str) -> Job | None:
        """One consistent read."""
        item = self._table.get(_key(job_id), about=job_id)
        return _job(item) if item else None

    def holder_of(self, key: str) -> KeyHolder | None:
        """One consistent read."""
        item = self._table.get(_key(_holder_id(key)), about=key)
        return KeyHolder.model_validate_json(item["held_by"]) if item else None

    def owner_of(self, provider: str, task_id: str) -> str | None:
        """One query of the index, which lags behind the table by milliseconds."""
        task = Key("task").eq(_task(provider, task_id))
        page = self._table.query(task, index=BY_TASK_INDEX, limit=1, about=task_id)
        return next((item["job_id"].partition("#")[0] for item in page.items), None)

    def listed(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        """Queries of the index, which holds what is filtered by, then one consistent read of the jobs themselves."""
        if after and wanted.created_after and after.created_at <= wanted.created_after:
            # Nothing is left; and DynamoDB takes no start from outside the range.
            return Page((), None)
        found: list[Cursor] = []
        unreadable: list[str] = []
        end = after
        for _ in range(_LOOKS):
            page = self._listing(tenant, wanted, end)
            positions = records_of(page.items, _position, key="job_id")
            found += positions.readable
            unreadable += positions.unreadable
            end = _position(page.last) if page.last else None
            if end is None or len(found) > limit:
                break
        if len(found) > limit:
            found, end = found[:limit], found[limit - 1]
        read = self._several([position.id for position in found])
        jobs = {job.job_id: job for job in read}
        # One that changed since it was found is told of only if it is still wanted.
        told = (job for position in found if (job := jobs.get(position.id)) and wanted.wants(job))
        return Page(tuple(told), end, (*unreadable, *read.unreadable))

    def every(self) -> Iterator[Job]:
        """A scan, page by page."""
        for item in self._table.scan(about="all jobs"):
            if "document" in item:
                yield _job(item)

    def needing_attention(self, now: datetime, *, limit: int) -> list[str]:
        """One query per shard of the index."""
        found: list[tuple[int, str]] = []
        for shard in range(OPEN_SHARDS):
            page = self._table.query(
                Key("open_shard").eq(str(shard)),
                Key("attention_at").lte(int(now.timestamp())),
                index=OPEN_JOBS_INDEX,
                limit=limit,
                about="open jobs",
            )
            found += [(item["attention_at"], item["job_id"]) for item in page.items]
        return [job_id for _, job_id in sorted(found)[:limit]]

    def _listing(self, tenant: str, wanted: JobFilter, after: Cursor | None) -> ItemPage:
        keys: list[ConditionBase] = [Key("tenant").eq(tenant)]
        if wanted.created_after:
            keys.append(Key("created_at").gt(sortable(wanted.created_after)))
        only: list[ConditionBase] = []
        if wanted.status:
            only.append(Attribute("status").eq(wanted.status))
        if wanted.preset:
            only.append(Attribute("preset").eq(wanted.preset))
        if wanted.tag:
            only.append(Attribute("tags").contains(wanted.tag))
        return self._table.query(
            *keys,
            index=BY_TENANT_INDEX,
            only=only,
            start=_start(tenant, after) if after else None,
            limit=_LOOKED_AT if only else MAX_LIMIT + 1,
            newest_first=True,
            about="a list",
        )

    def _several(self, job_ids: Sequence[str]) -> Records[Job]:
        wanted: Sequence[Attributes] = [_key(job_id) for job_id in job_ids]
        found: list[Item] = []
        # Answers are cut at 16 MB, and what throttling left out is asked for again by the caller.
        for _ in range(len(job_ids)):
            if not wanted:
                break
            items, wanted = self._table.get_some(wanted, is_consistent=True, about="a list")
            found += items
        if wanted:
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
        self._ledger = Table(client, ledger_table)
        self._route_states = Table(client, routes_table)
        self._tenants = tenants
        self._routes = routes
        self._retention = retention

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        """One transaction of the job and its four pages of the ledger; one conditional write if it costs nothing."""
        try:
            return self._write(job, Attribute("job_id").not_exists(), taking)
        except StaleJob:
            return None
        except BudgetExceeded:
            # Whoever repeats a job that fitted at its time is told of that job.
            if self.get(job.job_id):
                return None
            raise

    def save(self, job: Job) -> Job:
        """One conditional write: of two savers of the same revision, one wins. A transaction where money moves."""
        changed = job.model_copy(update={"revision": job.revision + 1})
        return self._write(changed, Attribute("revision").eq(job.revision))

    def _write(self, job: Job, condition: ConditionBase, taking: Taking | None = None) -> Job:
        written = job.model_copy(update={"booked": job.booking, "used": job.usage, **job.places})
        others = [*self._bookings(job), *self._usages(job), *self._counts(job), *self._earlier_tasks(job)]
        if taking:
            others.append(_Beside(self._holder(taking), KeyHeld(taking.holder.key)))
        item = self._item(written)
        if not others:
            if not self._table.put_if(item, condition, about=job.job_id):
                raise StaleJob(job.job_id)
            return written
        parts = [self._table.part_put(item, condition), *(other.part for other in others)]
        failed = transact(self._table.client, parts, about=job.job_id)
        if 0 in failed:
            raise StaleJob(job.job_id)
        if failed:
            raise others[failed[0] - 1].refusal or StorageFailed(f"{job.job_id}: its transaction was canceled")
        return written

    def _bookings(self, job: Job) -> Iterator[_Beside]:
        difference = job.booking.minus(job.booked)
        if not any(difference):
            return
        for page, most in job.ledger_pages(self._tenants):
            # What became known after its end is written, whatever the limit is.
            limit = most if difference.committed > 0 and not job.is_over else None
            refusal = None if limit is None else BudgetExceeded(page.account, page.period, limit)
            yield _Beside(page_update(self._ledger, page, difference, limit_microusd=limit), refusal)

    def _usages(self, job: Job) -> Iterator[_Beside]:
        for route, more in job.usage_changes.items():
            line = UsageLine(Period.DAY.of(job.created_at), job.tenant, route, more)
            yield _Beside(usage_update(self._ledger, line))

    def _counts(self, job: Job) -> Iterator[_Beside]:
        if job.runs_on == job.ran_on:
            return
        if job.ran_on:
            yield _Beside(running_update(self._route_states, job.ran_on, -1))
        if job.held_share_of:
            yield _Beside(running_update(self._route_states, job.held_share_of, -1, tenant=job.tenant))
        if job.runs_on:
            route = self._routes.named(job.runs_on)
            most = route.max_in_flight if route else None
            yield _Beside(running_update(self._route_states, job.runs_on, 1, most=most), RouteFull(job.runs_on))
            if job.places["held_share_of"]:
                share = route.most_of(job.tenant) if route else None
                part = running_update(self._route_states, job.runs_on, 1, tenant=job.tenant, most=share)
                yield _Beside(part, RouteFull(job.runs_on, of_tenant=True))

    def _earlier_tasks(self, job: Job) -> Iterator[_Beside]:
        until = (job.finished_at or job.deadline_at) + self._retention
        for attempt in job.attempts[:-1]:
            if attempt.task_id:
                item = {
                    **_key(f"{job.job_id}#{attempt.attempt_id}"),
                    "task": _task(attempt.provider, attempt.task_id),
                    "expires_at": int(until.timestamp()),
                }
                yield _Beside(self._table.part_put(item))

    def _holder(self, taking: Taking) -> TransactWriteItemTypeDef:
        item = {**_key(_holder_id(taking.holder.key)), "held_by": taking.holder.model_dump_json()}
        if taking.before:
            return self._table.part_put(item, Attribute("held_by").eq(taking.before.model_dump_json()))
        return self._table.part_put(item, Attribute("job_id").not_exists())

    def _item(self, job: Job) -> Attributes:
        return {
            **_key(job.job_id),
            "revision": job.revision,
            "status": job.status.value,
            "tenant": job.tenant,
            "created_at": sortable(job.created_at),
            "document": job.model_dump_json(),
            "tags": frozenset(job.request.tags),
            "preset": job.source.preset or None,
            "task": _task(job.attempt.provider, job.attempt.task_id) if job.attempt and job.attempt.task_id else None,
            "open_shard": str(_shard(job.job_id)) if job.attention_at else None,
            "attention_at": int(job.attention_at.timestamp()) if job.attention_at else None,
            "expires_at": int((job.finished_at + self._retention).timestamp()) if job.finished_at else None,
        }


def _job(item: Item) -> Job:
    return record_of(item, _read, key="job_id")


def _read(item: Item) -> Job:
    return Job.model_validate_json(item["document"])


def _key(job_id: str) -> Attributes:
    return {"job_id": job_id}


def _holder_id(key: str) -> str:
    return derived_id("key", key)


def _position(item: Item) -> Cursor:
    return Cursor(datetime.fromisoformat(item["created_at"]), item["job_id"])


def _start(tenant: str, after: Cursor) -> Attributes:
    return {"tenant": tenant, "created_at": sortable(after.created_at), "job_id": after.id}


def _task(provider: str, task_id: str) -> str:
    return f"{provider}:{task_id}"


def _shard(job_id: str) -> int:
    return ord(job_id[-1]) % OPEN_SHARDS
