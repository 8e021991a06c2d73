"""The roles that the outside world plays for the use cases. Adapters implement them; so do the tests' fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

from heliograph.domain.media import SNIFF_BYTES

if TYPE_CHECKING:
    from heliograph.domain.absence import Books
    from heliograph.domain.deliveries import Delivery, DeliveryQuery, DeliverySummary, WebhookAnswer
    from heliograph.domain.jobs import Job, JobFilter
    from heliograph.domain.keys import ApiKey
    from heliograph.domain.ledger import Balance, Booking, Page, UsageLine
    from heliograph.domain.listing import Position, Records, Slice
    from heliograph.domain.objects import (
        CopyOutcome,
        Document,
        ObjectFacts,
        ObjectSummary,
        Picture,
        Replacing,
        SignedForm,
    )
    from heliograph.domain.provider import CreateOutcome, TaskRequest, TaskState
    from heliograph.domain.published import Envelope
    from heliograph.domain.recent_calls import Recent
    from heliograph.domain.recipes import KeyedUpload
    from heliograph.domain.references import ObjectLocation
    from heliograph.domain.rejections import Rejection, RejectionQuery
    from heliograph.domain.result_order import KeyHolder, Taking
    from heliograph.domain.routes import Route
    from heliograph.domain.timeline import Stay
    from heliograph.domain.traffic import Halt, RouteState, Traffic
    from heliograph.domain.webhooks import Endpoint

Made = TypeVar("Made")


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class Sleep(Protocol):
    """Lets time pass. For the few who wait on their caller's behalf; all other waiting is the workflow's."""

    def __call__(self, seconds: float, /) -> None: ...


class Together(Protocol):
    """Does several things at once, as far as there is room."""

    def __call__(self, calls: Sequence[Callable[[], Made]], /) -> list[Made]:
        """What each call returned, in their order. All are made, whatever one raises; then the first such error is."""
        ...


class ImageProvider(Protocol):
    """A vendor of image models. No call raises for anything the vendor or the network does."""

    def create(self, request: TaskRequest) -> CreateOutcome:
        """Makes one task, once: **not idempotent**, and money is held for it. Never repeats the call by itself."""
        ...

    def ask(self, task_id: str) -> TaskState:
        """One question about one task. Free."""
        ...

    def books(self) -> Books | None:
        """What the account has and what is held of it; `None` if that is not told, or not at once. Free."""
        ...


class ObjectStore(Protocol):
    """Buckets. Every method raises `StorageFailed` when the store does not do its part."""

    def look(self, location: ObjectLocation, *, head_bytes: int = SNIFF_BYTES) -> ObjectFacts | None:
        """Size, metadata and first bytes, for one request; `None` where there is no such object (version)."""
        ...

    def summary(self, location: ObjectLocation) -> ObjectSummary | None:
        """What the store knows of an object, for one request and without reading it; `None` where there is none."""
        ...

    def copy(
        self,
        source: ObjectLocation,
        target: ObjectLocation,
        *,
        content_type: str,
        sha256: str | None,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> CopyOutcome:
        """Copies an object inside the store, with metadata of its own, if its bytes still have that `sha256` (hex).

        `sha256`: `None` where the version says which bytes are meant; it is not read then.
        Raises `ObjectChanged` where `replacing` does not hold.
        """
        ...

    def rest(self, location: ObjectLocation, *, start: int) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes from `start` on, in pieces, for one request; whoever has enough may stop. None of a missing one."""
        ...

    def read(self, location: ObjectLocation, *, max_bytes: int) -> Document | None:
        """The whole object; `None` where there is none. Raises `InvalidRequest` for one larger than `max_bytes`."""
        ...

    def presigned_get(self, location: ObjectLocation, *, seconds: int, unencoded: bool = False) -> str:
        """A link that reads the object for `seconds` (less, if our own credentials end before). A secret.

        `unencoded`: whoever fetches it is told that the bytes are the object itself, whatever `Content-Encoding` it was
        stored with.
        """
        ...

    def presigned_post(
        self, location: ObjectLocation, *, content_type: str, size_bytes: int, seconds: int
    ) -> SignedForm:
        """A form that stores that object, of that type, that size at most, for `seconds`.

        No value begins with `<` or `@`, or holds a `;`: clients (`curl -F`) read those as something else than a value.
        """
        ...

    def put(
        self,
        location: ObjectLocation,
        body: BinaryIO | bytes,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
        replacing: Replacing | None = None,
    ) -> str | None:
        """Stores the object whole or not at all; the store itself verifies `sha256` (hex) on arrival.

        `replacing`: only if the key still holds what it says; else raises `ObjectChanged`, and nothing was written.
        Returns the version's id, where the bucket keeps versions.
        """
        ...


