"""Store one image of a job, and never in the place of a newer result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from heliograph.jobs.job import Attempt, Job, Result
from heliograph.jobs.provenance import MARKER, is_same_result, metadata_of
from heliograph.kernel.errors import ObjectChanged, StorageFailed
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.storage.layout import OutputKeys
from heliograph.storage.objects import Copied, DownloadedImage, NotCopied, ObjectFacts, Replacing
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.storage.ports import ObjectStore

# More than elsewhere: the image is paid for, and each lost try means that another job stored its result.
_TRIES = 10

# Writes the image to that place, with that metadata, on that condition. Raises `ObjectChanged` where it does not hold.
Write = Callable[[ObjectLocation, Mapping[str, str], Replacing | None], Copied | NotCopied]


def store_result(
    job: Job,
    attempt: Attempt | None,
    output: OutputKeys,
    index: int,
    image: DownloadedImage | Result,
    *,
    objects: ObjectStore,
    bucket: str,
    write: Write,
) -> Result | NotCopied:
    """The image as the job's `index`-th result. Where a newer result has its key, it gets a key of the job's own.

    `image`: downloaded, or another job's result. An image that an earlier run stored is found, not stored again. Each
    write is conditional on the object that was looked at, so of two jobs at once the older can't replace the newer.
    """
    media_type = image.content_type if isinstance(image, Result) else image.media_type
    place = ObjectLocation(bucket, output.result_key(index, media_type))
    metadata = metadata_of(job, attempt, image)

    def in_its_own_place() -> Result | NotCopied:
        alone = output.of_the_job_alone()
        return store_result(job, attempt, alone, index, image, objects=objects, bucket=bucket, write=write)

    def look() -> ObjectFacts | StorageFailed | None:
        try:
            return objects.look(place)
        except StorageFailed as error:
            if error.refusal is None:
                raise
            return error

    def store(there: ObjectFacts | StorageFailed | None) -> Result | NotCopied:
        if isinstance(there, StorageFailed):
            # An older result that was archived must not keep a paid image from being stored.
            if output.is_shared:
                return in_its_own_place()
            stored = write(place, metadata, None)
            return stored if isinstance(stored, NotCopied) else _result(place, stored.version_id, image)
        if there and is_same_result(there.metadata, job, image):
            return _result(place, there.version_id, image)
        if there and output.is_shared and job.result_order.is_overruled_by(there.metadata):
            own = in_its_own_place()
            if isinstance(own, NotCopied):
                return own
            return own.model_copy(update={"superseded_by": there.metadata.get(MARKER)})
        stored = write(place, metadata, Replacing(there.etag if there else None))
        return stored if isinstance(stored, NotCopied) else _result(place, stored.version_id, image)

    give_up = StorageFailed(f"{place.key}: it changes all the time")
    return update_with_retry(look, store, on=ObjectChanged, tries=_TRIES, give_up=give_up)


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
