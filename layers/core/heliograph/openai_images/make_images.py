"""`POST /v1/images/…`: one job for each picture, and the pictures in the answer."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.access.keys import Caller
from heliograph.access.open_waits import WaitCap
from heliograph.budgets.exhausted import budget_failure
from heliograph.intake.check_image import problem_of
from heliograph.intake.identify_call import NamedCall, identify_call, name_refused
from heliograph.intake.quote_job import Quote
from heliograph.intake.recent_calls import IncomingCall, Stage
from heliograph.intake.submit import Submission
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.read_jobs import JobView, LinkedResult
from heliograph.jobs.reference_uploads import content_location, pending_location
from heliograph.jobs.request import Rules, candidates, read_request
from heliograph.kernel.errors import BudgetExceeded, Fault, Interrupted, InvalidRequest, StorageFailed, UnsupportedMedia
from heliograph.kernel.failures import Charged, Failure
from heliograph.kernel.media_types import SNIFF_BYTES, MediaType, sniff
from heliograph.kernel.validation import pointer
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import MOST_IMAGES, EditRequest, ImagesRequest
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.intake.ports import RecentCalls
    from heliograph.kernel.ports import Clock
    from heliograph.storage.ports import ObjectStore

# Most are done in one minute; networks cut a connection that is silent for 350 seconds.
WAIT = timedelta(seconds=300)
# An answer of a function may have 6 MB. What is not these has room in the rest.
MOST_BASE64_CHARACTERS = 6_000_000


@dataclass(frozen=True, slots=True)
class ImagesCall:
    """What is asked for, by whom, and how a repeat of it would be known. `started_at`: when this function began."""

    wish: ImagesRequest
    images: tuple[bytes, ...]
    caller: Caller
    arrival: IncomingCall
    idempotency_key: str | None
    started_at: datetime

    @property
    def digest(self) -> str:
        """Of who asks for what: equal calls of one key have the same, however they were sent."""
        told = [
            "equal calls 2",
            type(self.wish).__name__,
            self.caller.tenant,
            self.caller.key_id,
            self.wish.model_dump(mode="json"),
            [hashlib.sha256(image).hexdigest() for image in self.images],
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """A call that can be done. `document`: of each of its jobs. `stored`: where each image is kept, and its type."""

    call: ImagesCall
    document: dict[str, Any]
    price_microusd: int
    stored: tuple[tuple[ObjectLocation, MediaType], ...] = ()


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """A picture that there is. `base64` is `None` where it was not asked for or has no room in the answer."""

    job: Job
    linked: LinkedResult
    base64: str | None
    # Which of the job's results it is, from 1.
    index: int = 1


@dataclass(frozen=True, slots=True)
class Missing:
    """A picture that there is not. No `job`: nothing was made. No `failure`: not yet, or not any more."""

    job: Job | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Images:
    """What a call came to. `jobs`: those that were made, in order. `joined`: all of them by an equal call before."""

    jobs: tuple[Job, ...]
    pictures: tuple[GeneratedImage, ...] = ()
    missing: tuple[Missing, ...] = ()
    joined: bool = False


@dataclass(frozen=True, slots=True)
class ImagesService:
    """What it takes to make images. `submit`, `await_end` and `view` are those of `/v1/jobs`.

    `check_budgets`: raises `BudgetExceeded` for a caller and a price that do not fit at the moment.
    """

    submit: Callable[..., Submission | Quote]
    await_end: Callable[..., tuple[Job, ...]]
    view: Callable[[Job], JobView]
    check_budgets: Callable[[Caller, int], None]
    rules: Rules
    aliases: ModelAliases
    objects: ObjectStore
    recent_calls: RecentCalls
    wait_cap: WaitCap
    clock: Clock


def check_call(call: ImagesCall, *, studio: ImagesService) -> CheckedCall:
    """The call, once everything about it was looked at that costs nothing. Raises `InvalidRequest`."""
    rules = studio.rules.of(call.caller.tenant)
    stored: list[tuple[ObjectLocation, MediaType]] = []
    if isinstance(call.wish, EditRequest):
        for image, kind in zip(call.images, _kinds(call.images), strict=True):
            sha256 = hashlib.sha256(image).hexdigest()
            place = content_location(sha256, kind, bucket=rules.uploads_bucket, tenant=call.caller.tenant)
            stored.append((place, kind))
    document = call.wish.job_document([place.uri for place, _ in stored], rules, studio.aliases)
    request = read_request(document, rules)
    price_microusd = candidates(request, rules.routes)[0].price_microusd
    return CheckedCall(call, document, price_microusd, tuple(stored))


def name_images(checked: CheckedCall, *, studio: ImagesService) -> NamedCall:
    """The name by which the call makes its jobs, and by which its repeat will find them. Raises `StorageFailed`."""
    call = checked.call
    if call.idempotency_key is not None:
        key = f"{type(call.wish).__name__} {call.idempotency_key}"
        return NamedCall(call.digest, hashlib.sha256(key.encode()).hexdigest(), ())
    return identify_call(call.digest, call.arrival, recent_calls=studio.recent_calls)


def remember_refused(checked: CheckedCall, *, studio: ImagesService) -> None:
    """Notes that the call was refused before it had a name. Never raises."""
    if checked.call.idempotency_key is None:
        name_refused(checked.call.digest, checked.call.arrival, recent_calls=studio.recent_calls)


def make_images(checked: CheckedCall, named: NamedCall, *, studio: ImagesService) -> Images:
    """The pictures, once all jobs are over or patience has ended; a repeat of the same name joins the same jobs.

    Where one job fits into no budget any more, those before it are done all the same. Raises what `submit_request`
    raises, if there is no job yet; `Interrupted` if there are some, but not all.
    """
    call = checked.call
    missing: list[Missing] = []
    try:
        submissions = _submitted(checked, named, missing, studio)
    except (BudgetExceeded, InvalidRequest):
        _noted(call, named, Stage.REFUSED, studio)
        raise
    named = _noted(call, named, Stage.SUBMITTED, studio)
    ended = _ended(call, [submission.job for submission in submissions], studio)
    joined = not any(submission.created for submission in submissions)
    images = _collected(call, ended, missing, studio, joined=joined)
    if (stage := _stage_of(images)) is not None:
        _noted(call, named, stage, studio)
    return images


def _submitted(
    checked: CheckedCall, named: NamedCall, missing: list[Missing], studio: ImagesService
) -> tuple[Submission, ...]:
    call = checked.call
    _store(checked, studio)
    body = json.dumps(checked.document).encode()
    made: list[Submission] = []
    for index in range(call.wish.n):
        try:
            submission = studio.submit(
                body,
                idempotency_key=f"images-{named.call_id}-{index + 1}",
                request_id=call.arrival.call_id,
                caller=call.caller,
            )
            assert isinstance(submission, Submission)  # noqa: S101 - only a dry run is quoted
            made.append(submission)
        except BudgetExceeded as error:
            if not made:
                raise
            missing += [Missing(None, budget_failure(error))] * (call.wish.n - index)
            break
        except Exception as error:
            if made and not isinstance(error, InvalidRequest):
                raise Interrupted(tuple(submission.job.job_id for submission in made)) from error
            raise
    return tuple(made)


def _noted(call: ImagesCall, named: NamedCall, stage: Stage, studio: ImagesService) -> NamedCall:
    if call.idempotency_key is not None:
        return named
    return named.noted(stage, studio.clock.now(), recent_calls=studio.recent_calls)


def _stage_of(images: Images) -> Stage | None:
    """What the answer is to its repeats; `None` while the jobs go on: it may come again and wait for them."""
    if images.pictures:
        return Stage.ANSWERED
    if any(missing.job and not missing.job.is_over for missing in images.missing):
        return None
    paid = any(job.charged is not Charged.NO for job in images.jobs)
    return Stage.FAILED if paid else Stage.REFUSED


def _ended(call: ImagesCall, jobs: Sequence[Job], studio: ImagesService) -> tuple[Job, ...]:
    left = WAIT - (studio.clock.now() - call.started_at)
    return studio.await_end(jobs, seconds=left.total_seconds())


def _collected(
    call: ImagesCall, jobs: tuple[Job, ...], missing: list[Missing], studio: ImagesService, *, joined: bool
) -> Images:
    pictures: list[GeneratedImage] = []
    room = MOST_BASE64_CHARACTERS if call.wish.wants_base64 else 0
    for job in jobs:
        if job.status is not JobStatus.SUCCEEDED:
            missing.append(Missing(job, job.failure))
            continue
        for index, linked in enumerate(studio.view(job).results, start=1):
            text = _base64(linked, room, studio.objects)
            room -= len(text or "")
            pictures.append(GeneratedImage(job, linked, text, index))
    return Images(jobs, tuple(pictures), tuple(missing), joined)


def _base64(linked: LinkedResult, room: int, objects: ObjectStore) -> str | None:
    """The picture as text, if there is room; where it can't be read at the moment, its link has to do."""
    result = linked.result
    if -(-result.size_bytes // 3) * 4 > room:
        return None
    try:
        location = ObjectLocation(result.bucket, result.key, result.version_id)
        document = objects.read(location, max_bytes=result.size_bytes)
    except (StorageFailed, InvalidRequest):
        return None
    return base64.b64encode(document.body).decode() if document else None


def _store(checked: CheckedCall, studio: ImagesService) -> None:
    """Stores the images that are not kept yet, by their content, unless their job would be refused.

    Like other uploads they are pending until a job names them.
    """
    for (location, kind), image in zip(checked.stored, checked.call.images, strict=False):
        if studio.objects.look(location) is None:
            studio.check_budgets(checked.call.caller, checked.price_microusd)
            sha256 = hashlib.sha256(image).hexdigest()
            studio.objects.put(pending_location(location), image, content_type=kind, sha256=sha256, metadata={})


def _kinds(images: Sequence[bytes]) -> list[MediaType]:
    if not images:
        raise InvalidRequest(Fault("/image", "is required: one picture, or several"))
    if len(images) > MOST_IMAGES:
        raise InvalidRequest(Fault("/image", f"has {len(images)} pictures; at most {MOST_IMAGES} are allowed"))
    faults = [
        Fault(pointer("image", index), problem)
        for index, image in enumerate(images)
        if (problem := problem_of(image)) is not None
    ]
    if faults:
        raise UnsupportedMedia(*faults)
    return [kind for image in images if (kind := sniff(image[:SNIFF_BYTES]))]
