"""Join equal calls of `POST /v1/jobs`: one that repeats another without an idempotency key gets the other's job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.intake.identify_call import identify_call
from heliograph.intake.recent_calls import IncomingCall, Stage
from heliograph.intake.submit_job import JobCall
from heliograph.jobs.request import Rules, read_request
from heliograph.kernel.errors import BudgetExceeded, InvalidRequest

if TYPE_CHECKING:
    from heliograph.intake.ports import RecentCalls
    from heliograph.kernel.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualCalls:
    """The calls of the last minutes, by API key and body."""

    recent_calls: RecentCalls
    rules: Rules
    clock: Clock

    @contextmanager
    def join(self, call: JobCall, incoming: IncomingCall) -> Iterator[JobCall]:
        """The call under the id that names its job: its own id, or that of the call it repeats.

        The block answers the call. An `InvalidRequest` or `BudgetExceeded` raised in it is recorded as a refusal, so
        that the next equal call is one of its own. A call with an idempotency key keeps its id, and so does a dry run.
        Raises `InvalidRequest` for a body that would be refused, and writes nothing for it; `StorageFailed`.
        """
        if call.idempotency_key is not None or call.dry_run:
            yield call
            return
        read_request(call.document, self.rules.of(call.caller.tenant))
        identified = identify_call(_digest(call), incoming, recent_calls=self.recent_calls)
        stage = None
        try:
            yield call.named(identified.call_id)
            stage = Stage.ANSWERED
        except (BudgetExceeded, InvalidRequest):
            stage = Stage.REFUSED
            raise
        finally:
            if stage is not None:
                identified.noted(stage, self.clock.now(), recent_calls=self.recent_calls)


def _digest(call: JobCall) -> str:
    """Digest that equal bodies of one API key share, in whatever order their fields are."""
    parts = ["equal jobs 1", call.caller.tenant, call.caller.key_id, call.document]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
