"""Let a call of `POST /v1/jobs` that repeats an equal one have its job, where no idempotency key says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heliograph.access.keys import Caller
from heliograph.intake.identify_call import identify_call
from heliograph.intake.recent_calls import IncomingCall, Stage
from heliograph.jobs.request import Rules, read_json_object, read_request
from heliograph.kernel.errors import BudgetExceeded, InvalidRequest

if TYPE_CHECKING:
    from heliograph.intake.ports import RecentCalls
    from heliograph.kernel.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualCalls:
    """The calls of the last minutes, by who asked for what."""

    recent_calls: RecentCalls
    rules: Rules
    clock: Clock

    @contextmanager
    def name(self, body: bytes, *, idempotency_key: str | None, arrival: IncomingCall, caller: Caller) -> Iterator[str]:
        """The id of the call whose job this one is to have: its own, or that of the call that it repeats.

        The block answers it: what it raises is noted as a refusal, so that the next equal call is one of its own. A
        call with an idempotency key has its own id, and so has one that makes nothing. Raises `InvalidRequest` for a
        body that would be refused, and writes nothing for it; `StorageFailed`.
        """
        document = None if idempotency_key is not None else read_json_object(body, what="the body")
        if document is None or document.get("dry_run", False) is not False:
            yield arrival.call_id
            return
        document.pop("dry_run", None)
        read_request(document, self.rules.of(caller.tenant))
        named = identify_call(_digest(document, caller), arrival, recent_calls=self.recent_calls)
        stage = None
        try:
            yield named.call_id
            stage = Stage.ANSWERED
        except (BudgetExceeded, InvalidRequest):
            stage = Stage.REFUSED
            raise
        finally:
            if stage is not None:
                named.noted(stage, self.clock.now(), recent_calls=self.recent_calls)


def _digest(document: dict[str, Any], caller: Caller) -> str:
    """The same of equal bodies, in whatever order their fields are."""
    told = ["equal jobs 1", caller.tenant, caller.key_id, document]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
