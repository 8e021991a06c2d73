"""Jobs in a dictionary, with the conditions of the real table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from heliograph.domain.errors import StaleJob
from heliograph.domain.jobs import Job

from tests.fakes.script import Line, Script


class InMemoryJobStore:
    """A `JobStore` that compares revisions as the table does, and fails when told to."""

    def __init__(self) -> None:
        self._documents: dict[str, str] = {}
        self._script = Script()
        self.saves = 0

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of `add`, `get`, `save` or `needing_attention`."""
        self._script.on(method, *lines)

    def mend(self) -> None:
        """From now on every call just works."""
        self._script.clear()

    def add(self, job: Job) -> bool:
        with self._script.playing("add"):
            if job.job_id in self._documents:
                return False
            self._write(job)
            return True

    def get(self, job_id: str) -> Job | None:
        with self._script.playing("get"):
            document = self._documents.get(job_id)
            return None if document is None else Job.model_validate_json(document)

    def save(self, job: Job) -> Job:
        with self._script.playing("save"):
            if job.job_id not in self._documents or self.peek(job.job_id).revision != job.revision:
                raise StaleJob(job.job_id)
            saved = job.model_copy(update={"revision": job.revision + 1})
            self._write(saved)
            self.saves += 1
            return saved

    def needing_attention(self, now: datetime, *, limit: int) -> list[Job]:
        with self._script.playing("needing_attention"):
            overdue = [(job.attention_at, job) for job in self if job.attention_at and job.attention_at <= now]
            return [job for _, job in sorted(overdue, key=lambda found: found[0])][:limit]

    def peek(self, job_id: str) -> Job:
        """The job as it is, past the script: for a test's eyes."""
        return Job.model_validate_json(self._documents[job_id])

    def __iter__(self) -> Iterator[Job]:
        return iter([self.peek(job_id) for job_id in self._documents])

    def __len__(self) -> int:
        return len(self._documents)

    def _write(self, job: Job) -> None:
        # Through JSON, as the real store does: what can't be written and read again fails here too.
        self._documents[job.job_id] = job.model_dump_json()
