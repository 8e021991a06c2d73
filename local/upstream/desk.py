"""Where a vendor takes orders and answers questions: what both vendors do alike, whatever their answers look like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from local.upstream.callbacks import Callbacks
from local.upstream.connections import CutResponse
from local.upstream.faults import Fault, FaultRules
from local.upstream.orders import BadOrder, Order, parse_body
from local.upstream.rate_limit import RateLimit
from local.upstream.references import References
from local.upstream.tasks import Task
from local.upstream.wire import edge_page, error, fault_answer
from local.upstream.workshop import Workshop

_ALWAYS_MAKE_A_TASK = {"cut_after", "cut_after_with_header", "error_with_header", "slow", "completed_at_once"}


ReadOrder = Callable[[dict[str, Any]], Order]
PromptOf = Callable[[dict[str, Any]], object]


class RateLimited(Exception):
    """The key has used up its creates; ``headers`` may say when to come back."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers)
        self.headers = headers


class NoFunds(Exception):
    """The balance less what is held does not cover the price."""


@dataclass(frozen=True)
class Manner:
    """How a vendor says no. ``refusals``: for a fault's kind, the code and the text.

    ``status``: the HTTP status of every error with a code; None: the code itself.
    """

    site: str
    refusals: Mapping[str, tuple[int, str]]
    status: int | None = None

    def refusal(self, fault: Fault, kind: str) -> Response:
        """The error that a fault's kind is named for, as the rule bends it."""
        code, text = self.refusals.get(kind, (503, "Service temporarily unavailable"))
        status = code if self.status is None or kind not in self.refusals else self.status
        return fault_answer(fault, status, text, code=code if status != code else None, site=self.site)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One vendor's. Faults apply after the key and the rate limit, and before the order is checked."""

    vendor: str
    manner: Manner
    read_order: ReadOrder
    prompt_of: PromptOf
    rules: FaultRules
    references: References
    callbacks: Callbacks
    workshop: Workshop
    rate_limit: RateLimit
    query_patience_seconds: float
    """How long a query waits for a picture that is due but still wet."""

    async def take(self, key: str, raw: bytes) -> tuple[Task | None, Fault | None]:
        """Take an order, or not, as the rules bend it. Raises ``RateLimited``, ``BadOrder``, ``NoFunds``."""
        wait = self.rate_limit.wait_seconds(key)
        if wait > 0:
            raise RateLimited(self.rate_limit.headers(wait))
        body = parse_body(raw)
        prompt = self.prompt_of(body)
        fault = self.rules.take("create", prompt if isinstance(prompt, str) else "", vendor=self.vendor)
        made = fault is None or fault.flag("task_made", fault.kind in _ALWAYS_MAKE_A_TASK)
        task = self._accepted(key, self.read_order(body)) if made else None
        if task is not None and self.callbacks.is_early(task):
            await self.workshop.hurry(task)
            await self.callbacks.deliver_at_once(task)
        return task, fault

    async def answer(
        self, task: Task | None, fault: Fault | None, created: Callable[[Task, bool], Response], header: dict[str, str]
    ) -> Response:
        """The answer to a create call; ``created`` writes the good one, and says there whether the task has ended."""

        def good(*, ended: bool = False) -> Response:
            return error(500, "No task was made") if task is None else created(task, ended)

        if fault is None:
            return good()
        reset = fault.flag("reset", False)
        match fault.kind:
            case "cut_before" | "cut_after":
                return CutResponse(reset=reset)
            case "cut_after_with_header":
                headers = {"content-type": "application/json", **header}
                return CutResponse(status_code=200, headers=headers.items(), declared_bytes=90, body=b"{", reset=reset)
            case "error_with_header":
                return fault_answer(fault, 502, "Bad gateway", header, site=self.manner.site)
            case "slow":
                await asyncio.sleep(fault.number("seconds", 2.0))
                return good()
            case "completed_at_once" if task is not None:
                await self.workshop.hurry(task)
                return good(ended=True)
            case "html_502" | "html_524":
                return edge_page(int(fault.kind.removeprefix("html_")), site=self.manner.site)
            case "200_with_code":
                return error(fault.whole("code", 500), fault.text("msg", "Internal error"), status=200)
            case kind:
                return self.manner.refusal(fault, kind)

    async def look(self, key: str, task_id: str) -> tuple[Task | None, Response | None]:
        """The key's task, brought to where the clock says it is; or what goes wrong with the question."""
        task = self.workshop.find(self.vendor, key, task_id)
        if task is None:
            return None, None
        fault = self.rules.take("query", task.order.prompt, vendor=self.vendor)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.number("seconds", 2.0))
        elif fault is not None:
            return task, self._faulty_query(fault)
        await self.workshop.settle(task, patience_seconds=self.query_patience_seconds)
        return task, None

    def _accepted(self, key: str, order: Order) -> Task:
        refusal = self.references.refuse_at_create(order.references)
        if refusal is not None:
            raise BadOrder(refusal)
        task = self.workshop.accept(key, order)
        if task is None:
            raise NoFunds
        return task

    def _faulty_query(self, fault: Fault) -> Response:
        match fault.kind:
            case "cut":
                return CutResponse(reset=fault.flag("reset", False))
            case "html":
                return edge_page(fault.whole("status", 502), site=self.manner.site)
            case "200_with_code":
                return error(fault.whole("code", 500), fault.text("msg", "Internal error"), status=200)
            case kind:
                return self.manner.refusal(fault, kind)
