"""The control plane: look into the simulator and bend it. No key is needed; it listens on loopback only.

GET    /_sim/                      this text
GET    /_sim/books[?key=]          money: per key and per task, in micro-dollars and USD
GET    /_sim/tasks[?vendor=&key=&match=]   every task: what was sent, how it stands, what it cost, its callbacks
GET    /_sim/requests[?origin=]    every call on the api and results origins, without keys
DELETE /_sim/requests              forget them
GET    /_sim/settings              what can be turned
POST   /_sim/settings              change some: {"latency_scale": 0.01, "balances_usd": {"sk_...": 0.05}, ...}
                                   {"callback_origins": {"https://abc.example.com": "http://127.0.0.1:4566/abc"}}:
                                   where to connect to for callback URLs that begin so, in place of DNS
GET    /_sim/faults                the fault rules, with how often each was used
POST   /_sim/faults                add a rule: {"on", "kind", "match": "part of the prompt", "times": N,
                                   "vendor": "apimodels" or "kie", else either, ...}
DELETE /_sim/faults[?id=]          remove one rule, or all
POST   /_sim/finish                {"match": "part of the prompt"} or {"task_id": ...}: end running tasks now
POST   /_sim/reset                 forget tasks, books, rules, calls, results; settings as at the start

Two vendors are served: "apimodels" under /v1 and /api/v1, "kie" under /kie/api/v1. States, here and in rules, are
called as the first one calls them: pending, processing, completed, failed.

Fault kinds, with their parameters and defaults (kie's errors with a code come with HTTP 200, its ids in no header):
create   cut_before · cut_after · cut_after_with_header (reset false: a RST instead of a FIN)
         error_with_header (status 502) · 5xx (status 503) · 401 · 402 · 429 (retry_after none)
           · refused_content_policy (status 400), all with msg, code and
           shape code|error_object|error_string|text|html
         html_502 · html_524 · 200_with_code (code 500, msg) · slow (seconds 2) · completed_at_once
         every kind takes task_made: whether a task is made, and its price held, all the same
task     never_finishes · long_tail (seconds 900, scaled) · fail (failMsg, failCode none, retryable none)
         · empty_result (charged true, seconds none: so long after its end are the results named)
         · unknown_state (state queued_upstream, forever false) · result_json_only
         · output_format (format jpeg|png|webp)
query    5xx · 401 · 429 (as above) · html (status 502) · 200_with_code (code, msg) · slow (seconds 2)
         · cut (reset)
result   truncated · cut (bytes: half) · half (bytes: half, and the length of that) · zero_filled (bytes 1000: from
         there on) · wrong_content_type (content_type text/plain) · not_an_image
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

from local.upstream.books import Books
from local.upstream.call_log import CallLog
from local.upstream.callbacks import Callbacks
from local.upstream.faults import BadRule, FaultRules
from local.upstream.orders import BadOrder, parse_body
from local.upstream.rate_limit import RateLimit
from local.upstream.settings import Settings, UnknownSetting, micro_usd
from local.upstream.shelf import Shelf
from local.upstream.tasks import Task
from local.upstream.wire import milliseconds, usd
from local.upstream.workshop import Workshop


@dataclass(kw_only=True)
class ControlPlane:
    """The endpoints under ``/_sim/``."""

    settings: Settings
    rules: FaultRules
    books: Books
    shelf: Shelf
    callbacks: Callbacks
    workshop: Workshop
    rate_limits: tuple[RateLimit, ...]
    calls: CallLog

    def __post_init__(self) -> None:
        self._as_started = asdict(self.settings)

    def routes(self) -> list[BaseRoute]:
        """Every route of the control plane."""
        return [
            Route("/_sim/", self.manual, methods=["GET"]),
            Route("/_sim/books", self.show_books, methods=["GET"]),
            Route("/_sim/tasks", self.show_tasks, methods=["GET"]),
            Route("/_sim/requests", self.show_requests, methods=["GET"]),
            Route("/_sim/requests", self.forget_requests, methods=["DELETE"]),
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

    async def show_books(self, request: Request) -> Response:
        await self.workshop.settle_due()
        key = request.query_params.get("key")
        if key is not None:
            return JSONResponse(self._account(key))
        return JSONResponse({"keys": {each: self._account(each) for each in self.books.keys}})

    async def show_tasks(self, request: Request) -> Response:
        await self.workshop.settle_due()
        return JSONResponse({"tasks": [self._task(each) for each in self._chosen(request.query_params)]})

    async def show_requests(self, request: Request) -> Response:
        origin = request.query_params.get("origin")
        return JSONResponse({"requests": [call for call in self.calls if origin in {None, call["origin"]}]})

    async def forget_requests(self, _: Request) -> Response:
        self.calls.empty()
        return JSONResponse({})

    async def show_settings(self, _: Request) -> Response:
        return JSONResponse(asdict(self.settings))

    async def change_settings(self, request: Request) -> Response:
        try:
            changes = parse_body(await request.body())
            wanted = {key: micro_usd(usd) for key, usd in dict(changes.pop("balances_usd", {})).items()}
            self.settings.apply(changes)
        except (BadOrder, UnknownSetting, TypeError, ValueError) as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        for key, amount in wanted.items():
            self.books.set_balance(key, amount)
        return JSONResponse(asdict(self.settings))

    async def show_faults(self, _: Request) -> Response:
        return JSONResponse({"faults": self.rules.describe()})

    async def add_fault(self, request: Request) -> Response:
        try:
            rule = self.rules.add(parse_body(await request.body()))
        except (BadOrder, BadRule) as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        return JSONResponse(rule.describe(), status_code=201)

    async def remove_faults(self, request: Request) -> Response:
        return JSONResponse({"removed": self.rules.remove(request.query_params.get("id"))})

    async def finish(self, request: Request) -> Response:
        try:
            wanted = parse_body(await request.body() or b"{}")
        except BadOrder as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=400)
        running = [task for task in self._chosen(wanted) if task.ending is None]
        for task in running:
            await self.workshop.hurry(task)
        return JSONResponse({"finished": [task.task_id for task in running]})

    async def reset(self, _: Request) -> Response:
        self.workshop.empty()
        self.callbacks.forget()
        self.books.empty()
        self.rules.remove()
        self.shelf.empty()
        for each in self.rate_limits:
            each.empty()
        self.calls.empty()
        self.settings.apply(self._as_started)
        return JSONResponse({})

    def _chosen(self, wanted: Mapping[str, Any]) -> list[Task]:
        """The tasks that ``vendor``, ``key``, ``task_id`` and ``match`` (part of the prompt) leave over."""
        vendor, key, task_id, match = (wanted.get(name) for name in ("vendor", "key", "task_id", "match"))
        return [
            task
            for task in self.workshop.tasks
            if vendor in {None, task.order.vendor}
            and key in {None, task.key}
            and task_id in {None, task.task_id}
            and (match is None or str(match) in task.order.prompt)
        ]

    def _account(self, key: str) -> dict[str, object]:
        account = self.books.account(key)
        return {
            **asdict(account),
            "balance_usd": usd(account.balance_micro_usd),
            "frozen_usd": usd(account.frozen_micro_usd),
            "charged_usd": usd(account.charged_micro_usd),
            "released_usd": usd(account.released_micro_usd),
            "tasks": [asdict(entry) for entry in self.books.entries(key)],
        }

    def _task(self, task: Task) -> dict[str, object]:
        entry, ending = self.books.entry(task.task_id), task.ending
        return {
            "task_id": task.task_id,
            "vendor": task.order.vendor,
            "key": task.key,
            "model": task.order.model,
            "prompt": task.order.prompt,
            "params": task.order.received,
            "state": self.workshop.state(task),
            "fault": task.fault.kind if task.fault is not None else None,
            "created_at": milliseconds(task.walk.created_at),
            "due_at": milliseconds(task.walk.due_at),
            "held_micro_usd": entry.held_micro_usd,
            "charged_micro_usd": entry.charged_micro_usd,
            "released_micro_usd": entry.released_micro_usd,
            "result_urls": list(ending.result_urls) if ending is not None else [],
            "fail_msg": ending.fail_msg if ending is not None else None,
            "fail_code": ending.fail_code if ending is not None else None,
            "callbacks": task.callback_log,
        }
