"""Provenance of a stored result: the object's metadata, and the job's record beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from heliograph.jobs.attempt import Attempt
from heliograph.jobs.job import Job
from heliograph.jobs.redaction import shown
from heliograph.jobs.result_order import ORDER
from heliograph.jobs.results import Result

if TYPE_CHECKING:
    from heliograph.storage.objects import DownloadedImage

# An object with this in its metadata is ours: it never starts a job (no loops).
MARKER = "heliograph-job-id"
_SHA256 = "heliograph-sha256"


def metadata_of(job: Job, attempt: Attempt | None, picture: DownloadedImage | Result) -> dict[str, str]:
    """The metadata of a result that the attempt brought. ASCII, small, and nothing that would let anybody in."""
    metadata = {
        MARKER: job.job_id,
        _SHA256: picture.sha256,
        "heliograph-task": job.request.task.value,
        "heliograph-width": str(picture.width),
        "heliograph-height": str(picture.height),
    }
    metadata[ORDER] = job.result_order.written()
    if attempt:
        metadata |= {"heliograph-model": attempt.model, "heliograph-attempt-id": attempt.attempt_id}
    if job.source.preset:
        metadata["heliograph-preset"] = job.source.preset
    return metadata


def is_same_result(metadata: Mapping[str, str], job: Job, picture: DownloadedImage | Result) -> bool:
    """True if an object with this metadata is that image of that job, stored by an earlier run."""
    return metadata.get(MARKER) == job.job_id and metadata.get(_SHA256) == picture.sha256


def record_of(job: Job) -> bytes:
    """The job's record: how its results came to be. UTF-8 JSON; prompts in their own script.

    Where its owner is told of it is no part of that; and of links to references, only what does not let anybody in.
    """
    document = {
        "version": "1",
        **job.model_dump(
            mode="json",
            include={
                "job_id",
                "tenant",
                "status",
                "source",
                "created_at",
                "finished_at",
                "retry_of",
                "reused_from",
            },
        ),
        "results": [result.model_dump(mode="json") for result in job.all_results],
        "failure": job.failure_now.model_dump(mode="json") if job.failure_now else None,
        "task": job.request.task,
        "request": shown(job.request).model_dump(mode="json", exclude={"webhook_url"}),
        "attempts": [attempt.public_fields() for attempt in job.attempts_now],
        "timings": job.timings().model_dump(),
        "price_usd": job.price_usd,
        "superseded_by": job.superseded_by,
        "delivered_late_at": job.delivered_late_at.isoformat() if job.delivered_late_at else None,
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode()
