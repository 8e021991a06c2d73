"""How often something may be done: the fake of the unit tests and the table of DynamoDB behave alike."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.stub import Stubber
from heliograph.access.adapters.dynamodb_pace import DynamoDBPace
from heliograph.access.ports import Pace
from heliograph.kernel.errors import StorageFailed
from heliograph.platform import aws

from tests.examples import after
from tests.fakes.pace import InMemoryPace
from tests.integration.conftest import items, table

SECOND = timedelta(seconds=1)


@pytest.fixture(params=[InMemoryPace, lambda: DynamoDBPace(aws.dynamodb(), table("calls"))], ids=["memory", "DynamoDB"])
def pace(request: pytest.FixtureRequest, cloud: None) -> Pace:
    """Either of them, empty."""
    found: Pace = request.param()
    return found


def test_what_may_be_done_once_a_second_may_not_be_done_twice_in_it(pace: Pace) -> None:
    moments = (0, 0, 0.999, 1, 1.5, 2, 60)
    taken = [pace.take("x", after(moment), every=SECOND) for moment in moments]
    assert taken == [True, False, False, True, False, True, True]


def test_each_thing_has_its_own_pace(pace: Pace) -> None:
    assert [pace.take(what, after(0), every=SECOND) for what in ("x", "y", "x")] == [True, True, False]


def test_too_soon_writes_nothing_and_what_is_written_expires(cloud: None) -> None:
    pace = DynamoDBPace(aws.dynamodb(), table("calls"))
    pace.take("x", after(0), every=SECOND)
    [before] = items("calls")
    assert not pace.take("x", after(0.5), every=SECOND)
    assert items("calls") == [before]
    assert 60 <= int(before["expires_at"]["N"]) - after(0).timestamp() <= 3600


def test_a_table_that_is_away_is_a_failed_storage(cloud: None) -> None:
    client = aws.dynamodb()
    with Stubber(client) as stub:
        stub.add_client_error("update_item", "InternalServerError")
        with pytest.raises(StorageFailed, match="InternalServerError"):
            DynamoDBPace(client, "calls").take("x", after(0), every=SECOND)
