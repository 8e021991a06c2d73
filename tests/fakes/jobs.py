"""Jobs in a dictionary, with the conditions of the real table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from heliograph.jobs.accounting import accounting_change, takes_a_share, with_accounting
from heliograph.jobs.deadlines import attention_at
from heliograph.jobs.job import Job
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.kernel.errors import KeyHeld, RouteFull, StaleJob
from heliograph.kernel.pagination import Cursor, Page

from tests.fakes.ledger import InMemoryLedger
from tests.fakes.script import Line, Script


class InMemoryJobStore:
    """A `JobStore` that compares revisions as the table does, and fails when told to."""

    def __init__(
        self,
        ledger: InMemoryLedger,
        caps: Mapping[str, int] | None = None,
        shares: Mapping[str, Callable[[str], int]] | None = None,
    ) -> None:
        self._documents: dict[str, str] = {}
        self._holders: dict[str, KeyHolder] = {}
        self._script = Script()
        self._ledger = ledger
        self._caps = caps or {}
        self._shares = shares or {}
        self.running: Counter[str] = Counter()
        self.shares: Counter[tuple[str, str]] = Counter()
        self.saves = 0

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `add`, `get`, `save` or `needing_attention`."""
        self._script.on(method, *lines)

    def repair(self) -> None:
        """From now on every call just works."""
        self._script.clear()

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        with self._script.playing("add"):
            if job.job_id in self._documents:
                return None
            self._check(job)
            if taking and self._holders.get(taking.holder.key) != taking.before:
                raise KeyHeld(taking.holder.key)
            if taking:
                self._holders[taking.holder.key] = taking.holder
            return self._write(job)

    def holder_of(self, key: str) -> KeyHolder | None:
        with self._script.playing("holder_of"):
            return self._holders.get(key)

    def get(self, job_id: str) -> Job | None:
        with self._script.playing("get"):
            document = self._documents.get(job_id)
            return None if document is None else Job.model_validate_json(document)

    def save(self, job: Job) -> Job:
        with self._script.playing("save"):
            if job.job_id not in self._documents or self.peek(job.job_id).revision != job.revision:
                raise StaleJob(job.job_id)
            self._check(job)
            self.saves += 1
            return self._write(job.model_copy(update={"revision": job.revision + 1}))

    def owner_of(self, provider: str, task_id: str) -> str | None:
        with self._script.playing("owner_of"):
            attempts = ((job.job_id, attempt) for job in self for attempt in job.attempts)
            return next(
                (job_id for job_id, attempt in attempts if (attempt.provider, attempt.task_id) == (provider, task_id)),
                None,
            )

    def list(self, tenant: str, wanted: JobFilter, *, after: Cursor | None, limit: int) -> Page[Job]:
        with self._script.playing("list"):
            found = sorted(
                (job for job in self if job.tenant == tenant and wanted.wants(job)),
                key=lambda job: (job.created_at, job.job_id),
                reverse=True,
            )
            older = [job for job in found if after is None or (job.created_at, job.job_id) < after]
            last = older[limit - 1] if len(older) > limit else None
            return Page(tuple(older[:limit]), Cursor(last.created_at, last.job_id) if last else None)

    def scan(self) -> Iterator[Job]:
        with self._script.playing("scan"):
            yield from self

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        with self._script.playing("needing_attention"):
            overdue = [(due, job.job_id) for job in self if (due := attention_at(job)) and due <= now]
            return [job_id for _, job_id in sorted(overdue)][:limit]

    def peek(self, job_id: str) -> Job:
        """The job as it is, past the script: for a test's eyes."""
        return Job.model_validate_json(self._documents[job_id])

    def __iter__(self) -> Iterator[Job]:
        return iter([self.peek(job_id) for job_id in self._documents])

    def __len__(self) -> int:
        return len(self._documents)

    def _check(self, job: Job) -> None:
        self._ledger.check(job)
        name = accounting_change(job).entered
        if name:
            if self.running[name] >= self._caps.get(name, 1_000_000):
                raise RouteFull(name)
            share = self._shares.get(name)
            if share and self.shares[name, job.tenant] >= share(job.tenant):
                raise RouteFull(name, of_tenant=True)

    def _write(self, job: Job) -> Job:
        """The job, the ledger and the counts, in one go."""
        self._ledger.book(job)
        change = accounting_change(job)
        for route, difference in ((change.left, -1), (change.entered, 1)):
            if route:
                self.running[route] += difference
                self.shares[route, job.tenant] += difference if takes_a_share(job) else 0
        written = with_accounting(job)
        # Through JSON, as the real store does: what can't be written and read again fails here too.
        self._documents[job.job_id] = written.model_dump_json()
        return written
