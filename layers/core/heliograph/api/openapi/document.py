"""OpenAPI 3.1 document, made of the table of operations and of the models that read requests and write responses."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import DataclassField, ModelField, TypedDictField

from heliograph import __version__
from heliograph.api.openapi import examples
from heliograph.api.openapi import openai as images
from heliograph.api.openapi.errors import EVERY, Codes, example_of, problems_of
from heliograph.api.openapi.messages import message_models
from heliograph.api.openapi.operations import (
    ABOUT,
    ANSWER_HEADERS,
    BY_ID,
    CALL_HEADERS,
    OPERATIONS,
    PARAMETERS,
    Header,
    Operation,
    Success,
)
from heliograph.api.openapi.samples import samples
from heliograph.api.problems import CONTENT_TYPE, TITLES
from heliograph.api.representations.problems import ProblemDocument

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]
_REF = "#/components/schemas/"
_EVERY_ANSWER = ("X-Request-Id", "RateLimit-Policy", "RateLimit", "Cache-Control")
# Required in responses of functions; the gateway's own have neither.
_REQUIRED = {"X-Request-Id", "Cache-Control"}
# Standard Webhooks 1.0.0.
_SIGNED = {
    "webhook-id": "The event's `event_id`: the same at every attempt.",
    "webhook-timestamp": "When this attempt was made: seconds since 1970.",
    "webhook-signature": "`v1,` and the signature with the endpoint's secret; two for a day after a rotation.",
}
_DESCRIPTION = """\
Send a prompt, with or without images; get an image in your own bucket, and an event when it is there.

Every call carries `Authorization: Bearer <key>`. Its scopes say what the key may do. A key \
belongs to a tenant; resources of other tenants are a 404.

Errors are problem documents (RFC 9457) that say whether to retry and whether the call cost money. A method that a \
path does not have is a 405 with `Allow`.\
"""


def document_text(published: Path) -> str:
    """The text of `functions/serve_pages/openapi.json`. `published`: the folder with examples of events."""
    return json.dumps(describe(published), ensure_ascii=False, indent=1) + "\n"


def describe(published: Path) -> Json:
    """The document of all deployments. `openapi.deployment` adds what depends on one: models, caps, addresses."""
    schemas, names = _schemas()
    messages = {name: dict(message) for name, message in examples.messages(published).items()}
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, names)
    theirs = {*images.REQUESTS, *images.ANSWERS}
    refs = {model: {"$ref": _REF + name} for (model, _), name in names.items() if model in theirs}
    paths |= images.images_paths(refs)
    tags: list[Json] = [{"name": tag.value, "description": text} for tag, text in ABOUT.items()]
    tags.append(images.TAG)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "version": __version__,
            "summary": "An event-driven image pipeline.",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to the document's own place, which is below /v1.
        "servers": [{"url": "..", "description": "The deployment that this document comes from."}],
        "security": [{"key": []}],
        "tags": tags,
        "paths": paths,
        "webhooks": {
            name: _webhook(name, data, _REF + names[message, "serialization"], messages)
            for name, data, message in message_models()
        },
        # Explained at length on the page that `type` of a problem leads to.
        "x-problem-codes": dict(EVERY),
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: the deployment's own, or one that was created with it. Each operation "
                    "names the scopes that it needs; `admin` includes all.",
                }
            },
            "headers": {name: _header(header) for name, header in ANSWER_HEADERS.items()},
            "responses": {
                _problem_name(status, codes): _problem(status, codes, names)
                for operation in OPERATIONS
                for status, codes in problems_of(operation).items()
            },
            "schemas": schemas,
        },
    }


class _AsTheyAreSent(GenerateJsonSchema):
    """Marks every field of a response as required: responses always have all of them."""

    def field_is_required(self, field: ModelField | DataclassField | TypedDictField, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)


def _models() -> Iterator[tuple[type[BaseModel], Mode]]:
    for operation in OPERATIONS:
        if operation.body:
            yield operation.body, "validation"
        for success in operation.successes:
            for model in success.bodies:
                yield model, "serialization"
    for _, _, message in message_models():
        yield message, "serialization"
    yield from ((model, "validation") for model in images.REQUESTS)
    yield from ((model, "serialization") for model in images.ANSWERS)
    # As a response, every field would be required; `errors` may be missing.
    yield ProblemDocument, "validation"


def _schemas() -> tuple[dict[str, Json], dict[tuple[type[BaseModel], Mode], str]]:
    """Schemas by name, and the name of each model's schema."""
    wanted = list(dict.fromkeys(_models()))
    refs, found = models_json_schema(wanted, ref_template=f"{_REF}{{model}}", schema_generator=_AsTheyAreSent)
    names = {key: refs[key]["$ref"].removeprefix(_REF) for key in wanted}
    schemas = {name: _tidy(schema) for name, schema in found["$defs"].items()}
    return dict(sorted(schemas.items())), names


def _tidy(schema: Any) -> Any:
    """The schema without pydantic's titles, which repeat the names, and without defaults of null."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy: Json = {}
    for word, value in schema.items():
        if word == "properties":
            tidy[word] = {name: _tidy(part) for name, part in value.items()}
        elif (word == "default" and value is None) or (word == "title" and isinstance(value, str)):
            continue
        elif word in {"examples", "default", "enum", "const", "required"}:
            tidy[word] = value
        else:
            tidy[word] = _tidy(value)
    return _closed(tidy)


def _closed(schema: Json) -> Json:
    """Closes a dictionary whose keys have a pattern: pydantic's schema lets any other key through."""
    patterns = schema.get("patternProperties", {})
    if len(patterns) == 1 and "propertyNames" in schema:
        [(pattern, values)] = schema.pop("patternProperties").items()
        schema["propertyNames"] = {**schema["propertyNames"], "pattern": pattern}
        schema["additionalProperties"] = values
    return schema


