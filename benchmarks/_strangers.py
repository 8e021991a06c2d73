"""What callers without a key can make a deployment spend, at most. Pure, but for the pages, which are made and weighed.

At most: every call takes as long, and logs as much, as the slowest and the most talkative function that was timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from heliograph.api.openapi.pages import description_pages
from heliograph.api.pages import folder

from benchmarks._bill import JOBS, Use, bill, gb_seconds, total
from benchmarks._prices import Architecture
from benchmarks._template import TEMPLATE, Method, Template, method_rate, methods
from tests.contract.openapi import ROUTES

_HOUR_SECONDS = 3600
_PAGES = Path(__file__).parent.parent / "functions" / "serve_pages"
# https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html: ten a second for each that may run at once.
_CALLS_PER_CONCURRENT = 10
CONCURRENCY = 1000
# A made-up key, job or callback is looked up once.
_LOOKED_UP = 1.0


@dataclass(frozen=True, slots=True)
class Entrance:
    """A way in for everybody: how often it can be taken in a second, what each time uses, and what bounds it."""

    name: str
    calls_per_second: float
    use: Use
    bound: str

    @property
    def usd_per_hour(self) -> Decimal:
        """If it is taken as often as it can be."""
        thousands = Decimal(str(self.calls_per_second)) * _HOUR_SECONDS / JOBS
        return total(bill(self.use, Architecture.ARM64)) * thousands


def entrances(figures: Mapping[str, Any], template: Template = TEMPLATE) -> list[Entrance]:
    """All of them."""
    found = list(methods(template))
    is_open = [method for method in found if method.is_open]
    guarded = sum(method_rate(method.verb, method.path, template) for method in found if not method.is_open)
    rate = sum(method_rate(method.verb, method.path, template) for method in is_open)
    # The heaviest that each method can answer, weighed by how often it may be called.
    weight = sum(method_rate(each.verb, each.path, template) * heaviest_answer(each) for each in is_open) / rate
    run = _run(figures)
    return [
        Entrance(
            f"the {len(is_open)} methods without authentication: pages and callbacks",
            rate,
            run.plus(Use(api_calls=1, read_units=_LOOKED_UP, egress_bytes=weight)),
            "`ThrottlingRateLimit` of each method in template.yaml",
        ),
        Entrance(
            f"the {len(found) - len(is_open)} other methods, with made-up keys",
            guarded,
            run.plus(Use(read_units=_LOOKED_UP)),
            "`ThrottlingRateLimit` of each method in template.yaml",
        ),
        Entrance(
            "the URL for OpenAI's client, with made-up keys",
            _CALLS_PER_CONCURRENT * CONCURRENCY,
            run.plus(Use(read_units=_LOOKED_UP)),
            "concurrent executions: the account's quota, or a reservation for `CreateOpenAiImages`",
        ),
    ]


def heaviest_answer(method: Method) -> int:
    """Bytes of the largest document that a method serves."""
    if method.verb == "HEAD":
        return 0
    below = method.path.removesuffix("{file}")
    is_folder = below != method.path
    sizes = (size for path, size in _documents().items() if (path.startswith(below) if is_folder else path == below))
    return max(sizes, default=0)


@cache
def _documents() -> Mapping[str, int]:
    description = (_PAGES / "openapi.json").read_text(encoding="utf-8")
    pages = {
        **description_pages(description, ROUTES, local_webhooks=False, images_url="https://images.example/"),
        **folder("/playground", _PAGES / "playground"),
        **folder("/docs", _PAGES / "docs"),
    }
    playground = (_PAGES / "playground" / "index.html").stat().st_size
    return {"/playground": playground, **{path: len(page.body.encode()) for path, page in pages.items()}}


def _run(figures: Mapping[str, Any]) -> Use:
    """One call of a function."""
    slowest = max(gb_seconds(each["billed_ms"], each["memory_mb"]) for each in figures["functions"].values())
    counted = [
        told["log_bytes"] / told["invocations"]
        for about in figures["settings"].values()
        for job in about.values()
        for told in job["functions"].values()
        if told["invocations"]
    ]
    return Use(invocations=1, gb_seconds=slowest, log_bytes=max(counted))


def table(figures: Mapping[str, Any], template: Template = TEMPLATE) -> str:
    """For the page."""
    lines = ["| entrance | calls a second | $ an hour | bounded by |", "|---|--:|--:|---|"]
    for each in entrances(figures, template):
        lines.append(f"| {each.name} | {each.calls_per_second:,.0f} | {each.usd_per_hour:,.0f} | {each.bound} |")
    return "\n".join(lines)
