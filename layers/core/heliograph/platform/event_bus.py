"""Amazon EventBridge as an `EventBus`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.kernel.errors import PublishFailed
from heliograph.kernel.event_envelope import EVENT_SOURCE
from heliograph.platform.aws_errors import Errors

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from heliograph.kernel.event_envelope import Envelope

ERRORS = Errors(
    failure=PublishFailed,
    answers=frozenset(),
    meanings={
        "InternalException": "EventBridge failed",
        # Said of an entry, in an answer that is no error.
        "InvalidAccountIdException": "there can be no account of that id",
        "InvalidArgument": "the entry is not one that EventBridge takes",
        "MalformedDetail": "the entry's detail is no JSON",
        "NotAuthorizedForDetailTypeException": "the function's role may not publish events of this type",
        "NotAuthorizedForSourceException": "the function's role may not publish events of this source",
        "RedactionFailure": "CloudTrail could not redact its entry",
    },
)


class EventBridgeBus:
    """The custom bus of that name."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, event: Envelope) -> None:
        """One entry. EventBridge may answer 200 and still not have taken it: `FailedEntryCount` decides."""
        with ERRORS.translated(event.event_id):
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
        if answer["FailedEntryCount"]:
            reason = answer["Entries"][0].get("ErrorCode", "no reason given") if answer["Entries"] else "no entry"
            raise PublishFailed(f"{event.event_id}: {ERRORS.described(reason)}")
