"""Create and query calls: the behaviour that both providers share, apart from the wording of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from local.provider.callbacks import Callbacks
from local.provider.connections import CutResponse
from local.provider.create_requests import CreateRequest, InvalidRequest, parse_body
from local.provider.faults import Fault, FaultRules
from local.provider.rate_limit import RateLimit
from local.provider.references import References
from local.provider.task_queue import TaskQueue
from local.provider.tasks import Task
from local.provider.wire import edge_page, error, fault_answer

_ALWAYS_MAKE_A_TASK = {"cut_after", "cut_after_with_header", "error_with_header", "slow", "completed_at_once"}


ReadRequest = Callable[[dict[str, Any]], CreateRequest]
PromptOf = Callable[[dict[str, Any]], object]


class RateLimited(Exception):
    """The key has used up its create calls; ``headers`` may carry Retry-After."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers)
        self.headers = headers


class InsufficientBalance(Exception):
    """The balance minus the holds does not cover the price."""


@dataclass(frozen=True)
class ErrorStyle:
    """A provider's errors. ``texts``: code and message by fault kind.

    ``status``: HTTP status of every error with a code; None: the code itself.
    """

    site: str
    texts: Mapping[str, tuple[int, str]]
    status: int | None = None

    def response(self, fault: Fault, kind: str) -> Response:
        """Response for a fault of this kind, with the fault's parameters."""
        code, text = self.texts.get(kind, (503, "Service temporarily unavailable"))
        status = code if self.status is None or kind not in self.texts else self.status
        return fault_answer(fault, status, text, code=code if status != code else None, site=self.site)


@dataclass(frozen=True, kw_only=True)
class TaskApi:
    """Create and query of one provider. Faults apply after the key and the rate limit, before validation."""

    provider: str
    errors: ErrorStyle
    read_request: ReadRequest
    prompt_of: PromptOf
    rules: FaultRules
    references: References
    callbacks: Callbacks
    queue: TaskQueue
    rate_limit: RateLimit
    query_patience_seconds: float
    """Longest wait of a query for an image that is due and still being rendered."""

    async def create(self, key: str, raw: bytes) -> tuple[Task | None, Fault | None]:
        """Creates a task, unless a fault rule prevents it.

        Raises ``RateLimited``, ``InvalidRequest``, ``InsufficientBalance``.
        """
        wait = self.rate_limit.wait_seconds(key)
        if wait > 0:
            raise RateLimited(self.rate_limit.headers(wait))
        body = parse_body(raw)
        prompt = self.prompt_of(body)
        fault = self.rules.take("create", prompt if isinstance(prompt, str) else "", provider=self.provider)
        made = fault is None or fault.flag("task_made", fault.kind in _ALWAYS_MAKE_A_TASK)
        task = self._accepted(key, self.read_request(body)) if made else None
        if task is not None and self.callbacks.is_early(task):
            await self.queue.finish_now(task)
            await self.callbacks.send_now(task)
        return task, fault

    async def create_response(
        self, task: Task | None, fault: Fault | None, created: Callable[[Task, bool], Response], header: dict[str, str]
    ) -> Response:
        """Response to a create call; ``created`` makes the successful one, given the task and whether it has ended."""

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
                return fault_answer(fault, 502, "Bad gateway", header, site=self.errors.site)
            case "slow":
                await asyncio.sleep(fault.number("seconds", 2.0))
                return good()
            case "completed_at_once" if task is not None:
                await self.queue.finish_now(task)
                return good(ended=True)
            case "html_502" | "html_524":
                return edge_page(int(fault.kind.removeprefix("html_")), site=self.errors.site)
            case "200_with_code":
                return error(fault.whole("code", 500), fault.text("msg", "Internal error"), status=200)
            case kind:
                return self.errors.response(fault, kind)

    async def query(self, key: str, task_id: str) -> tuple[Task | None, Response | None]:
        """The key's task, advanced to now; and the response of a fault, if one applies."""
        task = self.queue.find(self.provider, key, task_id)
        if task is None:
            return None, None
        fault = self.rules.take("query", task.request.prompt, provider=self.provider)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.number("seconds", 2.0))
        elif fault is not None:
            return task, self._faulty_query(fault)
        await self.queue.advance(task, patience_seconds=self.query_patience_seconds)
        return task, None

    def _accepted(self, key: str, request: CreateRequest) -> Task:
        refusal = self.references.refuse_at_create(request.references)
        if refusal is not None:
            raise InvalidRequest(refusal)
        task = self.queue.add(key, request)
        if task is None:
            raise InsufficientBalance
        return task

    def _faulty_query(self, fault: Fault) -> Response:
        match fault.kind:
            case "cut":
                return CutResponse(reset=fault.flag("reset", False))
            case "html":
                return edge_page(fault.whole("status", 502), site=self.errors.site)
            case "200_with_code":
                return error(fault.whole("code", 500), fault.text("msg", "Internal error"), status=200)
            case kind:
                return self.errors.response(fault, kind)
