"""Amazon EventBridge as an `EventBus`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from heliograph.kernel.errors import PublishFailed
from heliograph.kernel.event_envelope import EVENT_SOURCE

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from heliograph.kernel.event_envelope import Envelope


class EventBridgeBus:
    """A custom event bus."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, event: Envelope) -> None:
        """Publishes one entry. EventBridge may answer 200 for an entry that it rejected: `FailedEntryCount` decides."""
        try:
            answer = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": self._bus,
                        "Source": EVENT_SOURCE,
                        "DetailType": event.event_type,
                        "Detail": event.model_dump_json(),
                        "Time": event.occurred_at,
                    }
                ]
            )
        except ClientError as error:
            raise PublishFailed(f"{event.event_id}: {error.response.get('Error', {}).get('Code')}") from error
        except BotoCoreError as error:
            raise PublishFailed(f"{event.event_id}: {type(error).__name__}") from error
        if answer["FailedEntryCount"]:
            reason = answer["Entries"][0].get("ErrorCode", "no reason given") if answer["Entries"] else "no entry"
            raise PublishFailed(f"{event.event_id}: {reason}")