def _operation(operation: Operation, names: Mapping[tuple[type[BaseModel], Mode], str]) -> Json:
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag.value],
        "summary": operation.summary,
        "description": operation.description,
        # In 3.1, what a scheme other than OAuth's asks for may be named as well.
        "security": [{"key": [scope.value for scope in operation.scopes]}],
        "parameters": [*_parameters(operation)],
        "responses": {
            **{str(success.status.value): _success(success, names) for success in operation.successes},
            **{
                str(status.value): {"$ref": f"#/components/responses/{_problem_name(status, codes)}"}
                for status, codes in problems_of(operation).items()
            },
        },
        "x-codeSamples": [
            {"lang": sample.lang, "label": sample.label, "source": sample.source} for sample in samples(operation)
        ],
    }
    if operation.body:
        content: Json = {"schema": {"$ref": _REF + names[operation.body, "validation"]}}
        if operation.example is not None:
            content["example"] = dict(operation.example)
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _parameters(operation: Operation) -> Iterator[Json]:
    for name in operation.parameters:
        described = operation.own_parameters.get(name, PARAMETERS[name])
        yield {"name": name, "in": "path", "required": True, **_header(described)}
    for name in operation.headers:
        yield {"name": name, "in": "header", "required": False, **_header(CALL_HEADERS[name])}
    if operation.query:
        whole = operation.query.model_json_schema(by_alias=True)
        for name, schema in whole["properties"].items():
            bare = _tidy(_inlined(schema, whole.get("$defs", {})))
            parameter = {"name": name, "in": "query", "required": name in whole.get("required", ())}
            if description := bare.pop("description", None):
                parameter["description"] = description
            yield {**parameter, "schema": bare}


def _inlined(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """A parameter's schema without references and without null: a parameter that is not given is absent."""
    if "anyOf" in schema:
        [kind] = [part for part in schema["anyOf"] if part.get("type") != "null"]
        schema = {**kind, **{word: value for word, value in schema.items() if word != "anyOf"}}
    if "$ref" in schema:
        named = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**named, **{word: value for word, value in schema.items() if word != "$ref"}}
    return schema


def _header(header: Header) -> Json:
    return {"description": header.description, "schema": dict(header.schema)}


def _success(success: Success, names: Mapping[tuple[type[BaseModel], Mode], str]) -> Json:
    refs = [{"$ref": _REF + names[model, "serialization"]} for model in success.bodies]
    bodies = {names[model, "serialization"]: make() for model, make in success.bodies.items()}
    described: Json = {
        "description": success.description,
        "headers": _headers(*_EVERY_ANSWER, *success.headers, required=_REQUIRED),
        "content": {
            "application/json": {
                "schema": refs[0] if len(refs) == 1 else {"oneOf": refs},
                "examples": {name: {"value": body.model_dump(mode="json")} for name, body in bodies.items()},
            }
        },
    }
    if success.links:
        described["links"] = {
            operation_id: {
                "operationId": operation_id,
                "parameters": {parameter: "$response.body#/id"},
                "description": BY_ID[operation_id].summary,
            }
            for parameter, operation_ids in success.links.items()
            for operation_id in operation_ids
        }
    return described


def _headers(*wanted: str, required: set[str]) -> Json:
    return {
        name: {"required": True, **_header(ANSWER_HEADERS[name])}
        if name in required
        else {"$ref": f"#/components/headers/{name}"}
        for name in wanted
    }


def _problem_name(status: HTTPStatus, codes: Codes) -> str:
    """`Forbidden`; `ConflictNotRetryable` where the status has other codes elsewhere."""
    words = [TITLES[status], *codes] if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT} else [TITLES[status]]
    return "".join(word.capitalize() for part in words for word in re.split(r"[ _]", part))


def _problem(status: HTTPStatus, codes: Codes, names: Mapping[tuple[type[BaseModel], Mode], str]) -> Json:
    whole = {"$ref": _REF + names[ProblemDocument, "validation"]}
    causes = (f"`{code}`: {when}." for code, when in codes.items())
    headers = ["X-Request-Id", "Retry-After", "RateLimit-Policy", "RateLimit"]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append("WWW-Authenticate")
    return {
        "description": f"{TITLES[status]}: {' '.join(causes)}",
        "headers": _headers(*headers, required=set()),
        "content": {
            CONTENT_TYPE: {
                "schema": {"allOf": [whole, {"properties": {"code": {"enum": list(codes)}}}]},
                "example": examples.problem_document(example_of(status, codes)),
            }
        },
    }


def _webhook(name: str, data: type[BaseModel], reference: str, messages: Mapping[str, Json]) -> Json:
    schema = {"allOf": [{"$ref": reference}, {"properties": {"type": {"const": name}}}]}
    return {
        "post": {
            "operationId": name,
            "summary": name,
            "description": inspect.cleandoc(data.__doc__ or ""),
            "security": [],
            "parameters": [
                {"name": header, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
                for header, text in _SIGNED.items()
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "example": messages[name]}},
            },
            "responses": {"2XX": {"description": "Received. Any other status is retried."}},
        }
    }
