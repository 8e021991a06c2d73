"""Let one source at a time write its results to a key: another that would share the key is refused when it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.jobs.job import Job
from heliograph.jobs.result_order import KeyHolder, Taking
from heliograph.kernel.errors import Fault, InvalidRequest, StorageFailed
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore
    from heliograph.storage.ports import ObjectStore


def add_holding_its_key(job: Job, *, jobs: JobStore, objects: ObjectStore) -> Job | None:
    """Writes the new job, with the key of its results held by its source; `None` if its id is taken.

    A job whose keys carry its own id shares them with nobody, and holds nothing. Raises `InvalidRequest` if another
    source holds the key and still lies in its bucket. Nothing is written then.
    """
    if not job.shares_key:
        return jobs.add(job)
    location = ObjectLocation(job.source.bucket or "", job.source.key or "")
    key = job.output_place.first_key()

    def take(before: KeyHolder | None) -> Job | None:
        if before and before.source == location.uri:
            return jobs.add(job.held_by(before))
        if before and jobs.get(job.job_id):
            return None
        if before and objects.look(ObjectLocation.parse(before.source)):
            raise InvalidRequest(Fault("/output_key", _taken(key, before)))
        holder = KeyHolder(key=key, source=location.uri, held_since=job.created_at)
        return jobs.add(job.held_by(holder), taking=Taking(holder, before))

    give_up = StorageFailed(f"{job.job_id}: the holder of {key} changes all the time")
    return update_with_retry(lambda: jobs.holder_of(key), take, give_up=give_up)


def _taken(key: str, holder: KeyHolder) -> str:
    return (
        f"leads to {key}, where the results of {holder.source} go: rename one of the two, put {{job_id}} into the "
        "output key, or delete that object and upload this one again"
    )
