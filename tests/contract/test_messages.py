"""Faults are told in sentences with JSON's words: none of pydantic's, Python's or a regular expression's."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from heliograph.api.openapi.operations import OPERATIONS
from heliograph.jobs.request import JobRequest, Rules
from heliograph.kernel.validation import faults_of, sentence
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import EditRequest, GenerationRequest
from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

from tests.contract.openapi import ROUTES

FOREIGN = re.compile(
    r"Input|Value error|should |valid (tuple|dictionary|list|string|integer|boolean|datetime)|tuple|dictionary|\blist\b"
    r"|\bset\b|Extra inputs|Field required|<\w+\.\w+|NoneType|\bNone\b|\bdict\b|\bstr\b|\bint\b|instance|[\]\[^$\\]"
)
MODELS: tuple[type[BaseModel], ...] = (
    *dict.fromkeys(
        model for operation in OPERATIONS for model in (operation.body, operation.query) if model is not None
    ),
    JobRequest,
    GenerationRequest,
    EditRequest,
)
# Of every JSON type, too small, too large, and not quite it; and what JSON can't say but a reader of it may.
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2.5, 10**30, float("inf"), "", " ", "x", "x" * 3000, "\x00", "\ud800", "auto", "1_0", "+1",
    "2026-13-01", "2026-11-22", "2026-11-22T10:00:00", "9999-12-31T23:59:59-23:59", "00.1", "https://x", "ep_x",
    [], [None], [1], [""], ["x" * 3000], ["x"] * 200, [["x"]], [{}], ["\ud800"],
    {}, {"": "x"}, {"x": 1}, {"x" * 3000: "x"}, {"\x00": "x"}, {f"n{number}": "x" for number in range(200)},
)  # fmt: skip
RULES = Rules(ROUTES, frozenset({"uploads"}), "uploads")


def told(model: type[BaseModel], document: Any) -> list[str]:
    try:
        model.model_validate(
            document,
            context={"rules": RULES, "aliases": ModelAliases.parse("openai"), "local": False},
            by_alias=True,
            by_name=False,
        )
    except ValidationError as error:
        return [fault.detail for fault in faults_of(error)]
    return []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_no_fault_of_any_field_has_foreign_words(model: type[BaseModel]) -> None:
    names = [field.alias or name for name, field in model.model_fields.items()]
    documents = [{name: value} for name in names for value in VALUES]
    found = {detail for document in [*documents, {}, {"strange": 1}] for detail in told(model, document)}
    assert "there is no such field" in found
    # But for what is quoted of the sender's own, which is short.
    assert not [detail for detail in found if FOREIGN.search(re.sub("'[^']{0,99}'", "", detail)) or len(detail) > 400]
    # Each says what it must be: nothing fell through the table.
    assert "is not valid" not in found


class Anything(dict[str, Any]):
    """A context for every type of error."""

    def __missing__(self, name: str) -> Any:
        return 2


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_whatever_pydantic_may_find_is_said_in_our_words(kind: str) -> None:
    context = Anything(error=ValueError("is wrong"), expected="'a' or 'b'", pattern="…", length=3)
    detail = sentence(kind, context)
    assert re.match(r"(is|must|has|refers|there is) ", detail)
    assert not FOREIGN.search(detail)


@pytest.mark.parametrize(
    ("model", "document", "place", "detail"),
    [
        ("JobRequest", {"prompt": "x", "references": "https://x.org/a.png"}, "/references", "must be an array"),
        ("JobRequest", {"prompt": "x", "tags": "winter"}, "/tags", "must be an array"),
        ("JobRequest", {"prompt": "x", "tags": ["a", ""]}, "/tags/1", "must not be empty"),
        ("JobRequest", {"prompt": "x", "metadata": {"": "x"}}, "/metadata/", "must not be empty"),
        ("JobRequest", {"prompt": 3}, "/prompt", "must be a string"),
        ("JobRequest", {"prompt": "x", "deadline_seconds": 1}, "/deadline_seconds", "must be at least 60"),
        ("JobRequest", {"prompt": "x", "deadline_seconds": "60"}, "/deadline_seconds", "must be a whole number"),
        ("EndpointChange", {"status": "disabled"}, "/status", "must be one of enabled, paused"),
        ("KeyRequest", {"name": "x", "scopes": ["admin", "root"]}, "/scopes/1",
         "must be one of jobs:write, jobs:read, admin"),
        ("KeyRequest", {"name": "x", "tenant": "My Shop"}, "/tenant",
         "must be 1 to 64 lower-case letters, digits, dots and hyphens, and begin with a letter or a digit"),
        ("KeyRequest", {"name": "x" * 65}, "/name", "must have at most 64 characters"),
        ("UploadRequest", {"content_type": "image/gif", "size_bytes": 1}, "/content_type",
         "must be one of image/jpeg, image/png, image/webp"),
        ("JobsQuery", {"status": "done"}, "/status",
         "must be one of queued, processing, succeeded, failed, canceled, expired"),
    ],
)  # fmt: skip
def test_a_fault_says_what_the_value_must_be(model: str, document: dict[str, Any], place: str, detail: str) -> None:
    [kind] = [found for found in MODELS if found.__name__ == model]
    with pytest.raises(ValidationError) as refused:
        kind.model_validate(document, context={"rules": RULES})
    assert [(fault.pointer, fault.detail) for fault in faults_of(refused.value)] == [(place, detail)]
