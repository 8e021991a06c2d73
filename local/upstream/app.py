"""The vendor's routes: create, query, balance, files, models, on both bases."""

from __future__ import annotations

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
from local.upstream.catalogue import MODELS
from local.upstream.desk import Desk, Manner, NoFunds, RateLimited
from local.upstream.orders import BadOrder
from local.upstream.references import MAX_REFERENCE_BYTES
from local.upstream.settings import Settings
from local.upstream.shelf import Shelf
from local.upstream.tasks import Task
from local.upstream.wire import created, error, queried, success, usd
from local.upstream.workshop import Workshop

BASES = ("/v1", "/api/v1")  # equivalent [vendor, doc]
TASK_ID_HEADER = "x-apimodels-task-id"  # [client]
MANNER = Manner(
    "apimodels.app",
    {
        "401": (401, "Invalid API key"),
        "402": (402, "Insufficient balance"),
        "429": (429, "Too many requests, please try again later"),  # [unknown] the body of a 429
        "refused_content_policy": (400, "Content policy violation"),
    },
)

_KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")  # [doc, vendor]


class Refused(Exception):
    """An error answer in the vendor's plain shape."""

    def __init__(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = error(code, message, headers=headers)


@dataclass(frozen=True, kw_only=True)
class VendorApi:
    """The endpoints."""

    settings: Settings
    clock: Callable[[], float]
    books: Books
    shelf: Shelf
    workshop: Workshop
    desk: Desk
    results_base: str

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
        try:
            task, fault = await self.desk.take(self._key(request), await request.body())
        except RateLimited as limited:
            raise Refused(*MANNER.refusals["429"], limited.headers) from limited
        except BadOrder as wrong:
            raise Refused(400, str(wrong)) from wrong
        except NoFunds as wrong:
            raise Refused(*MANNER.refusals["402"]) from wrong
        header = {TASK_ID_HEADER: task.task_id} if task is not None else {}

        def good(made: Task, ended: bool) -> Response:
            return success(created(made, ended=ended), header if self.settings.task_id_header else None)

        return await self.desk.answer(task, fault, good, header)

    async def query(self, request: Request) -> Response:
        key = self._key(request)
        task_id = request.query_params.get("task_id")
        if not task_id:
            raise Refused(400, "task_id is required")
        task, faulty = await self.desk.look(key, task_id)
        if task is None:
            # [unknown] the HTTP shape for an id that is not known.
            raise Refused(404, "Task not found")
        if faulty is not None:
            return faulty
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
            raise Refused(*MANNER.refusals["401"])
        return key


async def answer_refused(_: Request, wrong: Exception) -> Response:
    """Turn every refusal, and what starlette refuses by itself, into the vendor's error shape."""
    if isinstance(wrong, Refused):
        return wrong.answer
    if isinstance(wrong, HTTPException):
        return error(wrong.status_code, str(wrong.detail))
    raise wrong
