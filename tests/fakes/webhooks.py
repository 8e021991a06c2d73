"""Webhook endpoints and deliveries in dictionaries, scripted receivers, and counted executions."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from heliograph.kernel.errors import StaleRecord
from heliograph.kernel.pagination import Cursor, Page, Records
from heliograph.webhooks.delivery import Delivery, DeliveryQuery, DeliverySummary, WebhookResponse
from heliograph.webhooks.endpoint import JOB_URLS, Endpoint

from tests.fakes.script import Line, Script

UNREADABLE = "{"


class InMemoryEndpointStore:
    """An `EndpointStore` that fails on request."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, str], str] = {}
        self._script = Script()
        self.writes = 0

    def on(self, method: str, *lines: Line) -> None:
        """Scripts the next calls of a method."""
        self._script.on(method, *lines)

    def get(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        with self._script.playing("get"):
            found = self._endpoints.get((tenant, endpoint_id))
            return Endpoint.model_validate_json(found) if found else None

    def list_for(self, tenant: str) -> Records[Endpoint]:
        with self._script.playing("list_for"):
            mine = {name: text for (whose, name), text in self._endpoints.items() if whose == tenant}
            broken = tuple(name for name, text in mine.items() if text == UNREADABLE)
            found = (Endpoint.model_validate_json(text) for text in mine.values() if text != UNREADABLE)
            return Records(tuple(found), broken)

    def damage(self, tenant: str, endpoint_id: str) -> None:
        """Makes the record unreadable."""
        self._endpoints[tenant, endpoint_id] = UNREADABLE

    def save(self, endpoint: Endpoint) -> Endpoint:
        with self._script.playing("save"):
            key = (endpoint.tenant, endpoint.endpoint_id)
            found = self._endpoints.get(key)
            there = Endpoint.model_validate_json(found).revision if found else 0
            if there != endpoint.revision:
                raise StaleRecord(endpoint.endpoint_id)
            changed = endpoint.model_copy(update={"revision": endpoint.revision + 1})
            self._endpoints[key] = changed.model_dump_json()
            self.writes += 1
            return changed

    def delete(self, endpoint: Endpoint) -> None:
        with self._script.playing("delete"):
            self._endpoints.pop((endpoint.tenant, endpoint.endpoint_id), None)


class InMemoryDeliveryStore:
    """A `DeliveryStore` that fails on request."""

    def __init__(self) -> None:
        self._deliveries: dict[str, str] = {}
        self._later: dict[str, datetime] = {}
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """Scripts the next calls of a method."""
        self._script.on(method, *lines)

    def add(self, delivery: Delivery) -> bool:
        with self._script.playing("add"):
            if delivery.delivery_id in self._deliveries:
                return False
            self._deliveries[delivery.delivery_id] = delivery.model_dump_json()
            return True

    def get(self, delivery_id: str) -> Delivery | None:
        with self._script.playing("get"):
            return self.peek(delivery_id)

    def save(self, delivery: Delivery) -> Delivery:
        with self._script.playing("save"):
            found = self.peek(delivery.delivery_id)
            if found is None or found.revision != delivery.revision:
                raise StaleRecord(delivery.delivery_id)
            changed = delivery.model_copy(update={"revision": delivery.revision + 1})
            self._later.pop(delivery.delivery_id, None)
            self._deliveries[delivery.delivery_id] = changed.model_dump_json()
            return changed

    def list(self, tenant: str, query: DeliveryQuery) -> Page[DeliverySummary]:
        with self._script.playing("list"):
            after = query.after
            found = sorted(
                (
                    delivery
                    for text in self._deliveries.values()
                    if _fits(delivery := Delivery.model_validate_json(text), tenant, query)
                ),
                key=_position,
                reverse=True,
            )
            left = [delivery for delivery in found if after is None or _position(delivery) < after]
            told = tuple(DeliverySummary.model_validate(delivery.model_dump()) for delivery in left[: query.limit])
            return Page(told, _position(left[query.limit - 1]) if len(left) > query.limit else None)

    def undelivered(self, endpoint_id: str, since: datetime, *, limit: int) -> Sequence[str]:
        with self._script.playing("undelivered"):
            mine = [(one.undelivered_at, one.delivery_id) for one in self if one.endpoint_id == endpoint_id]
            return [name for _, name in sorted((at, name) for at, name in mine if at and at >= since)][:limit]

    def needing_attention(self, now: datetime, *, limit: int) -> Sequence[str]:
        with self._script.playing("needing_attention"):
            due = {one.delivery_id: self._later.get(one.delivery_id, one.attention_at) for one in self}
            overdue = [(at, name) for name, at in due.items() if at and at <= now]
            return [name for _, name in sorted(overdue)][:limit]

    def postpone_attention(self, delivery_id: str, until: datetime) -> None:
        with self._script.playing("postpone_attention"):
            found = self.peek(delivery_id)
            if found and found.attention_at:
                self._later[delivery_id] = until

    def peek(self, delivery_id: str) -> Delivery | None:
        """What is there, whatever the script says."""
        found = self._deliveries.get(delivery_id)
        return Delivery.model_validate_json(found) if found else None

    def __iter__(self) -> Iterator[Delivery]:
        return iter([Delivery.model_validate_json(text) for text in self._deliveries.values()])


def _fits(delivery: Delivery, tenant: str, query: DeliveryQuery) -> bool:
    narrowed = {
        "endpoint_id": delivery.endpoint_id or JOB_URLS,
        "status": delivery.status,
        "event_type": delivery.event_type,
        "job_id": delivery.job_id,
    }
    asked = {name: value for name in narrowed if (value := getattr(query, name)) is not None}
    return delivery.tenant == tenant and all(narrowed[name] == value for name, value in asked.items())


def _position(delivery: Delivery) -> Cursor:
    return Cursor(delivery.created_at, delivery.delivery_id)


@dataclass(frozen=True)
class Sent:
    """One attempt, as it left."""

    url: str
    payload: str
    event_id: str
    at: datetime
    secrets: tuple[str, ...]


class ScriptedSender:
    """A `WebhookSender` whose receivers accept everything, unless scripted otherwise."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._answers: dict[str, deque[WebhookResponse]] = defaultdict(deque)
        self._always: dict[str, WebhookResponse] = {}
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """Scripts the next calls of `send`."""
        self._script.on(method, *lines)

    def answer(self, url: str, *statuses: int, retry_after: str | None = None) -> None:
        """Scripts the receiver's next responses."""
        self._answers[url].extend(_answered(status, retry_after) for status in statuses)

    def always(self, url: str, status: int) -> None:
        """Scripts the receiver's response to every other attempt."""
        self._always[url] = _answered(status, None)

    def send(self, url: str, payload: str, *, event_id: str, at: datetime, secrets: Iterable[str]) -> WebhookResponse:
        with self._script.playing("send"):
            self.sent.append(Sent(url, payload, event_id, at, tuple(secrets)))
            if self._answers[url]:
                return self._answers[url].popleft()
            return self._always.get(url, _answered(204, None))


def _answered(status: int, retry_after: str | None) -> WebhookResponse:
    error = None if 200 <= status < 300 else f"answered {status}"
    return WebhookResponse(status, error, retry_after, b"what it said")


class InMemoryDeliveryWorkflow:
    """A `DeliveryWorkflow` with one execution per name, as Step Functions has it; those of `ended` have ended."""

    def __init__(self) -> None:
        self.executions: list[str] = []
        self.ended: set[str] = set()
        self.starts = 0
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """Scripts the next calls of `start`."""
        self._script.on(method, *lines)

    def start(self, delivery: Delivery) -> bool:
        with self._script.playing("start"):
            self.starts += 1
            if delivery.execution not in self.executions:
                self.executions.append(delivery.execution)
            return delivery.execution not in self.ended
