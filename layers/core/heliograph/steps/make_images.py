"""`POST /v1/images/…`: one job for each picture, and the pictures in the answer."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from heliograph.domain.errors import (
    BudgetExceeded,
    Fault,
    Interrupted,
    InvalidRequest,
    StorageFailed,
    UnsupportedMedia,
)
from heliograph.domain.failures import Failure
from heliograph.domain.faults import pointer
from heliograph.domain.jobs import Job, JobStatus
from heliograph.domain.keys import Caller
from heliograph.domain.media import SNIFF_BYTES, MediaType, sniff
from heliograph.domain.openai_shape import MOST_IMAGES, EditRequest, ImagesRequest
from heliograph.domain.recent_calls import Arrival, Stage
from heliograph.domain.references import ObjectLocation
from heliograph.domain.requests import Rules
from heliograph.domain.uploads import content_location
from heliograph.steps.budgets import budget_failure
from heliograph.steps.check_image import problem_of
from heliograph.steps.name_call import name_call, note_stage
from heliograph.steps.quote_job import Quote
from heliograph.steps.read_job import JobView, LinkedResult
from heliograph.steps.submission import Submission

if TYPE_CHECKING:
    from heliograph.ports import Clock, ObjectStore, RecentCalls

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
    arrival: Arrival
    idempotency_key: str | None
    started_at: datetime

    @property
    def digest(self) -> str:
        """Of who asks for what: equal calls of one key have the same, however they were sent."""
        told = [
            type(self.wish).__name__,
            self.caller.tenant,
            self.caller.key_id,
            self.wish.model_dump(mode="json"),
            [hashlib.sha256(image).hexdigest() for image in self.images],
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that there is. `base64` is `None` where it was not asked for or has no room in the answer."""

    job: Job
    linked: LinkedResult
    base64: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A picture that there is not. No `job`: nothing was made. No `failure`: not yet, or not any more."""

    job: Job | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Images:
    """What a call came to. `jobs`: those that were made, in order."""

    jobs: tuple[Job, ...]
    pictures: tuple[Picture, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Studio:
    """What it takes to make images. `submit`, `await_end` and `view` are those of `/v1/jobs`."""

    submit: Callable[..., Submission | Quote]
    await_end: Callable[..., tuple[Job, ...]]
    view: Callable[[Job], JobView]
    rules: Rules
    objects: ObjectStore
    recent_calls: RecentCalls
    clock: Clock


def name_images(call: ImagesCall, *, studio: Studio) -> str:
    """The name by which the call makes its jobs, and by which its repeat will find them. Raises `StorageFailed`."""
    if call.idempotency_key is not None:
        return hashlib.sha256(f"{type(call.wish).__name__} {call.idempotency_key}".encode()).hexdigest()
    return name_call(call.digest, call.arrival, recent_calls=studio.recent_calls)


def make_images(call: ImagesCall, name: str, *, studio: Studio) -> Images:
    """The pictures, once all jobs are over or patience has ended; a repeat of the same name joins the same jobs.

    Where one job fits into no budget any more, those before it are done all the same. Raises what `submit_request`
    raises, if there is no job yet; `Interrupted` if there are some, but not all.
    """
    references = _stored(call, studio)
    rules = studio.rules.of(call.caller.tenant)
    body = json.dumps(call.wish.job_document(references, rules)).encode()
    made: list[Job] = []
    missing: list[Missing] = []
    for index in range(call.wish.n):
        try:
            submission = studio.submit(
                body,
                idempotency_key=f"images-{name}-{index + 1}",
                request_id=call.arrival.call_id,
                caller=call.caller,
            )
        except BudgetExceeded as error:
            if not made:
                raise
            missing += [Missing(None, budget_failure(error))] * (call.wish.n - index)
            break
        except Exception as error:
            if made and not isinstance(error, InvalidRequest):
                raise Interrupted(tuple(job.job_id for job in made)) from error
            raise
        assert isinstance(submission, Submission)  # noqa: S101 - only a dry run is quoted
        made.append(submission.job)
    _note(call, name, Stage.SUBMITTED, studio)
    images = _collected(call, _ended(call, made, studio), missing, studio)
    if images.pictures:
        _note(call, name, Stage.ANSWERED, studio)
    return images


def _note(call: ImagesCall, name: str, stage: Stage, studio: Studio) -> None:
    if call.idempotency_key is None:
        note_stage(call.digest, name, stage, recent_calls=studio.recent_calls)


def _ended(call: ImagesCall, jobs: Sequence[Job], studio: Studio) -> tuple[Job, ...]:
    left = WAIT - (studio.clock.now() - call.started_at)
    return studio.await_end(jobs, seconds=left.total_seconds())


def _collected(call: ImagesCall, jobs: tuple[Job, ...], missing: list[Missing], studio: Studio) -> Images:
    pictures: list[Picture] = []
    room = MOST_BASE64_CHARACTERS if call.wish.wants_base64 else 0
    for job in jobs:
        if job.status is not JobStatus.SUCCEEDED:
            missing.append(Missing(job, job.failure))
            continue
        for linked in studio.view(job).results:
            text = _base64(linked, room, studio.objects)
            room -= len(text or "")
            pictures.append(Picture(job, linked, text))
    return Images(jobs, tuple(pictures), tuple(missing))


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


def _stored(call: ImagesCall, studio: Studio) -> list[str]:
    """The images, each kept where jobs may refer to it, by its content: sent again, it is not stored again."""
    if not isinstance(call.wish, EditRequest):
        return []
    kinds = _kinds(call.images)
    stored = []
    for image, kind in zip(call.images, kinds, strict=True):
        sha256 = hashlib.sha256(image).hexdigest()
        location = content_location(sha256, kind, bucket=studio.rules.uploads_bucket, tenant=call.caller.tenant)
        if studio.objects.look(location) is None:
            studio.objects.put(location, image, content_type=kind, sha256=sha256, metadata={})
        stored.append(location.uri)
    return stored


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
