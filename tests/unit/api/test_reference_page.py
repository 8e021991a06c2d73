"""The reference page: whole, escaped, and with nothing that a strict policy would stop."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from heliograph.api.openapi.deployment import document_for
from heliograph.api.openapi.markup import element, json_code, paragraphs, program_code, prose
from heliograph.api.openapi.operations import OPERATIONS, Operation
from heliograph.api.openapi.pages import POLICY, description_pages
from heliograph.api.openapi.reference import Reference
from heliograph.api.openapi.samples import samples
from heliograph.api.problems import TITLES

from tests.contract.openapi import TEXT
from tests.fakes.deployment import ROUTES

HOSTILE = "<script>alert(1)</script>\" onload='x' & `<b>`"
VOID = {"input", "img", "link", "meta"}


class Tags(HTMLParser):
    """Every start tag, and whether each is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_for(TEXT, ROUTES, images_url="https://images.test")


@pytest.fixture(scope="module")
def page(document: dict[str, Any]) -> str:
    return Reference(document).page()


def test_whatever_a_text_holds_is_text() -> None:
    makers = (lambda text: element("p", text), prose, paragraphs, json_code, program_code)
    for make in makers:
        made = make(HOSTILE)
        assert not [tag for tag, _ in Tags(made).found if tag not in {"p", "code", "span"}]
    [(_, attributes)] = Tags(element("p", title=HOSTILE)).found
    assert attributes == {"title": HOSTILE}


def test_a_hostile_document_becomes_a_harmless_page(document: dict[str, Any]) -> None:
    def spoilt(value: Any, word: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoilt(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [spoilt(part, word) for part in value]
        return value + HOSTILE if word in {"description", "summary", "source", "example"} else value

    made = Reference(spoilt(document)).page()

    assert "<script>alert" not in made
    assert "<b>`" not in made
    assert not [attributes for _, attributes in Tags(made).found if "onload" in attributes]


def test_nothing_is_inline_and_every_file_is_ours(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert "style" not in {tag for tag, _ in tags.found}
    for tag, attributes in tags.found:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "script":
            assert attributes["src"] == "docs/script.js"
        for name in ("src", "href"):
            assert not re.match(r"\w+:|/", attributes.get(name) or "")
    assert "'unsafe" not in POLICY
    assert "http" not in POLICY


def test_every_operation_and_event_has_its_place_and_every_link_leads_somewhere(
    page: str, document: dict[str, Any]
) -> None:
    ids = [attributes["id"] for _, attributes in Tags(page).found if "id" in attributes]
    links = {attributes["href"] for tag, attributes in Tags(page).found if tag == "a"}
    assert len(ids) == len(set(ids))
    assert {operation.id for operation in OPERATIONS} <= set(ids)
    assert {(link or "").removeprefix("#") for link in links if (link or "").startswith("#")} <= set(ids)
    assert all(name in page for name in document["webhooks"])


def test_a_status_has_the_title_that_problems_have_whatever_pythons_phrase_is(page: str) -> None:
    titles = set(re.findall(r'<b class="status" title="([^"]+)">(\d+)</b>', page))
    assert ("Content Too Large", "413") in titles
    assert titles <= {(title, str(status.value)) for status, title in TITLES.items()}


def test_the_pages_are_the_document_and_the_reference() -> None:
    pages = description_pages(TEXT, ROUTES, local_webhooks=False, images_url="")
    assert pages.keys() == {"/v1/openapi.json", "/docs"}
    assert pages["/v1/openapi.json"].content_type == "application/json"
    assert pages["/docs"].policy == POLICY


def test_without_the_routes_in_openais_shape_no_page_speaks_of_them() -> None:
    for url, expected in (("https://images.test", True), ("", False)):
        pages = description_pages(TEXT, ROUTES, local_webhooks=False, images_url=url)
        for page in pages.values():
            words = re.findall("OpenAI(?!Generator)|ImagesUrl|IMAGES_URL|/v1/images", page.body)
            assert bool(words) is expected, words
    document = json.loads(pages["/v1/openapi.json"].body)
    used = set(re.findall(r'#/components/schemas/(\w+)"', json.dumps(document)))
    assert set(document["components"]["schemas"]) == used


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_a_python_sample_is_python(operation: Operation) -> None:
    [source] = [sample.source for sample in samples(operation) if sample.label == "Python"]
    compile(source, "sample", "exec")
