"""Jobs as their owners see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, Field

from heliograph.api.representations import Listing, Representation
from heliograph.jobs.job import Job, JobStatus, Result, Source, Timings
from heliograph.jobs.redaction import shown
from heliograph.jobs.request import JobKind, JobRequest
from heliograph.jobs.result_order import SUPERSEDED_BY
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


class AttemptResource(Representation):
    """One create call on a route."""

    attempt_id: str
    route: str
    provider: str
    model: str
    price_usd: Usd
    intended_at: Annotated[AwareDatetime, Field(description="When the attempt was stored, right before the call.")]
    accepted_at: AwareDatetime | None
    task_id: Annotated[str | None, Field(description="The provider's id of the task.")]
    uncertainty: Annotated[str | None, Field(description="Why it is unknown whether the call arrived.")]
    ended_at: AwareDatetime | None
    failure: Failure | None
    retry_after_seconds: Annotated[int | None, Field(description="Wait that the provider asked for, in seconds.")]


class ResultResource(Result, Representation):
    """A stored image, with a link that is valid for a while. Keep the link secret."""

    url: str
    url_expires_at: AwareDatetime

    @classmethod
    def of(cls, linked: LinkedResult) -> ResultResource:
        """The result with its link."""
        return cls(**linked.result.model_dump(), url=linked.url, url_expires_at=linked.expires_at)


class JobResource(Representation):
    """A job."""

    id: str
    status: JobStatus
    task: JobKind
    request: Annotated[
        JobRequest,
        Field(description="The request with all defaults filled in. Queries of URLs are shown as `?…`."),
    ]
    metadata: dict[str, str]
    tags: tuple[str, ...]
    source: Source
    retry_of: Annotated[str | None, Field(description="The job that this one retries.")]
    superseded_by: Annotated[str | None, SUPERSEDED_BY]
    reused_from: Annotated[
        str | None,
        Field(description="The job whose results this one has copies of; it cost nothing. See `reuse`."),
    ]
    created_at: AwareDatetime
    deadline_at: Annotated[AwareDatetime, Field(description="Deadline for its task.")]
    finished_at: AwareDatetime | None
    delivered_late_at: Annotated[
        AwareDatetime | None,
        Field(description="When the first image arrived after the job's end; its status is still that of its end."),
    ]
    cancel_requested_at: AwareDatetime | None
    notice: Annotated[str | None, Field(description="A note for the owner.")]
    timings: Timings
    reserved_usd: Annotated[Usd | None, Field(description="Reserved in the budgets; null after the end.")]
    price_usd: Annotated[Usd | None, Field(description="Its cost; null before the end, and where the cost is unknown.")]
    charged: Annotated[Charged | None, Field(description="Whether it cost money; null before the end.")]
    attempts: tuple[AttemptResource, ...]
    results: tuple[ResultResource, ...]
    provider_urls: Annotated[
        tuple[str, ...],
        Field(description="The provider's URLs of paid images that were not stored; valid for some days."),
    ]
    failure: Failure | None

    @classmethod
    def of(cls, view: JobView) -> JobResource:
        """The job, as its owner sees it."""
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
            attempts=tuple(AttemptResource(**attempt.told()) for attempt in job.attempts_now),
            results=tuple(ResultResource.of(linked) for linked in view.results),
            provider_urls=job.all_provider_urls,
            failure=job.failure_now,
        )


class JobSummaryResource(Representation):
    """A job, as a key sees it that may create jobs but not read them."""

    id: str
    status: JobStatus
    price_usd: Annotated[Usd | None, Field(description="Its cost so far; null where the cost is unknown.")]

    @classmethod
    def of(cls, job: Job) -> JobSummaryResource:
        """The summary; such a key sees no more of a job that it created itself."""
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


class QuotedRouteResource(Representation):
    """A route that the job could take."""

    name: str
    provider: str
    model: str
    price_usd: Usd
    circuit: Annotated[Circuit, Field(description="open: out of service; half_open: being tried again.")]


class QuoteResource(Representation):
    """Result of a dry run: nothing was stored, and nothing is spent."""

    dry_run: bool = True
    task: JobKind
    request: JobRequest
    routes: tuple[QuotedRouteResource, ...]
    price_usd: Annotated[Usd, Field(description="Price on the first route.")]
    price_usd_at_most: Annotated[Usd, Field(description="Price on the most expensive route.")]
    fits: Annotated[bool, Field(description="The job fits into the budgets, and a route is available now.")]
    left_usd: Annotated[
        Usd | None,
        Field(
            description="Remainder of the tightest budget of the tenant and the key, before this job; null: no budget."
        ),
    ]
    reason: Annotated[
        str | None, Field(description="If it does not fit: why it would be refused, or what it would wait for.")
    ]

    @classmethod
    def of(cls, quote: Quote) -> QuoteResource:
        """The quote, as the caller sees it."""
        prices = [route.price_microusd for route in quote.circuits]
        return cls(
            task=quote.request.task,
            request=shown(quote.request),
            routes=tuple(
                QuotedRouteResource(
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


class MomentResource(Representation):
    """One thing that happened to a job."""

    at: AwareDatetime
    until: Annotated[AwareDatetime | None, Field(description="When it ended, if it took time.")]
    kind: TimelineKind
    detail: str
    attempt: Annotated[int | None, Field(description="Number of the attempt, from 1.")]

    @classmethod
    def of(cls, moment: TimelineEntry) -> MomentResource:
        """The entry, as the job's owner sees it."""
        return cls(at=moment.at, until=moment.until, kind=moment.kind, detail=moment.detail, attempt=moment.attempt)


class TimelineResource(Representation):
    """Everything that happened to a job, oldest first."""

    data: tuple[MomentResource, ...]
    complete: Annotated[
        bool, Field(description="False if the workflow's history could not be read: waits and polls are missing.")
    ]

    @classmethod
    def of(cls, found: Timeline) -> TimelineResource:
        """The timeline, as the job's owner sees it."""
        return cls(data=tuple(map(MomentResource.of, found.entries)), complete=found.complete)


class JobList(Listing[JobResource]):
    """Jobs, newest first."""

    @classmethod
    def of(cls, found: Page[JobView]) -> JobList:
        """A page of the list. A record that can be read but makes no sense counts as unreadable."""
        data: list[JobResource] = []
        unreadable = [*found.unreadable]
        for view in found.items:
            try:
                data.append(JobResource.of(view))
            except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError):
                unreadable.append(view.job.job_id)
        return cls(
            data=tuple(data),
            next_cursor=cursor_of(found.end) if found.end else None,
            has_more=found.end is not None,
            unreadable=tuple(unreadable),
        )
