"""Jobs as their owners see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Listing, Representation
from heliograph.jobs.events import SUPERSEDED_BY
from heliograph.jobs.job import Job, JobStatus, Result, Source, Timings
from heliograph.jobs.redaction import shown
from heliograph.jobs.request import JobKind, JobRequest
from heliograph.jobs.timeline import TimelineEntry, TimelineKind
from heliograph.kernel.failures import Charged, Failure
from heliograph.kernel.money import usd
from heliograph.kernel.pagination import Page, cursor_of
from heliograph.routes.circuit_breaker import Circuit

if TYPE_CHECKING:
    from heliograph.intake.quote_job import Quote
    from heliograph.jobs.read_jobs import JobView, LinkedResult
    from heliograph.jobs.read_timeline import Timeline

Usd = Annotated[str, Field(pattern=r"^\d+\.\d{2,6}$", description="Decimal US dollars.", examples=["0.06"])]


class AttemptTold(Representation):
    """One create call on a route."""

    attempt_id: str
    route: str
    provider: str
    model: str
    price_usd: Usd
    intended_at: Annotated[AwareDatetime, Field(description="Written down; the call left right after.")]
    accepted_at: AwareDatetime | None
    task_id: Annotated[str | None, Field(description="The provider's name for it.")]
    uncertainty: Annotated[str | None, Field(description="Why it is unknown whether the call arrived.")]
    ended_at: AwareDatetime | None
    failure: Failure | None
    retry_after_seconds: Annotated[int | None, Field(description="How long the provider asked to be left alone.")]


class ResultTold(Result, Representation):
    """One stored picture, with a link that reads it for a while. The link is a secret."""

    url: str
    url_expires_at: AwareDatetime

    @classmethod
    def of(cls, linked: LinkedResult) -> ResultTold:
        """The result with its link."""
        return cls(**linked.result.model_dump(), url=linked.url, url_expires_at=linked.expires_at)


class JobTold(Representation):
    """A job."""

    id: str
    status: JobStatus
    task: JobKind
    request: Annotated[
        JobRequest,
        Field(description="As it was sent, with everything filled in. Of URLs, the query is left out: `?…`."),
    ]
    metadata: dict[str, str]
    tags: tuple[str, ...]
    source: Source
    retry_of: Annotated[str | None, Field(description="The job that this one was made to do again.")]
    superseded_by: Annotated[str | None, SUPERSEDED_BY]
    reused_from: Annotated[
        str | None,
        Field(description="The job whose results this one has copies of; it cost nothing. See `reuse`."),
    ]
    created_at: AwareDatetime
    deadline_at: Annotated[AwareDatetime, Field(description="Until then it may wait for its task.")]
    finished_at: AwareDatetime | None
    delivered_late_at: Annotated[
        AwareDatetime | None,
        Field(description="When the first image arrived after the job's end; its status is still that of its end."),
    ]
    cancel_requested_at: AwareDatetime | None
    notice: Annotated[str | None, Field(description="What its owner should know.")]
    timings: Timings
    reserved_usd: Annotated[
        Usd | None, Field(description="Held in the budgets for what it may cost; null once it is over.")
    ]
    price_usd: Annotated[
        Usd | None, Field(description="What it cost; null until it is over, and where nobody can tell.")
    ]
    charged: Annotated[Charged | None, Field(description="Whether it cost money; null until it is over.")]
    attempts: tuple[AttemptTold, ...]
    results: tuple[ResultTold, ...]
    provider_urls: Annotated[
        tuple[str, ...],
        Field(description="Where the provider keeps, for some days, pictures that are paid and were not stored."),
    ]
    failure: Failure | None

    @classmethod
    def of(cls, view: JobView) -> JobTold:
        """The job for its owner."""
        job = view.job
        return cls(
            id=job.job_id,
            status=job.status,
            task=job.request.task,
            request=shown(job.request),
            metadata=job.request.metadata,
            tags=job.request.tags,
            source=job.source,
            retry_of=job.retry_of,
            superseded_by=job.superseded_by,
            reused_from=job.reused_from,
            created_at=job.created_at,
            deadline_at=job.deadline_at,
            finished_at=job.finished_at,
            delivered_late_at=job.delivered_late_at,
            cancel_requested_at=job.cancel_requested_at,
            notice=_notice(job),
            timings=job.timings(),
            reserved_usd=None if job.is_over else usd(job.booking.reserved),
            price_usd=job.price_usd,
            charged=job.charged,
            attempts=tuple(AttemptTold(**attempt.told()) for attempt in job.attempts_now),
            results=tuple(ResultTold.of(linked) for linked in view.results),
            provider_urls=job.all_provider_urls,
            failure=job.failure_now,
        )


class JobNamed(Representation):
    """A job for a key that may make jobs and not read them."""

    id: str
    status: JobStatus
    price_usd: Annotated[Usd | None, Field(description="What it cost so far; null where nobody can tell.")]

    @classmethod
    def of(cls, job: Job) -> JobNamed:
        """What such a key learns of a job, also of one that it made itself."""
        return cls(id=job.job_id, status=job.status, price_usd=job.price_usd)


def _notice(job: Job) -> str | None:
    if job.cancel_requested_at and not job.is_over:
        return (
            "a call for it had left: its task can't be stopped at the provider, and may be charged; its picture will "
            "not be delivered"
        )
    if job.status is JobStatus.CANCELED and job.charged is not Charged.NO:
        return "its task could not be stopped at the provider; what was made of it was not delivered"
    if job.delivered_late_at:
        return "an image arrived after the job had ended; it is in `results`, and the status stays what it was"
    if job.is_over and any(attempt.task_id for attempt in job.uncertain_attempts) and job.late_look_at:
        return "its task may still bring an image: the provider is asked for a day after the job's end"
    return None


class RouteQuoted(Representation):
    """A route that the job could take."""

    name: str
    provider: str
    model: str
    price_usd: Usd
    circuit: Annotated[
        Circuit, Field(description="open: it is out of service; half_open: it is tried again at the moment.")
    ]


class QuoteTold(Representation):
    """What a call would be: nothing was written, and nothing will be spent."""

    dry_run: bool = True
    task: JobKind
    request: JobRequest
    routes: tuple[RouteQuoted, ...]
    price_usd: Annotated[Usd, Field(description="On the first route.")]
    price_usd_at_most: Annotated[Usd, Field(description="On the dearest one.")]
    fits: Annotated[bool, Field(description="The budgets have room for it, and a route could take it now.")]
    left_usd: Annotated[
        Usd | None,
        Field(
            description="Left of the tightest budget of the tenant's and the key's own, before this job; null: none."
        ),
    ]
    reason: Annotated[
        str | None, Field(description="Where it does not fit: why it would be refused, or what it would wait for.")
    ]

    @classmethod
    def of(cls, quote: Quote) -> QuoteTold:
        """The quote for whoever asked."""
        prices = [route.price_microusd for route in quote.circuits]
        return cls(
            task=quote.request.task,
            request=shown(quote.request),
            routes=tuple(
                RouteQuoted(
                    name=route.name,
                    provider=route.provider,
                    model=route.model,
                    price_usd=usd(route.price_microusd),
                    circuit=circuit,
                )
                for route, circuit in quote.circuits.items()
            ),
            price_usd=usd(prices[0]),
            price_usd_at_most=usd(max(prices)),
            fits=quote.obstacle is None,
            left_usd=None if quote.left_microusd is None else usd(quote.left_microusd),
            reason=quote.obstacle,
        )


class MomentTold(Representation):
    """One thing that happened to a job."""

    at: AwareDatetime
    until: Annotated[AwareDatetime | None, Field(description="Where it took its time, and is over.")]
    kind: TimelineKind
    detail: str
    attempt: Annotated[int | None, Field(description="Which attempt it is about, from 1.")]

    @classmethod
    def of(cls, moment: TimelineEntry) -> MomentTold:
        """The moment for the job's owner."""
        return cls(at=moment.at, until=moment.until, kind=moment.kind, detail=moment.detail, attempt=moment.attempt)


class TimelineTold(Representation):
    """Everything that happened to a job, oldest first."""

    data: tuple[MomentTold, ...]
    complete: Annotated[
        bool, Field(description="False where the workflow's own history could not be had: waits and polls are missing.")
    ]

    @classmethod
    def of(cls, found: Timeline) -> TimelineTold:
        """The timeline for the job's owner."""
        return cls(data=tuple(map(MomentTold.of, found.entries)), complete=found.complete)


def job_listing(found: Page[JobView]) -> Listing[Any]:
    """A slice of jobs. One whose record can be read, but makes no sense, is as good as one that can't be read."""
    cursor = cursor_of(found.end) if found.end else None
    told: list[JobTold] = []
    unreadable = [*found.unreadable]
    for view in found.items:
        try:
            told.append(JobTold.of(view))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError):
            unreadable.append(view.job.job_id)
    return Listing[JobTold](
        data=tuple(told), next_cursor=cursor, has_more=cursor is not None, unreadable=tuple(unreadable)
    )
