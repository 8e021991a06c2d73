"""The description against what there is: the template's events, the functions' routes, the readers, the standard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from heliograph import __version__
from heliograph.access.keys import read_key_change, read_key_request
from heliograph.api.openai import EDITS, GENERATIONS
from heliograph.api.openapi import openai as images
from heliograph.api.openapi.errors import EVERY as EVERY_CODE
from heliograph.api.openapi.errors import problems_of
from heliograph.api.openapi.operations import OPERATIONS, Operation, methods_of
from heliograph.api.openapi.reference import Reference
from heliograph.api.openapi.samples import samples
from heliograph.jobs.reference_uploads import read_upload_request
from heliograph.jobs.request import JobRequest, Rules, read_request
from heliograph.jobs.request_schema import NewJob
from heliograph.webhooks.delivery import read_recovery
from heliograph.webhooks.endpoint import TEST_EVENT, read_endpoint_change, read_endpoint_request
from heliograph.webhooks.event_catalogue import EVENT_TYPES
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.contract.cfn_template import FUNCTIONS, ROOT
from tests.contract.openapi import CALLBACK, DOCUMENT, KEPT, ROUTES, TEXT, calls_of
from tests.examples import NOW

BUCKETS = frozenset({"the-uploads"})
PAGES = calls_of("ServePages")
EVERY = {call for function in FUNCTIONS for call in calls_of(function)}


def schema(reference: str) -> dict[str, Any]:
    """A schema of the document, with all that it refers to."""
    return {"$ref": reference, "components": DOCUMENT["components"]}


def media(operation_id: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every body of an operation's: where it is, its schema, its example."""
    items = (item for path in DOCUMENT["paths"].values() for item in path.values())
    [operation] = [item for item in items if item["operationId"] == operation_id]
    if "requestBody" in operation:
        for content in operation["requestBody"]["content"].values():
            yield "the body", content["schema"], content.get("example")
    for status, answer in operation["responses"].items():
        shared = DOCUMENT["components"]["responses"].get(answer.get("$ref", "").rpartition("/")[2], answer)
        for content in shared.get("content", {}).values():
            told = content.get("examples", {"": {"value": content.get("example")}})
            for example in told.values():
                yield status, content["schema"], example["value"]


def test_the_document_is_openapi_31() -> None:
    validator = validator_for(OPENAPI_31)
    assert not [error.message for error in validator(OPENAPI_31).iter_errors(DOCUMENT)]
    for name, found in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(found)
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
    assert DOCUMENT["info"]["version"] == __version__


def test_the_document_that_is_served_is_the_one_that_the_code_makes() -> None:
    assert KEPT.read_text(encoding="utf-8") == TEXT, "run `make openapi`, and commit what it wrote"


def test_the_version_is_the_packages() -> None:
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()


def test_what_the_gateway_takes_is_described_and_nothing_else() -> None:
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    served = {call for call in EVERY if call[0] != "ANY"} - PAGES - {CALLBACK}
    assert described == served


def test_every_path_has_somebody_who_says_what_it_takes() -> None:
    wanted = {("ANY", operation.path) for operation in OPERATIONS} | {("ANY", "/{proxy+}")}
    assert {call for call in EVERY if call[0] == "ANY"} == wanted
    assert {call for call in calls_of("ReadJobs") if call[0] == "ANY"} == wanted


def test_what_the_gateway_takes_has_a_route_in_its_function() -> None:
    for name in FUNCTIONS:
        source = (ROOT / FUNCTIONS[name]["CodeUri"] / "app.py").read_text()
        constants = dict(re.findall(r'^([A-Z]+) = "(/v1[^"]*)"$', source, flags=re.MULTILINE))
        routes = {
            (method.upper(), re.sub(r"<(\w+)>", r"{\1}", constants.get(path, path.strip('"'))))
            for method, path in re.findall(r"^@app\.(\w+)\((\S+)\)$", source, flags=re.MULTILINE)
            if method != "not_found"
        }
        if name not in {"ServePages", "CreateOpenAiImages"} and routes:
            assert routes == {call for call in calls_of(name) if call[0] != "ANY"}, name


