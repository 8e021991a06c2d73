"""Log events are phrases of one style, and the queries of docs/operations.md find them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.contract.cfn_template import ROOT

# A subject and what happened to it. What follows a colon says what comes of it.
EVENT = re.compile(r"[a-z-]+( [a-z-]+)* ([a-z]+ed|left out|made|sent|shown|swept)( before its route)?(: [a-z].*)?")
LOGGED = {"debug", "info", "warning", "error", "exception", "critical"}
SOURCES = sorted((ROOT / "functions").glob("*/app.py")) + sorted((ROOT / "layers/core/heliograph").rglob("*.py"))
# The log's own file hands on the event that it is given.
LOGGING = ROOT / "layers/core/heliograph/monitoring/logging.py"


def events() -> Iterator[tuple[str, ast.expr]]:
    """The first argument of each call that logs, with the place of the call."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Attribute(value=ast.Name(id="logger"), attr=name) if name in LOGGED:
                    pass
                case ast.Name(id="log_event"):
                    pass
                case _:
                    continue
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            event = node.args[0]
            if path != LOGGING or not isinstance(event, ast.Name):
                yield from (
                    (place, one) for one in ([event.body, event.orelse] if isinstance(event, ast.IfExp) else [event])
                )


def texts() -> set[str]:
    return {event.value for _, event in events() if isinstance(event, ast.Constant) and isinstance(event.value, str)}


@pytest.mark.parametrize(("place", "event"), list(events()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_log_event_is_a_fixed_phrase_in_the_past_tense(place: str, event: ast.expr) -> None:
    assert isinstance(event, ast.Constant), f"{place}: ids are fields of the line, not parts of its text"
    assert isinstance(event.value, str)
    assert EVENT.fullmatch(event.value), f"{place}: {event.value!r} is no phrase like 'endpoint registered'"


def test_every_query_of_the_documentation_names_events_that_are_logged() -> None:
    documents = sorted((ROOT / "docs").glob("*.md"))
    queried = {name for path in documents for name in re.findall(r'message = "([^"]+)"', path.read_text())}
    assert len(queried) > 3
    assert queried <= texts()
