"""One attempt at a delivery: sign, send, note what came of it, and say when to try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.webhooks.delivery import (
    DeliverOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryCrashed,
    DeliveryDone,
    DeliveryStatus,
    DeliveryTurn,
    RetryDelivery,
    Tried,
    printable,
)
from heliograph.webhooks.endpoint import Endpoint, job_urls_id, job_urls_of, secret_of
from heliograph.webhooks.events import endpoint_disabled

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.webhooks.ports import DeliveryStore, EndpointStore, WebhookSender


@dataclass(frozen=True, slots=True)
class Delivering:
    """What `deliver` needs. `master`: the secret that all others are derived from."""

    deliveries: DeliveryStore
    endpoints: EndpointStore
    sender: WebhookSender
    bus: EventBus
    clock: Clock
    master: Callable[[], str]


def deliver(asked: DeliveryTurn | DeliveryCrashed, *, delivering: Delivering) -> DeliverOutcome:
    """What came of the turn, or of the execution that ended early. Safe to repeat: an attempt that is on record is not
    made again; at worst the receiver gets a message twice, under the same `webhook-id`.

    Of an endpoint: a success clears its failures; 410, or a failure after days of nothing else, disables it, and the
    bus is told. Raises `StorageFailed`, `PublishFailed`, and `StaleRecord` if a replay came in between.
    """
    turn = asked.turn if isinstance(asked, DeliveryCrashed) else asked
    delivery = delivering.deliveries.get(turn.delivery_id)
    if delivery is None or delivery.series != turn.series:
        return DeliveryDone(delivery_id=turn.delivery_id, series=turn.series, status=None)
    if delivery.is_pending and isinstance(asked, DeliveryCrashed):
        # Nothing carries it any more: it has failed, which can be seen, and can be replayed.
        delivery = delivering.deliveries.save(delivery.ended(DeliveryStatus.FAILED, delivering.clock.now()))
    if not delivery.is_pending or delivery.tries > turn.tries:
        return _outcome(delivery, delivering)
    # Whoever comes from a wait has waited: a workflow on a laptop waits for less than it is told.
    if turn.outcome is None and delivery.is_early(delivering.clock.now()):
        return _outcome(delivery, delivering)
    return _attempt(delivery, delivering)


def _attempt(delivery: Delivery, delivering: Delivering) -> DeliverOutcome:
    endpoint = _receiver(delivery, delivering)
    if endpoint is None or not endpoint.takes_deliveries:
        if endpoint:
            _announce(endpoint, delivering)
        skipped = delivery.ended(DeliveryStatus.SKIPPED, delivering.clock.now())
        return _outcome(delivering.deliveries.save(skipped), delivering)
    url = endpoint.url or delivery.url
    began_at = delivering.clock.now()
    versions = endpoint.versions_at(began_at)
    master = delivering.master()
    answer = delivering.sender.send(
        url,
        delivery.payload,
        event_id=delivery.event_id,
        at=began_at,
        secrets=[secret_of(master, endpoint.endpoint_id, version) for version in versions],
    )
    attempt = DeliveryAttempt(
        at=began_at,
        status_code=answer.status_code,
        error=answer.error,
        duration_ms=(delivering.clock.now() - began_at) // timedelta(milliseconds=1),
        answer=printable(answer.body),
    )
    # The endpoint first: if the attempt is on record, so is what it says of the endpoint.
    if delivery.endpoint_id:
        _note_health(endpoint, attempt, delivering)
    attempted = delivery.attempted(attempt, url=url, retry_after=answer.retry_after)
    age = delivering.clock.now() - delivery.created_at
    tried = Tried(taken=attempt.succeeded, age_seconds=age.total_seconds() if delivery.series == 1 else None)
    return _outcome(delivering.deliveries.save(attempted), delivering, tried)


def _outcome(delivery: Delivery, delivering: Delivering, tried: Tried | None = None) -> DeliverOutcome:
    if not delivery.is_pending or delivery.next_attempt_at is None:
        return DeliveryDone(
            delivery_id=delivery.delivery_id, series=delivery.series, status=delivery.status, tried=tried
        )
    wait = delivery.next_attempt_at - delivering.clock.now()
    return RetryDelivery(
        delivery_id=delivery.delivery_id,
        series=delivery.series,
        tries=delivery.tries,
        wait_seconds=max(1, ceil(wait.total_seconds())),
        reason=(delivery.attempts[-1].error if delivery.attempts else None) or "not tried yet",
        tried=tried,
    )


def _receiver(delivery: Delivery, delivering: Delivering) -> Endpoint | None:
    """The endpoint as it is now: its URL, its secret, whether it takes anything."""
    if delivery.endpoint_id:
        return delivering.endpoints.get(delivery.tenant, delivery.endpoint_id)
    kept = delivering.endpoints.get(delivery.tenant, job_urls_id(delivery.tenant))
    return kept or job_urls_of(delivery.tenant, delivering.clock.now())


def _note_health(endpoint: Endpoint, attempt: DeliveryAttempt, delivering: Delivering) -> None:
    """Many deliveries note theirs at once: whoever comes too late looks again."""

    def read() -> Endpoint:
        found = delivering.endpoints.get(endpoint.tenant, endpoint.endpoint_id)
        if found is None:
            raise StaleRecord(f"{endpoint.endpoint_id}: it was removed")
        return found

    def note(current: Endpoint) -> Endpoint | None:
        if not current.takes_deliveries:
            return current
        if current.url != endpoint.url:
            return None  # of somewhere else, the attempt says nothing
        after = (
            current.after_success() if attempt.succeeded else current.after_failure(attempt.at, gone=attempt.is_gone)
        )
        return None if after == current else delivering.endpoints.save(after)

    try:
        noted = update_with_retry(read, note, first=endpoint)
    except StaleRecord:
        return  # the next attempt will tell, if there is one
    if noted:
        _announce(noted, delivering)


def _announce(endpoint: Endpoint, delivering: Delivering) -> None:
    """Tells the bus that we have disabled the endpoint; at least once, and always the same."""
    if endpoint.announced or endpoint.reason is None or endpoint.disabled_at is None:
        return
    event = endpoint_disabled(
        tenant=endpoint.tenant,
        endpoint_id=endpoint.endpoint_id,
        reason=endpoint.reason,
        failing_since=endpoint.failing_since,
        at=endpoint.disabled_at,
    )
    delivering.bus.publish(event)
    try:
        delivering.endpoints.save(endpoint.model_copy(update={"announced": True}))
    except StaleRecord:
        return  # at worst it is said twice
