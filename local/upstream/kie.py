"""kie.ai's routes, under a base of their own: create and ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from local.upstream.desk import Desk, Manner, NoFunds, RateLimited
from local.upstream.kie_wire import error, queried, success
from local.upstream.orders import BadOrder
from local.upstream.settings import Settings
from local.upstream.tasks import Task

BASE = "/kie/api/v1"
MANNER = Manner(
    "kie.ai",
    {
        "401": (401, "You do not have access permissions"),  # [doc]
        "402": (402, "Credits insufficient"),
        "429": (429, "Rate limit exceeded"),  # [doc]
        "refused_content_policy": (422, "Your prompt was flagged by Website as violating content policies"),
    },
    status=200,  # [client]
)

# 32 hexadecimal digits as a rule [client]; nowhere promised.
_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")


@dataclass(frozen=True, kw_only=True)
class KieApi:
    """The endpoints."""

    settings: Settings
    clock: Callable[[], float]
    desk: Desk

    def routes(self) -> list[BaseRoute]:
        """Every route."""
        return [
            Route(f"{BASE}/jobs/createTask", self.create, methods=["POST"]),
            Route(f"{BASE}/jobs/recordInfo", self.record_info, methods=["GET"]),
        ]

    async def create(self, request: Request) -> Response:
        key = self._key(request)
        if key is None:
            return error(*MANNER.refusals["401"])
        try:
            task, fault = await self.desk.take(key, await request.body())
        except RateLimited as limited:
            return error(*MANNER.refusals["429"], limited.headers)
        except BadOrder as wrong:
            # [doc]; clients saw 500 as well, which leaves open what happened: a rule can say so.
            return error(422, str(wrong))
        except NoFunds:
            return error(*MANNER.refusals["402"])
        return await self.desk.answer(task, fault, _created, header={})

    async def record_info(self, request: Request) -> Response:
        key = self._key(request)
        if key is None:
            return error(*MANNER.refusals["401"])
        task_id = request.query_params.get("taskId")
        if not task_id:
            return error(400, "taskId parameter is required")  # [doc]
        task, faulty = await self.desk.look(key, task_id)
        if task is None:
            return error(422, "recordInfo is null")  # [doc]
        return faulty or success(queried(task, self.clock()))

    def _key(self, request: Request) -> str | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and _KEY.fullmatch(key) and key not in self.settings.refused_keys
        return key if known else None


def _created(task: Task, _ended: bool) -> Response:
    """Never more than the id: no task is done at once [doc]."""
    return success({"taskId": task.task_id})
