"""Links to a job's references, and a trial of them before a create call is paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.storage.references import HttpsUrl, Reference

if TYPE_CHECKING:
    from heliograph.execution.ports import LinkTrial
    from heliograph.jobs.job import Job
    from heliograph.storage.ports import ObjectStore

# The provider fetches references when it works on the task, which may be minutes later.
REFERENCE_LINK_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLinks:
    """Links by which providers fetch references."""

    objects: ObjectStore
    trial: LinkTrial

    def url_of(self, reference: Reference) -> str:
        """URL of a reference: a signed link for a stored object; a public link as it is."""
        if isinstance(reference, HttpsUrl):
            return reference.url
        # The bytes were checked to be an image: an encoding of its own (`gzip`, `aws-chunked`) is a mistake.
        return self.objects.presigned_get(reference, seconds=REFERENCE_LINK_SECONDS, unencoded=True)

    def failure_of(self, job: Job) -> Failure | None:
        """Failure of a job with an object that no provider can fetch; `None` if all can be, as far as can be known.

        Public links are not tried: they may lead anywhere, and only the provider follows them. Raises `StorageFailed`.
        """
        for index, reference in enumerate(job.request.references):
            if isinstance(reference, HttpsUrl):
                continue
            if refusal := self.trial.refusal(self.url_of(reference)):
                message = (
                    f"references[{index}] can't be fetched: its signed link was answered with {refusal}. Check whether "
                    "the bucket's policy or the object's KMS key refuses signed links, or give the object another key; "
                    "no provider was called"
                )
                return Failure(code=FailureCode.INVALID_INPUT, message=message, retryable=False, charged=Charged.NO)
        return None
