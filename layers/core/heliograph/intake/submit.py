"""Write the job down, then start its workflow: what uploads, job documents and the API have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.intake.check_image import ImageCheck
from heliograph.intake.hold_key import add_holding_its_key
from heliograph.jobs.job import Job, KeyBudget, Source
from heliograph.jobs.reference_uploads import is_upload, kept_location, media_type_of, pending_location
from heliograph.jobs.request import JobRequest, Rules, candidates
from heliograph.kernel.errors import (
    Fault,
    InvalidRequest,
    ObjectChanged,
    StorageFailed,
    UnsupportedMedia,
    WorkflowFailed,
)
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.validation import pointer
from heliograph.routes.config import Routes
from heliograph.storage.layout import RECORDS_PREFIX, TENANTS_PREFIX, OutputKeys, folder_of
from heliograph.storage.objects import Copied, Replacing
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobStore, Workflow
    from heliograph.kernel.ports import Clock
    from heliograph.storage.ports import ObjectStore


_NOT_FOR_RESULTS = {
    TENANTS_PREFIX: "each tenant has a folder of its own",
    RECORDS_PREFIX: "the records of jobs are",
}


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that is written down. `created`: by this very call. `started`: its workflow could be asked to begin."""

    job: Job
    created: bool
    started: bool


def submit(
    request: JobRequest,
    *,
    job_id: str,
    tenant: str,
    source: Source,
    retry_of: str | None = None,
    output_key: str,
    output_stem: str,
    fingerprint: str = "",
    key_budget: KeyBudget | None = None,
    sequencer: str = "",
    reuse_key: str | None = None,
    origin: str | None = None,
    is_free: bool = False,
    routes: Routes,
    objects: ObjectStore,
    jobs: JobStore,
    workflow: Workflow,
    clock: Clock,
    deadline: timedelta,
) -> Submission:
    """The one job of that id, now written down and started: a repeat finds it instead of making another.

    Once the job is written it is accepted: if the workflow can't be started at the moment, `sweep` will start it.
    Raises `InvalidRequest` if its results would lie among another tenant's, among records, or where those of another
    source go. The price of its first route is reserved in
    the same write: raises `BudgetExceeded` if it does not fit (then there is no job), and `StorageFailed` if the job
    could not be written (then nothing happened, or a repeat will find it). `is_free`: it will reuse a result.
    """
    now = clock.now()
    if request.deadline_seconds:
        deadline = timedelta(seconds=request.deadline_seconds)
    place = OutputKeys(output_key, job_id, output_stem, source.preset)
    for prefix, contents in _NOT_FOR_RESULTS.items():
        # A preset, or a name where the pattern begins with it, can spell that too.
        if not folder_of(tenant) and place.result_key(1, MediaType.JPEG).startswith(prefix):
            raise InvalidRequest(Fault("/output_key", f"leads to {prefix}, where {contents}"))
    route = candidates(request, routes)[0]
    job = Job(
        job_id=job_id,
        tenant=tenant,
        request=request,
        source=source,
        retry_of=retry_of,
        key_budget=key_budget,
        output_key=folder_of(tenant) + output_key,
        output_stem=output_stem,
        sequencer=sequencer,
        created_at=now,
        deadline_at=now + deadline,
        quote_microusd=0 if is_free else route.price_microusd,
        reuse_key=reuse_key,
        origin=origin,
        fingerprint=fingerprint,
    )
    created = add_holding_its_key(job, jobs=jobs, objects=objects)
    found = created or jobs.get(job_id)
    if found is None:
        raise StorageFailed(f"{job_id} is taken, but can't be read")
    return resume(found, workflow=workflow, created=created is not None)


def resume(job: Job, *, workflow: Workflow, created: bool = False) -> Submission:
    """The job, with its workflow started if it is not over and had none."""
    if job.is_over:
        return Submission(job, created, started=True)
    try:
        workflow.start(job.job_id)
    except WorkflowFailed:
        return Submission(job, created, started=False)
    return Submission(job, created, started=True)


