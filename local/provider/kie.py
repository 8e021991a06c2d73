"""Routes of kie.ai under their own base path: create and query."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from local.provider.create_requests import InvalidRequest
from local.provider.kie_wire import error, queried, success
from local.provider.settings import Settings
from local.provider.task_api import ErrorStyle, InsufficientBalance, RateLimited, TaskApi
from local.provider.tasks import Task

BASE = "/kie/api/v1"
ERRORS = ErrorStyle(
    "kie.ai",
    {
        "401": (401, "You do not have access permissions"),  # [doc]
        "402": (402, "Credits insufficient"),
        "429": (429, "Rate limit exceeded"),  # [doc]
        "refused_content_policy": (422, "Your prompt was flagged by Website as violating content policies"),
    },
    status=200,  # [client]
)

# Usually 32 hexadecimal digits [client]; documented nowhere.
_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")


@dataclass(frozen=True, kw_only=True)
class KieApi:
    """Endpoints of kie.ai."""

    settings: Settings
    clock: Callable[[], float]
    task_api: TaskApi

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            Route(f"{BASE}/jobs/createTask", self.create, methods=["POST"]),
            Route(f"{BASE}/jobs/recordInfo", self.record_info, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        key = self._key(request)
        if key is None:
            return error(*ERRORS.texts["401"])
        try:
            task, fault = await self.task_api.create(key, await request.body())
        except RateLimited as limited:
            return error(*ERRORS.texts["429"], limited.headers)
        except InvalidRequest as wrong:
            # [doc]; clients also saw 500, which may follow a created task: a fault rule can send it.
            return error(422, str(wrong))
        except InsufficientBalance:
            return error(*ERRORS.texts["402"])
        return await self.task_api.create_response(task, fault, _created, header={})

    async def record_info(self, request: Request) -> Response:
        key = self._key(request)
        if key is None:
            return error(*ERRORS.texts["401"])
        task_id = request.query_params.get("taskId")
        if not task_id:
            return error(400, "taskId parameter is required")  # [doc]
        task, faulty = await self.task_api.query(key, task_id)
        if task is None:
            return error(422, "recordInfo is null")  # [doc]
        return faulty or success(queried(task, self.clock()))

    def _key(self, request: Request) -> str | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and _KEY.fullmatch(key) and key not in self.settings.refused_keys
        return key if known else None


def _created(task: Task, _ended: bool) -> Response:
    """Only the task id: no task completes within its create call [doc]."""
    return success({"taskId": task.task_id})
