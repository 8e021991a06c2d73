"""`POST /v1/jobs`: a request becomes a job."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.access.keys import Caller
from heliograph.budgets.exhausted import announce_exhausted, warn_of_key
from heliograph.budgets.ledger import key_account
from heliograph.intake.quote_job import Quote, Quoting
from heliograph.intake.submit import Submission, check_stored_references, keep_uploads, resume, submit
from heliograph.jobs.contents import MOST_READ_BYTES, Contents
from heliograph.jobs.find_reusable import is_reusable
from heliograph.jobs.job import KeyBudget, Source
from heliograph.jobs.recipes import reuse_key_of
from heliograph.jobs.request import JobRequest, Reuse, Rules, read_json_object, read_request
from heliograph.kernel.errors import BudgetExceeded, Fault, InvalidRequest
from heliograph.kernel.ids import derived_id
from heliograph.storage.layout import default_output_key

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.jobs.ports import JobStore, ReuseIndex, Workflow
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.storage.ports import ObjectStore

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def submit_request(
    body: bytes,
    *,
    idempotency_key: str | None,
    request_id: str,
    caller: Caller,
    rules: Rules,
    objects: ObjectStore,
    jobs: JobStore,
    ledger: Ledger,
    index: ReuseIndex | None = None,
    bus: EventBus,
    workflow: Workflow,
    clock: Clock,
    deadline: timedelta,
    quoting: Quoting | None = None,
) -> Submission | Quote:
    """The job for this call. With an idempotency key, the same key and body always give the same job.

    Without one, each call is a job of its own, named by `request_id`, which must be unique to the call.
    Without an `index`, results are not reused.
    With `dry_run: true` in the body, the answer is what the job would be, and nothing is written. (`quoting`: `None`
    where nobody can send that.)
    Raises `InvalidRequest` naming every fault, or `BudgetExceeded`; then there is no job.
    """
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise InvalidRequest(Fault("", "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces"))
    document = read_json_object(body, what="the body")
    dry_run = document.pop("dry_run", False)
    tenant, rules = caller.tenant, rules.of(caller.tenant)
    if not isinstance(dry_run, bool):
        raise InvalidRequest(Fault("/dry_run", "must be true or false"), *_faults_in(document, rules))
    fingerprint = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    identity = ("key", idempotency_key) if idempotency_key is not None else ("call", request_id)
    job_id = derived_id("job", "api", tenant, *identity)
    if dry_run:
        if quoting is None:
            raise InvalidRequest(Fault("/dry_run", "is not offered here"))
        request = read_request(document, rules)
        request = check_stored_references(request, rules=rules, objects=objects)
        return quoting.quote(request, rules.routes, caller=caller)
    # What the key named once, it names for good: whatever has become of its references or of our defaults since.
    if idempotency_key is not None and (first := jobs.get(job_id)):
        return _same(resume(first, workflow=workflow), fingerprint)
    request = read_request(document, rules)
    request = check_stored_references(request, rules=rules, objects=objects)
    request = keep_uploads(request, rules=rules, objects=objects)
    reuse_key = _reuse_key(request, tenant, objects, index) if index else None
    try:
        submission = submit(
            request,
            job_id=job_id,
            tenant=tenant,
            source=Source(kind="api"),
            output_key=request.output_key or default_output_key(None),
            output_stem=job_id,
            fingerprint=fingerprint,
            key_budget=key_budget_of(caller),
            reuse_key=reuse_key,
            is_free=bool(index and not request.refresh and is_reusable(reuse_key, index=index, jobs=jobs)),
            routes=rules.routes,
            objects=objects,
            jobs=jobs,
            workflow=workflow,
            clock=clock,
            deadline=deadline,
        )
    except BudgetExceeded as error:
        announce_exhausted(error, ledger=ledger, bus=bus, clock=clock)
        raise
    if submission.created and (budget := submission.job.key_budget):
        account = key_account(budget.key_id, submission.job.created_at)
        warn_of_key(account, budget.daily_microusd, ledger=ledger, bus=bus, clock=clock)
    return _same(submission, fingerprint)


def _reuse_key(request: JobRequest, tenant: str, objects: ObjectStore, index: ReuseIndex) -> str | None:
    if request.reuse is Reuse.NEVER:
        return None
    contents = Contents(objects=objects, index=index, notes=False)
    sources = contents.sources_of(request, read={}, most_bytes=MOST_READ_BYTES)
    return reuse_key_of(request, sources, tenant=tenant, key=None) if sources else None


def _faults_in(document: dict[str, Any], rules: Rules) -> Sequence[Fault]:
    try:
        read_request(document, rules)
    except InvalidRequest as error:
        return error.faults
    return ()


def key_budget_of(caller: Caller) -> KeyBudget | None:
    """What the caller's key may spend, if it has a budget of its own."""
    if caller.key_id is None or caller.daily_budget_microusd is None:
        return None
    return KeyBudget(key_id=caller.key_id, daily_microusd=caller.daily_budget_microusd)


def _same(submission: Submission, fingerprint: str) -> Submission:
    if submission.job.fingerprint != fingerprint:
        raise InvalidRequest(Fault("", "this Idempotency-Key was used with another body: a key names one job for good"))
    return submission
