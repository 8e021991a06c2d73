"""docs/recipes.md, as far as it can be checked without running it: patterns, input paths, and templates."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from moto.events.models import EventPattern

from tests.contract.cfn_template import ROOT
from tests.contract.documents import blocks

PAGE = ROOT / "docs" / "recipes.md"
TEXT = PAGE.read_text()
EVENTS: dict[str, Any] = {
    path.stem: json.loads(path.read_text())
    for path in (ROOT / "events" / "published").glob("*.json")
    if not path.name.endswith(".schema.json")
}
SCRIPTS = sorted(set(re.findall(r"^```sh (\S+)\n", TEXT, flags=re.MULTILINE)))
TEMPLATES = re.findall(r"^```yaml (\S+\.yaml)\n", TEXT, flags=re.MULTILINE)


def patterns() -> list[str]:
    """Of the page's list, and of its commands."""
    return [*blocks(PAGE, "pattern"), *re.findall(r"--event-pattern '([^']*)'", TEXT)]


@pytest.mark.parametrize("text", patterns())
def test_a_pattern_matches_events_that_are_published_and_no_others(text: str) -> None:
    pattern = EventPattern.load(text)
    named = set(json.loads(text)["detail-type"])

    matched = {name for name, event in EVENTS.items() if pattern.matches_event(event)}

    assert matched == named
    assert not any(pattern.matches_event(event | {"source": "somebody.else"}) for event in EVENTS.values())


def test_every_event_is_among_those_to_choose_from() -> None:
    table = TEXT.partition("| `detail-type` |")[2].partition("\n\n")[0]
    # `image.job.failed`, `.expired`, `.canceled`
    told = {
        name if not name.startswith(".") else f"image.job{name}" for name in re.findall(r"`([a-z.]*\.[a-z.]+)`", table)
    }

    assert set(EVENTS) <= told
    assert {name for name in told if name.startswith(("image.", "webhook."))} == set(EVENTS)


def transformed() -> list[tuple[str, str]]:
    """Each input path of a transformer, with each type of event that its rule lets through."""
    found = []
    for label in SCRIPTS:
        script = "".join(blocks(PAGE, label))
        for pattern in re.findall(r"--event-pattern '([^']*)'", script):
            found += [
                (name, path)
                for name in json.loads(pattern)["detail-type"]
                for path in re.findall(r'"\$\.([\w.-]+)"', script)
            ]
    return found


@pytest.mark.parametrize(("name", "path"), transformed())
def test_what_an_input_transformer_reads_is_in_every_event_that_it_gets(name: str, path: str) -> None:
    assert _has(EVENTS[name], path.split("."))


def _has(event: Any, names: list[str]) -> bool:
    return not names or (isinstance(event, dict) and names[0] in event and _has(event[names[0]], names[1:]))


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_passes_cfn_lint(name: str) -> None:
    [template] = blocks(PAGE, name)

    assert [f"{match.rule.id} {match.message}" for match in lint(template, config=ManualArgs())] == []


def test_templates_and_transformers_are_found() -> None:
    assert TEMPLATES == ["images-ready.yaml", "next-preset.yaml"]
    assert len(transformed()) > 20


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_run_end_to_end(script: str) -> None:
    run = (ROOT / "tests" / "e2e" / "test_recipes.py").read_text()

    assert f'"{script}"' in run
