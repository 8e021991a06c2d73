"""Report of `make ledger`: one line if the ledger agrees with the jobs, else only what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from heliograph.jobs.audit_ledger import Comparison, UsageComparison
from heliograph.kernel.money import usd
from heliograph.kernel.tenants import EVERYBODY

from operations.tables import columns

_SUMS = ("account", "period", "by", "reserved", "spent", "unknown", "")
_RIGHT = frozenset({3, 4, 5})
_DIFFERS = "DIFFERS"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The comparison. `running`: tasks by route, as counted and by the jobs' records; `names`: names of keys by id."""

    jobs: int
    sums: Sequence[Comparison]
    usage: Sequence[UsageComparison]
    running: Mapping[str, tuple[int, int]]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether everything agrees with the jobs, to the micro-dollar."""
        money = all(one.agrees for one in self.sums) and all(one.agrees for one in self.usage)
        return money and all(counted == of_jobs for counted, of_jobs in self.running.values())


def ledger_report(checked: Checked, *, everything: bool) -> Iterator[str]:
    """Lines of the report; with `everything`, also what agrees."""
    shown = [one for one in checked.sums if everything or not one.agrees]
    if shown:
        yield from columns([_SUMS, *(row for one in shown for row in _rows(one, checked))], right=_RIGHT)
    told = [one for one in checked.usage if everything or not one.agrees]
    if told:
        yield from columns([_used(one) for one in told])
    routes = {name: pair for name, pair in checked.running.items() if everything or pair[0] != pair[1]}
    if routes:
        yield from columns([_running(name, *pair) for name, pair in routes.items()])
    accounts = {one.page.account for one in checked.sums}
    what = (
        f"{_count(checked.jobs, 'job')}, {_count(len(accounts), 'account')}, {_count(len(checked.usage), 'line')} of "
        f"usage and the running tasks of {_count(len(checked.running), 'route')} were checked: "
    )
    yield what + ("the ledger agrees to the micro-dollar." if checked.agrees else "the ledger DIFFERS from the jobs.")


def _rows(one: Comparison, checked: Checked) -> Iterator[tuple[str, ...]]:
    account = one.page.account
    name = "everybody" if account == EVERYBODY else account
    if account in checked.names:
        name = f"{account} ({checked.names[account]})"
    yield (name, one.page.period, "ledger", *map(_amount, one.booked), "agrees" if one.agrees else _DIFFERS)
    if not one.agrees:
        yield ("", "", "jobs", *map(_amount, one.of_jobs), "")


def _used(one: UsageComparison) -> tuple[str, ...]:
    day, tenant, route, told = one.line
    said = f"{_count(told.pictures, 'image')}, {_amount(told.spent)} spent, {_amount(told.unknown)} unknown"
    if one.agrees:
        return (f"usage of {tenant}", route, day, said, "agrees")
    by = one.of_jobs
    by_jobs = f"{_count(by.pictures, 'image')}, {_amount(by.spent)} spent, {_amount(by.unknown)} unknown"
    return (f"usage of {tenant}", route, day, said, f"{_DIFFERS}: {by_jobs} by the jobs")


def _running(route: str, counted: int, of_jobs: int) -> tuple[str, ...]:
    said = "agrees" if counted == of_jobs else f"{_DIFFERS}: {of_jobs} by the jobs"
    return (route, f"{_count(counted, 'task')} running", said)


def _amount(microusd: int) -> str:
    return f"{'-' if microusd < 0 else ''}{usd(abs(microusd))}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
