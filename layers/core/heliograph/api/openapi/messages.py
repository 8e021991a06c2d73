"""Webhooks as they arrive: the models of what `message_body` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field

from heliograph.api.representations import Representation
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import message_body
from heliograph.webhooks.endpoint import TEST_EVENT
from heliograph.webhooks.event_catalogue import EVENT_TYPES, PublishedEvent, event_type

Data = TypeVar("Data", bound=BaseModel)


class TestData(Representation):
    """You asked for it: `POST /v1/webhook-endpoints/{endpoint_id}/test`."""

    tenant: str
    endpoint_id: str


class Message(Representation, Generic[Data]):
    """The body of a webhook."""

    type: str
    timestamp: Annotated[AwareDatetime, Field(description="When it happened.")]
    version: Literal["1"]
    event_id: Annotated[str, Field(pattern=r"^evt_[a-z2-7]{26}$", description="As `webhook-id`, at every attempt.")]
    job_url: Annotated[
        str | None,
        Field(description="Of a job's events: the call that has its links, relative to the API's address."),
    ]
    data: Data


def message_models() -> Iterator[tuple[str, type[BaseModel], type[BaseModel]]]:
    """The name of every event that is sent, its data's model, and its message's."""
    for name, event in EVENT_TYPES.items():
        data = event.model_fields["data"].annotation
        assert data is not None  # noqa: S101 - every envelope has data
        yield name, data, Message[data]  # type: ignore[valid-type]
    yield TEST_EVENT, TestData, Message[TestData]


def message_example(event: PublishedEvent) -> Mapping[str, Any]:
    """The event as a webhook brings it."""
    told = event.model_dump(mode="json")
    happening = ReceivedEvent(type=event_type(event), **told)
    message: Mapping[str, Any] = json.loads(message_body(happening))
    return message
