"""Store one image of a job, and never in the place of a newer result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.domain.errors import ObjectChanged, StorageFailed
from heliograph.domain.jobs import Attempt, Job, Result
from heliograph.domain.object_keys import OutputPlace
from heliograph.domain.objects import ObjectFacts, Picture, Replacing
from heliograph.domain.references import ObjectLocation
from heliograph.steps.provenance import MARKER, is_same_result, metadata_of

if TYPE_CHECKING:
    from heliograph.ports import ObjectStore

# Each lost try means that another job stored its result.
_TRIES = 10


def store_result(
    job: Job,
    attempt: Attempt | None,
    output: OutputPlace,
    index: int,
    picture: Picture,
    *,
    objects: ObjectStore,
    bucket: str,
) -> Result:
    """The image as the job's `index`-th result. Where a newer result has its key, it gets a key of the job's own.

    An image that an earlier run stored is found, not stored again. Each write is conditional on the object that was
    looked at, so of two jobs at once the older can't replace the newer.
    """
    place = ObjectLocation(bucket, output.result_key(index, picture.media_type))
    metadata = metadata_of(job, attempt, picture)
    for _ in range(_TRIES):
        there = objects.look(place)
        if there and is_same_result(there.metadata, job, picture):
            return _result(place, there.version_id, picture)
        if there and output.is_shared and job.result_order.is_overruled_by(there.metadata):
            own = store_result(job, attempt, output.of_the_job_alone(), index, picture, objects=objects, bucket=bucket)
            return own.model_copy(update={"superseded_by": there.metadata.get(MARKER)})
        try:
            version_id = _put(place, picture, metadata, there, objects=objects)
        except ObjectChanged:
            continue
        return _result(place, version_id, picture)
    raise StorageFailed(f"{place.key}: it changes all the time")


def _put(
    place: ObjectLocation,
    picture: Picture,
    metadata: dict[str, str],
    there: ObjectFacts | None,
    *,
    objects: ObjectStore,
) -> str | None:
    picture.file.seek(0)
    return objects.put(
        place,
        picture.file,
        content_type=picture.media_type,
        sha256=picture.sha256,
        metadata=metadata,
        replacing=Replacing(there.etag if there else None),
    )


def _result(place: ObjectLocation, version_id: str | None, picture: Picture) -> Result:
    return Result(
        bucket=place.bucket,
        key=place.key,
        version_id=version_id,
        content_type=picture.media_type,
        size_bytes=picture.size_bytes,
        sha256=picture.sha256,
        width=picture.width,
        height=picture.height,
    )
