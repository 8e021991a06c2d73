"""From an event to its receivers: fanned out once, tried on schedule, skipped, disabled, replayed; and nothing lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count, pairwise
from math import ceil
from typing import Any

import pytest
from heliograph.jobs.request import JobRequest
from heliograph.kernel.errors import (
    Conflict,
    InvalidRequest,
    PublishFailed,
    StaleRecord,
    StorageFailed,
    TooSoon,
    WorkflowFailed,
)
from heliograph.platform.threads import sequential_calls
from heliograph.webhooks.bus_event import BusEvent, ReceivedEvent
from heliograph.webhooks.delivery import (
    MAX_ATTEMPTS,
    OVERDUE_AFTER,
    RETRY_SCHEDULE,
    AttemptResult,
    Delivery,
    DeliveryCrashed,
    DeliveryDone,
    DeliveryQuery,
    DeliveryTurn,
    RetryDelivery,
    SendOutcome,
)
from heliograph.webhooks.endpoint import DISABLE_AFTER, MAX_ENDPOINTS, Endpoint, job_urls_id, signing_secret
from heliograph.webhooks.event_catalogue import EndpointDisabled
from heliograph.webhooks.fan_out import WebhookFanOut
from heliograph.webhooks.manage_deliveries import DeliveryService, Recovered
from heliograph.webhooks.manage_endpoints import EndpointService
from heliograph.webhooks.send_delivery import DeliverySender
from heliograph.webhooks.sweep_deliveries import DeliverySweeper

from tests.examples import arriving, published_examples, queued_job
from tests.fakes.bus import RecordingBus
from tests.fakes.clock import SteppingClock
from tests.fakes.jobs import InMemoryJobStore
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.pace import InMemoryPace
from tests.fakes.script import Afterwards, Crash
from tests.fakes.webhooks import (
    InMemoryDeliveryStore,
    InMemoryDeliveryWorkflow,
    InMemoryEndpointStore,
    ScriptedSender,
)

MASTER = "the deployment's own"
URL, JOB_URL = "https://hooks.example.com/a", "https://hooks.example.com/job"
SUCCEEDED = "image.job.succeeded"


class PostOffice:
    """All of the webhooks' functions around one set of stores."""

    def __init__(self) -> None:
        self.endpoints = InMemoryEndpointStore()
        self.deliveries = InMemoryDeliveryStore()
        self.jobs = InMemoryJobStore(InMemoryLedger(), {})
        self.workflow = InMemoryDeliveryWorkflow()
        self.sender = ScriptedSender()
        self.bus = RecordingBus()
        self.clock = SteppingClock()
        self._numbers = count(1)
        self.desk = EndpointService(endpoints=self.endpoints, clock=self.clock, master_secret=lambda: MASTER)
        self.pace = InMemoryPace()
        self.counter = DeliveryService(
            deliveries=self.deliveries,
            endpoints=self.endpoints,
            workflow=self.workflow,
            clock=self.clock,
            pace=self.pace,
            in_parallel=sequential_calls,
        )
        self._delivery_sender = DeliverySender(
            deliveries=self.deliveries,
            endpoints=self.endpoints,
            sender=self.sender,
            bus=self.bus,
            clock=self.clock,
            master_secret=lambda: MASTER,
        )

    def register(self, *, url: str = URL, tenant: str = "default", **asked: Any) -> Endpoint:
        endpoint, _ = self.desk.register({"url": url, **asked}, tenant=tenant, request_id=f"r{next(self._numbers)}")
        return endpoint

    def endpoint(self, endpoint: Endpoint) -> Endpoint:
        found = self.endpoints.get(endpoint.tenant, endpoint.endpoint_id)
        assert found
        return found

    def set_status(self, endpoint: Endpoint, status: str) -> None:
        self.desk.change(endpoint.endpoint_id, {"status": status}, tenant=endpoint.tenant)

    def notify(self, event: ReceivedEvent | None = None) -> list[Delivery]:
        fan_out = WebhookFanOut(
            jobs=self.jobs,
            endpoints=self.endpoints,
            deliveries=self.deliveries,
            workflow=self.workflow,
            clock=self.clock,
        )
        return fan_out.fan_out(event or happening())

    def delivery(self) -> Delivery:
        """The only one there is."""
        [found] = self.deliveries
        return found

    def deliver(self, turn: DeliveryTurn | RetryDelivery | Delivery) -> SendOutcome:
        return self._delivery_sender.send(as_turn(turn))

    def give_up(self, delivery: Delivery) -> SendOutcome:
        told = {"outcome": "crashed", "execution": delivery.execution, "error": "its execution is TIMED_OUT"}
        return self._delivery_sender.send(DeliveryCrashed.model_validate(told))

    def run(self, delivery: Delivery) -> DeliveryDone:
        """What the state machine does, wait by wait, until nothing is left to do."""
        outcome = self.deliver(delivery)
        while isinstance(outcome, RetryDelivery):
            self.clock.step(outcome.wait_seconds)
            outcome = self.deliver(outcome)
        return outcome

    def replay(self, delivery: Delivery) -> Delivery:
        found = self.counter.replay(delivery.delivery_id, tenant=delivery.tenant)
        assert found
        return found

    @property
    def sent_to(self) -> list[str]:
        return [sent.url for sent in self.sender.sent]


