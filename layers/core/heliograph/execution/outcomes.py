"""Outcomes that the functions return to the workflow: ids and small facts, never documents.

The workflow branches on `outcome`; for waits, on whether a callback can end them. A contract test compares its branches
with these names.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from heliograph.jobs.status import JobStatus
from heliograph.kernel.failures import Failure
from heliograph.routes.fair_queue import Ticket

MAX_EARLY_CALLBACKS = 5
"""Callbacks about a running task that end a wait: one may be early or repeated, but they can't cause endless polls."""


class _State(BaseModel):
    # Step Functions passes one function's answer to the next as it is, so each must be able to read the others'.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class DispatchInput(_State):
    """Input of `dispatch`: the workflow's own at first, then its last outcome after a wait or a failed attempt."""

    job_id: str
    outcome: Literal["not_yet", "failed"] | None = None
    attempt_id: str | None = None
    failure: Failure | None = None
    ticket: Ticket | None = None

    @property
    def has_waited(self) -> bool:
        """True if the wait of an earlier outcome is over."""
        return self.outcome == "not_yet"


class Watch(_State):
    """A provider's task that a job waits for, and its poll schedule."""

    attempt_id: str
    provider: str
    model: str
    task_id: str
    deadline_at: AwareDatetime
    polls: NonNegativeInt = 0
    """Polls so far that did not end the wait."""
    began_at: AwareDatetime | None = None
    running_at: AwareDatetime | None = None
    """When the task was last seen running."""
    poll_at_seconds: tuple[PositiveInt, ...] = ()
    """Poll times, in seconds since `began_at`."""
    called_back: bool = False
    """True if a callback ended the last wait."""
    callbacks_left: NonNegativeInt = 0
    """Callbacks that may still end a wait; none if the provider has no callback URL."""
    asked_at_ms: NonNegativeInt = 0
    """When the last poll (or the create call) began, in milliseconds since the epoch. Later callbacks end the wait."""
    completed_at: AwareDatetime | None = None
    """When the task was first completed, but without a result."""

    @property
    def was_called_back(self) -> bool:
        """True if the provider ever called back about the task, even too early."""
        return self.called_back or self.callbacks_left < MAX_EARLY_CALLBACKS


class NotYet(_State):
    """`dispatch`: no task yet; dispatch again after `wait_seconds`."""

    outcome: Literal["not_yet"] = "not_yet"
    job_id: str
    wait_seconds: PositiveInt
    reason: str
    ticket: Ticket | None = None
    """The slot that the job keeps in a route's queue."""
    attempt_id: str | None = None
    """The attempt whose lost task a callback may still announce."""
    asked_at_ms: NonNegativeInt = 0
    """When the attempt was last checked, in milliseconds since the epoch. Later callbacks end the wait."""


class Processing(_State):
    """`dispatch`, `poll`: the task runs; poll after `wait_seconds`."""

    outcome: Literal["processing"] = "processing"
    job_id: str
    wait_seconds: PositiveInt
    watch: Watch
    unanswered: str | None = None
    """Why the last poll failed."""


class Finished(_State):
    """`dispatch`, `poll`: the task is finished and paid; its images are at the provider."""

    outcome: Literal["finished"] = "finished"
    job_id: str
    watch: Watch
    result_urls: Annotated[tuple[str, ...], Field(min_length=1)]
    store_attempts: NonNegativeInt = 0
    """Failed attempts to store the images."""
    took_seconds: NonNegativeFloat | None = None
    """Duration of the task, as far as it is known."""


class RetryFinalize(_State):
    """`finalize`: a result could not be downloaded this time; finalize again after `wait_seconds`."""

    outcome: Literal["again"] = "again"
    job_id: str
    watch: Watch
    result_urls: Annotated[tuple[str, ...], Field(min_length=1)]
    store_attempts: PositiveInt
    wait_seconds: PositiveInt
    reason: str
    took_seconds: NonNegativeFloat | None = None


class Failed(_State):
    """`poll`: the attempt produced no image. `dispatch`: no other attempt will."""

    outcome: Literal["failed"] = "failed"
    job_id: str
    failure: Failure
    attempt_id: str | None = None
    """The open attempt that this ends, if there is one."""


class Expired(_State):
    """`dispatch`: the deadline passed, with nothing running and nothing charged."""

    outcome: Literal["expired"] = "expired"
    job_id: str


class Canceled(_State):
    """`dispatch`: the owner canceled the job, and no task of it is running."""

    outcome: Literal["canceled"] = "canceled"
    job_id: str


class Over(_State):
    """The job is in a terminal status and its event is published."""

    outcome: Literal["over"] = "over"
    job_id: str
    status: JobStatus


class Orphaned(_State):
    """`finalize`, `recover`: no workflow waits for the job any longer; `sweep` goes on polling its task."""

    outcome: Literal["orphaned"] = "orphaned"
    job_id: str


class Crashed(_State):
    """Input of `recover`: the workflow itself, not the job, failed."""

    outcome: Literal["crashed"] = "crashed"
    job_id: str
    error: str
    """The state machine's name of the error."""
    watch: Watch | None = None
    """The task that the workflow waited for, if it knew one: the job's record may not."""


DispatchOutcome = NotYet | Processing | Finished | Failed | Expired | Canceled | Over
PollOutcome = Processing | Finished | Failed
FinalizeInput = Annotated[Finished | RetryFinalize | Failed | Expired | Canceled, Field(discriminator="outcome")]
FinalizeOutcome = RetryFinalize | Orphaned | Over
RecoverOutcome = Orphaned | Over
