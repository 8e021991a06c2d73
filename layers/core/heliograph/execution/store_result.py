"""Store images and records of jobs, and never in place of a newer result."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.jobs.job import Attempt, Job, Result
from heliograph.jobs.provenance import MARKER, is_same_result, metadata_of, record_of
from heliograph.kernel.errors import ObjectChanged, StorageFailed
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.storage.layout import OutputKeys
from heliograph.storage.objects import Copied, DownloadedImage, NotCopied, ObjectFacts, Replacing
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.storage.ports import ObjectStore

# More than elsewhere: the image is paid for, and each lost try means that another job stored its result.
_TRIES = 10

Write = Callable[[ObjectLocation, Mapping[str, str], Replacing | None], Copied | NotCopied]
"""Writes the image to that location, with that metadata, on that condition. Raises `ObjectChanged` if it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultStore:
    """Results and records in the results bucket."""

    objects: ObjectStore
    bucket: str

    def store(
        self, job: Job, attempt: Attempt | None, index: int, image: DownloadedImage | Result, *, write: Write
    ) -> Result | NotCopied:
        """Stores an image as the job's `index`-th result. Where a newer result has its key, it gets its own key.

        `image`: downloaded, or another job's result. An image that an earlier run stored is found, not stored again.
        Each write is conditional on the object that was read: of two jobs at once, the older can't replace the newer.
        """
        return self._store(job, attempt, job.output_place, index, image, write=write)

    def store_record(self, job: Job) -> None:
        """Stores the job's record, apart from its results."""
        record = record_of(job)
        self.objects.put(
            ObjectLocation(self.bucket, job.record_key),
            record,
            content_type="application/json",
            sha256=hashlib.sha256(record).hexdigest(),
            metadata={MARKER: job.job_id},
        )

    def has_record(self, job: Job) -> bool:
        """True if an earlier run stored the job's images and record, and ended before it could save that."""
        record = self.objects.look(ObjectLocation(self.bucket, job.record_key))
        return record is not None and record.metadata.get(MARKER) == job.job_id

    def _store(
        self,
        job: Job,
        attempt: Attempt | None,
        output: OutputKeys,
        index: int,
        image: DownloadedImage | Result,
        *,
        write: Write,
    ) -> Result | NotCopied:
        media_type = image.content_type if isinstance(image, Result) else image.media_type
        place = ObjectLocation(self.bucket, output.result_key(index, media_type))
        metadata = metadata_of(job, attempt, image)

        def under_its_own_key() -> Result | NotCopied:
            return self._store(job, attempt, output.of_the_job_alone(), index, image, write=write)

        def read() -> ObjectFacts | StorageFailed | None:
            try:
                return self.objects.look(place)
            except StorageFailed as error:
                if error.refusal is None:
                    raise
                return error

        def store(there: ObjectFacts | StorageFailed | None) -> Result | NotCopied:
            if isinstance(there, StorageFailed):
                # An older result that was archived must not keep a paid image from being stored.
                if output.is_shared:
                    return under_its_own_key()
                stored = write(place, metadata, None)
                return stored if isinstance(stored, NotCopied) else _result(place, stored.version_id, image)
            if there and is_same_result(there.metadata, job, image):
                return _result(place, there.version_id, image)
            if there and output.is_shared and job.result_order.is_overruled_by(there.metadata):
                own = under_its_own_key()
                if isinstance(own, NotCopied):
                    return own
                return own.model_copy(update={"superseded_by": there.metadata.get(MARKER)})
            stored = write(place, metadata, Replacing(there.etag if there else None))
            return stored if isinstance(stored, NotCopied) else _result(place, stored.version_id, image)

        give_up = StorageFailed(f"{place.key}: it keeps changing")
        return update_with_retry(read, store, on=ObjectChanged, tries=_TRIES, give_up=give_up)


def _result(place: ObjectLocation, version_id: str | None, image: DownloadedImage | Result) -> Result:
    return Result(
        bucket=place.bucket,
        key=place.key,
        version_id=version_id,
        content_type=image.content_type if isinstance(image, Result) else image.media_type,
        size_bytes=image.size_bytes,
        sha256=image.sha256,
        width=image.width,
        height=image.height,
    )
