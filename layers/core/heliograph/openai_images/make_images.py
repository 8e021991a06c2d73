"""Make the images of `POST /v1/images/…`: one job for each image, and the images in the answer."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from heliograph.access.keys import Caller
from heliograph.access.open_waits import WaitCap
from heliograph.budgets.announce import BudgetChecker, budget_failure
from heliograph.intake.check_image import problem_of
from heliograph.intake.create_job import Submission
from heliograph.intake.identify_call import IdentifiedCall, identify_call, record_refused
from heliograph.intake.recent_calls import IncomingCall, Stage
from heliograph.intake.submit_job import JobCall, JobSubmitter
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.read_jobs import JobViewer, LinkedResult
from heliograph.jobs.reference_uploads import content_location, pending_location
from heliograph.jobs.request import Rules, candidates, read_request
from heliograph.jobs.wait_for_end import JobWaiter
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
# An answer of a function may have 6 MB. Everything but the images fits into the rest.
MOST_BASE64_CHARACTERS = 6_000_000


@dataclass(frozen=True, slots=True)
class ImagesCall:
    """A call in OpenAI's shape."""

    request: ImagesRequest
    images: tuple[bytes, ...]
    caller: Caller
    arrival: IncomingCall
    idempotency_key: str | None
    started_at: datetime
    """Start of the function's run."""

    @property
    def digest(self) -> str:
        """Digest of the API key and the request: the same for equal calls of one key, however they were sent."""
        parts = [
            "equal calls 2",
            type(self.request).__name__,
            self.caller.tenant,
            self.caller.key_id,
            self.request.model_dump(mode="json"),
            [hashlib.sha256(image).hexdigest() for image in self.images],
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckedCall:
    """A valid call."""

    call: ImagesCall
    document: dict[str, Any]
    """Request of each of its jobs."""
    price_microusd: int
    """Price of one image on its first route."""
    stored: tuple[tuple[ObjectLocation, MediaType], ...] = ()
    """Location and type of each image that came with the call."""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image that was made."""

    job: Job
    linked: LinkedResult
    base64: str | None
    """`None` if it was not asked for or does not fit into the answer."""
    index: int = 1
    """Number of the job's result, from 1."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An image that was not made."""

    job: Job | None
    """`None` if no job was created."""
    failure: Failure | None
    """`None` if the job goes on, or was canceled."""


@dataclass(frozen=True, slots=True)
class Images:
    """Outcome of a call."""

    jobs: tuple[Job, ...]
    """The jobs that were created, in order."""
    images: tuple[GeneratedImage, ...] = ()
    missing: tuple[Missing, ...] = ()
    joined: bool = False
    """All jobs were created by an equal call before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesService:
    """Makes the images of calls in OpenAI's shape, by the jobs of `/v1/jobs`."""

    submitter: JobSubmitter
    waiter: JobWaiter
    viewer: JobViewer
    budgets: BudgetChecker
    aliases: ModelAliases
    objects: ObjectStore
    recent_calls: RecentCalls
    wait_cap: WaitCap
    clock: Clock

    @property
    def rules(self) -> Rules:
        """Rules of the jobs' requests."""
        return self.submitter.rules

    def check(self, call: ImagesCall) -> CheckedCall:
        """The call, validated as far as that costs nothing. Raises `InvalidRequest`."""
        rules = self.rules.of(call.caller.tenant)
        stored: list[tuple[ObjectLocation, MediaType]] = []
        if isinstance(call.request, EditRequest):
            for image, kind in zip(call.images, _kinds(call.images), strict=True):
                sha256 = hashlib.sha256(image).hexdigest()
                place = content_location(sha256, kind, bucket=rules.uploads_bucket, tenant=call.caller.tenant)
                stored.append((place, kind))
        document = call.request.job_document([place.uri for place, _ in stored], rules, self.aliases)
        price_microusd = candidates(read_request(document, rules), rules.routes)[0].price_microusd
        return CheckedCall(call, document, price_microusd, tuple(stored))

    def identify(self, checked: CheckedCall) -> IdentifiedCall:
        """The call with the id that names its jobs, by which a repeat finds them. Raises `StorageFailed`."""
        call = checked.call
        if call.idempotency_key is not None:
            key = f"{type(call.request).__name__} {call.idempotency_key}"
            return IdentifiedCall(call.digest, hashlib.sha256(key.encode()).hexdigest(), ())
        return identify_call(call.digest, call.arrival, recent_calls=self.recent_calls)

    def record_refused(self, checked: CheckedCall) -> None:
        """Records that the call was refused before it was identified. Never raises."""
        if checked.call.idempotency_key is None:
            record_refused(checked.call.digest, checked.call.arrival, recent_calls=self.recent_calls)

    def make(self, checked: CheckedCall, identified: IdentifiedCall) -> Images:
        """The images, once all jobs have ended or the wait is over; a repeat with the same id joins the same jobs.

        If a later job fits into no budget, those before it are done all the same. Raises what `JobSubmitter.submit`
        raises if no job was created; `Interrupted` if some were created, but not all.
        """
        call = checked.call
        missing: list[Missing] = []
        try:
            submissions = self._submit(checked, identified, missing)
        except (BudgetExceeded, InvalidRequest):
            self._note(call, identified, Stage.REFUSED)
            raise
        identified = self._note(call, identified, Stage.SUBMITTED)
        left = WAIT - (self.clock.now() - call.started_at)
        ended = self.waiter.wait([submission.job for submission in submissions], seconds=left.total_seconds())
        joined = not any(submission.created for submission in submissions)
        images = self._collect(call, ended, missing, joined=joined)
        if (stage := _stage_of(images)) is not None:
            self._note(call, identified, stage)
        return images

    def _submit(
        self, checked: CheckedCall, identified: IdentifiedCall, missing: list[Missing]
    ) -> tuple[Submission, ...]:
        call = checked.call
        self._store(checked)
        made: list[Submission] = []
        for index in range(call.request.n):
            try:
                made.append(
                    self.submitter.submit(
                        JobCall(
                            document=checked.document,
                            caller=call.caller,
                            call_id=call.arrival.call_id,
                            idempotency_key=f"images-{identified.call_id}-{index + 1}",
                        )
                    )
                )
            except BudgetExceeded as error:
                if not made:
                    raise
                missing += [Missing(None, budget_failure(error))] * (call.request.n - index)
                break
            except Exception as error:
                if made and not isinstance(error, InvalidRequest):
                    raise Interrupted(tuple(submission.job.job_id for submission in made)) from error
                raise
        return tuple(made)

    def _store(self, checked: CheckedCall) -> None:
        """Stores the images that are not kept yet, by their content, unless their job would be refused.

        Like other uploads they are pending until a job names them.
        """
        for (location, kind), image in zip(checked.stored, checked.call.images, strict=False):
            if self.objects.head(location) is None:
                self.budgets.check(checked.call.caller, checked.price_microusd)
                sha256 = hashlib.sha256(image).hexdigest()
                self.objects.put(pending_location(location), image, content_type=kind, sha256=sha256, metadata={})

    def _note(self, call: ImagesCall, identified: IdentifiedCall, stage: Stage) -> IdentifiedCall:
        if call.idempotency_key is not None:
            return identified
        return identified.noted(stage, self.clock.now(), recent_calls=self.recent_calls)

    def _collect(self, call: ImagesCall, jobs: tuple[Job, ...], missing: list[Missing], *, joined: bool) -> Images:
        images: list[GeneratedImage] = []
        room = MOST_BASE64_CHARACTERS if call.request.wants_base64 else 0
        for job in jobs:
            if job.status is not JobStatus.SUCCEEDED:
                missing.append(Missing(job, job.failure))
                continue
            for index, linked in enumerate(self.viewer.view(job).results, start=1):
                text = _base64(linked, room, self.objects)
                room -= len(text or "")
                images.append(GeneratedImage(job, linked, text, index))
        return Images(jobs, tuple(images), tuple(missing), joined)


def _stage_of(images: Images) -> Stage | None:
    """Stage to record for repeats; `None` while jobs go on, because a repeat may wait for them."""
    if images.images:
        return Stage.ANSWERED
    if any(missing.job and not missing.job.is_over for missing in images.missing):
        return None
    paid = any(job.charged is not Charged.NO for job in images.jobs)
    return Stage.FAILED if paid else Stage.REFUSED


def _base64(linked: LinkedResult, room: int, objects: ObjectStore) -> str | None:
    """The image as text, if it fits; `None` if it can't be read now, because its link is enough."""
    result = linked.result
    if -(-result.size_bytes // 3) * 4 > room:
        return None
    try:
        location = ObjectLocation(result.bucket, result.key, result.version_id)
        document = objects.read(location, max_bytes=result.size_bytes)
    except (StorageFailed, InvalidRequest):
        return None
    return base64.b64encode(document.body).decode() if document else None


def _kinds(images: Sequence[bytes]) -> list[MediaType]:
    if not images:
        raise InvalidRequest(Fault("/image", "is required: one image or several"))
    if len(images) > MOST_IMAGES:
        raise InvalidRequest(Fault("/image", f"has {len(images)} images; at most {MOST_IMAGES} are allowed"))
    faults = [
        Fault(pointer("image", index), problem)
        for index, image in enumerate(images)
        if (problem := problem_of(image)) is not None
    ]
    if faults:
        raise UnsupportedMedia(*faults)
    return [kind for image in images if (kind := sniff(image[:SNIFF_BYTES]))]