class LinkTrial(Protocol):
    """Signed links, as somebody else would fetch them."""

    def refusal(self, url: str) -> str | None:
        """What refuses the link for good; `None` for a link that works, or if nobody can tell. Never raises."""
        ...


class ResultSource(Protocol):
    """Where the provider keeps finished pictures."""

    def fetch(self, url: str) -> AbstractContextManager[Picture]:
        """Downloads to disk in constant memory. Raises `ResultUnusable`, saying whether to try again."""
        ...


class JobReader(Protocol):
    """Jobs, as they are recorded. Every method raises `StorageFailed` when the store does not do its part."""

    def get(self, job_id: str) -> Job | None:
        """The job as it is now (a consistent read)."""
        ...

    def owner_of(self, provider: str, task_id: str) -> str | None:
        """The id of the job whose task that is, if any has noted it (a moment ago may be too fresh)."""
        ...

    def listed(self, tenant: str, wanted: JobFilter, *, after: Position | None, limit: int) -> Slice[Job]:
        """The tenant's jobs that are wanted, newest first (one of a moment ago may be missing).

        A slice may hold fewer than `limit`, even none, and yet have an `end`: where few match, a call looks only at so
        many.
        """
        ...

    def every(self) -> Iterator[Job]:
        """All jobs that there are a record of. Reads the whole table: for checks, not for work."""
        ...

    def holder_of(self, key: str) -> KeyHolder | None:
        """The source that holds the key for its results (a consistent read)."""
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> list[str]:
        """The ids of jobs whose `attention_at` has passed (a moment ago may be too fresh), longest overdue first."""
        ...


class JobStore(JobReader, Protocol):
    """Jobs, one record each, and what follows from them: the ledger's sums, and how many tasks run on each route.

    Those change in the same transaction as the job's record (`Job.booking`, `Job.runs_on`), so they always agree with
    it. Every method raises `StorageFailed` when the store does not do its part.
    """

    def add(self, job: Job, *, taking: Taking | None = None) -> Job | None:
        """Writes a new job; `None`, and nothing written, if that id is taken. Of many at once, one wins.

        `taking`: its source takes the key of its results in the same write; raises `KeyHeld` if the key's holder has
        changed. Raises `BudgetExceeded` if what the job may cost does not fit.
        """
        ...

    def save(self, job: Job) -> Job:
        """Writes a changed job and returns it with its new revision. Raises `StaleJob` if somebody else was faster.

        Of a job that may now cost more, raises `BudgetExceeded` if that does not fit; of one that begins to run on a
        route, `RouteFull` if too many do. Then nothing was written.
        """
        ...


class Ledger(Protocol):
    """The sums of what all jobs may cost, did cost and may have cost. Raises `StorageFailed`."""

    def read(self, page: Page) -> Booking:
        """What stands on a page."""
        ...

    def balance(self, page: Page) -> Balance:
        """The same, and which warnings of its budget went out."""
        ...

    def every(self) -> Iterator[tuple[Page, Booking]]:
        """All pages. Reads the whole ledger."""
        ...

    def usage(self, first_day: str, last_day: str, *, tenant: str | None = None) -> Iterator[UsageLine]:
        """What was done in these UTC days (both included), by day, tenant and route.

        With a `tenant`, only that tenant's lines are read.
        """
        ...

    def may_announce(self, page: Page, now: datetime, *, threshold: int | None = None) -> bool:
        """Whether the caller is the one to announce something of this page's budget: one at a time, until done.

        `threshold`: that so many percent of it are reached; `None`: that it is used up. Changes no sum.
        """
        ...

    def announced(self, page: Page, *, threshold: int | None = None) -> None:
        """It is announced, once for all."""
        ...


