"""Wait a short while for jobs to be over: for callers that would rather have the answer than an id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.jobs.job import Job
from heliograph.kernel.errors import StorageFailed

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader
    from heliograph.kernel.ports import Clock, Sleep

# A picture takes 15 to 40 seconds; a look is one consistent read.
LOOK_EVERY_SECONDS = 0.5


def await_end(
    open_jobs: Sequence[Job], *, seconds: float, jobs: JobReader, clock: Clock, sleep: Sleep
) -> tuple[Job, ...]:
    """The jobs as they are once all of them are over, or `seconds` have passed.

    A store that is away for a moment only makes the wait longer. Costs one read per open job and look, and the time
    of the function that waits: only for what can't be told later.
    """
    ends_at = clock.now() + timedelta(seconds=seconds)
    found = {job.job_id: job for job in open_jobs}
    while (left := [job for job in found.values() if not job.is_over]) and clock.now() < ends_at:
        sleep(min(LOOK_EVERY_SECONDS, (ends_at - clock.now()).total_seconds()))
        for job in left:
            found[job.job_id] = _look(job, jobs)
    return tuple(found[job.job_id] for job in open_jobs)


def _look(job: Job, jobs: JobReader) -> Job:
    try:
        return jobs.get(job.job_id) or job
    except StorageFailed:
        return job
