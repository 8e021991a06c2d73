"""Submit an object of the uploads bucket: it becomes a job, or is rejected with a reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.intake.check_image import ImageCheck
from heliograph.intake.check_preset import PresetChecker
from heliograph.intake.create_job import JobCreator, JobDraft, Submission
from heliograph.intake.events import UploadRejected, upload_rejected
from heliograph.intake.overrides import overridden
from heliograph.intake.preset_events import PresetRejected
from heliograph.intake.reject_upload import RejectionPublisher
from heliograph.intake.rejections import headline
from heliograph.intake.result_rules import FIELDS as RESULT_RULES
from heliograph.intake.result_rules import read_result_rules
from heliograph.intake.stored_references import StoredReferences, refusal_of
from heliograph.intake.trip_wire import TripWire, UsedPreset
from heliograph.jobs.contents import Contents
from heliograph.jobs.find_reusable import is_reusable
from heliograph.jobs.fingerprints import KeyedUpload, Sources, identity_of, is_to_be_made_again, reuse_key_of
from heliograph.jobs.job import Job, Source
from heliograph.jobs.provenance import MARKER
from heliograph.jobs.request import JobRequest, Reuse, Rules, read_json_object, read_request
from heliograph.kernel.errors import BudgetExceeded, Fault, InvalidRequest, StorageFailed, UnsupportedMedia
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.ids import derived_id
from heliograph.kernel.tenants import DEFAULT_TENANT
from heliograph.kernel.texts import decode_metadata
from heliograph.storage.layout import (
    PRESETS_PREFIX,
    JobDocument,
    PresetUpload,
    default_output_key,
    preset_key,
    read_upload_key,
)
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import ReuseIndex
    from heliograph.kernel.ports import Clock
    from heliograph.storage.objects import ObjectSummary
    from heliograph.storage.ports import ObjectStore

MAX_DOCUMENT_BYTES = 256 * 1024
# Everyone who may write to the uploads bucket acts for this one tenant.
UPLOADS_TENANT = DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Upload:
    """A created object, as S3 announces it."""

    bucket: str
    key: str
    version_id: str | None
    """`None` unless the bucket keeps versions."""
    etag: str
    sequencer: str
    reason: str = ""
    """S3's name of the operation that created it."""

    @property
    def is_copy(self) -> bool:
        """Copied inside S3, as every change of an object's class, metadata or encryption is."""
        return self.reason == "CopyObject"

    @property
    def location(self) -> ObjectLocation:
        """Location of exactly the bytes that were announced."""
        return ObjectLocation(self.bucket, self.key, self.version_id)

    @property
    def version(self) -> str:
        """Identity of this write of the key: the same however often and late it is announced."""
        return self.version_id or f"{self.etag}-{self.sequencer}"


