"""docs/errors.md has an entry for every code there is, and for no other."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest
from heliograph.api.openapi.errors import EVERY, problems_of
from heliograph.api.openapi.operations import OPERATIONS
from heliograph.api.problems import Problem
from heliograph.kernel.failures import FailureCode
from heliograph.openai_images.parameters import Code

from tests.contract import regenerate_error_page
from tests.contract.cfn_template import ROOT

PAGE = (ROOT / "docs" / "errors.md").read_text()
_SHAPE = re.compile(r"[a-z_]+")
# Which argument of what is raised or answered is its code.
_PLACES = {"Problem": 1, "Conflict": 0, "Refusal": 2, "UnusableParameters": 0}


def entries() -> dict[str, str]:
    """The page's entries by their codes: the line of facts below each heading."""
    return dict(re.findall(r"^### `(\w+)`\n\n(.+)$", PAGE, flags=re.MULTILINE))


@cache
def codes() -> dict[str, frozenset[str]]:
    """Every code that anybody can be told, by where it is found."""
    gateway = re.findall(r'"code":"(\w+)"', (ROOT / "template.yaml").read_text().replace("\n", ""))
    return {
        "failures": frozenset(FailureCode),
        "OpenAI's shape": frozenset(Code),
        "the API's description": frozenset(EVERY),
        "the gateway's own answers": frozenset(gateway),
        "what is raised": frozenset(_raised()),
    }


def _raised() -> Iterator[str]:
    for file in (*(ROOT / "layers" / "core").rglob("*.py"), *(ROOT / "functions").rglob("*.py")):
        yield from _written(ast.parse(file.read_text()), within="")


def _written(node: ast.AST, *, within: str) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        within = node.name
    for child in ast.iter_child_nodes(node):
        yield from _written(child, within=within)
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            place = _PLACES.get(within if name == "cls" else name)
            if place is not None and len(node.args) > place:
                yield from _text(node.args[place])
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from _text(keyword.value)
        # A status and its code, as the tables of problems and refusals have them.
        case ast.Tuple(elts=[ast.Attribute(value=ast.Name(id="HTTPStatus")), *_, last]):
            yield from _text(last)


def _text(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SHAPE.fullmatch(node.value):
        yield node.value


def test_every_code_has_an_entry_and_every_entry_is_of_a_code() -> None:
    known = frozenset().union(*codes().values())

    assert known - set(entries()) == set()
    assert set(entries()) - known == set()


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("failures", "submission_uncertain"),
        ("OpenAI's shape", "unsupported_value"),
        ("the API's description", "bad_request"),
        ("the gateway's own answers", "invalid_api_key"),
        # By an argument, by a keyword, by `cls` in a class, in a table.
        ("what is raised", "endpoint_removed"),
        ("what is raised", "still_processing"),
        ("what is raised", "method_not_allowed"),
        ("what is raised", "content_policy_violation"),
        ("what is raised", "malformed_body"),
    ],
)
def test_codes_are_found_wherever_they_are_written(where: str, code: str) -> None:
    assert code in codes()[where]


def test_an_entry_names_the_statuses_that_its_code_comes_with() -> None:
    described: dict[str, set[int]] = defaultdict(set)
    for operation in OPERATIONS:
        for status, found in problems_of(operation).items():
            for code in found:
                described[code].add(status.value)
    described["method_not_allowed"] = {Problem.method_not_allowed(("GET",)).status.value}
    told = {code: {int(number) for number in re.findall(r"\b\d{3}\b", entries()[code].split("·")[0])} for code in EVERY}

    assert told == {code: described[code] for code in EVERY}


@pytest.mark.parametrize("code", sorted(entries()))
def test_an_entry_says_whether_to_retry_and_what_it_cost(code: str) -> None:
    facts = [fact.split()[0] for fact in entries()[code].split(" · ")]

    assert facts in (["Status", "Retry", "Charged"], ["Retry", "Charged"])
    # Only a job's failure has no status.
    assert ("Status" in facts) or code in set(FailureCode)


def test_the_page_that_is_served_is_in_step_with_the_documentation() -> None:
    served = regenerate_error_page.page().read_text()

    assert served == regenerate_error_page.html(), "run python -m tests.contract.regenerate_error_page"
    assert set(re.findall(r'<h3 id="(\w+)">', served)) == set(entries())
    # A deployment serves no other page of the documentation.
    assert set(re.findall(r'href="(?!#|https://)([^"]*)"', served)) == {
        "../docs",
        "../playground/icon.svg",
        "errors.css",
    }
