"""Transactions that meet others on the same item: repeated, within bounds, and never where anything else was wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from heliograph.budgets.adapters.dynamodb import DynamoDBLedger
from heliograph.budgets.ledger import BudgetAccount
from heliograph.kernel.errors import BudgetExceeded, HeliographError, RouteFull, StaleJob, StorageFailed
from heliograph.kernel.tenants import Limits, Tenants
from heliograph.platform import aws
from urllib3.response import HTTPResponse

from tests.examples import START, attempting_job, queued_job
from tests.integration.conftest import job_store

MOST_TRIES = 13
CONFLICT, FAILED, FINE, THROTTLED = "TransactionConflict", "ConditionalCheckFailed", "None", "ThrottlingError"
TIGHT = Tenants(together=Limits(daily_budget_usd="0.06"))


class Table:
    """What DynamoDB answers, one after the other; the last one for good."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]] | Exception] = [(200, {})]
        self.asked: list[dict[str, Any]] = []
        self.slept: list[float] = []

    def cancels(self, *reasons: str, times: int = 1) -> None:
        """The next `times` transactions, before it takes any."""
        body = {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
            "CancellationReasons": [{"Code": reason} for reason in reasons],
        }
        self.says(400, body, times=times)

    def says(self, status: int, body: dict[str, Any], *, times: int = 1) -> None:
        self.answers[-1:-1] = [(status, body)] * times

    def sent(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.asked.append(json.loads(request.body))  # type: ignore[arg-type]
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        raw = HTTPResponse(body=json.dumps(body).encode(), preload_content=True)
        raw.stream = lambda **_: iter([raw.data])  # type: ignore[assignment]
        return AWSResponse(request.url, status, HTTPHeaders(), raw)


@pytest.fixture
def dynamodb(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """The real client, up to the wire, on which nobody waits."""
    table, events = Table(), aws.dynamodb().meta.events
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=table.slept.append))
    hook: Callable[..., AWSResponse] = table.sent
    events.register("before-send.dynamodb", hook, unique_id="table")  # type: ignore[arg-type]
    yield table
    events.unregister("before-send.dynamodb", hook, unique_id="table")  # type: ignore[arg-type]


def a_job() -> Any:
    return queued_job(quote_microusd=50_000)


def test_a_transaction_that_met_another_is_made_again(dynamodb: Table) -> None:
    dynamodb.cancels(FINE, CONFLICT, FINE, CONFLICT, CONFLICT, times=3)
    added = job_store().add(a_job())
    assert added
    assert added.accounted.booking.reserved == 50_000
    assert len(dynamodb.asked) == 4


def test_each_repeat_is_the_same_transaction_by_its_token(dynamodb: Table) -> None:
    # One that was made after all, whose answer was lost, is not made twice.
    dynamodb.cancels(CONFLICT, FINE, FINE, FINE, FINE, times=2)
    job_store().add(a_job())
    first, *others = dynamodb.asked
    assert first["ClientRequestToken"]
    assert others == [first, first]


def test_an_answer_that_never_came_is_asked_for_by_the_same_token(dynamodb: Table) -> None:
    dynamodb.answers[:0] = [ReadTimeoutError(endpoint_url="https://dynamodb")]
    dynamodb.cancels(CONFLICT)
    job_store().add(a_job())
    assert len({asked["ClientRequestToken"] for asked in dynamodb.asked}) == 1
    assert len(dynamodb.asked) == 3


def test_two_transactions_have_two_tokens(dynamodb: Table) -> None:
    for _ in range(2):
        job_store().add(a_job())
    assert len({asked["ClientRequestToken"] for asked in dynamodb.asked}) == 2


def test_who_meets_others_again_and_again_gives_up(dynamodb: Table) -> None:
    dynamodb.cancels(CONFLICT, times=100)
    with pytest.raises(StorageFailed, match="TransactionCanceledException"):
        job_store().add(a_job())
    assert len(dynamodb.asked) == MOST_TRIES


def test_repeats_come_after_random_waits_that_grow_and_stay_short(dynamodb: Table) -> None:
    dynamodb.cancels(CONFLICT, times=20 * MOST_TRIES)
    for _ in range(20):
        with pytest.raises(StorageFailed):
            job_store().add(a_job())
    rounds = [dynamodb.slept[n : n + MOST_TRIES - 1] for n in range(0, len(dynamodb.slept), MOST_TRIES - 1)]
    assert len(rounds) == 20
    for waits in rounds:
        assert all(0 <= wait <= 0.05 * (number + 1) for number, wait in enumerate(waits))
    assert len(set(dynamodb.slept)) > 200
    assert sum(map(sum, rounds)) / len(rounds) > 1
    # A function that answers the API has some seconds, and no more.
    assert max(map(sum, rounds)) < 4