@dataclass(frozen=True, slots=True)
class Ignored:
    """An object that starts nothing: a folder marker, a usable preset, or a key outside the prefixes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSubmitter:
    """Submits the jobs of uploads and job documents."""

    rules: Rules
    references: StoredReferences
    creator: JobCreator
    index: ReuseIndex
    rejections: RejectionPublisher
    presets: PresetChecker
    trip_wire: TripWire
    clock: Clock
    deadline: timedelta

    def submit(self, upload: Upload) -> Submission | UploadRejected | PresetRejected | Ignored:
        """The one job of the upload; or the rejection, listed and published; or nothing.

        Raises only an `Unavailable`, after which a later delivery of the same announcement may succeed. The object
        itself is never changed.
        """
        if upload.key.startswith(PRESETS_PREFIX):
            return self.presets.check(upload) or Ignored()
        source: PresetUpload | JobDocument | None = None
        job_id = derived_id("job", "upload", upload.bucket, upload.key, upload.version)
        try:
            source = _meaning(upload.key)
            if source is None:
                return Ignored()
            # An announcement keeps its first job, whatever has become of the object or its preset since.
            found = self.creator.jobs.get(job_id) or self._accept(upload, source)
            if isinstance(found, Job):
                return self.creator.ensure_started(found)
            # Noted before the job exists: an upload that is noted and has no job is submitted again.
            noted = KeyedUpload(found.identity, job_id, upload.sequencer)
            self.index.note_upload(upload.bucket, upload.key, noted)
            return self._create(upload, source, found, job_id)
        except BudgetExceeded as error:
            rejection = _Rejection(FailureCode.BUDGET_EXCEEDED, str(error))
        except UnsupportedMedia as error:
            rejection = _Rejection(FailureCode.UNSUPPORTED_MEDIA, _message(error.faults, source), error.faults)
        except InvalidRequest as error:
            rejection = _Rejection(FailureCode.INVALID_INPUT, _message(error.faults, source), error.faults)
        except StorageFailed as error:
            rejection = _Rejection(FailureCode.INVALID_INPUT, refusal_of(error))
        except _Rejection as error:
            rejection = error
        return self._reject(rejection, upload, source)

    def _create(
        self, upload: Upload, source: PresetUpload | JobDocument, accepted: _Accepted, job_id: str
    ) -> Submission:
        return self.creator.create(
            JobDraft(
                job_id=job_id,
                tenant=UPLOADS_TENANT,
                request=accepted.request,
                source=accepted.source,
                output_key=accepted.request.output_key or default_output_key(source),
                output_stem=source.name,
                deadline=self.deadline,
                sequencer=upload.sequencer,
                reuse_key=accepted.reuse_key,
                origin=accepted.origin,
                is_free=accepted.is_free,
            ),
            routes=self.rules.routes,
        )

    def _reject(
        self, rejection: _Rejection, upload: Upload, source: PresetUpload | JobDocument | None
    ) -> UploadRejected:
        event = upload_rejected(
            bucket=upload.bucket,
            key=upload.key,
            version=upload.version,
            version_id=upload.version_id,
            preset=source.preset if isinstance(source, PresetUpload) else None,
            failure=Failure(
                code=rejection.code,
                message=str(rejection),
                # The same upload is accepted once the period has ended.
                retryable=rejection.code is FailureCode.BUDGET_EXCEEDED,
                charged=Charged.NO,
            ),
            faults=rejection.faults,
            at=self.clock.now(),
        )
        return self.rejections.publish(event, tenant=UPLOADS_TENANT)

    def _accept(self, upload: Upload, source: PresetUpload | JobDocument) -> Job | _Accepted:
        """The job that the same upload came to before, or the accepted upload. Raises rejections.

        The object is read only where the store's checksums don't say which bytes it has.
        """
        arrival = _read(upload, source, self.references.objects)
        request = _request(arrival, self.rules)
        sha256 = self._contents.known(arrival.summary) if arrival.preset else None
        sources = self._sources(upload, request, sha256, arrival)
        if sources and (same := self._same(upload, request, sources)):
            return same
        if arrival.preset:
            sha256 = self._checked(upload, arrival.summary, sha256)
        request = self.references.check(request, rules=self.rules, checked=upload.location)
        if sources is None:
            sources = self._sources(upload, request, sha256, arrival)
            if sources is None:
                raise StorageFailed(f"{upload.key}: a reference is gone that was there a moment ago")
            if same := self._same(upload, request, sources):
                return same
        origin = self._origin(arrival.preset, sha256) if arrival.preset and sha256 else None
        reuse_key = reuse_key_of(request, sources, tenant=UPLOADS_TENANT, key=f"{upload.bucket}/{upload.key}")
        is_free = not request.refresh and is_reusable(reuse_key, index=self.index, jobs=self.creator.jobs)
        if arrival.preset and origin:
            self._check_trip_wire(upload, arrival.preset, origin, counts=not is_free or origin != sha256)
        request = self.references.keep(request, rules=self.rules)
        return _Accepted(request, arrival.provenance, identity_of(request, sources), reuse_key, origin, is_free)

    @property
    def _contents(self) -> Contents:
        return Contents(objects=self.references.objects, index=self.index, notes=True)

    def _sources(self, upload: Upload, request: JobRequest, sha256: str | None, arrival: _Arrival) -> Sources | None:
        """The request's references by their bytes; `None` while the upload was not read, or if one of them is gone."""
        if arrival.preset is None:
            return self._contents.sources_of(request, read={})
        return self._contents.sources_of(request, read={upload.location: sha256}) if sha256 else None

    def _checked(self, upload: Upload, summary: ObjectSummary, sha256: str | None) -> str:
        """The SHA-256 of the upload, which is an image that a model can read. Nobody waits: all of it is read."""
        check = ImageCheck(self.references.objects)
        facts = check.look(upload.location)
        if facts is None:
            raise _is_gone()
        digest = hashlib.sha256()
        if problem := check.problem(upload.location, facts, whole=True, digest=None if sha256 else digest):
            raise _Rejection(FailureCode.UNSUPPORTED_MEDIA, f"the upload {problem}")
        if sha256 is None:
            sha256 = digest.hexdigest()
            self._contents.note(summary, sha256)
        return sha256

    def _same(self, upload: Upload, request: JobRequest, sources: Sources) -> Job | None:
        """The job of the key's newest upload, if this one has the same bytes and recipe and need not be made again."""
        newest = self.index.upload(upload.bucket, upload.key)
        if newest is None or newest.identity != identity_of(request, sources):
            return None
        if request.refresh and not upload.is_copy:
            return None
        job = self.creator.jobs.get(newest.job_id)
        if job is None or is_to_be_made_again(job):
            return None
        self.index.note_upload(upload.bucket, upload.key, replace(newest, sequencer=upload.sequencer))
        return job

    def _origin(self, preset: UsedPreset, sha256: str) -> str:
        """The bytes that the upload comes from in the end. Raises a rejection for a result that is not wanted."""
        found = self.index.origin_of(sha256)
        if found and not preset.rules.accept_results:
            raise _is_a_result(preset)
        return found or sha256

    def _check_trip_wire(self, upload: Upload, preset: UsedPreset, origin: str, *, counts: bool) -> None:
        if self.trip_wire.is_stopped(preset) or (
            counts and self.trip_wire.stops(preset, origin, upload_key=upload.key)
        ):
            raise _Rejection(FailureCode.PRESET_STOPPED, preset.is_stopped_because)