class KeyStore(Protocol):
    """API keys, by their ids. Every method raises `StorageFailed` when the store does not do its part."""

    def add(self, key: ApiKey, *, maker: str | None) -> bool:
        """Writes a new key's record; with a `maker`, only while that key is there and not revoked. Tells whether."""
        ...

    def save(self, key: ApiKey) -> None:
        """Writes a key's record, new or changed."""
        ...

    def replace(self, before: ApiKey, after: ApiKey) -> bool:
        """Writes the record if it still is as it was `before`. Tells whether."""
        ...

    def get(self, key_id: str) -> ApiKey | None:
        """The key as it is now (a consistent read)."""
        ...

    def every(self) -> Records[ApiKey]:
        """All keys there ever were."""
        ...


class KeyUses(Protocol):
    """How keys are used. Every method raises `StorageFailed` when the store does not do its part."""

    def count_call(self, key_id: str, at: datetime, *, times: int = 1) -> int:
        """One more call of the key, or several: how many there were in its minute (UTC) with them."""
        ...

    def note_use(self, key_id: str, at: datetime) -> None:
        """The key was used."""
        ...

    def last_uses(self, key_ids: Iterable[str]) -> Mapping[str, datetime]:
        """When each key was used last, as far as a use was noted."""
        ...


class Pace(Protocol):
    """How often something is done. Raises `StorageFailed` when the store does not do its part."""

    def take(self, what: str, at: datetime, *, every: timedelta) -> bool:
        """Whether it may be done now: once in every so much time. Writes nothing where it may not."""
        ...


class OpenWaits(Protocol):
    """The calls of each key that wait for jobs at the moment. Raises `StorageFailed`."""

    def begin(self, key: str, wait_id: str, *, now: datetime, until: datetime) -> int:
        """One more wait; which one it is of those that are open, from 1. It counts until `until` at most."""
        ...

    def end(self, key: str, wait_id: str) -> None:
        """That wait is over."""
        ...


class RecentCalls(Protocol):
    """Calls of the last minutes that asked for the same thing. Raises `StorageFailed`."""

    def look(self, digest: str) -> Recent:
        """Those that asked for the thing of that digest (a consistent read)."""
        ...

    def save(self, digest: str, before: Recent, after: Recent) -> bool:
        """Writes them; `False`, and nothing written, if somebody else was faster."""
        ...


class ResultIndex(Protocol):
    """Which bytes are results of ours. Entries are kept as long as records of jobs are. Raises `StorageFailed`."""

    def origin_of(self, sha256: str) -> str | None:
        """Where a result of ours with those bytes comes from in the end; `None` where the bytes are no result of ours.

        (The SHA-256 of an upload; of a result that was made of no upload, its own.)
        """
        ...

    def note_result(self, sha256: str, origin: str) -> None:
        """Those bytes are a result of ours."""
        ...


class ReuseIndex(ResultIndex, Protocol):
    """Besides: who makes which image, and which bytes which upload has.

    Entries are kept as long as records of jobs are. Every method raises `StorageFailed` when the store does not do its
    part.
    """

    def holder(self, reuse_key: str) -> str | None:
        """The id of the job that makes, or has made, the image of that key (a consistent read)."""
        ...

    def hold(self, reuse_key: str, job_id: str, *, instead_of: str | None) -> bool:
        """Makes the job the holder; `False`, and nothing written, unless `instead_of` was it. Of many, one wins."""
        ...

    def upload(self, bucket: str, key: str) -> KeyedUpload | None:
        """The newest upload of that key (a consistent read)."""
        ...

    def note_upload(self, bucket: str, key: str, upload: KeyedUpload) -> None:
        """It is the newest, unless a newer one was noted."""
        ...

    def sha256_of(self, fingerprint: str) -> str | None:
        """The SHA-256 of the bytes that were read of an object with that fingerprint."""
        ...

    def note_sha256(self, fingerprint: str, sha256: str) -> None:
        """An object with that fingerprint was read, and has that SHA-256."""
        ...

    def count_job(self, preset_version: str, origin: str, day: str) -> int:
        """One more job of that origin under that version of a preset: which one it is on that day, from 1."""
        ...

    def is_stopped(self, preset_version: str) -> bool:
        """Whether that version of a preset was stopped."""
        ...

    def stop(self, preset_version: str) -> None:
        """It is stopped."""
        ...