def check_stored_references(
    request: JobRequest, *, rules: Rules, objects: ObjectStore, checked: ObjectLocation | None = None
) -> JobRequest:
    """Looks at every `s3://` reference; the request with the uploads of the API pinned to the bytes that were seen.

    (Their forms can be sent again for a while.) One that no job has named yet is pinned where it is pending:
    `keep_uploads` comes before its job. `checked`: one of which is known already that it can be used.
    Raises `InvalidRequest` naming each that the model could not use: `UnsupportedMedia` where all of them are there.
    """
    check = ImageCheck(objects)
    references = list(request.references)
    faults, all_are_there = [], True
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
            faults.append(Fault(pointer("references", index), refused(error)))
            all_are_there = False
            continue
        if facts is None:
            faults.append(Fault(pointer("references", index), _nothing_there(location, rules)))
            all_are_there = False
        elif problem:
            faults.append(Fault(pointer("references", index), problem))
        elif is_unpinned:
            references[index] = replace(seen, version_id=facts.version_id).uri
    if faults:
        raise UnsupportedMedia(*faults) if all_are_there else InvalidRequest(*faults)
    return request.model_copy(update={"references": tuple(references)})


def refused(error: StorageFailed) -> str:
    """Why the store refuses an object for good, and what to do; raises the error itself where a later try may do."""
    if error.refusal is None:
        raise error
    return error.refusal


def keep_uploads(request: JobRequest, *, rules: Rules, objects: ObjectStore) -> JobRequest:
    """The checked request, with every pending upload copied to where it is kept, and pinned there.

    A copy is made of the version that was checked, and only where none is kept yet: the first job that names an upload
    decides which bytes it is. Raises `InvalidRequest` for one that is gone by now.
    """
    references = list(request.references)
    faults = []
    # One that is named twice is copied once.
    kept: dict[ObjectLocation, ObjectLocation | None] = {}
    for index, pending in _stored(request):
        target = kept_location(pending)
        if pending.bucket != rules.uploads_bucket or target is None:
            continue
        if pending not in kept:
            kept[pending] = _keep(pending, target, objects)
        if found := kept[pending]:
            references[index] = found.uri
        else:
            faults.append(Fault(pointer("references", index), _nothing_there(target, rules)))
    if faults:
        raise InvalidRequest(*faults)
    return request.model_copy(update={"references": tuple(references)})


def _keep(pending: ObjectLocation, target: ObjectLocation, objects: ObjectStore) -> ObjectLocation | None:
    """The kept upload, pinned; `None` where it is gone."""
    kind = media_type_of(target)
    try:
        # Its version says which bytes they are. S3 computes the copy's SHA-256, so that nobody has to read it for one.
        copied = objects.copy(pending, target, content_type=kind, sha256=None, metadata={}, replacing=Replacing(None))
    except ObjectChanged as error:
        # Another job kept it in this very moment.
        seen, there = objects.look(pending), objects.look(target)
        if seen is None or there is None or there.etag != seen.etag:
            raise StorageFailed(f"{target.key}: another version of the upload was kept just now") from error
        return replace(target, version_id=there.version_id)
    return replace(target, version_id=copied.version_id) if isinstance(copied, Copied) else None


def _stored(request: JobRequest) -> Iterator[tuple[int, ObjectLocation]]:
    for index, reference in enumerate(request.references):
        if reference.startswith("s3://"):
            yield index, ObjectLocation.parse(reference)


def _nothing_there(location: ObjectLocation, rules: Rules) -> str:
    if not _is_upload(location, rules):
        return "there is no such object"
    return (
        "is no upload of yours: its form was not sent (first all fields, then the file), or it was deleted, as those "
        "are after a day that no job names"
    )


def _is_upload(location: ObjectLocation, rules: Rules) -> bool:
    return is_upload(location, bucket=rules.uploads_bucket, tenant=rules.tenant)