class _Rejection(Exception):
    """An upload can't become a job. Lists its faults, even if there is only one."""

    def __init__(self, code: FailureCode, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.faults = faults or (Fault("", message),)


def _message(faults: tuple[Fault, ...], source: PresetUpload | JobDocument | None) -> str:
    """The first fault as a sentence, with the preset's name if the preset caused it."""
    message = headline(faults)
    if isinstance(source, PresetUpload) and faults[0].pointer:
        return f"with the preset {source.preset}, {message}"
    return message


def _meaning(key: str) -> PresetUpload | JobDocument | None:
    try:
        return read_upload_key(key)
    except ValueError as error:
        raise _Rejection(FailureCode.INVALID_INPUT, str(error)) from None


@dataclass(frozen=True, slots=True)
class _Arrival:
    """An upload as it was read: its request as a document, and its preset, if it has one."""

    document: dict[str, Any]
    provenance: Source
    summary: ObjectSummary
    preset: UsedPreset | None = None
    # Of the preset's own rules.
    faults: tuple[Fault, ...] = ()


def _read(upload: Upload, source: PresetUpload | JobDocument, objects: ObjectStore) -> _Arrival:
    if isinstance(source, JobDocument):
        return _read_document(upload, objects)
    summary = objects.summary(upload.location)
    if summary is None:
        raise _is_gone()
    recipe = objects.read(ObjectLocation(upload.bucket, preset_key(source.preset)), max_bytes=MAX_DOCUMENT_BYTES)
    if recipe is None:
        raise _Rejection(
            FailureCode.INVALID_INPUT,
            f"there is no preset {source.preset}: put its recipe at {preset_key(source.preset)}",
        )
    document = read_json_object(recipe.body, what=f"the preset {source.preset}")
    result_rules, faults = read_result_rules(document)
    document = {field: value for field, value in document.items() if field not in RESULT_RULES}
    preset = UsedPreset(source.preset, upload.bucket, recipe.version, result_rules)
    if MARKER in summary.metadata and not result_rules.accept_results:
        raise _is_a_result(preset)
    document = overridden(document, summary.metadata, preset=source.preset, decode=decode_metadata)
    # The upload is image 1; a preset may add others (a background, a logo) after it.
    more = document.get("references", [])
    document["references"] = [upload.location.uri, *more] if isinstance(more, list) else more
    provenance = Source(
        kind="upload",
        bucket=upload.bucket,
        key=upload.key,
        version_id=upload.version_id,
        preset=source.preset,
        preset_version=recipe.version,
    )
    return _Arrival(_reusing(document), provenance, summary, preset, tuple(faults))


def _read_document(upload: Upload, objects: ObjectStore) -> _Arrival:
    summary = objects.summary(upload.location)
    if summary and MARKER in summary.metadata:
        raise _is_a_result(None)
    found = objects.read(upload.location, max_bytes=MAX_DOCUMENT_BYTES) if summary else None
    if summary is None or found is None:
        raise _Rejection(FailureCode.INVALID_INPUT, "the job document is gone")
    document = read_json_object(found.body, what="the job document")
    provenance = Source(kind="document", bucket=upload.bucket, key=upload.key, version_id=upload.version_id)
    return _Arrival(_reusing(document), provenance, summary)


def _reusing(document: dict[str, Any]) -> dict[str, Any]:
    return {"reuse": Reuse.TENANT.value, **document}


def _request(arrival: _Arrival, rules: Rules) -> JobRequest:
    try:
        request = read_request(arrival.document, rules)
    except InvalidRequest as error:
        if not arrival.faults:
            raise
        raise InvalidRequest(*arrival.faults, *error.faults) from None
    if arrival.faults:
        raise InvalidRequest(*arrival.faults)
    return request


def _is_gone() -> _Rejection:
    return _Rejection(FailureCode.INVALID_INPUT, "the upload is gone: another was put in its place, or it was deleted")


def _is_a_result(preset: UsedPreset | None) -> _Rejection:
    how = f"accept_results in {preset_key(preset.name)} allows it" if preset else "upload it without its metadata"
    return _Rejection(
        FailureCode.INVALID_INPUT,
        f"this object is a result of this deployment, and is not edited again by itself: {how}",
    )


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An upload that becomes a job."""

    request: JobRequest
    source: Source
    identity: str
    reuse_key: str | None
    origin: str | None
    is_free: bool
    """It will wait for an equal job, or take its results."""
