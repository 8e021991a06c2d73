"""Routes of apimodels.app: create, query, balance, files, models, under both base paths."""

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

from local.provider.accounts import Accounts
from local.provider.catalogue import MODELS
from local.provider.create_requests import InvalidRequest
from local.provider.references import MAX_REFERENCE_BYTES
from local.provider.result_storage import ResultStorage
from local.provider.settings import Settings
from local.provider.task_api import ErrorStyle, InsufficientBalance, RateLimited, TaskApi
from local.provider.task_queue import TaskQueue
from local.provider.tasks import Task
from local.provider.wire import created, error, queried, success, usd

BASES = ("/v1", "/api/v1")  # equivalent [provider, doc]
TASK_ID_HEADER = "x-apimodels-task-id"  # [client]
ERRORS = ErrorStyle(
    "apimodels.app",
    {
        "401": (401, "Invalid API key"),
        "402": (402, "Insufficient balance"),
        "429": (429, "Too many requests, please try again later"),  # [unknown] the body of a 429
        "refused_content_policy": (400, "Content policy violation"),
    },
)

_KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")  # [doc, provider]


class ApiError(Exception):
    """An error response in the provider's plain shape."""

    def __init__(self, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = error(code, message, headers=headers)


@dataclass(frozen=True, kw_only=True)
class ApimodelsApi:
    """Endpoints of apimodels.app."""

    settings: Settings
    clock: Callable[[], float]
    accounts: Accounts
    storage: ResultStorage
    queue: TaskQueue
    task_api: TaskApi
    results_base: str

    def routes(self) -> list[BaseRoute]:
        """All routes, under both base paths. A query by path does not exist [client]."""
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
            task, fault = await self.task_api.create(self._key(request), await request.body())
        except RateLimited as limited:
            raise ApiError(*ERRORS.texts["429"], limited.headers) from limited
        except InvalidRequest as wrong:
            raise ApiError(400, str(wrong)) from wrong
        except InsufficientBalance as wrong:
            raise ApiError(*ERRORS.texts["402"]) from wrong
        header = {TASK_ID_HEADER: task.task_id} if task is not None else {}

        def good(made: Task, ended: bool) -> Response:
            return success(created(made, ended=ended), header if self.settings.task_id_header else None)

        return await self.task_api.create_response(task, fault, good, header)

    async def query(self, request: Request) -> Response:
        key = self._key(request)
        task_id = request.query_params.get("task_id")
        if not task_id:
            raise ApiError(400, "task_id is required")
        task, faulty = await self.task_api.query(key, task_id)
        if task is None:
            # [unknown] the HTTP shape for an id that is not known.
            raise ApiError(404, "Task not found")
        if faulty is not None:
            return faulty
        price = self.accounts.hold_of(task.task_id).charged_micro_usd
        # A failed task is HTTP 200 with code 200 [provider].
        return success(queried(task, self.clock(), price))

    async def balance(self, request: Request) -> Response:
        key = self._key(request)
        await self.queue.advance_due()
        account = self.accounts.account(key)
        balance = usd(account.balance_micro_usd)
        # [unknown] how ``total`` differs from ``balance``; here they are equal.
        return success(
            {"balance": balance, "total": balance, "frozen": usd(account.frozen_micro_usd), "currency": "USD"}
        )

    async def files(self, request: Request) -> Response:
        self._key(request)
        async with request.form() as form:
            sent = form.get("file")
            if not isinstance(sent, UploadFile):
                raise ApiError(400, "file is required")
            data = await sent.read(MAX_REFERENCE_BYTES + 1)
            if len(data) > MAX_REFERENCE_BYTES:
                raise ApiError(400, "File is too large: at most 30MB")
            suffix = PurePosixPath(sent.filename or "").suffix.lstrip(".").lower()
            name = self.storage.store(
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
            raise ApiError(*ERRORS.texts["401"])
        return key


async def error_response(_: Request, wrong: Exception) -> Response:
    """The provider's error shape for every refused call, also for those that starlette refuses."""
    if isinstance(wrong, ApiError):
        return wrong.answer
    if isinstance(wrong, HTTPException):
        return error(wrong.status_code, str(wrong.detail))
    raise wrong