def as_turn(told: DeliveryTurn | RetryDelivery | Delivery) -> DeliveryTurn:
    """As it comes from the workflow."""
    if isinstance(told, Delivery):
        return DeliveryTurn(delivery_id=told.delivery_id, series=told.series)
    return DeliveryTurn.model_validate_json(told.model_dump_json())


def happening(type_: str = SUCCEEDED) -> ReceivedEvent:
    """An example, as the bus delivers it."""
    return BusEvent.model_validate(arriving(published_examples()[type_])).received_event()


@pytest.fixture
def office() -> PostOffice:
    """Empty."""
    return PostOffice()


# ---- Fanning out


def test_an_event_goes_to_every_endpoint_of_its_tenant_that_chose_it(office: PostOffice) -> None:
    wanted = [office.register(), office.register(events=[SUCCEEDED, "image.job.failed"])]
    office.register(events=["image.job.failed"])
    office.register(tenant="blog")

    made = office.notify()

    assert {delivery.endpoint_id for delivery in made} == {endpoint.endpoint_id for endpoint in wanted}
    assert office.workflow.executions == [f"{delivery.delivery_id}-1" for delivery in made]
    assert {(delivery.status, delivery.event_id) for delivery in made} == {("pending", happening().event_id)}


def test_a_jobs_own_url_is_told_of_that_job_only(office: PostOffice) -> None:
    event = happening()
    job = queued_job()
    office.jobs.add(job.model_copy(update={"request": with_url(job.request, JOB_URL)}))

    [delivery] = office.notify(event)

    assert (delivery.url, delivery.endpoint_id, delivery.job_id) == (JOB_URL, None, job.job_id)
    assert office.notify(happening("image.budget.exhausted")) == []
    assert office.notify(event.model_copy(update={"data": {**event.data, "job_id": "job_" + "z" * 26}})) == []


def test_a_job_without_a_url_tells_nobody(office: PostOffice) -> None:
    office.jobs.add(queued_job())
    assert office.notify() == []


def test_an_event_that_comes_twice_makes_no_second_delivery(office: PostOffice) -> None:
    office.register()
    office.notify()
    office.run(office.delivery())
    office.clock.step(3600)

    office.notify()

    assert len(office.workflow.executions) == 1
    assert office.delivery().status == "delivered"
    assert len(office.sender.sent) == 1


def test_a_delivery_whose_execution_could_not_be_started_is_started_by_the_repeat(office: PostOffice) -> None:
    office.register()
    office.workflow.on("start", WorkflowFailed("away"))
    with pytest.raises(WorkflowFailed):
        office.notify()

    office.notify()

    assert office.workflow.executions == [office.delivery().execution]


@pytest.mark.parametrize("where", ["endpoints.list_for", "deliveries.add", "workflow.start"])
def test_a_repeat_completes_a_fan_out_that_crashed_anywhere(office: PostOffice, where: str) -> None:
    for _ in range(3):
        office.register()
    port, _, method = where.partition(".")
    getattr(office, port).on(method, None if method != "list_for" else Crash(), Crash())
    with pytest.raises(Crash):
        office.notify()
    getattr(office, port)._script.clear()

    made = office.notify()

    assert sorted(office.workflow.executions) == sorted(delivery.execution for delivery in made)
    assert len(made) == len(list(office.deliveries)) == 3


def test_an_event_of_a_type_that_nobody_knew_yet_is_delivered_too(office: PostOffice) -> None:
    office.register()
    event = ReceivedEvent(
        type="image.job.painted", version="1", event_id="evt_x", occurred_at="2026-11-22T12:00:00Z", data={}
    )
    [delivery] = office.notify(event)
    assert json.loads(delivery.payload)["type"] == "image.job.painted"


def test_the_end_of_an_endpoint_is_told_to_the_others_only(office: PostOffice) -> None:
    one, other = office.register(), office.register()
    event = happening("webhook.endpoint.disabled")
    about = event.model_copy(update={"data": {**event.data, "tenant": "default", "endpoint_id": one.endpoint_id}})
    assert [delivery.endpoint_id for delivery in office.notify(about)] == [other.endpoint_id]


# ---- Attempts


def test_what_is_sent_is_signed_with_the_endpoints_secret_and_noted(office: PostOffice) -> None:
    endpoint = office.register()
    [delivery] = office.notify()

    outcome = office.deliver(delivery)

    [sent] = office.sender.sent
    assert (sent.url, sent.payload, sent.event_id) == (URL, delivery.payload, happening().event_id)
    assert sent.secrets == (signing_secret(MASTER, endpoint.endpoint_id, 1),)
    tried = AttemptResult(accepted=True, age_seconds=0)
    expected = DeliveryDone(delivery_id=delivery.delivery_id, series=1, status=office.delivery().status, attempt=tried)
    assert outcome == expected
    done = office.delivery()
    assert (done.status, done.tries, [attempt.status_code for attempt in done.attempts]) == ("delivered", 1, [204])
    assert done.attempts[0].answer == "what it said"


