"""The control plane: inspect and control the simulator. It needs no key and listens on loopback only.

GET    /_sim/                      this text
GET    /_sim/accounts[?key=]       balances and holds per key and task, in micro-dollars and USD
GET    /_sim/tasks[?provider=&key=&match=]  all tasks: the request, the state, the cost, the callbacks
GET    /_sim/requests[?origin=]    all calls of the origins "api" and "results", without keys
DELETE /_sim/requests              clear the list of calls
GET    /_sim/settings              all settings
POST   /_sim/settings              change settings: {"latency_scale": 0.01, "balances_usd": {"sk_...": 0.05}, ...}
                                   {"callback_origins": {"https://abc.example.com": "http://127.0.0.1:4566/abc"}}:
                                   send callbacks for the first origin to the second, in place of DNS
GET    /_sim/faults                the fault rules, with how often each was used
POST   /_sim/faults                add a rule: {"on", "kind", "match": "part of the prompt", "times": N,
                                   "provider": "apimodels" or "kie" (default: both), ...}
DELETE /_sim/faults[?id=]          remove one rule, or all
POST   /_sim/finish                {"match": "part of the prompt"} or {"task_id": ...}: end running tasks now
POST   /_sim/reset                 clear tasks, accounts, rules, calls, results; restore the settings

Two providers are served: "apimodels" under /v1 and /api/v1, "kie" under /kie/api/v1. States, here and in rules, have
the names of apimodels: pending, processing, completed, failed.

Fault kinds, with their parameters and defaults (kie's errors with a code come with HTTP 200, its ids in no header):
create   cut_before · cut_after · cut_after_with_header (reset false: a FIN; true: a RST)
         error_with_header (status 502) · 5xx (status 503) · 401 · 402 · 429 (retry_after none)
           · refused_content_policy (status 400), all with msg, code and
           shape code|error_object|error_string|text|html
         html_502 · html_524 · 200_with_code (code 500, msg) · slow (seconds 2) · completed_at_once
         every kind accepts task_made: true creates the task and holds its price despite the fault
task     never_finishes · long_tail (seconds 900, scaled) · fail (failMsg, failCode none, retryable none)
         · empty_result (charged true, seconds none: list the results so long after the end)
         · unknown_state (state in_backlog, forever false) · result_json_only
         · output_format (format jpeg|png|webp)
query    5xx · 401 · 429 (as above) · html (status 502) · 200_with_code (code, msg) · slow (seconds 2)
         · cut (reset)
result   truncated · cut (bytes: half) · half (bytes: half, with a matching length) · zero_filled (bytes 1000: zeros
         from there on) · wrong_content_type (content_type text/plain) · not_an_image
         · slow_body (seconds 5, chunks 10) · 404 · 403 · 5xx (status 503)
         · redirect_private (location) · no_content_length · oversized (bytes 64 MiB, declare true)
callback duplicate (copies 2) · early · reordered (hold_seconds 30, scaled)
         · stale (state processing, seconds 1, scaled) · forged (state completed, task_id, result_url, fail_msg)
         · never
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from local.provider.accounts import Accounts
from local.provider.call_log import CallLog
from local.provider.callbacks import Callbacks
from local.provider.create_requests import InvalidRequest, parse_body
from local.provider.faults import BadRule, FaultRules
from local.provider.rate_limit import RateLimit
from local.provider.result_storage import ResultStorage
from local.provider.settings import Settings, UnknownSetting, micro_usd
from local.provider.task_queue import TaskQueue
from local.provider.tasks import Task
from local.provider.wire import milliseconds, usd


@dataclass(kw_only=True)
class ControlPlane:
    """Endpoints under ``/_sim/``."""

    settings: Settings
    rules: FaultRules
    accounts: Accounts
    storage: ResultStorage
    callbacks: Callbacks
    queue: TaskQueue
    rate_limits: tuple[RateLimit, ...]
    calls: CallLog

    def __post_init__(self) -> None:
        self._as_started = asdict(self.settings)

    def routes(self) -> list[BaseRoute]:
        """All routes of the control plane."""
        return [
            Route("/_sim/", self.manual, methods=["GET"]),
            Route("/_sim/accounts", self.show_accounts, methods=["GET"]),
            Route("/_sim/tasks", self.show_tasks, methods=["GET"]),
            Route("/_sim/requests", self.show_requests, methods=["GET"]),
            Route("/_sim/requests", self.clear_requests, methods=["DELETE"]),
            Route("/_sim/settings", self.show_settings, methods=["GET"]),
            Route("/_sim/settings", self.change_settings, methods=["POST"]),
            Route("/_sim/faults", self.show_faults, methods=["GET"]),
            Route("/_sim/faults", self.add_fault, methods=["POST"]),
            Route("/_sim/faults", self.remove_faults, methods=["DELETE"]),
            Route("/_sim/finish", self.finish, methods=["POST"]),
            Route("/_sim/reset", self.reset, methods=["POST"]),
        ]

    async def manual(self, _: Request) -> Response:
        return PlainTextResponse(__doc__ or "")

    async def show_accounts(self, request: Request) -> Response:
        await self.queue.advance_due()
        key = request.query_params.get("key")
        if key is not None:
            return JSONResponse(self._account(key))
        return JSONResponse({"keys": {each: self._account(each) for each in self.accounts.keys}})

    async def show_tasks(self, request: Request) -> Response:
        await self.queue.advance_due()
        return JSONResponse({"tasks": [self._task(each) for each in self._chosen(request.query_params)]})

    async def show_requests(self, request: Request) -> Response:
        origin = request.query_params.get("origin")
        return JSONResponse({"requests": [call for call in self.calls if origin in {None, call["origin"]}]})

    async def clear_requests(self, _: Request) -> Response:
        self.calls.clear()
        return JSONResponse({})

    async def show_settings(self, _: Request) -> Response:
        return JSONResponse(asdict(self.settings))

    async def change_settings(self, request: Request) -> Response:
        try:
            changes = parse_body(await request.body())
            wanted = {key: micro_usd(usd) for key, usd in dict(changes.pop("balances_usd", {})).items()}
            self.settings.apply(changes)
        except (InvalidRequest, UnknownSetting, TypeError, ValueError) as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        for key, amount in wanted.items():
            self.accounts.set_balance(key, amount)
        return JSONResponse(asdict(self.settings))

    async def show_faults(self, _: Request) -> Response:
        return JSONResponse({"faults": self.rules.describe()})

    async def add_fault(self, request: Request) -> Response:
        try:
            rule = self.rules.add(parse_body(await request.body()))
        except (InvalidRequest, BadRule) as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        return JSONResponse(rule.describe(), status_code=201)

    async def remove_faults(self, request: Request) -> Response:
        return JSONResponse({"removed": self.rules.remove(request.query_params.get("id"))})

    async def finish(self, request: Request) -> Response:
        try:
            wanted = parse_body(await request.body() or b"{}")
        except InvalidRequest as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        running = [task for task in self._chosen(wanted) if task.outcome is None]
        for task in running:
            await self.queue.finish_now(task)
        return JSONResponse({"finished": [task.task_id for task in running]})

    async def reset(self, _: Request) -> Response:
        self.queue.clear()
        self.callbacks.clear()
        self.accounts.clear()
        self.rules.remove()
        self.storage.clear()
        for each in self.rate_limits:
            each.clear()
        self.calls.clear()
        self.settings.apply(self._as_started)
        return JSONResponse({})

    def _chosen(self, wanted: Mapping[str, Any]) -> list[Task]:
        """Tasks that match ``provider``, ``key``, ``task_id`` and ``match``, a part of the prompt."""
        provider, key, task_id, match = (wanted.get(name) for name in ("provider", "key", "task_id", "match"))
        return [
            task
            for task in self.queue.tasks
            if provider in {None, task.request.provider}
            and key in {None, task.key}
            and task_id in {None, task.task_id}
            and (match is None or str(match) in task.request.prompt)
        ]

    def _account(self, key: str) -> dict[str, object]:
        account = self.accounts.account(key)
        return {
            **asdict(account),
            "balance_usd": usd(account.balance_micro_usd),
            "frozen_usd": usd(account.frozen_micro_usd),
            "charged_usd": usd(account.charged_micro_usd),
            "released_usd": usd(account.released_micro_usd),
            "tasks": [asdict(entry) for entry in self.accounts.holds_of(key)],
        }

    def _task(self, task: Task) -> dict[str, object]:
        entry, outcome = self.accounts.hold_of(task.task_id), task.outcome
        return {
            "task_id": task.task_id,
            "provider": task.request.provider,
            "key": task.key,
            "model": task.request.model,
            "prompt": task.request.prompt,
            "params": task.request.received,
            "state": self.queue.state(task),
            "fault": task.fault.kind if task.fault is not None else None,
            "created_at": milliseconds(task.schedule.created_at),
            "due_at": milliseconds(task.schedule.due_at),
            "held_micro_usd": entry.held_micro_usd,
            "charged_micro_usd": entry.charged_micro_usd,
            "released_micro_usd": entry.released_micro_usd,
            "result_urls": list(outcome.result_urls) if outcome is not None else [],
            "fail_msg": outcome.fail_msg if outcome is not None else None,
            "fail_code": outcome.fail_code if outcome is not None else None,
            "callbacks": task.callback_log,
        }
