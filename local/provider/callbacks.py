"""Callbacks: unsigned POSTs that may arrive late, twice, out of order, forged, or never."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.provider import kie_wire
from local.provider.catalogue import APIMODELS, KIE
from local.provider.connections import outgoing_tls
from local.provider.faults import Fault, FaultRules
from local.provider.settings import Settings
from local.provider.tasks import Task
from local.provider.wire import callback_data, called_back, milliseconds

_EARLY_RETRIES_SECONDS = (1.0, 2.0, 4.0)  # [doc] up to 3 times, after 1, 2, 4 s
_BACKGROUND_SECONDS = 30 * 60.0  # [doc] then in the background for up to 30 min
_FIRST_BACKGROUND_WAIT_SECONDS = 8.0  # [unknown] the spacing in the background: doubled each time up to the next line
_LONGEST_WAIT_SECONDS = 300.0
_CLIENT_ERRORS = range(400, 500)
# Body of each provider's callbacks. [unknown] whether kie.ai repeats a callback as apimodels.app does.
_BODIES = {APIMODELS: called_back, KIE: kie_wire.called_back}


@dataclass
class PendingCallback:
    """A callback that is still to be sent. ``due_at`` is on the simulator's clock."""

    task: Task
    url: str
    body: dict[str, Any]
    kind: str
    due_at: float
    started_at: float
    held: bool = False
    attempts: int = 0
    done: bool = False
    in_flight: asyncio.Task[None] | None = field(default=None, repr=False)


