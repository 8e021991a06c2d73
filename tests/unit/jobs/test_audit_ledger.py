"""`make ledger`: what is told of the money is compared with the jobs' own records."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.budgets.ledger import Usage, UsageLine
from heliograph.jobs.audit_ledger import UsageComparison, check_ledger, check_usage

from tests.fakes.deployment import BETA, SECOND, InMemoryDeployment


def compared(here: InMemoryDeployment, *, days: int = 1) -> list[UsageComparison]:
    lines = here.ledger.usage("2000-01-01", "2999-12-31")
    return check_usage(here.jobs, lines, complete_since=here.clock.now() - timedelta(days=days))


@pytest.fixture
def worked(here: InMemoryDeployment) -> InMemoryDeployment:
    """With two pictures on one route, one on another, and a job that cost nothing."""
    for number, model in enumerate((BETA, BETA, SECOND)):
        here.run(here.post({"prompt": "x", "model": model}, key=f"{number}").job.job_id)
    here.cancel(here.post(key="canceled").job.job_id)
    return here


def test_the_lines_are_those_of_the_jobs(worked: InMemoryDeployment) -> None:
    lines = compared(worked)

    assert [(one.line.route, one.of_jobs.pictures, one.agrees) for one in lines] == [
        (SECOND, 1, True),
        (BETA, 2, True),
    ]


@pytest.mark.parametrize(
    "wrong", [Usage(), Usage(2, 120_001, 0), Usage(3, 120_000, 0), Usage(2, 120_000, 1), Usage(2, 119_999, 0)]
)
def test_a_line_that_is_off_by_a_microdollar_or_a_picture_differs(worked: InMemoryDeployment, wrong: Usage) -> None:
    day = worked.clock.now().date().isoformat()
    worked.ledger.used[(day, "default", BETA)] = wrong

    assert [one.line.route for one in compared(worked) if not one.agrees] == [BETA]


def test_a_line_that_is_missing_and_one_that_no_job_explains_differ(worked: InMemoryDeployment) -> None:
    day = worked.clock.now().date().isoformat()
    del worked.ledger.used[(day, "default", BETA)]
    worked.ledger.used[(day, "nobody", SECOND)] = Usage(pictures=1)

    off = [(one.line, one.of_jobs) for one in compared(worked) if not one.agrees]

    assert off == [
        (UsageLine(day, "default", BETA, Usage()), Usage(2, 120_000, 0)),
        (UsageLine(day, "nobody", SECOND, Usage(pictures=1)), Usage()),
    ]


def test_days_whose_jobs_may_be_deleted_are_left_out(worked: InMemoryDeployment) -> None:
    worked.clock.step(2 * 24 * 3600)

    assert compared(worked, days=1) == []
    assert len(compared(worked, days=3)) == 2


def test_a_day_and_a_month_whose_first_jobs_may_be_deleted_are_left_out(worked: InMemoryDeployment) -> None:
    # The records are kept since a moment within the jobs' own day: those of its morning are gone, the sums are not.
    since = worked.clock.now() + timedelta(hours=1)
    lines = worked.ledger.usage("2000-01-01", "2999-12-31")

    assert check_usage([], lines, complete_since=since) == []
    assert check_ledger([], worked.ledger.scan(), complete_since=since) == []


def test_a_day_that_began_when_the_records_do_is_compared(worked: InMemoryDeployment) -> None:
    midnight = worked.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    lines = list(worked.ledger.usage("2000-01-01", "2999-12-31"))

    assert len(check_usage(worked.jobs, lines, complete_since=midnight)) == 2
    assert check_usage(worked.jobs, lines, complete_since=midnight + timedelta(microseconds=1)) == []
