"""Deliveries: when the next attempt is due, what a receiver may ask for, what is kept of its answer."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from heliograph.kernel.ids import derived_id
from heliograph.webhooks.delivery import (
    JITTER,
    MAX_ANSWER_CHARACTERS,
    MAX_ATTEMPTS,
    MAX_RECOVERED,
    MAX_STORED_ATTEMPTS,
    MAX_WAIT,
    RETENTION,
    DeliveryAttempt,
    DeliveryStatus,
    message_body,
    parse_retry_after,
    printable_excerpt,
    recovery_due,
    retry_wait,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.webhooks.deliveries import EVENT, NOW, delivery

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def attempt(status_code: int | None = 500, at: datetime = NOW, *, seconds: float = 0) -> DeliveryAttempt:
    taken = status_code is not None and 200 <= status_code < 300
    return DeliveryAttempt(
        at=at,
        status_code=status_code,
        error=None if taken else "it failed",
        duration_ms=int(seconds * 1000),
    )


# ---- When


def test_the_waits_are_those_that_were_promised() -> None:
    promised = [timedelta(seconds=5), 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24))]
    assert len(promised) + 1 == MAX_ATTEMPTS
    for tries, wait in enumerate(promised, 1):
        assert wait <= retry_wait(tries, None, key="dlv_x-1") <= wait * (1 + JITTER)


def test_what_fails_together_does_not_come_back_together() -> None:
    waits = {retry_wait(4, None, key=f"dlv_{number}-1") for number in range(200)}
    assert len(waits) > 50
    assert max(waits) - min(waits) > 2 * HOUR * JITTER * 0.9


def test_a_wait_is_the_same_whenever_it_is_computed() -> None:
    assert retry_wait(3, None, key="a") == retry_wait(3, None, key="a") != retry_wait(3, None, key="b")


@pytest.mark.parametrize("asked", [timedelta(minutes=7), timedelta(hours=23)])
def test_who_asks_for_more_time_gets_it(asked: timedelta) -> None:
    assert asked <= retry_wait(1, asked, key="x") <= asked * (1 + JITTER)


def test_who_asks_for_less_time_than_the_schedule_gives_gets_the_schedules() -> None:
    assert retry_wait(3, timedelta(seconds=1), key="x") == retry_wait(3, None, key="x")


def test_nobody_can_put_us_off_for_ever() -> None:
    assert retry_wait(1, timedelta(days=365), key="x") <= MAX_WAIT * (1 + JITTER)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        ("99999999999999999999", MAX_WAIT),
        ("Sun, 22 Nov 2026 12:05:00 GMT", 5 * MINUTE),
        ("Sunday, 22-Nov-26 12:05:00 GMT", 5 * MINUTE),
        ("Sun Nov 22 12:05:00 2026", 5 * MINUTE),
        ("Sun, 22 Nov 2026 13:05:00 +0100", 5 * MINUTE),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0)),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("Sun, 99 Nov 2026 12:05:00 GMT", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(said: str | None, asked: timedelta | None) -> None:
    assert parse_retry_after(said, NOW) == asked


@given(st.text(max_size=64))
def test_no_retry_after_breaks_anything(said: str) -> None:
    asked = parse_retry_after(said, NOW)
    assert asked is None or asked >= timedelta(0)
    retry_wait(1, asked, key="x")


# ---- Attempts


@pytest.mark.parametrize("status_code", [200, 201, 202, 204, 299])
def test_what_was_taken_is_delivered(status_code: int) -> None:
    done = delivery().after_attempt(attempt(status_code), url="https://x.test/", retry_after=None)
    assert (done.status, done.next_attempt_at, done.tries) == (DeliveryStatus.DELIVERED, None, 1)


@pytest.mark.parametrize("status_code", [None, 100, 199, 301, 302, 307, 400, 401, 404, 409, 429, 500, 503])
def test_what_was_not_is_tried_again_at_its_time(status_code: int | None) -> None:
    again = delivery().after_attempt(attempt(status_code, seconds=2), url="https://x.test/", retry_after="60")
    assert again.status is DeliveryStatus.PENDING
    assert again.next_attempt_at
    # From the end of the attempt on.
    assert NOW + timedelta(seconds=62) <= again.next_attempt_at <= NOW + timedelta(seconds=2 + 66)


def test_after_the_last_attempt_it_has_failed() -> None:
    one = delivery()
    for number in range(MAX_ATTEMPTS):
        assert one.is_pending
        one = one.after_attempt(attempt(at=NOW + number * HOUR), url=one.url, retry_after=None)
    assert (one.status, one.tries, one.next_attempt_at) == (DeliveryStatus.FAILED, 10, None)


def test_who_is_gone_is_not_tried_again() -> None:
    assert delivery().after_attempt(attempt(410), url="x", retry_after="5").status is DeliveryStatus.FAILED


def test_a_replay_begins_a_series_of_its_own_and_remembers_what_was() -> None:
    failed = delivery().after_attempt(attempt(410), url="https://x.test/", retry_after=None)
    again = failed.replayed(NOW + HOUR)
    assert (again.status, again.series, again.tries, again.next_attempt_at) == ("pending", 2, 0, NOW + HOUR)
    assert again.attempts == failed.attempts
    assert again.execution == f"{failed.delivery_id}-2" != failed.execution
    assert (again.payload, again.event_id) == (failed.payload, failed.event_id)


def test_a_delivery_says_when_it_ended_while_it_is_over() -> None:
    one = delivery()
    assert (one.ended_at, one.undelivered_at) == (None, None)
    again = one.after_attempt(attempt(500, seconds=2), url="x", retry_after=None)
    assert (again.ended_at, again.undelivered_at) == (None, None)
    taken = again.after_attempt(attempt(204, NOW + HOUR, seconds=2), url="x", retry_after=None)
    assert (taken.ended_at, taken.undelivered_at) == (NOW + HOUR + timedelta(seconds=2), None)
    failed = taken.replayed(NOW + 2 * HOUR).after_attempt(attempt(410, NOW + 2 * HOUR), url="x", retry_after=None)
    assert failed.ended_at == failed.undelivered_at == NOW + 2 * HOUR
    assert failed.replayed(NOW + 3 * HOUR).ended_at is None
    skipped = again.ended(DeliveryStatus.SKIPPED, NOW + HOUR)
    assert skipped.ended_at == skipped.undelivered_at == NOW + HOUR


def test_a_recovery_begins_with_the_first_at_once_and_ends_before_the_next_call() -> None:
    names = [derived_id("dlv", f"{number}") for number in range(MAX_RECOVERED)]
    due = [recovery_due(place, name, NOW) for place, name in enumerate(names)]
    assert NOW <= due[0] < NOW + timedelta(seconds=1)
    assert NOW + timedelta(seconds=59) < due[-1] <= NOW + MINUTE
    assert due == sorted(due)
    assert len({(then - now) for now, then in pairwise(due)}) > 9


def test_a_record_does_not_grow_without_end() -> None:
    one = delivery()
    for number in range(100):
        one = one.replayed(NOW).after_attempt(attempt(at=NOW + number * MINUTE), url=one.url, retry_after=None)
    assert len(one.attempts) == MAX_STORED_ATTEMPTS
    assert one.attempts[-1].at == NOW + 99 * MINUTE


def test_a_record_is_kept_for_a_month_after_it_was_last_touched() -> None:
    one = delivery()
    assert one.expires_at == NOW + RETENTION
    assert one.replayed(NOW + HOUR).expires_at == NOW + HOUR + RETENTION


def test_the_same_event_to_the_same_receiver_is_the_same_delivery() -> None:
    assert delivery().delivery_id == delivery(tries=3).delivery_id
    ids = {delivery(receiver=name).delivery_id for name in ("ep_x", "ep_y")}
    ids |= {delivery(EVENT.model_copy(update={"event_id": "evt_other"})).delivery_id}
    assert len(ids) == 3


def test_an_execution_can_have_that_name() -> None:
    assert len(delivery(series=10**9).execution) <= 80


# ---- The message


def test_the_message_says_what_the_bus_says() -> None:
    message = json.loads(message_body(EVENT))
    assert message == {
        "type": "image.job.succeeded",
        "timestamp": "2026-11-22T11:59:58.123456Z",
        "version": "1",
        "event_id": EVENT.event_id,
        # Whoever wants the links to its results knows what to call.
        "job_url": f"v1/jobs/{EVENT.data['job_id']}",
        "data": EVENT.data,
    }
    assert json.loads(message_body(EVENT.model_copy(update={"data": {"account": "shop"}})))["job_url"] is None
    assert list(message)[:2] == ["type", "timestamp"]


def test_what_is_kept_of_an_answer_moves_no_terminal() -> None:
    kept = printable_excerpt(b"\x1b[2Jno\r\nsuch\x00hook \xff\xe2\x80\xae")
    assert kept.isprintable()
    assert [part for part in kept.split() if part.isascii()] == ["[2Jno", "such", "hook"]


@given(st.binary(max_size=10_000))
def test_little_is_kept_of_an_answer(answer: bytes) -> None:
    kept = printable_excerpt(answer)
    assert len(kept) <= MAX_ANSWER_CHARACTERS
    assert kept.isprintable()


def test_the_attempts_of_a_series_are_further_and_further_apart() -> None:
    one, due = delivery(), [NOW]
    while one.is_pending:
        one = one.after_attempt(attempt(at=due[-1]), url=one.url, retry_after=None)
        due += [one.next_attempt_at] if one.next_attempt_at else []
    gaps = [later - sooner for sooner, later in pairwise(due)]
    assert gaps == sorted(gaps)
    assert timedelta(hours=75) < due[-1] - NOW < timedelta(hours=84)