def test_operations_have_names_of_their_own_and_groups_that_are_described() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert {tag["name"] for tag in DOCUMENT["tags"]} == {
        images.TAG["name"],
        *(operation.tag.value for operation in OPERATIONS),
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_example_is_what_its_schema_says(operation: Operation) -> None:
    for where, found, example in media(operation.id):
        validator = Draft202012Validator({**found, "components": DOCUMENT["components"]})
        assert example is not None, where
        assert not [error.message for error in validator.iter_errors(example)], where


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_link_leads_to_an_operation_that_takes_it(operation: Operation) -> None:
    for success in operation.successes:
        for parameter, operation_ids in success.links.items():
            for target in (other for other in OPERATIONS if other.id in operation_ids):
                assert target.parameters == (parameter,)


def test_every_example_of_a_body_is_read_by_its_reader() -> None:
    readers: dict[str, Callable[[dict[str, Any]], object]] = {
        "createJob": lambda body: read_request(body, Rules(ROUTES, BUCKETS, "the-uploads")),
        "createUpload": read_upload_request,
        "createKey": read_key_request,
        "createEndpoint": partial(read_endpoint_request, local=False),
        "changeEndpoint": partial(read_endpoint_change, local=False),
        "changeKey": read_key_change,
        "recoverDeliveries": partial(read_recovery, now=NOW),
    }
    assert readers.keys() == {operation.id for operation in OPERATIONS if operation.body}
    for operation in OPERATIONS:
        if operation.example:
            assert readers[operation.id](dict(operation.example))


def test_a_job_is_described_with_every_field_that_it_may_have() -> None:
    assert NewJob.model_fields.keys() - JobRequest.model_fields.keys() == {"dry_run"}
    fields = DOCUMENT["components"]["schemas"]["NewJob"]["properties"]
    assert fields["model"]["enum"] == list(ROUTES.models)
    assert fields["references"]["maxItems"] == ROUTES.most_references


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        ({"prompt": "x"}, True),
        ({"prompt": " \n"}, False),
        ({"prompt": "a\x00b"}, False),
        ({"prompt": "x", "policy": "cheapest"}, True),
        ({"prompt": "x", "policy": "pinned"}, False),
        ({"prompt": "x", "model": "gpt-image-2"}, True),
        ({"prompt": "x", "model": "gpt-image-2", "policy": "pinned"}, True),
        ({"prompt": "x", "model": "gpt-image-2", "policy": "cheapest"}, False),
        ({"prompt": "x", "model": "gpt-image-9"}, False),
        ({"prompt": "x", "references": ["https://example.com/a.png", "s3://the-uploads/references/a.png"]}, True),
        ({"prompt": "x", "references": ["up_aaaaaaaaaaaaaaaaaaaaaaaaaa.png"]}, True),
        ({"prompt": "x", "references": ["http://example.com/a.png"]}, False),
        ({"prompt": "x", "references": ["https://example.com/a.png"] * 17}, False),
        ({"prompt": "x", "aspect_ratio": "7:1"}, False),
        ({"prompt": "x", "output_key": "{preset}/{name}/{job_id}/{index}.{ext}"}, True),
        ({"prompt": "x", "output_key": "always-the-same.{ext}"}, False),
        ({"prompt": "x", "output_key": "{name}.jpg"}, False),
        ({"prompt": "x", "metadata": {"a": "b"}, "tags": ["c"]}, True),
        ({"prompt": "x", "metadata": {"": "b"}}, False),
        ({"prompt": "x", "metadata": {"a\x01": "b"}}, False),
        ({"prompt": "x", "tags": ["\x7f"]}, False),
        ({"prompt": "x", "deadline_seconds": 59}, False),
        ({"prompt": "x", "deadline_seconds": 60.0}, True),
        ({"prompt": "x", "colour": "red"}, False),
    ],
    ids=lambda value: None if isinstance(value, bool) else repr(value)[:60],
)
def test_the_schema_and_the_reader_of_a_job_agree(body: dict[str, Any], is_right: bool) -> None:
    assert Draft202012Validator(schema("#/components/schemas/NewJob")).is_valid(body) == is_right
    try:
        read_request(body, Rules(ROUTES, BUCKETS, "the-uploads"))
    except Exception:
        accepted = False
    else:
        accepted = True
    assert accepted == is_right


@pytest.mark.parametrize("name", [*EVENT_TYPES, TEST_EVENT])
def test_every_webhook_is_described_with_an_example(name: str) -> None:
    content = DOCUMENT["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]
    validator = Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]})
    assert content["example"]["type"] == name
    assert not [error.message for error in validator.iter_errors(content["example"])]


def test_openais_routes_have_an_address_of_their_own() -> None:
    found = {path: item for path, item in DOCUMENT["paths"].items() if "servers" in item.get("post", {})}
    assert found.keys() == {GENERATIONS, EDITS}
    assert all(item["post"]["servers"][0]["url"] == "https://images.test" for item in found.values())


def test_methods_are_told_by_path() -> None:
    assert methods_of("/v1/jobs") == ("POST", "GET")
    assert methods_of("/{proxy+}") == ()


# ---- Codes of problems

LITERAL_CODES = re.compile(r"""(?:HTTPStatus\.\w+,|Conflict\(|"code":)\s*"(\w+)\"""")


def test_the_reference_leads_to_what_is_said_of_every_code_that_a_problem_can_have() -> None:
    sources = [*(ROOT / "layers/core/heliograph").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    written = {
        code
        for path in [*sources, ROOT / "template.yaml"]
        # OpenAI's shape has codes of its own, and callbacks are providers' calls.
        if not any("openai" in part for part in path.relative_to(ROOT).parts) and path.name != "callbacks.py"
        for code in LITERAL_CODES.findall(path.read_text())
    }
    described = {code for codes in map(problems_of, OPERATIONS) for told in codes.values() for code in told}
    page = Reference(DOCUMENT).page()
    linked = set(re.findall(r'href="docs/errors#(\w+)"', page))
    assert {"malformed_body", "invalid_api_key", "not_found", "rate_limited", "too_many_endpoints"} <= written
    assert written | described <= linked
    assert linked == EVERY_CODE.keys()


def test_the_guide_shows_how_a_file_is_sent_as_the_reference_does() -> None:
    [operation] = [operation for operation in OPERATIONS if operation.id == "createUpload"]
    [whole] = [sample.source for sample in samples(operation) if sample.label == "With the file"]
    assert f"```bash\n{whole}\n```" in (ROOT / "docs/api.md").read_text()


def test_the_example_of_a_job_is_answered_with_the_job_that_it_asks_for() -> None:
    [operation] = [operation for operation in OPERATIONS if operation.id == "createJob"]
    # The other is that of a key that may not read.
    [answer] = [example for where, _, example in media("createJob") if where == "202" and "request" in example]
    asked, job = dict(operation.example or {}), answer["request"]
    assert {name: job[name] for name in asked} == asked
    assert (job["tags"], job["metadata"]) == (asked.get("tags", []), asked.get("metadata", {}))
