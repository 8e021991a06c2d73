"""Stored references of a request: checked before anything is paid for, and pinned to the bytes that were checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from heliograph.intake.check_image import ImageCheck
from heliograph.jobs.reference_uploads import is_upload, kept_location, media_type_of, pending_location
from heliograph.jobs.request import JobRequest, Rules
from heliograph.kernel.errors import Fault, InvalidRequest, ObjectChanged, StorageFailed, UnsupportedMedia
from heliograph.kernel.validation import pointer
from heliograph.storage.objects import Copied, Replacing
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.storage.ports import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReferences:
    """Checks and keeps the references of requests that lie in the deployment's buckets."""

    objects: ObjectStore

    def check(self, request: JobRequest, *, rules: Rules, checked: ObjectLocation | None = None) -> JobRequest:
        """The request with the API's uploads pinned to the bytes that were checked. Reads every stored reference.

        (An upload's form can be sent again for a while.) An upload that no job has named yet is pinned where it is
        pending; `keep` comes before its job. `checked`: a reference that is known to be usable.
        Raises `InvalidRequest` naming each reference that the model could not use, as `UnsupportedMedia` if all of
        them exist.
        """
        check = ImageCheck(self.objects)
        references = list(request.references)
        faults, all_exist = [], True
        for index, location in _stored(request):
            if location == checked:
                continue
            try:
                seen, facts = location, check.look(location)
                is_unpinned = not location.version_id and _is_upload(location, rules)
                if facts is None and is_unpinned:
                    seen = pending_location(location)
                    facts = check.look(seen)
                problem = check.problem(seen, facts) if facts else None
            except StorageFailed as error:
                faults.append(Fault(pointer("references", index), refusal_of(error)))
                all_exist = False
                continue
            if facts is None:
                faults.append(Fault(pointer("references", index), _missing(location, rules)))
                all_exist = False
            elif problem:
                faults.append(Fault(pointer("references", index), problem))
            elif is_unpinned:
                references[index] = replace(seen, version_id=facts.version_id)
        if faults:
            raise UnsupportedMedia(*faults) if all_exist else InvalidRequest(*faults)
        return request.model_copy(update={"references": tuple(references)})

    def keep(self, request: JobRequest, *, rules: Rules) -> JobRequest:
        """The checked request, with every pending upload copied to where it is kept, and pinned there.

        Copies the version that was checked, and only if none is kept yet: the first job that names an upload decides
        which bytes it is. Raises `InvalidRequest` for an upload that is gone by now.
        """
        references = list(request.references)
        faults = []
        # An upload that is named twice is copied once.
        kept: dict[ObjectLocation, ObjectLocation | None] = {}
        for index, pending in _stored(request):
            target = kept_location(pending)
            if pending.bucket != rules.uploads_bucket or target is None:
                continue
            if pending not in kept:
                kept[pending] = self._keep(pending, target)
            if found := kept[pending]:
                references[index] = found
            else:
                faults.append(Fault(pointer("references", index), _missing(target, rules)))
        if faults:
            raise InvalidRequest(*faults)
        return request.model_copy(update={"references": tuple(references)})

    def _keep(self, pending: ObjectLocation, target: ObjectLocation) -> ObjectLocation | None:
        """The kept upload, pinned; `None` if it is gone."""
        kind = media_type_of(target)
        try:
            # The version says which bytes they are. S3 computes the copy's SHA-256, so nobody has to read it for one.
            copied = self.objects.copy(
                pending, target, content_type=kind, sha256=None, metadata={}, replacing=Replacing(None)
            )
        except ObjectChanged as error:
            # Another job kept it at the same moment.
            seen, there = self.objects.head(pending), self.objects.head(target)
            if seen is None or there is None or there.etag != seen.etag:
                raise StorageFailed(f"{target.key}: another version of the upload was kept just now") from error
            return replace(target, version_id=there.version_id)
        return replace(target, version_id=copied.version_id) if isinstance(copied, Copied) else None


def refusal_of(error: StorageFailed) -> str:
    """Reason why the store refuses an object for good, and what to do. Raises the error if a later try may succeed."""
    if error.refusal is None:
        raise error
    return error.refusal


def _stored(request: JobRequest) -> Iterator[tuple[int, ObjectLocation]]:
    for index, reference in enumerate(request.references):
        if isinstance(reference, ObjectLocation):
            yield index, reference


def _missing(location: ObjectLocation, rules: Rules) -> str:
    if not _is_upload(location, rules):
        return "there is no such object"
    return (
        "is no upload of yours: its form was not sent (first all fields, then the file), or it was deleted, as uploads "
        "are after a day if no job names them"
    )


def _is_upload(location: ObjectLocation, rules: Rules) -> bool:
    return is_upload(location, bucket=rules.uploads_bucket, tenant=rules.tenant)
