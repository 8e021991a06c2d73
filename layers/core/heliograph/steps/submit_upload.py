"""An object arrived in the uploads bucket: it becomes a job, or is rejected with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.domain.errors import BudgetExceeded, Fault, InvalidRequest, StorageFailed, UnsupportedMedia
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.identity import derived_id
from heliograph.domain.jobs import Source
from heliograph.domain.object_keys import (
    PRESETS_PREFIX,
    JobDocument,
    PresetUpload,
    default_output_key,
    preset_key,
    read_upload_key,
)
from heliograph.domain.preset_events import PresetRejected
from heliograph.domain.references import ObjectLocation
from heliograph.domain.rejections import headline
from heliograph.domain.requests import Rules, read_json_object, read_request
from heliograph.domain.tenants import DEFAULT_TENANT
from heliograph.domain.texts import decode_metadata
from heliograph.domain.upload_events import UploadRejected, upload_rejected
from heliograph.steps.budgets import announce_exhausted
from heliograph.steps.check_image import ImageCheck
from heliograph.steps.check_preset import check_preset
from heliograph.steps.provenance import MARKER
from heliograph.steps.reject_upload import announce_rejection
from heliograph.steps.submission import Submission, check_stored_references, keep_uploads, refused, submit

if TYPE_CHECKING:
    from heliograph.ports import Clock, EventBus, JobStore, Ledger, ObjectStore, RejectionStore, Workflow

MAX_DOCUMENT_BYTES = 256 * 1024
# Whoever may write to the uploads bucket is the one tenant that it belongs to.
UPLOADS_TENANT = DEFAULT_TENANT
_OVERRIDES = ("prompt", "aspect-ratio", "nsfw-checker", "model", "policy", "output-key")
_ROUTE_FIELDS = frozenset({"model", "policy"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A created object, as S3 announces it. `version_id` only where the bucket keeps versions."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    sequencer: str

    @property
    def location(self) -> ObjectLocation:
        """The very bytes that were announced."""
        return ObjectLocation(self.bucket, self.key, self.version_id)

    @property
    def version(self) -> str:
        """What tells this write of the key from any other; the same however often and late it is announced."""
        return self.version_id or f"{self.etag}-{self.sequencer}"


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing was meant by this object: a folder marker, a preset that can be used, or a key outside the prefixes."""


def submit_upload(
    upload: Upload,
    *,
    rules: Rules,
    objects: ObjectStore,
    jobs: JobStore,
    ledger: Ledger,
    rejections: RejectionStore,
    bus: EventBus,
    workflow: Workflow,
    clock: Clock,
    deadline: timedelta,
) -> Submission | UploadRejected | PresetRejected | Ignored:
    """The upload's one job; or the rejection, listed and published; or nothing.

    Raises only what a later delivery of the same announcement may find mended (`Unavailable`).
    The object itself is never touched.
    """
    if upload.key.startswith(PRESETS_PREFIX):
        return _preset(upload, rules=rules, objects=objects, rejections=rejections, bus=bus, clock=clock)
    source: PresetUpload | JobDocument | None = None
    try:
        source = _meaning(upload.key)
        if source is None:
            return Ignored()
        document, provenance = _read(upload, source, objects)
        request = read_request(document, rules)
        request = check_stored_references(request, rules=rules, objects=objects, checked=upload.location)
        keep_uploads(request, rules=rules, objects=objects)
    except UnsupportedMedia as error:
        rejection = _Rejection(FailureCode.UNSUPPORTED_MEDIA, _told(error.faults, source), error.faults)
        return _publish(rejection, upload, source, rejections=rejections, bus=bus, clock=clock)
    except InvalidRequest as error:
        rejection = _Rejection(FailureCode.INVALID_INPUT, _told(error.faults, source), error.faults)
        return _publish(rejection, upload, source, rejections=rejections, bus=bus, clock=clock)
    except StorageFailed as error:
        rejection = _Rejection(FailureCode.INVALID_INPUT, refused(error))
        return _publish(rejection, upload, source, rejections=rejections, bus=bus, clock=clock)
    except _Rejection as rejection:
        return _publish(rejection, upload, source, rejections=rejections, bus=bus, clock=clock)
    try:
        return submit(
            request,
            job_id=derived_id("job", "upload", upload.bucket, upload.key, upload.version),
            tenant=UPLOADS_TENANT,
            source=provenance,
            output_key=request.output_key or default_output_key(source),
            output_name=source.name,
            routes=rules.routes,
            jobs=jobs,
            workflow=workflow,
            clock=clock,
            deadline=deadline,
        )
    except InvalidRequest as error:
        misplaced = _Rejection(FailureCode.INVALID_INPUT, _told(error.faults, source), error.faults)
        return _publish(misplaced, upload, source, rejections=rejections, bus=bus, clock=clock)
    except BudgetExceeded as error:
        announce_exhausted(error, ledger=ledger, bus=bus, clock=clock)
        too_much = _Rejection(FailureCode.BUDGET_EXCEEDED, str(error))
        return _publish(too_much, upload, source, rejections=rejections, bus=bus, clock=clock)


