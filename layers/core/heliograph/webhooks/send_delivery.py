"""Make one attempt at a delivery: sign, send, record the result, and schedule the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from heliograph.kernel.errors import StaleRecord
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.webhooks.delivery import (
    AttemptResult,
    Delivery,
    DeliveryAttempt,
    DeliveryCrashed,
    DeliveryDone,
    DeliveryStatus,
    DeliveryTurn,
    RetryDelivery,
    SendOutcome,
    printable_excerpt,
)
from heliograph.webhooks.endpoint import Endpoint, job_urls_endpoint, job_urls_id, signing_secret
from heliograph.webhooks.events import endpoint_disabled

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock, EventBus
    from heliograph.webhooks.ports import DeliveryStore, EndpointStore, WebhookSender


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySender:
    """Sends deliveries, and disables endpoints that are gone or keep failing."""

    deliveries: DeliveryStore
    endpoints: EndpointStore
    sender: WebhookSender
    bus: EventBus
    clock: Clock
    master_secret: Callable[[], str]
    """Reads the secret that all signing secrets are derived from."""

    def send(self, event: DeliveryTurn | DeliveryCrashed) -> SendOutcome:
        """Makes the attempt of a turn, or ends the delivery of an execution that ended early.

        Safe to repeat: a recorded attempt is not made again. At worst the receiver gets the message twice, with the
        same `webhook-id`. A success clears the endpoint's failures. A 410, or a failure after days of failures,
        disables the endpoint and publishes that. Raises `StorageFailed`, `PublishFailed`, and `StaleRecord` if a
        replay came in between.
        """
        turn = event.turn if isinstance(event, DeliveryCrashed) else event
        delivery = self.deliveries.get(turn.delivery_id)
        if delivery is None or delivery.series != turn.series:
            return DeliveryDone(delivery_id=turn.delivery_id, series=turn.series, status=None)
        if delivery.is_pending and isinstance(event, DeliveryCrashed):
            # No execution is left to send it. As a failed delivery it is visible, and can be replayed.
            delivery = self.deliveries.save(delivery.ended(DeliveryStatus.FAILED, self.clock.now()))
        if not delivery.is_pending or delivery.tries > turn.tries:
            return self._outcome(delivery)
        # A turn after a wait has waited: a workflow on a laptop waits for less than the outcome says.
        if turn.outcome is None and delivery.is_early(self.clock.now()):
            return self._outcome(delivery)
        return self._attempt(delivery)

    def _attempt(self, delivery: Delivery) -> SendOutcome:
        endpoint = self._receiver(delivery)
        if endpoint is None or not endpoint.is_enabled:
            if endpoint:
                self._announce(endpoint)
            skipped = delivery.ended(DeliveryStatus.SKIPPED, self.clock.now())
            return self._outcome(self.deliveries.save(skipped))
        url = endpoint.url or delivery.url
        began_at = self.clock.now()
        versions = endpoint.signing_versions(began_at)
        master_secret = self.master_secret()
        response = self.sender.send(
            url,
            delivery.payload,
            event_id=delivery.event_id,
            at=began_at,
            secrets=[signing_secret(master_secret, endpoint.endpoint_id, version) for version in versions],
        )
        attempt = DeliveryAttempt(
            at=began_at,
            status_code=response.status_code,
            error=response.error,
            duration_ms=(self.clock.now() - began_at) // timedelta(milliseconds=1),
            answer=printable_excerpt(response.body),
        )
        # The endpoint is saved first: once the attempt is on record, so is its effect on the endpoint.
        if delivery.endpoint_id:
            self._record_health(endpoint, attempt)
        attempted = delivery.after_attempt(attempt, url=url, retry_after=response.retry_after)
        age = self.clock.now() - delivery.created_at
        result = AttemptResult(
            accepted=attempt.succeeded, age_seconds=age.total_seconds() if delivery.series == 1 else None
        )
        return self._outcome(self.deliveries.save(attempted), result)

    def _outcome(self, delivery: Delivery, result: AttemptResult | None = None) -> SendOutcome:
        if not delivery.is_pending or delivery.next_attempt_at is None:
            return DeliveryDone(
                delivery_id=delivery.delivery_id, series=delivery.series, status=delivery.status, attempt=result
            )
        wait = delivery.next_attempt_at - self.clock.now()
        return RetryDelivery(
            delivery_id=delivery.delivery_id,
            series=delivery.series,
            tries=delivery.tries,
            wait_seconds=max(1, ceil(wait.total_seconds())),
            reason=(delivery.attempts[-1].error if delivery.attempts else None) or "not tried yet",
            attempt=result,
        )

    def _receiver(self, delivery: Delivery) -> Endpoint | None:
        """The endpoint's current record, with its URL, secrets and status."""
        if delivery.endpoint_id:
            return self.endpoints.get(delivery.tenant, delivery.endpoint_id)
        stored = self.endpoints.get(delivery.tenant, job_urls_id(delivery.tenant))
        return stored or job_urls_endpoint(delivery.tenant, self.clock.now())

    def _record_health(self, endpoint: Endpoint, attempt: DeliveryAttempt) -> None:
        """Records the attempt's effect on the endpoint. Many deliveries do so at once: a conflict reads it again."""

        def read() -> Endpoint:
            found = self.endpoints.get(endpoint.tenant, endpoint.endpoint_id)
            if found is None:
                raise StaleRecord(f"{endpoint.endpoint_id}: it was removed")
            return found

        def record(current: Endpoint) -> Endpoint | None:
            if not current.is_enabled:
                return current
            if current.url != endpoint.url:
                return None  # the attempt says nothing about the new URL
            if attempt.succeeded:
                after = current.after_success()
            else:
                after = current.after_failure(attempt.at, gone=attempt.is_gone)
            return None if after == current else self.endpoints.save(after)

        try:
            recorded = update_with_retry(read, record, first=endpoint)
        except StaleRecord:
            return  # the next attempt records it, if there is one
        if recorded:
            self._announce(recorded)

    def _announce(self, endpoint: Endpoint) -> None:
        """Publishes that the endpoint was disabled: at least once, and always the same event."""
        if endpoint.announced or endpoint.reason is None or endpoint.disabled_at is None:
            return
        event = endpoint_disabled(
            tenant=endpoint.tenant,
            endpoint_id=endpoint.endpoint_id,
            reason=endpoint.reason,
            failing_since=endpoint.failing_since,
            at=endpoint.disabled_at,
        )
        self.bus.publish(event)
        try:
            self.endpoints.save(endpoint.model_copy(update={"announced": True}))
        except StaleRecord:
            return  # at worst it is published twice
