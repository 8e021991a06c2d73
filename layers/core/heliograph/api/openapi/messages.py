"""Models of webhook messages, as `message_body` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, create_model

from heliograph.api.representations import Representation
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.delivery import message_body
from heliograph.webhooks.endpoint import TEST_EVENT
from heliograph.webhooks.event_catalogue import EVENT_TYPES

Data = TypeVar("Data", bound=BaseModel)


class TestData(Representation):
    """A test of an endpoint: `POST /v1/webhook-endpoints/{endpoint_id}/test`."""

    tenant: str
    endpoint_id: str


class Message(Representation, Generic[Data]):
    """The body of a webhook."""

    type: str
    timestamp: Annotated[AwareDatetime, Field(description="When it happened.")]
    version: Literal["1"]
    event_id: Annotated[str, Field(pattern=r"^evt_[a-z2-7]{26}$", description="The `webhook-id` of every attempt.")]
    job_url: Annotated[
        str | None,
        Field(description="For events of a job: the job's URL, relative to the API's address."),
    ]
    data: Data


@cache
def message_models() -> tuple[tuple[str, type[BaseModel], type[BaseModel]], ...]:
    """For every event that is sent: its name, the model of its data, and the model of its message."""
    found: list[tuple[str, type[BaseModel], type[BaseModel]]] = []
    for name, event in EVENT_TYPES.items():
        data = event.model_fields["data"].annotation
        assert data is not None  # noqa: S101 - every envelope has data
        found.append((name, data, _message_of(data)))
    return (*found, (TEST_EVENT, TestData, _message_of(TestData)))


def _message_of(data: type[BaseModel]) -> type[BaseModel]:
    """`JobSucceededMessage` of `JobSucceededData`."""
    name = f"{data.__name__.removesuffix('Data')}Message"
    return create_model(name, __base__=Message[data], __doc__=Message.__doc__)  # type: ignore[valid-type]


def message_example(name: str, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event as a webhook brings it. `detail`: as it is on the bus."""
    message: Mapping[str, Any] = json.loads(message_body(ReceivedEvent(type=name, **detail)))
    return message
