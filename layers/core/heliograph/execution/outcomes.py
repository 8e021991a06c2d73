"""What the functions tell the workflow: ids and small facts, never documents.

The workflow chooses by `outcome` alone, and between two ways to wait by whether anybody may cut the wait short; a
contract test compares its choices with these names.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from heliograph.jobs.status import JobStatus
from heliograph.kernel.failures import Failure
from heliograph.routes.fair_queue import Ticket

# Callbacks about a task that still runs: one may be early or repeated, but nobody can make a job ask without end.
CALLBACKS_HEARD = 5


class _State(BaseModel):
    # Step Functions hands one function's answer to the next as it is, so what one writes another must be able to read.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class DispatchInput(_State):
    """What `dispatch` is asked: to begin (the workflow's input), to go on after a wait, or after a failed attempt."""

    job_id: str
    outcome: Literal["not_yet", "failed"] | None = None
    attempt_id: str | None = None
    failure: Failure | None = None
    ticket: Ticket | None = None

    @property
    def has_waited(self) -> bool:
        """Whether the wait that an earlier turn asked for is over."""
        return self.outcome == "not_yet"


class Watch(_State):
    """A task of the provider's that a job waits for, and when it is asked for.

    `asking_at`: in seconds from `began_at` on. `running_at`: when it was last seen running. `called_back`: the
    provider's callback ended the last wait; `callbacks_left`: how many more are worth a question, none where it was not
    told where to call. `asked_at_ms`: since the epoch, when the last question began (or the create call): a callback
    that came later is news. `completed_at`: when it was first called completed, without a picture.
    """

    attempt_id: str
    provider: str
    model: str
    task_id: str
    deadline_at: AwareDatetime
    questions: NonNegativeInt = 0
    began_at: AwareDatetime | None = None
    running_at: AwareDatetime | None = None
    asking_at: tuple[PositiveInt, ...] = ()
    called_back: bool = False
    callbacks_left: NonNegativeInt = 0
    asked_at_ms: NonNegativeInt = 0
    completed_at: AwareDatetime | None = None

    @property
    def was_called_back(self) -> bool:
        """Of a task that the provider was to call back about: whether it ever did, be it too early."""
        return self.called_back or self.callbacks_left < CALLBACKS_HEARD


class NotYet(_State):
    """`dispatch`: no task yet; come back after `wait_seconds`. `ticket`: the place that it keeps in a route's queue.

    `attempt_id`: the attempt whose task may yet announce itself by a callback; `asked_at_ms`: since when that is news.
    """

    outcome: Literal["not_yet"] = "not_yet"
    job_id: str
    wait_seconds: PositiveInt
    reason: str
    ticket: Ticket | None = None
    attempt_id: str | None = None
    asked_at_ms: NonNegativeInt = 0


class Processing(_State):
    """`dispatch`, `poll`: the task runs; ask after `wait_seconds`. `unanswered`: why the last question failed."""

    outcome: Literal["processing"] = "processing"
    job_id: str
    wait_seconds: PositiveInt
    watch: Watch
    unanswered: str | None = None


class Finished(_State):
    """`dispatch`, `poll`: the task is done and paid; its pictures wait at the provider's.

    `took_seconds`: from its beginning to its end, as well as that is known.
    """

    outcome: Literal["finished"] = "finished"
    job_id: str
    watch: Watch
    result_urls: Annotated[tuple[str, ...], Field(min_length=1)]
    deliveries: NonNegativeInt = 0
    took_seconds: NonNegativeFloat | None = None


class RetryFinalize(_State):
    """`finalize`: a result could not be fetched this time; try again after `wait_seconds`."""

    outcome: Literal["again"] = "again"
    job_id: str
    watch: Watch
    result_urls: Annotated[tuple[str, ...], Field(min_length=1)]
    deliveries: PositiveInt
    wait_seconds: PositiveInt
    reason: str
    took_seconds: NonNegativeFloat | None = None


class Failed(_State):
    """`poll`: the attempt brings no picture. `dispatch`: nor will any other.

    `attempt_id`: the open attempt that it ends, if there is one.
    """

    outcome: Literal["failed"] = "failed"
    job_id: str
    failure: Failure
    attempt_id: str | None = None


class Expired(_State):
    """`dispatch`: the deadline passed, with nothing running and nothing charged."""

    outcome: Literal["expired"] = "expired"
    job_id: str


class Canceled(_State):
    """`dispatch`: its owner wants no picture any more, and nothing of it is running."""

    outcome: Literal["canceled"] = "canceled"
    job_id: str


class Over(_State):
    """The job is in a terminal status and its event is out: nothing is left to do."""

    outcome: Literal["over"] = "over"
    job_id: str
    status: JobStatus


class Orphaned(_State):
    """`finalize`, `close`: no workflow waits any longer, but the job may still get its picture; `sweep` goes on."""

    outcome: Literal["orphaned"] = "orphaned"
    job_id: str


class Crashed(_State):
    """The workflow itself, not the job, went wrong (`error` is the state machine's name for it): tidy up.

    `watch` is the task it waited for, if it knew one: the job's record may not.
    """

    outcome: Literal["crashed"] = "crashed"
    job_id: str
    error: str
    watch: Watch | None = None


DispatchOutcome = NotYet | Processing | Finished | Failed | Expired | Canceled | Over
PollOutcome = Processing | Finished | Failed
FinalizeInput = Annotated[Finished | RetryFinalize | Failed | Expired | Canceled, Field(discriminator="outcome")]
FinalizeOutcome = RetryFinalize | Orphaned | Over
CloseOutcome = Orphaned | Over