def test_a_receiver_that_never_takes_it_is_tried_ten_times_on_schedule_with_the_same_message(
    office: PostOffice,
) -> None:
    office.register()
    office.sender.always(URL, 500)
    [delivery] = office.notify()

    office.run(delivery)

    done = office.delivery()
    assert (done.status, done.tries, done.next_attempt_at) == ("failed", MAX_ATTEMPTS, None)
    assert len({(sent.payload, sent.event_id) for sent in office.sender.sent}) == 1
    times = [sent.at for sent in office.sender.sent]
    for planned, (sooner, later) in zip(RETRY_SCHEDULE, pairwise(times), strict=True):
        assert planned <= later - sooner <= planned * 1.1 + timedelta(seconds=1)


def test_a_receiver_that_asks_for_time_gets_it(office: PostOffice) -> None:
    office.register()
    office.sender.answer(URL, 429, retry_after="3600")
    [delivery] = office.notify()
    outcome = office.deliver(delivery)
    assert isinstance(outcome, RetryDelivery)
    assert 3600 <= outcome.wait_seconds <= 3961
    assert outcome.reason == "answered 429"
    assert office.delivery().next_attempt_at is not None


def test_an_attempt_that_is_on_record_is_not_made_again_when_the_function_is(office: PostOffice) -> None:
    office.register()
    office.sender.answer(URL, 500)
    [delivery] = office.notify()
    first = office.deliver(delivery)
    assert isinstance(first, RetryDelivery)

    # The answer was lost, and the workflow asks again.
    office.clock.step(2)
    repeated = office.deliver(delivery)

    assert isinstance(repeated, RetryDelivery)
    assert (repeated.tries, repeated.wait_seconds) == (1, first.wait_seconds - 2)
    assert len(office.sender.sent) == 1


@pytest.mark.parametrize("error", [StorageFailed("away"), Afterwards(StorageFailed("the answer was lost"))])
def test_an_attempt_that_could_not_be_written_down_is_repeated_at_worst_with_the_same_id(
    office: PostOffice, error: Any
) -> None:
    office.register()
    [delivery] = office.notify()
    office.deliveries.on("save", error)
    with pytest.raises(StorageFailed):
        office.deliver(delivery)

    office.run(delivery)

    assert office.delivery().status == "delivered"
    assert len({sent.event_id for sent in office.sender.sent}) == 1
    assert len(office.sender.sent) <= 2


def test_retries_go_where_the_endpoint_is_now(office: PostOffice) -> None:
    endpoint = office.register()
    office.sender.always(URL, 404)
    [delivery] = office.notify()
    office.deliver(delivery)
    moved = "https://hooks.example.com/new"
    office.desk.change(endpoint.endpoint_id, {"url": moved}, tenant="default")

    office.clock.step(10)
    office.deliver(DeliveryTurn(delivery_id=delivery.delivery_id, series=1, tries=1))

    assert office.sent_to == [URL, moved]
    assert office.delivery().url == moved


def test_a_url_of_a_job_is_signed_with_the_tenants_own_secret_for_such(office: PostOffice) -> None:
    job = queued_job()
    office.jobs.add(job.model_copy(update={"request": with_url(job.request, JOB_URL)}))
    before = office.desk.secret("jobs", tenant="default")
    assert before
    [delivery] = office.notify()
    office.sender.answer(JOB_URL, 500)
    office.deliver(delivery)
    after = office.desk.rotate_secret("jobs", tenant="default")
    assert after
    office.clock.step(10)
    office.deliver(DeliveryTurn(delivery_id=delivery.delivery_id, series=1, tries=1))

    assert [sent.secrets for sent in office.sender.sent] == [(before.secret,), (after.secret, before.secret)]
    assert office.desk.secret("jobs", tenant="blog") != before
    assert list(office.desk.list("default")) == []


def test_a_url_of_a_job_that_is_gone_ends_that_delivery_and_nothing_else(office: PostOffice) -> None:
    job = queued_job()
    office.jobs.add(job.model_copy(update={"request": with_url(job.request, JOB_URL)}))
    [delivery] = office.notify()
    office.sender.answer(JOB_URL, 410)
    office.run(delivery)
    assert office.delivery().status == "failed"
    assert (office.endpoints.writes, len(office.bus)) == (0, 0)


def test_a_delivery_that_expired_needs_nothing_more(office: PostOffice) -> None:
    turn = DeliveryTurn(delivery_id="dlv_" + "a" * 26, series=1)
    assert office.deliver(turn) == DeliveryDone(delivery_id=turn.delivery_id, series=1, status=None)