class Callbacks:
    """Sends callbacks when they are due. [unknown] whether the providers check the target address; this does not."""

    def __init__(
        self,
        settings: Settings,
        rules: FaultRules,
        clock: Callable[[], float],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._transport = transport
        self._open: list[PendingCallback] = []

    def enqueue(self, task: Task) -> None:
        """Queues the callback of a task that ended, changed by the fault rule that applies."""
        if task.request.callback_url is None:
            return
        fault = self._fault(task, "duplicate", "reordered", "stale", "never")
        kind = fault.kind if fault is not None else "plain"
        if kind == "never":
            task.callback_log.append({"at": milliseconds(self._clock()), "kind": "never", "outcome": "not sent"})
            return
        first = self._queue(task, callback_data(task), kind)
        if fault is not None and kind == "duplicate":
            for _ in range(fault.whole("copies", 2) - 1):
                self._queue(task, callback_data(task), kind)
        if fault is not None and kind == "reordered":
            first.held = True
            first.due_at += fault.number("hold_seconds", 30.0) * self._settings.latency_scale
        if fault is not None and kind == "stale":
            state = fault.text("state", "processing")
            old: dict[str, object] = {"taskId": task.task_id, "model": task.request.model, "state": state}
            late = self._queue(task, old, kind)
            late.due_at += fault.number("seconds", 1.0) * self._settings.latency_scale

    def enqueue_forged(self, task: Task) -> None:
        """Queues a forged callback of a running task, if a fault rule asks for one; once per task."""
        if task.forged or task.request.callback_url is None:
            return
        fault = self._fault(task, "forged")
        if fault is not None:
            task.forged = True
            self._queue(task, _forged_data(task, fault), "forged")

    def is_early(self, task: Task) -> bool:
        """True if a fault rule sends this task's callback before the create call is answered."""
        if task.request.callback_url is None:
            return False
        return self._fault(task, "early") is not None

    async def send_due(self, *, wait: bool = False) -> None:
        """Starts every callback that is due; with ``wait``, returns when these attempts are over."""
        now = self._clock()
        attempts = self._attempts([each for each in self._open if each.due_at <= now or each.in_flight])
        if wait:
            await attempts
        self._open = [callback for callback in self._open if not callback.done]

    async def send_now(self, task: Task) -> None:
        """Makes the first attempts of this task's callbacks now, and waits for them."""
        await self._attempts([each for each in self._open if each.task is task])

    def clear(self) -> None:
        """Drops all callbacks that are still to be sent."""
        for callback in self._open:
            if callback.in_flight is not None:
                callback.in_flight.cancel()
        self._open.clear()

    def _fault(self, task: Task, *kinds: str) -> Fault | None:
        return self._rules.take("callback", task.request.prompt, provider=task.request.provider, kinds=kinds)

    def _queue(self, task: Task, data: dict[str, object], kind: str) -> PendingCallback:
        """Queues ``data``, converted to the format of the task's provider."""
        now = self._clock()
        body = _BODIES[task.request.provider](data)
        callback = PendingCallback(task, task.request.callback_url or "", body, kind, due_at=now, started_at=now)
        self._open.append(callback)
        return callback

    def _attempts(self, callbacks: list[PendingCallback]) -> asyncio.Future[list[None]]:
        """Starts the attempts that are not under way; the future is done when all attempts are."""
        for callback in callbacks:
            if callback.in_flight is None and not callback.done:
                callback.in_flight = asyncio.create_task(self._attempt(callback))
        return asyncio.gather(*(each.in_flight for each in callbacks if each.in_flight is not None))

    async def _attempt(self, callback: PendingCallback) -> None:
        callback.attempts += 1
        status, outcome = await self._post(callback)
        now = self._clock()
        callback.task.callback_log.append(
            {
                "at": milliseconds(now),
                "kind": callback.kind,
                "attempt": callback.attempts,
                "url": callback.url,
                "state": callback.body["data"].get("state"),
                "outcome": outcome,
            }
        )
        callback.in_flight = None
        refused = status in _CLIENT_ERRORS and self._settings.callback_stops_on_4xx
        if httpx.codes.is_success(status) or refused:
            callback.done = True
            self._release_held(callback, now)
        else:
            self._plan_retry(callback, now)

    async def _post(self, callback: PendingCallback) -> tuple[int, str]:
        """HTTP status (0 for none) and the outcome for the log."""
        provider = callback.task.request.provider
        try:
            async with httpx.AsyncClient(
                transport=self._transport,
                timeout=self._settings.callback_timeout_seconds,
                # The receiver is usually on this machine, which a proxy from the environment cannot reach.
                trust_env=False,
                verify=outgoing_tls(),
                follow_redirects=False,
            ) as client:
                answer = await asyncio.wait_for(
                    client.post(
                        self._address(callback.url),
                        content=json.dumps(callback.body),
                        headers={"content-type": "application/json", "user-agent": f"{provider}-callback/1.0"},
                    ),
                    self._settings.callback_timeout_seconds,
                )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as wrong:
            return 0, type(wrong).__name__
        return answer.status_code, f"HTTP {answer.status_code}"

    def _address(self, url: str) -> str:
        """Address to connect to: the URL, with its origin replaced as the settings say."""
        for prefix, replacement in self._settings.callback_origins.items():
            if url.startswith(prefix):
                return replacement + url.removeprefix(prefix)
        return url

    def _plan_retry(self, callback: PendingCallback, now: float) -> None:
        retries = callback.attempts - 1
        if retries < len(_EARLY_RETRIES_SECONDS):
            wait = _EARLY_RETRIES_SECONDS[retries]
        else:
            doublings = retries - len(_EARLY_RETRIES_SECONDS)
            wait = min(_LONGEST_WAIT_SECONDS, _FIRST_BACKGROUND_WAIT_SECONDS * 2**doublings)
            if now + wait * self._settings.latency_scale > self._retry_deadline(callback):
                callback.done = True
        callback.due_at = now + wait * self._settings.latency_scale

    def _retry_deadline(self, callback: PendingCallback) -> float:
        return callback.started_at + _BACKGROUND_SECONDS * self._settings.latency_scale

    def _release_held(self, sent: PendingCallback, now: float) -> None:
        for callback in self._open:
            if callback.held and callback.task.key == sent.task.key and callback is not sent:
                callback.held = False
                callback.due_at = now


def _forged_data(task: Task, fault: Fault) -> dict[str, object]:
    """``data`` of a forged callback."""
    url = fault.text("result_url", "https://attacker.example/not-your-image.jpeg")
    state = fault.text("state", "completed")
    data: dict[str, object] = {
        "taskId": fault.text("task_id", task.task_id),
        "model": task.request.model,
        "state": state,
        "param": json.dumps(task.request.received),
    }
    if state == "completed":
        data |= {"resultUrls": [url], "resultJson": json.dumps({"resultUrls": [url]})}
    else:
        data["failMsg"] = fault.text("fail_msg", "Forged failure")
    return data
