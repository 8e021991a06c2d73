"""Retry a job: `POST /v1/jobs/{id}/retry`. A job without an image is done again, as a new one."""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.access.keys import Caller
from heliograph.intake.create_job import JobCreator, JobDraft, Submission, key_budget_of
from heliograph.intake.stored_references import StoredReferences
from heliograph.jobs.job import JobStatus
from heliograph.jobs.read_jobs import own_job
from heliograph.jobs.request import JobRequest, Policy, Rules, read_request
from heliograph.kernel.errors import Conflict
from heliograph.kernel.ids import derived_id
from heliograph.storage.layout import folder_of


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetrier:
    """Retries jobs."""

    rules: Rules
    references: StoredReferences
    creator: JobCreator

    def retry(self, job_id: str, *, caller: Caller) -> Submission | None:
        """The job that does this one again: the same request, under today's rules and budgets. `None` if not found.

        A job has at most one retry: a second call gets the same one, so a second click pays nothing; to try once more,
        retry the retry. What the first job may have cost stays charged. Raises `Conflict` for a job that has not ended
        or has its image, `InvalidRequest` for one that could not be submitted any more, and `BudgetExceeded`.
        """
        jobs = self.creator.jobs
        job = own_job(job_id, tenant=caller.tenant, jobs=jobs)
        if job is None:
            return None
        if not job.is_over:
            raise Conflict("not_retryable", f"the job is {job.status}; it will end by itself, or can be canceled")
        if job.status is JobStatus.SUCCEEDED:
            raise Conflict("not_retryable", "the job succeeded; for another image, post another job")
        retry_id = derived_id("job", "retry", job.job_id)
        if retry := jobs.get(retry_id):
            return self.creator.ensure_started(retry)
        if job.delivered_late_at:
            raise Conflict("not_retryable", "its image arrived after all; for another image, post another job")
        rules = self.rules.of(job.tenant)
        request = self.references.check(read_request(_document(job.request), rules), rules=rules)
        return self.creator.create(
            JobDraft(
                job_id=retry_id,
                tenant=job.tenant,
                request=request,
                source=job.source,
                retry_of=job.job_id,
                reuse_key=job.reuse_key,
                origin=job.origin,
                output_key=job.output_key_template.removeprefix(folder_of(job.tenant)),
                output_stem=retry_id if job.output_stem == job.job_id else job.output_stem,
                key_budget=key_budget_of(caller),
                sequencer=job.sequencer,
                deadline=job.deadline_at - job.created_at,
            ),
            routes=rules.routes,
        )


def _document(request: JobRequest) -> dict[str, object]:
    """The request as it would be sent: a policy chooses its model anew."""
    document = request.model_dump(mode="json")
    if request.policy is Policy.PINNED:
        del document["policy"]
    else:
        del document["model"]
    return document