# ---- Paused, disabled, removed


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_what_can_not_be_sent_now_is_kept_and_can_be_replayed(office: PostOffice, status: str) -> None:
    endpoint = office.register()
    if status == "paused":
        office.set_status(endpoint, "paused")
    else:
        disable(office, endpoint)
    [delivery] = office.notify()
    assert delivery.status == "skipped"
    assert delivery.execution not in office.workflow.executions
    with pytest.raises(Conflict, match=status):
        office.replay(delivery)

    office.set_status(endpoint, "enabled")
    office.run(office.replay(delivery))

    found = office.deliveries.peek(delivery.delivery_id)
    assert found
    assert (found.status, found.series) == ("delivered", 2)
    assert office.sender.sent[-1].event_id == happening().event_id


def test_what_waits_for_its_next_attempt_is_skipped_when_its_endpoint_pauses_or_goes(office: PostOffice) -> None:
    paused, removed = office.register(), office.register(url="https://hooks.example.com/b")
    office.sender.always(URL, 500)
    office.sender.always("https://hooks.example.com/b", 500)
    outcomes = [office.deliver(delivery) for delivery in office.notify()]
    office.set_status(paused, "paused")
    office.desk.delete(removed.endpoint_id, tenant="default")

    for outcome in outcomes:
        assert isinstance(outcome, RetryDelivery)
        office.deliver(outcome)

    assert {delivery.status for delivery in office.deliveries} == {"skipped"}
    assert len(office.sender.sent) == 2
    [gone] = [delivery for delivery in office.deliveries if delivery.endpoint_id == removed.endpoint_id]
    with pytest.raises(Conflict, match="removed"):
        office.replay(gone)


def disable(office: PostOffice, endpoint: Endpoint) -> Delivery:
    """By telling us that it is gone."""
    office.sender.answer(endpoint.url, 410)
    delivery = office.counter.test(endpoint.endpoint_id, tenant=endpoint.tenant, request_id="disabling")
    assert delivery
    office.run(delivery)
    return delivery


def test_who_is_gone_is_disabled_and_the_bus_is_told_once(office: PostOffice) -> None:
    endpoint = office.register()
    delivery = disable(office, endpoint)

    [event] = office.bus
    assert isinstance(event, EndpointDisabled)
    assert (event.data.endpoint_id, event.data.reason) == (endpoint.endpoint_id, "gone")
    now = office.endpoint(endpoint)
    assert (now.status, now.disabled_at, now.announced) == ("disabled", office.clock.now(), True)
    office.deliver(delivery)
    assert len(office.bus) == 1


def test_five_days_of_failures_disable_an_endpoint_and_one_success_is_enough_not_to(office: PostOffice) -> None:
    endpoint = office.register()
    began_at = office.clock.now()
    office.sender.always(URL, 500)

    def an_event_every_twelve_hours(until: datetime) -> None:
        for number in range(100):
            if office.clock.now() >= until or not office.endpoint(endpoint).is_enabled:
                return
            event = happening().model_copy(update={"event_id": f"evt_{began_at + timedelta(hours=number)}{until}"})
            [delivery] = office.notify(event)
            office.deliver(delivery)
            office.clock.step(12 * 3600)

    an_event_every_twelve_hours(began_at + timedelta(days=4))
    assert office.endpoint(endpoint).failing_since == began_at
    office.sender.answer(URL, 204)
    again_at = office.clock.now()
    an_event_every_twelve_hours(again_at + DISABLE_AFTER)
    assert office.endpoint(endpoint).is_enabled
    assert len(office.bus) == 0

    an_event_every_twelve_hours(again_at + timedelta(days=9))

    now = office.endpoint(endpoint)
    assert (now.status, now.reason) == ("disabled", "failing")
    assert now.disabled_at == again_at + timedelta(hours=12) + DISABLE_AFTER
    assert [event.data.reason for event in office.bus if isinstance(event, EndpointDisabled)] == ["failing"]


@pytest.mark.parametrize("error", [PublishFailed("away"), Crash()])
def test_what_the_bus_could_not_be_told_it_is_told_by_the_repeat(office: PostOffice, error: BaseException) -> None:
    office.register()
    [delivery] = office.notify()
    office.sender.answer(URL, 410)
    office.bus.on("publish", error)
    with pytest.raises(type(error)):
        office.deliver(delivery)

    office.run(delivery)

    assert len(office.bus) == 1
    assert len(office.sender.sent) == 1


def test_health_that_somebody_else_wrote_meanwhile_is_looked_at_again(office: PostOffice) -> None:
    endpoint = office.register()
    [delivery] = office.notify()
    office.sender.answer(URL, 500)

    def meanwhile() -> None:
        office.desk.change(endpoint.endpoint_id, {"description": "changed meanwhile"}, tenant="default")

    office.sender.on("send", meanwhile)
    office.deliver(delivery)

    now = office.endpoint(endpoint)
    assert (now.description, now.failing_since) == ("changed meanwhile", office.clock.now())


