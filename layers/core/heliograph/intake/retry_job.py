"""`POST /v1/jobs/{id}/retry`: a job that brought no picture is done again, as a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.access.keys import Caller
from heliograph.budgets.exhausted import announce_exhausted, warn_of_key
from heliograph.budgets.ledger import key_account
from heliograph.intake.submit import Submission, check_stored_references, resume, submit
from heliograph.intake.submit_request import key_budget_of
from heliograph.jobs.job import JobStatus
from heliograph.jobs.read_jobs import own_job
from heliograph.jobs.request import JobRequest, Policy, Rules, read_request
from heliograph.kernel.errors import BudgetExceeded, Conflict
from heliograph.kernel.ids import derived_id
from heliograph.storage.layout import folder_of

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.jobs.ports import JobStore, Workflow
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.storage.ports import ObjectStore


def retry_job(
    job_id: str,
    *,
    caller: Caller,
    rules: Rules,
    objects: ObjectStore,
    jobs: JobStore,
    ledger: Ledger,
    bus: EventBus,
    workflow: Workflow,
    clock: Clock,
) -> Submission | None:
    """The job that does this one again: the same request, under today's rules and budgets. `None` if there is no such.

    A job has one retry at most: whoever asks twice gets the same one, so nothing is paid twice by a second click; to go
    on, retry the retry. What the first job may have cost is not undone. Raises `Conflict` for a job that is not over or
    has its picture, `InvalidRequest` for one that could not be submitted any more, and `BudgetExceeded`.
    """
    job = own_job(job_id, tenant=caller.tenant, jobs=jobs)
    if job is None:
        return None
    if not job.is_over:
        raise Conflict("not_retryable", f"the job is {job.status}; it will end by itself, or can be canceled")
    if job.status is JobStatus.SUCCEEDED:
        raise Conflict("not_retryable", "the job succeeded; for another picture, post another job")
    again_id = derived_id("job", "retry", job.job_id)
    if again := jobs.get(again_id):
        return resume(again, workflow=workflow)
    if job.delivered_late_at:
        raise Conflict("not_retryable", "its image arrived after all; for another picture, post another job")
    rules = rules.of(job.tenant)
    request = read_request(_document(job.request), rules)
    request = check_stored_references(request, rules=rules, objects=objects)
    try:
        submission = submit(
            request,
            job_id=again_id,
            tenant=job.tenant,
            source=job.source,
            retry_of=job.job_id,
            reuse_key=job.reuse_key,
            origin=job.origin,
            output_key=job.output_key.removeprefix(folder_of(job.tenant)),
            output_stem=again_id if job.output_stem == job.job_id else job.output_stem,
            key_budget=key_budget_of(caller),
            sequencer=job.sequencer,
            routes=rules.routes,
            objects=objects,
            jobs=jobs,
            workflow=workflow,
            clock=clock,
            deadline=job.deadline_at - job.created_at,
        )
    except BudgetExceeded as error:
        announce_exhausted(error, ledger=ledger, bus=bus, clock=clock)
        raise
    if submission.created and (budget := submission.job.key_budget):
        account = key_account(budget.key_id, submission.job.created_at)
        warn_of_key(account, budget.daily_microusd, ledger=ledger, bus=bus, clock=clock)
    return submission


def _document(request: JobRequest) -> dict[str, object]:
    """The request as it would be sent: a policy's own choice of a model is made anew."""
    document = request.model_dump(mode="json")
    if request.policy is Policy.PINNED:
        del document["policy"]
    else:
        del document["model"]
    return document
