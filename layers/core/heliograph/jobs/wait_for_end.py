"""Wait a short while for jobs to end, for callers that prefer the result to an id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.jobs.job import Job
from heliograph.kernel.errors import StorageFailed

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader
    from heliograph.kernel.ports import Clock, Sleep

# An image takes 15 to 40 seconds; each read is a consistent one.
READ_EVERY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWaiter:
    """Waits for jobs to end. A wait costs the time of the function, so it is only for what can't be sent later."""

    jobs: JobReader
    clock: Clock
    sleep: Sleep

    def wait(self, open_jobs: Sequence[Job], *, seconds: float) -> tuple[Job, ...]:
        """The jobs as they are once all of them have ended, or `seconds` have passed.

        One read per open job every half second. A store that is briefly unavailable only makes the wait longer.
        """
        ends_at = self.clock.now() + timedelta(seconds=seconds)
        found = {job.job_id: job for job in open_jobs}
        while (left := [job for job in found.values() if not job.is_over]) and self.clock.now() < ends_at:
            self.sleep(min(READ_EVERY_SECONDS, (ends_at - self.clock.now()).total_seconds()))
            for job in left:
                found[job.job_id] = self._read(job)
        return tuple(found[job.job_id] for job in open_jobs)

    def _read(self, job: Job) -> Job:
        try:
            return self.jobs.get(job.job_id) or job
        except StorageFailed:
            return job