def test_what_was_gone_says_nothing_of_where_the_endpoint_has_moved_meanwhile(office: PostOffice) -> None:
    endpoint = office.register()
    [delivery] = office.notify()
    office.sender.answer(URL, 410)

    def meanwhile() -> None:
        office.desk.change(endpoint.endpoint_id, {"url": "https://hooks.example.com/new"}, tenant="default")

    office.sender.on("send", meanwhile)
    office.deliver(delivery)

    assert office.endpoint(endpoint).is_enabled
    assert len(office.bus) == 0


def test_an_endpoint_that_does_well_costs_no_write(office: PostOffice) -> None:
    office.register()
    writes = office.endpoints.writes
    office.run(office.notify()[0])
    assert office.endpoints.writes == writes


# ---- Ended early


def test_a_delivery_whose_execution_ended_early_has_failed_and_can_be_replayed(office: PostOffice) -> None:
    office.register()
    [delivery] = office.notify()
    office.give_up(delivery)
    assert office.delivery().status == "failed"
    office.run(office.replay(delivery))
    assert office.delivery().status == "delivered"


def test_the_end_of_an_old_execution_does_not_touch_the_series_after_it(office: PostOffice) -> None:
    office.register()
    [delivery] = office.notify()
    office.replay(delivery)
    assert office.give_up(delivery) == DeliveryDone(delivery_id=delivery.delivery_id, series=1, status=None)
    assert office.delivery().is_pending


# ---- Replays and tests


def test_a_replay_hastens_what_is_waiting_and_the_series_before_it_stops(office: PostOffice) -> None:
    office.register()
    office.sender.answer(URL, 500)
    [delivery] = office.notify()
    waiting = office.deliver(delivery)
    assert isinstance(waiting, RetryDelivery)

    office.run(office.replay(delivery))
    late = office.deliver(waiting)

    assert late == DeliveryDone(delivery_id=delivery.delivery_id, series=1, status=None)
    assert len(office.sender.sent) == 2
    assert office.workflow.executions == [f"{delivery.delivery_id}-1", f"{delivery.delivery_id}-2"]


def test_of_two_replays_at_once_one_wins(office: PostOffice) -> None:
    office.register()
    [delivery] = office.notify()
    office.run(delivery)

    def again() -> None:
        office.clock.step(1)
        office.replay(delivery)

    office.deliveries.on("save", again)

    with pytest.raises(Conflict, match="same moment"):
        office.replay(delivery)

    assert office.workflow.executions == [f"{delivery.delivery_id}-1", f"{delivery.delivery_id}-2"]


def test_a_replay_during_an_attempt_takes_over(office: PostOffice) -> None:
    office.register()
    [delivery] = office.notify()
    office.sender.on("send", lambda: office.replay(delivery))
    with pytest.raises(StaleRecord):
        office.deliver(delivery)
    assert office.deliver(delivery) == DeliveryDone(delivery_id=delivery.delivery_id, series=1, status=None)
    assert office.delivery().is_pending


def test_a_replay_that_can_not_be_begun_is_not_left_waiting(office: PostOffice) -> None:
    office.register()
    [delivery] = office.notify()
    office.workflow.on("start", WorkflowFailed("away"))
    with pytest.raises(WorkflowFailed):
        office.replay(delivery)
    assert office.delivery().status == "failed"


def test_a_test_is_a_delivery_like_any_other(office: PostOffice) -> None:
    endpoint = office.register(events=["image.job.failed"])
    delivery = office.counter.test(endpoint.endpoint_id, tenant="default", request_id="r")
    assert delivery
    office.run(delivery)
    [sent] = office.sender.sent
    assert json.loads(sent.payload)["type"] == "webhook.test"
    assert json.loads(sent.payload)["data"] == {"tenant": "default", "endpoint_id": endpoint.endpoint_id}
    assert office.delivery().status == "delivered"
    office.clock.step(1)
    again = office.counter.test(endpoint.endpoint_id, tenant="default", request_id="s")
    assert again
    assert again.event_id != delivery.event_id


def test_a_second_test_within_a_second_is_too_soon_and_leaves_nothing(office: PostOffice) -> None:
    endpoint, other = office.register(), office.register(url="https://hooks.example.com/b")
    for receiver in (endpoint, other):
        assert office.counter.test(receiver.endpoint_id, tenant="default", request_id="r")
    office.clock.step(0.999)
    before = list(office.deliveries), list(office.workflow.executions)
    with pytest.raises(TooSoon, match="one test a second"):
        office.counter.test(endpoint.endpoint_id, tenant="default", request_id="s")
    assert (list(office.deliveries), list(office.workflow.executions)) == before
    office.clock.step(0.001)
    assert office.counter.test(endpoint.endpoint_id, tenant="default", request_id="s")


def test_a_second_replay_within_a_second_is_too_soon_and_leaves_nothing(office: PostOffice) -> None:
    office.register()
    [delivery] = office.notify()
    office.run(delivery)
    office.replay(delivery)
    before = list(office.deliveries)
    with pytest.raises(TooSoon, match="one replay a second"):
        office.replay(delivery)
    assert list(office.deliveries) == before
    office.clock.step(1)
    assert office.replay(delivery).series == delivery.series + 2


