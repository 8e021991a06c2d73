"""Callbacks: unsigned POSTs that come late, twice, in the wrong order, with lies in them, or never."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.upstream import kie_wire
from local.upstream.catalogue import APIMODELS, KIE
from local.upstream.connections import outgoing_tls
from local.upstream.faults import Fault, FaultRules
from local.upstream.settings import Settings
from local.upstream.tasks import Task
from local.upstream.wire import callback_data, called_back, milliseconds

_EARLY_RETRIES_SECONDS = (1.0, 2.0, 4.0)  # [doc] up to 3 times, after 1, 2, 4 s
_BACKGROUND_SECONDS = 30 * 60.0  # [doc] then in the background for up to 30 min
_FIRST_BACKGROUND_WAIT_SECONDS = 8.0  # [unknown] the spacing in the background: doubled each time up to the next line
_LONGEST_WAIT_SECONDS = 300.0
_CLIENT_ERRORS = range(400, 500)
# How each vendor words what happened. [unknown] whether kie.ai repeats a callback as the other vendor does.
_BODIES = {APIMODELS: called_back, KIE: kie_wire.called_back}


@dataclass
class Delivery:
    """One callback on its way. ``due_at`` is on the simulator's clock."""

    task: Task
    url: str
    body: dict[str, Any]
    kind: str
    due_at: float
    started_at: float
    waits_for_another: bool = False
    attempts: int = 0
    done: bool = False
    in_flight: asyncio.Task[None] | None = field(default=None, repr=False)