class _Rejection(Exception):
    """Why an upload can't become a job. Its faults are always told, also where there is one."""

    def __init__(self, code: FailureCode, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.faults = faults or (Fault("", message),)


def _told(faults: tuple[Fault, ...], source: PresetUpload | JobDocument | None) -> str:
    """The first fault in a sentence, with the preset's name where it is in what that makes of the upload."""
    told = headline(faults)
    return (
        f"with the preset {source.preset}, {told}" if isinstance(source, PresetUpload) and faults[0].pointer else told
    )


def _preset(
    upload: Upload,
    *,
    rules: Rules,
    objects: ObjectStore,
    rejections: RejectionStore,
    bus: EventBus,
    clock: Clock,
) -> PresetRejected | Ignored:
    rejected = check_preset(
        upload,
        tenant=UPLOADS_TENANT,
        max_bytes=MAX_DOCUMENT_BYTES,
        rules=rules,
        objects=objects,
        rejections=rejections,
        bus=bus,
        clock=clock,
    )
    return rejected or Ignored()


def _meaning(key: str) -> PresetUpload | JobDocument | None:
    try:
        return read_upload_key(key)
    except ValueError as error:
        raise _Rejection(FailureCode.INVALID_INPUT, str(error)) from None


def _read(upload: Upload, source: PresetUpload | JobDocument, objects: ObjectStore) -> tuple[dict[str, Any], Source]:
    check = ImageCheck(objects)
    facts = objects.look(upload.location) if isinstance(source, JobDocument) else check.look(upload.location)
    if facts and MARKER in facts.metadata:
        raise _Rejection(
            FailureCode.INVALID_INPUT,
            "this object is a result of ours: to edit it again, upload it without its metadata",
        )
    if isinstance(source, JobDocument):
        found = objects.read(upload.location, max_bytes=MAX_DOCUMENT_BYTES)
        if found is None:
            raise _Rejection(FailureCode.INVALID_INPUT, "the job document is gone")
        return read_json_object(found.body, what="the job document"), Source(
            kind="document", bucket=upload.bucket, key=upload.key, version_id=upload.version_id
        )
    if facts is None:
        raise _Rejection(
            FailureCode.INVALID_INPUT, "the upload is gone: another was put in its place, or it was deleted"
        )
    # Nobody waits for an answer: all of it is read.
    if problem := check.problem(upload.location, facts, whole=True):
        raise _Rejection(FailureCode.UNSUPPORTED_MEDIA, f"the upload {problem}")
    recipe = objects.read(ObjectLocation(upload.bucket, preset_key(source.preset)), max_bytes=MAX_DOCUMENT_BYTES)
    if recipe is None:
        raise _Rejection(
            FailureCode.INVALID_INPUT,
            f"there is no preset {source.preset}: put its recipe at {preset_key(source.preset)}",
        )
    document = read_json_object(recipe.body, what=f"the preset {source.preset}")
    overrides = _overrides(facts.metadata)
    if _ROUTE_FIELDS & overrides.keys():
        # A model and a policy exclude each other: the object's choice replaces the preset's, whichever that was.
        document = {field: value for field, value in document.items() if field not in _ROUTE_FIELDS}
    document |= overrides
    # The upload is image 1; a preset may add others (a background, a logo) after it.
    more = document.get("references", [])
    document["references"] = [upload.location.uri, *more] if isinstance(more, list) else more
    return document, Source(
        kind="upload",
        bucket=upload.bucket,
        key=upload.key,
        version_id=upload.version_id,
        preset=source.preset,
        preset_version=recipe.version,
    )


def _publish(
    rejection: _Rejection,
    upload: Upload,
    source: PresetUpload | JobDocument | None,
    *,
    rejections: RejectionStore,
    bus: EventBus,
    clock: Clock,
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
            # The same upload, when the period is over, would be taken.
            retryable=rejection.code is FailureCode.BUDGET_EXCEEDED,
            charged=Charged.NO,
        ),
        faults=rejection.faults,
        at=clock.now(),
    )
    return announce_rejection(event, tenant=UPLOADS_TENANT, rejections=rejections, bus=bus)


def _overrides(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What the object's own metadata (`x-amz-meta-…`) says over its preset. Other metadata means nothing here."""
    values: dict[str, Any] = {
        name.replace("-", "_"): decode_metadata(metadata[name]) for name in _OVERRIDES if name in metadata
    }
    if (flag := values.get("nsfw_checker")) in {"true", "false"}:
        values["nsfw_checker"] = flag == "true"
    return values
