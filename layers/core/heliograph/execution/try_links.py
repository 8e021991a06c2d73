"""Try the links of a job's references before a create call is paid with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.storage.references import HttpsUrl, Reference

if TYPE_CHECKING:
    from heliograph.execution.ports import LinkTrial
    from heliograph.jobs.job import Job
    from heliograph.storage.ports import ObjectStore

# The provider fetches references when it works on the task, which may be minutes later.
REFERENCE_LINK_SECONDS = 3600


def link_of(reference: Reference, *, objects: ObjectStore) -> str:
    """Where the provider fetches the reference: a signed link for an object, a public link as it is."""
    if isinstance(reference, HttpsUrl):
        return reference.url
    # It was checked that the bytes are an image: an encoding of its own (`gzip`, `aws-chunked`) is a mistake.
    return objects.presigned_get(reference, seconds=REFERENCE_LINK_SECONDS, unencoded=True)


def unfetchable(job: Job, *, objects: ObjectStore, links: LinkTrial) -> Failure | None:
    """Why no provider can fetch one of the job's objects; `None` if all can be, as far as anybody can tell.

    Public links are not tried: they may lead anywhere, and only the provider follows them. Raises `StorageFailed`.
    """
    for index, reference in enumerate(job.request.references):
        if isinstance(reference, HttpsUrl):
            continue
        if refusal := links.refusal(link_of(reference, objects=objects)):
            message = (
                f"references[{index}] can't be fetched: its signed link was answered with {refusal}. Look whether the "
                "bucket's policy or the object's KMS key keeps signed links out, or give the object another key; "
                "no provider was called"
            )
            return Failure(code=FailureCode.INVALID_INPUT, message=message, retryable=False, charged=Charged.NO)
    return None