@pytest.mark.parametrize(
    ("reasons", "error"),
    [
        ([FAILED, FINE, FINE, FINE, FINE, FINE], StaleJob),
        ([FINE, FINE, FINE, FAILED, FINE, FINE], BudgetExceeded),
        ([FINE, FINE, FINE, FINE, FINE, FAILED], RouteFull),
        ([FAILED, FINE, FINE, FAILED, FINE, FAILED], StaleJob),
        ([FINE, FINE, FINE, FAILED, FINE, FAILED], BudgetExceeded),
        ([FAILED, CONFLICT, FINE, FINE, FINE, FINE], StaleJob),
        ([FINE, CONFLICT, FINE, FAILED, FINE, FINE], BudgetExceeded),
        ([FINE, CONFLICT, FINE, FINE, FINE, FAILED], RouteFull),
        ([FINE, THROTTLED, FINE, FINE, FINE, FINE], StorageFailed),
        ([CONFLICT, THROTTLED, FINE, FINE, FINE, FINE], StorageFailed),
        ([FINE, "ValidationError", FINE, FINE, FINE, FINE], StorageFailed),
        # A page without a limit has no condition: that one fails is nothing that we know.
        ([FINE, FAILED, FINE, FINE, FINE, FINE], StorageFailed),
        ([], StorageFailed),
    ],
)
def test_whatever_else_cancels_a_transaction_is_not_tried_again(
    dynamodb: Table, reasons: list[str], error: type[HeliographError]
) -> None:
    dynamodb.cancels(*reasons)
    with pytest.raises(error) as caught:
        job_store(tenants=TIGHT).save(attempting_job())
    assert type(caught.value) is error
    assert (len(dynamodb.asked), dynamodb.slept) == (1, [])


def test_a_job_that_fitted_at_its_time_is_found_though_only_the_money_is_said_to_be_gone(dynamodb: Table) -> None:
    store, job = job_store(tenants=TIGHT), a_job()
    dynamodb.cancels(FINE, FINE, FINE, FAILED, FINE)
    dynamodb.says(200, {"Item": {"job_id": {"S": job.job_id}, "document": {"S": job.model_dump_json()}}})
    assert store.add(job) is None
    dynamodb.cancels(FINE, FINE, FINE, FAILED, FINE)
    with pytest.raises(BudgetExceeded):
        store.add(job)


def test_what_moves_no_money_is_one_plain_write(dynamodb: Table) -> None:
    job_store().save(queued_job().as_started())
    [asked] = dynamodb.asked
    assert (asked["TableName"], asked["ConditionExpression"]) == ("jobs", "#n0 = :v0")
    assert asked["ExpressionAttributeNames"] == {"#n0": "revision"}
    assert "TransactItems" not in asked


def test_a_transaction_is_the_job_first_and_then_the_four_pages_and_the_route(dynamodb: Table) -> None:
    job_store(tenants=TIGHT).save(attempting_job())
    [asked] = dynamodb.asked
    [put, *updates] = asked["TransactItems"]
    assert put["Put"]["TableName"] == "jobs"
    tables = [update["Update"]["TableName"] for update in updates]
    assert tables == ["ledger"] * 4 + ["routes"]
    # All tenants together have a limit for the day; that is the one page with a condition.
    assert ["ConditionExpression" in update["Update"] for update in updates] == [False, False, True, False, True]


@pytest.mark.parametrize(
    "code",
    ["InternalServerError", "AccessDeniedException", "ResourceNotFoundException", "TransactionConflictException"],
)
def test_a_ledger_that_fails_raises_storage_failed_with_the_account(dynamodb: Table, code: str) -> None:
    ledger, page = DynamoDBLedger(aws.dynamodb(), "ledger"), BudgetAccount("*", "2026-11-22")
    status = 500 if code == "InternalServerError" else 400
    dynamodb.says(status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "x"}, times=100)
    for call in (
        lambda: ledger.read(page),
        lambda: ledger.may_announce(page, START),
        lambda: ledger.announced(page),
    ):
        with pytest.raises(StorageFailed, match=rf"BudgetAccount\(account='\*', period='2026-11-22'\): {code}"):
            call()


def test_a_page_is_read_consistently(dynamodb: Table) -> None:
    DynamoDBLedger(aws.dynamodb(), "ledger").read(BudgetAccount("*", "2026-11"))
    assert dynamodb.asked == [
        {"TableName": "ledger", "Key": {"account": {"S": "*"}, "period": {"S": "2026-11"}}, "ConsistentRead": True}
    ]
