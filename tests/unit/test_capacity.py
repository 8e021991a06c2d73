"""The capacity page says what the figures say."""

import json
import re
from typing import Any

import pytest

from benchmarks import _capacity
from benchmarks.__main__ import PAGE, RESULTS
from benchmarks._bill import total
from benchmarks._capacity import RATES, Limit, limits


@pytest.fixture(scope="module")
def figures() -> Any:
    return json.loads((RESULTS / "load.json").read_text())["figures"]


def test_the_page_is_the_one_that_its_figures_make(figures: Any) -> None:
    assert (PAGE.parent / "capacity.md").read_text() == _capacity.page(figures)


def test_the_bill_on_the_page_is_the_one_that_its_figures_make(figures: Any) -> None:
    from benchmarks._load_page import bills  # noqa: PLC0415 - it brings matplotlib along

    page = PAGE.read_text()

    for kind in ("api", "upload"):
        for told in bills(figures, kind).values():
            assert f"**{total(told):.3f}**" in page


def test_a_limit_ends_where_its_jobs_use_it_up() -> None:
    assert Limit("calls", 100, 4, "", "").ends_at == 25
    assert Limit("calls that no job makes", 100, 0, "", "").ends_at == float("inf")


def test_limits_come_in_the_order_in_which_they_end(figures: Any) -> None:
    found = [limit.ends_at for limit in limits(figures)]

    assert found == sorted(found)
    assert found[0] > 0


def test_every_rate_has_its_line_and_every_limit_its_source(figures: Any) -> None:
    page = _capacity.page(figures)

    assert [int(rate.replace(",", "")) for rate in re.findall(r"^\| ([\d,]+) \| ", page, re.MULTILINE)][:4] == list(
        RATES
    )
    assert all(limit.source and limit.moved_by for limit in limits(figures))


def test_our_own_settings_are_those_of_the_template(figures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {limit.name: limit.amount for limit in limits(figures)}
    posting = "jobs, HttpMethod: POST, ThrottlingRateLimit: "
    changed = _capacity._TEMPLATE.read_text().replace(f"{posting}100,", f"{posting}700,")
    monkeypatch.setattr(_capacity, "_TEMPLATE", type("Text", (), {"read_text": lambda _: changed})())

    after = {limit.name: limit.amount for limit in limits(figures)}

    assert {name for name in before if before[name] != after[name]} == {"calls of `POST /v1/jobs`, a second"}
    assert after["calls of `POST /v1/jobs`, a second"] == 700
