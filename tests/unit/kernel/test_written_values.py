"""Numbers, days and times as callers write them: nothing that only pydantic would take for one."""

from __future__ import annotations

from typing import Any

import pytest
from heliograph.budgets.read_usage import UsageQuery
from heliograph.jobs.read_jobs import JobsQuery
from heliograph.jobs.request import JobRequest
from pydantic import ValidationError


@pytest.mark.parametrize("limit", ["1_0", "5.0", " 5", "+5", "1e1", "\u0665"])
def test_a_limit_is_written_in_digits(limit: str) -> None:
    with pytest.raises(ValidationError, match="must be written like 20"):
        JobsQuery.model_validate({"limit": limit})
    assert JobsQuery.model_validate({"limit": "5"}).limit == 5


@pytest.mark.parametrize("day", ["0", "1700000000", "2026-11-22T00:00:00", "22.11.2026"])
def test_a_day_is_no_number_of_seconds(day: str) -> None:
    with pytest.raises(ValidationError):
        UsageQuery.model_validate({"from": day}, by_alias=True, by_name=False)


@pytest.mark.parametrize("moment", ["0", "1700000000", "2026-11-22", "2026-11-22T10:00:00"])
def test_a_moment_has_its_offset_and_is_no_number_of_seconds(moment: str) -> None:
    with pytest.raises(ValidationError):
        JobsQuery.model_validate({"created_after": moment})


@pytest.mark.parametrize(("given", "expected"), [(60, 60), (60.0, 60), (60.5, None), ("60", None), (True, None)])
def test_a_whole_number_of_json_may_have_a_point(given: Any, expected: int | None) -> None:
    try:
        found = JobRequest(prompt="x", deadline_seconds=given).deadline_seconds
    except ValidationError:
        found = None
    assert found == expected