# ---- Recoveries


def failed(office: PostOffice, number: int) -> list[Delivery]:
    """Deliveries of events that came and failed second by second; the receiver is well again afterwards."""
    found: list[Delivery] = []
    for each in range(number):
        office.clock.step(1)
        event = happening().model_copy(update={"event_id": f"evt_{office.clock.now():%H%M%S}_{each}"})
        for delivery in office.notify(event):
            office.give_up(delivery)
            found.append(delivery)
    return found


def recover(office: PostOffice, endpoint: Endpoint, since: datetime, *, tenant: str = "default") -> Recovered | None:
    return office.counter.recover(endpoint.endpoint_id, {"since": since.isoformat()}, tenant=tenant)


def statuses(office: PostOffice) -> dict[str, int]:
    return dict(Counter(delivery.status.value for delivery in office.deliveries))


def test_everything_that_failed_since_a_time_is_sent_again_once(office: PostOffice) -> None:
    endpoint, other = office.register(), office.register(url=JOB_URL)
    before = failed(office, 1)
    since = office.clock.now() + timedelta(seconds=1)
    after = [delivery for delivery in failed(office, 3) if delivery.endpoint_id == endpoint.endpoint_id]

    assert recover(office, endpoint, since) == Recovered(since, 3, has_more=False)
    for delivery in office.deliveries:
        if delivery.is_pending:
            office.run(delivery)
    office.clock.step(60)
    assert recover(office, endpoint, since) == Recovered(since, 0, has_more=False)

    # Not what failed before, nor what was for somebody else.
    assert [sent.event_id for sent in office.sender.sent] == [delivery.event_id for delivery in after]
    assert statuses(office) == {"delivered": 3, "failed": len(before) + 3}
    assert other.url not in office.sent_to


def test_what_failed_at_that_very_moment_is_sent_again_and_what_failed_just_before_is_not(office: PostOffice) -> None:
    endpoint = office.register()
    failed(office, 1)
    at = office.delivery().ended_at
    assert at
    office.clock.step(60)
    just_after = at + timedelta(microseconds=1)
    assert recover(office, endpoint, just_after) == Recovered(just_after, 0, has_more=False)
    office.clock.step(60)
    assert recover(office, endpoint, at) == Recovered(at, 1, has_more=False)


def test_a_delivery_counts_by_when_it_failed_not_by_when_its_event_came(office: PostOffice) -> None:
    endpoint = office.register()
    office.sender.always(URL, 500)
    [delivery] = office.notify()
    office.run(delivery)
    since = office.clock.now() - timedelta(hours=1)
    assert delivery.created_at < since - timedelta(days=2)

    assert recover(office, endpoint, since) == Recovered(since, 1, has_more=False)


