"""The vendor's routes: create, query, balance, files, models, on both bases."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from local.upstream.books import Books
from local.upstream.callbacks import Callbacks
from local.upstream.catalogue import MODELS
from local.upstream.connections import CutResponse
from local.upstream.faults import Fault, FaultRules
from local.upstream.orders import BadOrder, Order, parse_body, read_order
from local.upstream.rate_limit import RateLimit
from local.upstream.references import MAX_REFERENCE_BYTES, References
from local.upstream.settings import Settings
from local.upstream.shelf import Shelf
from local.upstream.tasks import Task
from local.upstream.wire import created, edge_page, error, fault_answer, queried, success, usd
from local.upstream.workshop import Workshop

BASES = ("/v1", "/api/v1")  # equivalent [vendor, doc]
TASK_ID_HEADER = "x-apimodels-task-id"  # [client]

_KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")  # [doc, vendor]
_ALWAYS_MAKE_A_TASK = {"cut_after", "cut_after_with_header", "error_with_header", "slow", "completed_at_once"}


class Refused(Exception):
    """An error answer in the vendor's plain shape."""

    def __init__(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = error(code, message, headers=headers)


@dataclass(frozen=True, kw_only=True)
class VendorApi:
    """The endpoints. Faults apply after the key and the rate limit, and before the order is checked."""

    settings: Settings
    rules: FaultRules
    clock: Callable[[], float]
    books: Books
    shelf: Shelf
    references: References
    callbacks: Callbacks
    workshop: Workshop
    rate_limit: RateLimit
    results_base: str
    query_patience_seconds: float
    """How long a query waits for a picture that is due but still wet."""

    def routes(self) -> list[BaseRoute]:
        """Every route, on both bases. The path form of the query does not exist [client]."""
        return [
            route
            for base in BASES
            for route in (
                Route(f"{base}/images/generations", self.create, methods=["POST"]),
                Route(f"{base}/images/generations", self.query, methods=["GET"]),
                Route(f"{base}/balance", self.balance, methods=["GET"]),
                Route(f"{base}/files", self.files, methods=["POST"]),
                Route(f"{base}/models", self.models, methods=["GET"]),
            )
        ]

    async def create(self, request: Request) -> Response:
        key = self._key(request)
        wait = self.rate_limit.wait_seconds(key)
        if wait > 0:
            # [unknown] the body of a 429.
            told = {"retry-after": str(max(1, round(wait)))} if self.settings.rate_limit_retry_after else None
            raise Refused(429, "Too many requests, please try again later", told)
        try:
            body = parse_body(await request.body())
            prompt = body.get("prompt")
            fault = self.rules.take("create", prompt if isinstance(prompt, str) else "")
            made = fault is None or fault.flag("task_made", fault.kind in _ALWAYS_MAKE_A_TASK)
            task = self._accepted(key, read_order(body)) if made else None
        except BadOrder as wrong:
            raise Refused(400, str(wrong)) from wrong
        if task is not None and self.callbacks.is_early(task):
            await self.workshop.hurry(task)
            await self.callbacks.deliver_at_once(task)
        header = {TASK_ID_HEADER: task.task_id} if task is not None else {}
        if fault is not None:
            return await self._faulty_create(fault, task, header)
        return self._created(task, header)

    async def query(self, request: Request) -> Response:
        key = self._key(request)
        task_id = request.query_params.get("task_id")
        if not task_id:
            raise Refused(400, "task_id is required")
        task = self.workshop.find(key, task_id)
        if task is None:
            # [unknown] the HTTP shape for an id that is not known.
            raise Refused(404, "Task not found")
        fault = self.rules.take("query", task.order.prompt)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.number("seconds", 2.0))
        elif fault is not None:
            return _faulty_query(fault)
        await self.workshop.settle(task, patience_seconds=self.query_patience_seconds)
        price = self.books.entry(task.task_id).charged_micro_usd
        # A failed task is HTTP 200 with code 200 [vendor].
        return success(queried(task, self.clock(), price))

    async def balance(self, request: Request) -> Response:
        key = self._key(request)
        await self.workshop.settle_due()
        account = self.books.account(key)
        balance = usd(account.balance_micro_usd)
        # [unknown] how ``total`` differs from ``balance``: the simulator has no credit of another kind.
        return success(
            {"balance": balance, "total": balance, "frozen": usd(account.frozen_micro_usd), "currency": "USD"}
        )

    async def files(self, request: Request) -> Response:
        self._key(request)
        async with request.form() as form:
            sent = form.get("file")
            if not isinstance(sent, UploadFile):
                raise Refused(400, "file is required")
            data = await sent.read(MAX_REFERENCE_BYTES + 1)
            if len(data) > MAX_REFERENCE_BYTES:
                raise Refused(400, "File is too large: at most 30MB")
            suffix = PurePosixPath(sent.filename or "").suffix.lstrip(".").lower()
            name = self.shelf.publish(
                data,
                suffix if re.fullmatch(r"[a-z0-9]{1,5}", suffix) else "bin",
                sent.content_type or "application/octet-stream",
                uploaded=True,
            )
        return success({"publicUrl": f"{self.results_base}/{name}"})

    async def models(self, request: Request) -> Response:
        self._key(request)
        return JSONResponse(
            {"data": [{"id": each, "modality": "image", "endpoint": "/images/generations"} for each in MODELS]}
        )

    def _key(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _KEY.fullmatch(key) or key in self.settings.refused_keys:
            raise Refused(401, "Invalid API key")
        return key

    def _accepted(self, key: str, order: Order) -> Task:
        refusal = self.references.refuse_at_create(order.references)
        if refusal is not None:
            raise BadOrder(refusal)
        task = self.workshop.accept(key, order)
        if task is None:
            raise Refused(402, "Insufficient balance")
        return task

    def _created(self, task: Task | None, header: dict[str, str], *, ended: bool = False) -> Response:
        if task is None:
            return error(500, "No task was made")
        return success(created(task, ended=ended), header if self.settings.task_id_header else None)

    async def _faulty_create(self, fault: Fault, task: Task | None, header: dict[str, str]) -> Response:
        reset = fault.flag("reset", False)
        match fault.kind:
            case "cut_before" | "cut_after":
                return CutResponse(reset=reset)
            case "cut_after_with_header":
                headers = {"content-type": "application/json", **header}
                return CutResponse(status_code=200, headers=headers.items(), declared_bytes=90, body=b"{", reset=reset)
            case "error_with_header":
                return fault_answer(fault, 502, "Bad gateway", header)
            case "slow":
                await asyncio.sleep(fault.number("seconds", 2.0))
                return self._created(task, header)
            case "completed_at_once" if task is not None:
                await self.workshop.hurry(task)
                return self._created(task, header, ended=True)
            case "html_502" | "html_524":
                return edge_page(int(fault.kind.removeprefix("html_")))
            case "200_with_code":
                return error(fault.whole("code", 500), fault.text("msg", "Internal error"), status=200)
            case "refused_content_policy":
                return fault_answer(fault, 400, "Content policy violation")
            case kind:
                return _plain_error(fault, kind)


def _faulty_query(fault: Fault) -> Response:
    match fault.kind:
        case "cut":
            return CutResponse(reset=fault.flag("reset", False))
        case "html":
            return edge_page(fault.whole("status", 502))
        case "200_with_code":
            return error(fault.whole("code", 500), fault.text("msg", "Internal error"), status=200)
        case kind:
            return _plain_error(fault, kind)


def _plain_error(fault: Fault, kind: str) -> Response:
    texts = {
        "401": "Invalid API key",
        "402": "Insufficient balance",
        "429": "Too many requests, please try again later",
    }
    if kind in texts:
        return fault_answer(fault, int(kind), texts[kind])
    return fault_answer(fault, 503, "Service temporarily unavailable")


async def answer_refused(_: Request, wrong: Exception) -> Response:
    """Turn every refusal, and what starlette refuses by itself, into the vendor's error shape."""
    if isinstance(wrong, Refused):
        return wrong.answer
    if isinstance(wrong, HTTPException):
        return error(wrong.status_code, str(wrong.detail))
    raise wrong