class Callbacks:
    """Sends callbacks when they are due. The target address is not checked: [unknown] whether the vendors
    do.
    """

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
        self._open: list[Delivery] = []

    def announce(self, task: Task) -> None:
        """Queue the callback of a task that ended, as the rules bend it."""
        if task.order.callback_url is None:
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
            first.waits_for_another = True
            first.due_at += fault.number("hold_seconds", 30.0) * self._settings.latency_scale
        if fault is not None and kind == "stale":
            state = fault.text("state", "processing")
            old: dict[str, object] = {"taskId": task.task_id, "model": task.order.model, "state": state}
            late = self._queue(task, old, kind)
            late.due_at += fault.number("seconds", 1.0) * self._settings.latency_scale

    def forge(self, task: Task) -> None:
        """Queue a lie about a task that has not ended, if a rule asks for one; once for each task."""
        if task.forged or task.order.callback_url is None:
            return
        fault = self._fault(task, "forged")
        if fault is not None:
            task.forged = True
            self._queue(task, _lie(task, fault), "forged")

    def is_early(self, task: Task) -> bool:
        """Whether this task's callback has to arrive before its create is answered."""
        if task.order.callback_url is None:
            return False
        return self._fault(task, "early") is not None

    async def deliver_due(self, *, wait: bool = False) -> None:
        """Start every delivery that is due; with ``wait``, come back when these attempts are over."""
        now = self._clock()
        attempts = self._attempts([each for each in self._open if each.due_at <= now or each.in_flight])
        if wait:
            await attempts
        self._open = [delivery for delivery in self._open if not delivery.done]

    async def deliver_at_once(self, task: Task) -> None:
        """Make the first attempts of this task's callbacks now, and wait for them."""
        await self._attempts([each for each in self._open if each.task is task])

    def forget(self) -> None:
        """Drop everything that was still to be sent."""
        for delivery in self._open:
            if delivery.in_flight is not None:
                delivery.in_flight.cancel()
        self._open.clear()

    def _fault(self, task: Task, *kinds: str) -> Fault | None:
        return self._rules.take("callback", task.order.prompt, vendor=task.order.vendor, kinds=kinds)

    def _queue(self, task: Task, data: dict[str, object], kind: str) -> Delivery:
        """``data`` in the simulator's words, sent in those of the task's vendor."""
        now = self._clock()
        body = _BODIES[task.order.vendor](data)
        delivery = Delivery(task, task.order.callback_url or "", body, kind, due_at=now, started_at=now)
        self._open.append(delivery)
        return delivery

    def _attempts(self, deliveries: list[Delivery]) -> asyncio.Future[list[None]]:
        """Start what is not under way already; the future is done when all of it is."""
        for delivery in deliveries:
            if delivery.in_flight is None and not delivery.done:
                delivery.in_flight = asyncio.create_task(self._attempt(delivery))
        return asyncio.gather(*(each.in_flight for each in deliveries if each.in_flight is not None))

    async def _attempt(self, delivery: Delivery) -> None:
        delivery.attempts += 1
        status, outcome = await self._post(delivery)
        now = self._clock()
        delivery.task.callback_log.append(
            {
                "at": milliseconds(now),
                "kind": delivery.kind,
                "attempt": delivery.attempts,
                "url": delivery.url,
                "state": delivery.body["data"].get("state"),
                "outcome": outcome,
            }
        )
        delivery.in_flight = None
        refused = status in _CLIENT_ERRORS and self._settings.callback_stops_on_4xx
        if httpx.codes.is_success(status) or refused:
            delivery.done = True
            self._let_held_ones_go(delivery, now)
        else:
            self._plan_retry(delivery, now)

    async def _post(self, delivery: Delivery) -> tuple[int, str]:
        """HTTP status (0 for none) and what to write into the log."""
        vendor = delivery.task.order.vendor
        try:
            async with httpx.AsyncClient(
                transport=self._transport,
                timeout=self._settings.callback_timeout_seconds,
                # The receiver is on this machine as a rule, where a proxy from the environment cannot go.
                trust_env=False,
                verify=outgoing_tls(),
                follow_redirects=False,
            ) as client:
                answer = await asyncio.wait_for(
                    client.post(
                        self._address(delivery.url),
                        content=json.dumps(delivery.body),
                        headers={"content-type": "application/json", "user-agent": f"{vendor}-callback/1.0"},
                    ),
                    self._settings.callback_timeout_seconds,
                )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as wrong:
            return 0, type(wrong).__name__
        return answer.status_code, f"HTTP {answer.status_code}"

    def _address(self, url: str) -> str:
        """Where the URL leads to: itself, unless the settings know better."""
        for prefix, replacement in self._settings.callback_origins.items():
            if url.startswith(prefix):
                return replacement + url.removeprefix(prefix)
        return url

    def _plan_retry(self, delivery: Delivery, now: float) -> None:
        retries = delivery.attempts - 1
        if retries < len(_EARLY_RETRIES_SECONDS):
            wait = _EARLY_RETRIES_SECONDS[retries]
        else:
            doublings = retries - len(_EARLY_RETRIES_SECONDS)
            wait = min(_LONGEST_WAIT_SECONDS, _FIRST_BACKGROUND_WAIT_SECONDS * 2**doublings)
            if now + wait * self._settings.latency_scale > self._gives_up_at(delivery):
                delivery.done = True
        delivery.due_at = now + wait * self._settings.latency_scale

    def _gives_up_at(self, delivery: Delivery) -> float:
        return delivery.started_at + _BACKGROUND_SECONDS * self._settings.latency_scale

    def _let_held_ones_go(self, sent: Delivery, now: float) -> None:
        for delivery in self._open:
            if delivery.waits_for_another and delivery.task.key == sent.task.key and delivery is not sent:
                delivery.waits_for_another = False
                delivery.due_at = now


def _lie(task: Task, fault: Fault) -> dict[str, object]:
    """``data`` of a callback nobody at the vendor sent."""
    url = fault.text("result_url", "https://attacker.example/not-your-picture.jpeg")
    state = fault.text("state", "completed")
    data: dict[str, object] = {
        "taskId": fault.text("task_id", task.task_id),
        "model": task.order.model,
        "state": state,
        "param": json.dumps(task.order.received),
    }
    if state == "completed":
        data |= {"resultUrls": [url], "resultJson": json.dumps({"resultUrls": [url]})}
    else:
        data["failMsg"] = fault.text("fail_msg", "Forged failure")
    return data
