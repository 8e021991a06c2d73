"""Submit a job by the API: `POST /v1/jobs`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from heliograph.access.keys import Caller
from heliograph.intake.create_job import JobCreator, JobDraft, Submission, key_budget_of
from heliograph.intake.stored_references import StoredReferences
from heliograph.jobs.contents import MOST_READ_BYTES, Contents
from heliograph.jobs.find_reusable import is_reusable
from heliograph.jobs.fingerprints import reuse_key_of
from heliograph.jobs.job import Source
from heliograph.jobs.request import JobRequest, Reuse, Rules, read_json_object, read_request
from heliograph.kernel.errors import Fault, InvalidRequest
from heliograph.kernel.ids import derived_id
from heliograph.storage.layout import default_output_key

if TYPE_CHECKING:
    from heliograph.jobs.ports import ReuseIndex

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCall:
    """A call that wants a job or, with `dry_run`, a quote."""

    document: dict[str, Any]
    """The body without `dry_run`, not validated yet."""
    caller: Caller
    call_id: str
    """Unique to the call; names its job where no idempotency key does."""
    idempotency_key: str | None = None
    dry_run: bool = False

    @classmethod
    def read(cls, body: bytes, *, caller: Caller, call_id: str, idempotency_key: str | None, rules: Rules) -> JobCall:
        """Raises `InvalidRequest` for a malformed key, body or `dry_run`; the rest of the body is validated later."""
        if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise InvalidRequest(
                Fault("", "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")
            )
        document = read_json_object(body, what="the body")
        dry_run = document.pop("dry_run", False)
        if not isinstance(dry_run, bool):
            faults = _faults_in(document, rules.of(caller.tenant))
            raise InvalidRequest(Fault("/dry_run", "must be true or false"), *faults)
        return cls(document=document, caller=caller, call_id=call_id, idempotency_key=idempotency_key, dry_run=dry_run)

    @property
    def fingerprint(self) -> str:
        """Digest of the body, the same for any order of its fields."""
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()

    @property
    def job_id(self) -> str:
        """Id of the job that the call wants: the same for calls with the same idempotency key, or the same call id."""
        is_named = self.idempotency_key is not None
        identity = ("key", self.idempotency_key) if is_named else ("call", self.call_id)
        return derived_id("job", "api", self.caller.tenant, *map(str, identity))

    def named(self, call_id: str) -> JobCall:
        """The same call under another id."""
        return replace(self, call_id=call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitter:
    """Submits the jobs of API calls."""

    rules: Rules
    references: StoredReferences
    creator: JobCreator
    deadline: timedelta
    index: ReuseIndex | None = None
    """`None` where results are not reused."""

    def submit(self, call: JobCall) -> Submission:
        """The job of this call. With an idempotency key, the same key and body always give the same job.

        Raises `InvalidRequest` naming every fault, or `BudgetExceeded`; then there is no job.
        """
        rules = self.rules.of(call.caller.tenant)
        # A key names the same job forever, whatever has become of its references or of the defaults since.
        if call.idempotency_key is not None and (first := self.creator.jobs.get(call.job_id)):
            return _with_same_body(self.creator.ensure_started(first), call)
        request = read_request(call.document, rules)
        request = self.references.check(request, rules=rules)
        request = self.references.keep(request, rules=rules)
        reuse_key = self._reuse_key(request, call.caller.tenant)
        submission = self.creator.create(
            JobDraft(
                job_id=call.job_id,
                tenant=call.caller.tenant,
                request=request,
                source=Source(kind="api"),
                output_key=request.output_key or default_output_key(None),
                output_stem=call.job_id,
                deadline=self.deadline,
                fingerprint=call.fingerprint,
                key_budget=key_budget_of(call.caller),
                reuse_key=reuse_key,
                is_free=self._is_free(request, reuse_key),
            ),
            routes=rules.routes,
        )
        return _with_same_body(submission, call)

    def _reuse_key(self, request: JobRequest, tenant: str) -> str | None:
        if self.index is None or request.reuse is Reuse.NEVER:
            return None
        contents = Contents(objects=self.references.objects, index=self.index, notes=False)
        sources = contents.sources_of(request, read={}, most_bytes=MOST_READ_BYTES)
        return reuse_key_of(request, sources, tenant=tenant, key=None) if sources else None

    def _is_free(self, request: JobRequest, reuse_key: str | None) -> bool:
        if self.index is None or request.refresh:
            return False
        return is_reusable(reuse_key, index=self.index, jobs=self.creator.jobs)


def _faults_in(document: dict[str, Any], rules: Rules) -> Sequence[Fault]:
    try:
        read_request(document, rules)
    except InvalidRequest as error:
        return error.faults
    return ()


def _with_same_body(submission: Submission, call: JobCall) -> Submission:
    if submission.job.fingerprint != call.fingerprint:
        raise InvalidRequest(Fault("", "this Idempotency-Key was used with another body: a key names one job for good"))
    return submission