class RouteStates(Protocol):
    """What all functions know together of the routes. Every method raises `StorageFailed`."""

    def look(self, routes: Iterable[Route]) -> Traffic:
        """The kill switch and the state of these routes; one that was never used has its starting state."""
        ...

    def queue(self, route: Route, tenant: str, *, step: int, beyond: int) -> RouteState | None:
        """Adds `step` to the tenant's lane, in one atomic write, and returns the state after it.

        `None`, and nothing written, unless the lane is given out beyond that virtual time already.
        """
        ...

    def save(self, before: RouteState, after: RouteState) -> bool:
        """Writes what differs; `False`, and nothing written, if somebody else was faster."""
        ...

    def running(self, route: Route) -> int:
        """How many tasks are counted on the route."""
        ...

    def halt(self, halt: Halt | None) -> None:
        """Pulls the kill switch, or releases it."""
        ...


class RejectionStore(Protocol):
    """Rejected objects of the uploads bucket. Every method raises `StorageFailed`."""

    def add(self, rejection: Rejection) -> bool:
        """Writes a rejection; `False`, and nothing written, if that object's is there already."""
        ...

    def list(self, tenant: str, query: RejectionQuery) -> Slice[Rejection]:
        """The tenant's rejections that fit, newest first (one of a moment ago may be missing)."""
        ...


class EventBus(Protocol):
    """Where events are published."""

    def publish(self, event: Envelope) -> None:
        """Puts one event. Raises `PublishFailed` unless the bus says that it took it."""
        ...


class Workflow(Protocol):
    """The state machine that carries a job from its task to its result."""

    def history(self, job_id: str) -> tuple[Sequence[Stay], bool]:
        """Every state that the job's execution was in, in order, and whether that is all. Raises `WorkflowFailed`.

        Nothing where there is no execution, or none any more: it is remembered for 90 days.
        """
        ...

    def start(self, job_id: str) -> bool:
        """Starts the job's one execution; `False` if there has been one already. Raises `WorkflowFailed`."""
        ...


class Waits(Protocol):
    """Where workflows wait for news of an attempt, and how they are woken."""

    def wake(self, attempt_id: str, at: datetime) -> bool:
        """Ends the wait for the attempt now; one that begins after a question from before `at` ends at once.

        Whether anybody was waiting. Raises `StorageFailed` or `WorkflowFailed`: then a repeat will do better.
        """
        ...


class EndpointStore(Protocol):
    """Webhook endpoints, by tenant. Every method raises `StorageFailed` when the store does not do its part."""

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint as it is now (a consistent read)."""
        ...

    def of(self, tenant: str) -> Records[Endpoint]:
        """All records of the tenant (a consistent read)."""
        ...

    def save(self, endpoint: Endpoint) -> Endpoint:
        """Writes an endpoint, new (revision 0) or changed; returns it with its new revision.

        Raises `StaleRecord` if somebody else was faster, also with removing it.
        """
        ...

    def remove(self, endpoint: Endpoint) -> None:
        """Forgets it, whatever has become of it."""
        ...


class DeliveryStore(Protocol):
    """Deliveries of webhooks. Every method raises `StorageFailed` when the store does not do its part."""

    def add(self, delivery: Delivery) -> bool:
        """Writes a new delivery; `False`, and nothing written, if that id is taken. Of many at once, one wins."""
        ...

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery as it is now (a consistent read)."""
        ...

    def save(self, delivery: Delivery) -> Delivery:
        """Writes a changed delivery; returns it with its new revision. Raises `StaleRecord` if another was faster."""
        ...

    def list(self, tenant: str, query: DeliveryQuery) -> Slice[DeliverySummary]:
        """The tenant's deliveries that fit, newest first (one of a moment ago may be too fresh)."""
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        """The ids of deliveries whose `attention_at` has passed (a moment ago may be too fresh), longest overdue first.

        It has passed of none before the time that `look_again` named.
        """
        ...

    def look_again(self, delivery_id: str, at: datetime) -> None:
        """Until then nobody need look after it, if it stays as it is; changes nothing of the delivery itself."""
        ...


class WebhookSender(Protocol):
    """Sends signed messages to strangers."""

    def send(self, url: str, payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> WebhookAnswer:
        """One attempt, signed with each of `secrets`. Never raises for what the receiver, its name or the net do."""
        ...


class DeliveryWorkflow(Protocol):
    """The state machine that carries a delivery from attempt to attempt."""

    def start(self, delivery: Delivery) -> bool:
        """Starts the one execution of its present series; `False` if there has been one. Raises `WorkflowFailed`."""
        ...
