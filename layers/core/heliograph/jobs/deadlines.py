"""Deadlines of a job: when a result or a lost call is given up, and when `sweep` looks after a job."""

from __future__ import annotations

from datetime import datetime, timedelta

from heliograph.jobs.job import Job
from heliograph.jobs.retry_policy import CALL_LIMIT

START_GRACE = timedelta(minutes=2)
ORPHAN_GRACE = timedelta(minutes=1)
END_GRACE = timedelta(minutes=15)
# Minutes are usual, a quarter of an hour is the most that was seen [client].
LONGEST_TASK = timedelta(hours=1)
# The provider's own clients give up after ten minutes [provider].
LONGEST_UNCERTAINTY = timedelta(minutes=10)


def attention_at(job: Job) -> datetime | None:
    """Time when `sweep` checks whether the job is stuck; `None` once it is over and nothing is left to do.

    A workflow starts within seconds and ends soon after the deadline. Later than that, something went wrong.
    """
    if job.finished_at:
        unannounced = [settlement.at + START_GRACE for settlement in job.settlements if not settlement.announced]
        if not job.announced:
            unannounced.append(job.finished_at + START_GRACE)
        return min([*unannounced, *([job.late_look_at] if job.late_look_at else [])], default=None)
    if job.orphaned_at:
        return job.orphaned_at + ORPHAN_GRACE
    if job.attempts or job.started:
        return result_deadline(job) + END_GRACE
    return job.created_at + START_GRACE


def result_deadline(job: Job) -> datetime:
    """Time to wait for a result: until the deadline for a task, and as long again (an hour at most) for its image.

    A task that was created at the last moment is paid like any other and gets its time. So does a call whose answer is
    not recorded: the workflow may know its task.
    """
    attempt = job.attempt
    if attempt and attempt.is_open:
        as_long_again = min(job.deadline_at - job.created_at, LONGEST_TASK)
        return (attempt.accepted_at or attempt.intended_at) + as_long_again
    return job.deadline_at


def lost_call_deadline(job: Job) -> datetime:
    """Time when a lost call is given up, unless a callback has named its task by then.

    If the request accepts the risk of a second bill, half of the time that is left goes to the next attempt.
    """
    attempt = job.attempt
    if attempt is None:
        return job.deadline_at
    # Until then the call may be on its way, and its answer may still be recorded.
    answered_by = attempt.intended_at if attempt.uncertainty else attempt.intended_at + CALL_LIMIT
    answered_by = max(answered_by, attempt.proof_is_due_at or answered_by)
    if attempt.callback_sha256 is None:
        return answered_by
    if not job.may_resubmit or attempt.intended_at >= job.deadline_at:
        return max(answered_by, result_deadline(job))
    half = (job.deadline_at - attempt.intended_at) / 2
    return max(answered_by, attempt.intended_at + min(half, LONGEST_UNCERTAINTY))
