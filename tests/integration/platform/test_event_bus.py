"""EventBridgeBus against moto's EventBridge, with a queue behind a rule."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import ANY, Stubber
from heliograph.kernel.errors import PublishFailed
from heliograph.platform import aws
from heliograph.platform.event_bus import EventBridgeBus
from heliograph.webhooks.event_catalogue import EVENT_SOURCE, EVENT_TYPES, PublishedEvent

from tests.examples import published_examples
from tests.integration.conftest import sqs

BUS = "heliograph-events"
EXAMPLES = published_examples()
EVENT = EXAMPLES["image.job.succeeded"]


@pytest.fixture
def queue(cloud: None) -> str:
    """The URL of a queue that gets whatever the bus takes."""
    events = aws.events()
    url = sqs().create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name=BUS)
    events.put_rule(Name="all", EventBusName=BUS, EventPattern=json.dumps({"source": [EVENT_SOURCE]}))
    events.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "listener", "Arn": arn}])
    return url


def arrived(queue: str) -> list[dict[str, Any]]:
    messages = sqs().receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_what_arrives_is_what_was_published(queue: str, name: str) -> None:
    EventBridgeBus(aws.events(), BUS).publish(EXAMPLES[name])
    [message] = arrived(queue)
    assert (message["source"], message["detail-type"]) == (EVENT_SOURCE, name)
    assert EVENT_TYPES[name].model_validate(message["detail"]) == EXAMPLES[name]


def test_an_event_published_twice_has_one_id(queue: str) -> None:
    bus = EventBridgeBus(aws.events(), BUS)
    bus.publish(EVENT)
    bus.publish(EVENT)
    assert [message["detail"]["event_id"] for message in arrived(queue)] == [EVENT.event_id] * 2


def answering(answer: dict[str, Any], event: PublishedEvent = EVENT) -> None:
    client = aws.events()
    with Stubber(client) as stub:
        stub.add_response("put_events", answer, {"Entries": [ANY]})
        EventBridgeBus(client, BUS).publish(event)


def test_an_entry_that_the_bus_did_not_take_is_a_failure_though_the_call_succeeded(cloud: None) -> None:
    with pytest.raises(PublishFailed, match=f"{EVENT.event_id}: ThrottlingException"):
        answering({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]})


@pytest.mark.parametrize("entries", [[], [{}]])
def test_a_failure_without_a_reason_is_a_failure(cloud: None, entries: list[dict[str, str]]) -> None:
    with pytest.raises(PublishFailed, match=EVENT.event_id):
        answering({"FailedEntryCount": 1, "Entries": entries})


def test_an_entry_that_the_bus_took_is_published(cloud: None) -> None:
    answering({"FailedEntryCount": 0, "Entries": [{"EventId": "x"}]})


@pytest.mark.parametrize("code", ["InternalException", "AccessDeniedException", "ResourceNotFoundException"])
def test_whatever_else_the_bus_says_is_a_failure_that_names_it(cloud: None, code: str) -> None:
    client = aws.events()
    with Stubber(client) as stub:
        stub.add_client_error("put_events", code)
        with pytest.raises(PublishFailed, match=f"{EVENT.event_id}: {code}"):
            EventBridgeBus(client, BUS).publish(EVENT)


def test_an_entry_carries_the_time_at_which_it_happened(cloud: None) -> None:
    client = aws.events()
    entry = {
        "EventBusName": BUS,
        "Source": EVENT_SOURCE,
        "DetailType": "image.job.succeeded",
        "Detail": ANY,
        "Time": EVENT.occurred_at,
    }
    with Stubber(client) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": []}, {"Entries": [entry]})
        EventBridgeBus(client, BUS).publish(EVENT)
        stub.assert_no_pending_responses()
