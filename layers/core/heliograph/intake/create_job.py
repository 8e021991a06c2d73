"""Create a job and start its workflow: the common end of uploads, job documents, API calls and retries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from heliograph.budgets.announce import BudgetAnnouncer
from heliograph.budgets.ledger import key_account
from heliograph.intake.hold_key import add_holding_its_key
from heliograph.jobs.job import Job, KeyBudget, Source
from heliograph.jobs.request import JobRequest, candidates
from heliograph.kernel.errors import BudgetExceeded, Fault, InvalidRequest, StorageFailed, WorkflowFailed
from heliograph.kernel.media_types import MediaType
from heliograph.routes.config import Routes
from heliograph.storage.layout import RECORDS_PREFIX, TENANTS_PREFIX, OutputKeys, folder_of

if TYPE_CHECKING:
    from heliograph.access.keys import Caller
    from heliograph.jobs.ports import JobStore, Workflow
    from heliograph.kernel.ports import Clock
    from heliograph.storage.ports import ObjectStore


_NOT_FOR_RESULTS = {
    TENANTS_PREFIX: "each tenant has a folder of its own",
    RECORDS_PREFIX: "the records of jobs are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDraft:
    """A job to be created."""

    job_id: str
    tenant: str
    request: JobRequest
    """Checked, and with its uploads kept."""
    source: Source
    output_key: str
    """Template of the results' keys, without the tenant's folder."""
    output_stem: str
    deadline: timedelta
    """Time from creation to deadline, unless the request says otherwise."""
    retry_of: str | None = None
    fingerprint: str = ""
    key_budget: KeyBudget | None = None
    sequencer: str = ""
    reuse_key: str | None = None
    origin: str | None = None
    is_free: bool = False
    """The job will reuse a result, so nothing is reserved for it."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that is recorded."""

    job: Job
    created: bool
    """Created by this very call."""
    started: bool
    """Its workflow was started, now or before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCreator:
    """Creates jobs: each id once."""

    jobs: JobStore
    objects: ObjectStore
    workflow: Workflow
    budgets: BudgetAnnouncer
    clock: Clock

    def create(self, new: JobDraft, *, routes: Routes) -> Submission:
        """The one job with that id, recorded and started; a repeat finds it instead of creating another.

        A recorded job is accepted: if its workflow can't be started now, the sweep starts it. The price of its first
        route is reserved in the same write. Raises `InvalidRequest` if its results would be stored in another tenant's
        folder, among the records, or under a key that another source holds; `BudgetExceeded`, after announcing it; then
        there is no job. Raises `StorageFailed` if the job could not be written; then there is none, or a repeat finds
        it.
        """
        try:
            submission = self._create(new, routes)
        except BudgetExceeded as error:
            self.budgets.exhausted(error)
            raise
        if submission.created and (budget := submission.job.key_budget):
            account = key_account(budget.key_id, submission.job.created_at)
            self.budgets.warn_of_key(account, budget.daily_microusd)
        return submission

    def ensure_started(self, job: Job, *, created: bool = False) -> Submission:
        """The job, with its workflow started unless it has ended or was started before."""
        if job.is_over:
            return Submission(job, created, started=True)
        try:
            self.workflow.start(job.job_id)
        except WorkflowFailed:
            return Submission(job, created, started=False)
        return Submission(job, created, started=True)

    def _create(self, new: JobDraft, routes: Routes) -> Submission:
        now = self.clock.now()
        seconds = new.request.deadline_seconds
        deadline = timedelta(seconds=seconds) if seconds else new.deadline
        _check_output_key(new)
        route = candidates(new.request, routes)[0]
        job = Job(
            job_id=new.job_id,
            tenant=new.tenant,
            request=new.request,
            source=new.source,
            retry_of=new.retry_of,
            key_budget=new.key_budget,
            output_key_template=folder_of(new.tenant) + new.output_key,
            output_stem=new.output_stem,
            sequencer=new.sequencer,
            created_at=now,
            deadline_at=now + deadline,
            quote_microusd=0 if new.is_free else route.price_microusd,
            reuse_key=new.reuse_key,
            origin=new.origin,
            fingerprint=new.fingerprint,
        )
        created = add_holding_its_key(job, jobs=self.jobs, objects=self.objects)
        found = created or self.jobs.get(new.job_id)
        if found is None:
            raise StorageFailed(f"{new.job_id} is taken, but can't be read")
        return self.ensure_started(found, created=created is not None)


def key_budget_of(caller: Caller) -> KeyBudget | None:
    """Budget of the caller's key; `None` if it has none of its own."""
    if caller.key_id is None or caller.daily_budget_microusd is None:
        return None
    return KeyBudget(key_id=caller.key_id, daily_microusd=caller.daily_budget_microusd)


def _check_output_key(new: JobDraft) -> None:
    if folder_of(new.tenant):
        return
    # A preset's name, or an upload's where the template begins with it, can spell a reserved prefix too.
    first_key = OutputKeys(new.output_key, new.job_id, new.output_stem, new.source.preset).result_key(1, MediaType.JPEG)
    for prefix, contents in _NOT_FOR_RESULTS.items():
        if first_key.startswith(prefix):
            raise InvalidRequest(Fault("/output_key", f"leads to {prefix}, where {contents}"))