def test_what_was_skipped_while_its_endpoint_took_nothing_is_sent_again_too(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    office.set_status(endpoint, "paused")
    office.notify()
    office.set_status(endpoint, "enabled")

    assert recover(office, endpoint, since) == Recovered(since, 1, has_more=False)
    office.run(office.delivery())

    assert office.delivery().status == "delivered"


def test_what_is_waiting_or_has_arrived_is_left_alone(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    [arrived] = office.notify()
    office.run(arrived)
    office.sender.answer(URL, 500)
    [waiting] = office.notify(happening())
    office.deliver(waiting)
    before = list(office.deliveries)

    assert recover(office, endpoint, since) == Recovered(since, 0, has_more=False)
    assert list(office.deliveries) == before


def test_a_recovery_is_spread_over_the_minute_until_the_next(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    failed(office, 1100)
    now = office.clock.now()

    recovered = recover(office, endpoint, since)

    assert recovered == Recovered(since, 1000, has_more=True)
    due = sorted(at - now for delivery in office.deliveries if (at := delivery.next_attempt_at))
    assert due[0] < timedelta(seconds=1)
    assert timedelta(seconds=58) < due[-1] < timedelta(minutes=1, seconds=1)
    for second in range(60):
        assert sum(timedelta(seconds=second) <= at < timedelta(seconds=second + 1) for at in due) <= 20
    # What failed first goes first, and nothing is sent before it is due.
    last = max((one for one in office.deliveries if one.next_attempt_at), key=lambda one: one.next_attempt_at or now)
    waits = office.deliver(last)
    assert isinstance(waits, RetryDelivery)
    assert waits.wait_seconds == ceil(due[-1].total_seconds())
    assert office.sender.sent == []
    office.clock.step(waits.wait_seconds)
    assert office.run(last).status == "delivered"
    office.clock.step(60)
    assert recover(office, endpoint, since) == Recovered(since, 100, has_more=False)


def test_a_wait_that_was_shorter_than_it_should_be_is_not_waited_for_again(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    failed(office, 60)
    recover(office, endpoint, since)
    last = max(office.deliveries, key=lambda one: one.next_attempt_at or since)
    waits = office.deliver(last)
    assert isinstance(waits, RetryDelivery)
    assert office.deliver(waits).outcome == "done"


def test_a_recovery_ends_in_time_and_its_repeat_goes_on(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    failed(office, 100)
    office.workflow.on("start", *[lambda: office.clock.step(0.25)] * 100)

    first = recover(office, endpoint, since)

    assert first == Recovered(since, 80, has_more=True)
    office.clock.step(60)
    assert recover(office, endpoint, since) == Recovered(since, 20, has_more=False)
    assert statuses(office) == {"pending": 100}
    assert len(set(office.workflow.executions)) == 200


@pytest.mark.parametrize("before", ["get", "save"])
def test_one_that_somebody_replays_at_the_same_moment_is_sent_once(office: PostOffice, before: str) -> None:
    endpoint, since = office.register(), office.clock.now()
    [delivery] = failed(office, 1)
    # After the index was asked, which still knew it as failed.
    office.deliveries.on(before, lambda: office.replay(delivery))

    assert recover(office, endpoint, since) == Recovered(since, 0, has_more=False)
    assert office.workflow.executions == [f"{delivery.delivery_id}-1", f"{delivery.delivery_id}-2"]


def test_one_that_could_not_be_begun_is_carried_on_by_the_sweep(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    first, second = failed(office, 2)
    office.workflow.on("start", WorkflowFailed("away"))

    assert recover(office, endpoint, since) == Recovered(since, 2, has_more=False)

    office.clock.step(OVERDUE_AFTER.total_seconds() + 1)
    swept = DeliverySweeper(deliveries=office.deliveries, workflow=office.workflow, clock=office.clock).sweep()
    assert {f"started {first.delivery_id}-2", f"started {second.delivery_id}-2"} == set(swept)


def test_a_second_recovery_within_a_minute_is_too_soon_and_changes_nothing(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    recover(office, endpoint, since)
    failed(office, 1)
    before = list(office.deliveries)
    office.clock.step(58.999)
    with pytest.raises(TooSoon, match="one recovery a minute") as error:
        recover(office, endpoint, since)
    assert error.value.seconds == 60
    assert list(office.deliveries) == before
    office.clock.step(0.001)
    assert recover(office, endpoint, since) == Recovered(since, 1, has_more=False)


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_an_endpoint_that_takes_nothing_is_not_recovered_and_may_be_at_once_when_it_does(
    office: PostOffice, status: str
) -> None:
    endpoint, since = office.register(), office.clock.now()
    if status == "paused":
        failed(office, 1)
        office.set_status(endpoint, status)
    else:
        disable(office, endpoint)
    before = list(office.deliveries)
    with pytest.raises(Conflict, match=status):
        recover(office, endpoint, since)
    assert list(office.deliveries) == before
    office.set_status(endpoint, "enabled")
    assert recover(office, endpoint, since) == Recovered(since, 1, has_more=False)


@pytest.mark.parametrize("what", ["jobs", "ep_x", "dlv_x", ""])
def test_what_is_no_endpoint_can_not_be_recovered(office: PostOffice, what: str) -> None:
    assert office.counter.recover(what, {"since": office.clock.now().isoformat()}, tenant="default") is None


def test_another_tenants_endpoint_can_not_be_recovered(office: PostOffice) -> None:
    endpoint, since = office.register(), office.clock.now()
    failed(office, 1)
    assert recover(office, endpoint, since, tenant="stranger") is None
    assert statuses(office) == {"failed": 1}
    assert recover(office, endpoint, since)


@pytest.mark.parametrize(
    ("document", "pointer", "fault"),
    [
        ({}, "/since", "is required"),
        ({"since": None}, "/since", "must be a date and time"),
        ({"since": 1795341600}, "/since", "must be a date and time"),
        ({"since": "1795341600"}, "/since", "must be a date and time"),
        ({"since": "2026-11-22"}, "/since", "must be a date and time"),
        ({"since": "yesterday"}, "/since", "must be a date and time"),
        ({"since": "2026-11-22T10:00:00"}, "/since", "must say its UTC offset"),
        ({"since": "2026-11-31T10:00:00Z"}, "/since", "must be a date and time"),
        ({"since": "0001-01-01T00:00:00+05:00"}, "/since", "is no date"),
        ({"since": "2026-11-22T12:00:00.000001Z"}, "/since", "in the future"),
        ({"since": "2026-11-22T07:00:00.000001-05:00"}, "/since", "in the future"),
        ({"since": "2026-10-23T11:59:59.999999Z"}, "/since", "over 30 days ago"),
        ({"since": "2026-11-22T10:00:00Z", "until": "x"}, "/until", "no such field"),
    ],
)
def test_a_recovery_says_since_when_and_every_fault_is_told_before_anything_is_done(
    office: PostOffice, document: dict[str, Any], pointer: str, fault: str
) -> None:
    endpoint = office.register()
    with pytest.raises(InvalidRequest) as error:
        office.counter.recover(endpoint.endpoint_id, document, tenant="default")
    [told] = error.value.faults
    assert told.pointer == pointer
    assert fault in told.detail
    # It was not the one call of this minute.
    assert recover(office, endpoint, office.clock.now())


@pytest.mark.parametrize(
    "since",
    ["2026-11-22T12:00:00Z", "2026-10-23T12:00:00Z", "2026-11-22t14:00:00.5+05:30", "2026-11-22T07:00:00-05:00"],
)
def test_since_is_any_moment_of_the_last_thirty_days(office: PostOffice, since: str) -> None:
    endpoint = office.register()
    assert office.counter.recover(endpoint.endpoint_id, {"since": since}, tenant="default")


@pytest.mark.parametrize("what", ["jobs", "ep_" + "a" * 26, ""])
def test_what_is_no_endpoint_can_not_be_tested(office: PostOffice, what: str) -> None:
    office.desk.rotate_secret("jobs", tenant="default")
    assert office.counter.test(what, tenant="default", request_id="r") is None


# ---- Endpoints


def test_another_tenants_endpoints_and_deliveries_are_not_there(office: PostOffice) -> None:
    endpoint = office.register()
    [delivery] = office.notify()
    looks: list[Callable[[], Any]] = [
        lambda: office.desk.find(endpoint.endpoint_id, tenant="blog"),
        lambda: office.desk.change(endpoint.endpoint_id, {"status": "paused"}, tenant="blog"),
        lambda: office.desk.delete(endpoint.endpoint_id, tenant="blog"),
        lambda: office.desk.secret(endpoint.endpoint_id, tenant="blog"),
        lambda: office.desk.rotate_secret(endpoint.endpoint_id, tenant="blog"),
        lambda: office.counter.find(delivery.delivery_id, tenant="blog"),
        lambda: office.counter.replay(delivery.delivery_id, tenant="blog"),
        lambda: office.counter.test(endpoint.endpoint_id, tenant="blog", request_id="r"),
    ]
    assert [look() for look in looks] == [None] * len(looks)
    assert office.counter.list(DeliveryQuery(), tenant="blog").items == ()
    assert office.endpoint(endpoint) == endpoint
    assert office.delivery() == delivery


def test_what_stands_for_the_urls_of_jobs_is_no_endpoint(office: PostOffice) -> None:
    office.desk.rotate_secret("jobs", tenant="default")
    own = job_urls_id("default")
    assert office.endpoints.get("default", own)
    assert office.desk.find(own, tenant="default") is None
    assert office.desk.change(own, {"status": "paused"}, tenant="default") is None
    assert office.desk.delete(own, tenant="default") is None
    assert office.desk.secret(own, tenant="default") is None
    assert office.notify() == []


def test_there_are_so_many_endpoints_and_no_more(office: PostOffice) -> None:
    office.desk.rotate_secret("jobs", tenant="default")
    made = [office.register() for _ in range(MAX_ENDPOINTS)]
    with pytest.raises(Conflict, match=str(MAX_ENDPOINTS)):
        office.register()
    office.desk.delete(made[0].endpoint_id, tenant="default")
    office.register()
    office.register(tenant="blog")


def test_endpoints_are_listed_newest_first(office: PostOffice) -> None:
    made = []
    for _ in range(3):
        made.append(office.register())
        office.clock.step(1)
    assert list(office.desk.list("default")) == made[::-1]


def test_a_secret_is_shown_when_it_is_made_and_signs_from_then_on(office: PostOffice) -> None:
    endpoint, secret = office.desk.register({"url": URL}, tenant="default", request_id="r")
    assert office.desk.secret(endpoint.endpoint_id, tenant="default") == secret
    assert secret.secret not in repr(secret)
    rotated = office.desk.rotate_secret(endpoint.endpoint_id, tenant="default")
    assert rotated
    assert (rotated.version, rotated.previous_valid_until) == (2, office.clock.now() + timedelta(hours=24))
    office.run(office.notify()[0])
    assert office.sender.sent[-1].secrets == (rotated.secret, secret.secret)
    office.clock.step(24 * 3600)
    found = office.desk.secret(endpoint.endpoint_id, tenant="default")
    assert found
    assert found.previous_valid_until is None


def test_a_change_meets_a_note_of_health_and_both_are_kept(office: PostOffice) -> None:
    endpoint = office.register()

    def meanwhile() -> None:
        office.endpoints.save(office.endpoint(endpoint).after_failure(office.clock.now(), gone=False))

    office.endpoints.on("save", meanwhile)
    changed = office.desk.change(endpoint.endpoint_id, {"description": "mine"}, tenant="default")
    assert changed
    assert (changed.description, changed.failing_since) == ("mine", office.clock.now())


def test_what_is_wrong_is_told_before_anything_is_written(office: PostOffice) -> None:
    with pytest.raises(InvalidRequest):
        office.desk.register({"url": "http://x.org/"}, tenant="default", request_id="r")
    assert office.endpoints.writes == 0


def with_url(request: JobRequest, url: str) -> JobRequest:
    """A request with a URL of its own."""
    return request.model_copy(update={"webhook_url": url})
