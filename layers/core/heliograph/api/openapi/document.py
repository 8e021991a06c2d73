"""The OpenAPI 3.1 document: the table of operations, and the schemas of the very models that read and answer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
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
from heliograph.api.representations.problems import ProblemTold
from heliograph.jobs.request_schema import NewJob
from heliograph.routes.config import Routes
from heliograph.storage.references import LOCAL_WEBHOOK_PATTERN
from heliograph.webhooks.endpoint import EndpointChange, EndpointRequest

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]
_REF = "#/components/schemas/"
_EVERY_ANSWER = ("X-Request-Id", "RateLimit-Policy", "RateLimit", "Cache-Control")
# Of an answer that a function made; the gateway's own have none of these.
_REQUIRED = {"X-Request-Id", "Cache-Control"}
# What the classes are called where their names say more about our code than about the API.
_NAMES = {"ResultTold": "LinkedResult", "KeyMade": "NewKey"}
# Standard Webhooks 1.0.0.
_SIGNED = {
    "webhook-id": "The event's `event_id`: the same at every attempt.",
    "webhook-timestamp": "When this attempt was made: seconds since 1970.",
    "webhook-signature": "`v1,` and the signature by the endpoint's secret; two of them for a day after a rotation.",
}
_DESCRIPTION = """\
Send a prompt, or pictures and a prompt; get a picture back, in your own bucket, with an event when it is there.

Every call carries `Authorization: Bearer <key>`. What a key opens, its scopes say; it belongs to a tenant, and \
another tenant's things are a 404.

Errors are problem documents (RFC 9457) that say whether to try again and whether it cost money. A method that a path \
does not take is a 405 with `Allow`.\
"""


def describe(routes: Routes, *, local_webhooks: bool = False, images_url: str = "") -> Json:
    """The document for a deployment with these routes: its models, its caps.

    `local_webhooks`: whether webhooks may go to this very machine. `images_url`: where calls in OpenAI's shape go;
    empty where there are none.
    """
    schemas, names = _schemas(with_images=bool(images_url))
    _measure(schemas[names[NewJob, "validation"]], routes)
    told = {name: dict(message) for name, message in examples.messages().items()}
    if local_webhooks:
        for model, field in ((NewJob, "webhook_url"), (EndpointRequest, "url"), (EndpointChange, "url")):
            url = schemas[names[model, "validation"]]["properties"][field]
            url.get("anyOf", [url])[0]["pattern"] = LOCAL_WEBHOOK_PATTERN
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, names)
    tags: list[Json] = [{"name": tag.value, "description": text} for tag, text in ABOUT.items()]
    if images_url:
        theirs = {*images.REQUESTS, *images.ANSWERS}
        refs = {model: {"$ref": _REF + name} for (model, _), name in names.items() if model in theirs}
        paths |= images.images_paths(images_url, refs)
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
            name: _webhook(name, data, _REF + names[message, "serialization"], told)
            for name, data, message in message_models()
        },
        # What `type` of a problem leads to is on the page that is made of this document.
        "x-problem-codes": dict(EVERY),
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: the deployment's own, or one that was made with it. The scopes that an "
                    "operation needs are named with it; `admin` opens everything.",
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
    """Of what we send, nothing is ever left out."""

    def field_is_required(self, field: ModelField | DataclassField | TypedDictField, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)


def _models(*, with_images: bool) -> Iterator[tuple[type[BaseModel], Mode]]:
    for operation in OPERATIONS:
        if operation.body:
            yield operation.body, "validation"
        for success in operation.successes:
            for model in success.bodies:
                yield model, "serialization"
    for _, _, message in message_models():
        yield message, "serialization"
    if with_images:
        yield from ((model, "validation") for model in images.REQUESTS)
        yield from ((model, "serialization") for model in images.ANSWERS)
    # Of what may be missing in it, the schema of its answers would say that it is always there.
    yield ProblemTold, "validation"


def _schemas(*, with_images: bool) -> tuple[dict[str, Json], dict[tuple[type[BaseModel], Mode], str]]:
    """Every schema by its published name, and that name of every model."""
    wanted = list(dict.fromkeys(_models(with_images=with_images)))
    refs, found = models_json_schema(wanted, ref_template=f"{_REF}{{model}}", schema_generator=_AsTheyAreSent)
    raw: dict[str, Json] = found["$defs"]
    public = {name: _public(name) for name in raw}
    if len(set(public.values())) < len(public):
        raise ValueError(f"two schemas of one name among {sorted(public.values())}")
    schemas = {public[name]: _tidy(schema, public) for name, schema in raw.items()}
    names = {key: public[refs[key]["$ref"].removeprefix(_REF)] for key in wanted}
    return dict(sorted(schemas.items())), names


def _public(name: str) -> str:
    """`JobTold` → `Job`, `Listing_JobTold_` → `JobList`."""
    if name.startswith("Message_"):
        return name.removeprefix("Message_").removesuffix("Data_") + "Message"
    if name.startswith("Listing_"):
        return _public(name.removeprefix("Listing_").removesuffix("_")) + "List"
    return _NAMES.get(name, name.removesuffix("Told").removesuffix("View"))


def _tidy(schema: Any, public: Mapping[str, str]) -> Any:
    """Without pydantic's titles, which repeat the names; with ours in references."""
    if isinstance(schema, list):
        return [_tidy(part, public) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy: Json = {}
    for word, value in schema.items():
        if word == "$ref":
            tidy[word] = _REF + public[value.removeprefix(_REF)]
        elif word == "properties":
            tidy[word] = {name: _tidy(part, public) for name, part in value.items()}
        elif (word == "default" and value is None) or (word == "title" and isinstance(value, str)):
            continue
        elif word in {"examples", "default", "enum", "const", "required"}:
            tidy[word] = value
        else:
            tidy[word] = _tidy(value, public)
    return _closed(tidy)


def _closed(schema: Json) -> Json:
    """A dictionary whose keys have a pattern: pydantic lets any other key through."""
    patterns = schema.get("patternProperties", {})
    if len(patterns) == 1 and "propertyNames" in schema:
        [(pattern, values)] = schema.pop("patternProperties").items()
        schema["propertyNames"] = {**schema["propertyNames"], "pattern": pattern}
        schema["additionalProperties"] = values
    return schema


def _measure(new_job: Json, routes: Routes) -> None:
    """What the deployment's routes can take at most."""
    fields = new_job["properties"]
    fields["model"]["enum"] = list(routes.models)
    fields["prompt"]["maxLength"] = routes.longest_prompt
    fields["references"]["maxItems"] = routes.most_references
    fields["aspect_ratio"]["enum"] = [ratio.value for ratio in routes.aspect_ratios]


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
            bare = _tidy(_inlined(schema, whole.get("$defs", {})), {})
            parameter = {"name": name, "in": "query", "required": name in whole.get("required", ())}
            if description := bare.pop("description", None):
                parameter["description"] = description
            yield {**parameter, "schema": bare}


def _inlined(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """A parameter's schema without references, and without null: what is not given is not there."""
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
    told = {names[model, "serialization"]: make() for model, make in success.bodies.items()}
    described: Json = {
        "description": success.description,
        "headers": _headers(*_EVERY_ANSWER, *success.headers, required=_REQUIRED),
        "content": {
            "application/json": {
                "schema": refs[0] if len(refs) == 1 else {"oneOf": refs},
                "examples": {name: {"value": body.model_dump(mode="json")} for name, body in told.items()},
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
    told = [TITLES[status], *codes] if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT} else [TITLES[status]]
    return "".join(word.capitalize() for part in told for word in re.split(r"[ _]", part))


def _problem(status: HTTPStatus, codes: Codes, names: Mapping[tuple[type[BaseModel], Mode], str]) -> Json:
    whole = {"$ref": _REF + names[ProblemTold, "validation"]}
    told = (f"`{code}`: {when}." for code, when in codes.items())
    headers = ["X-Request-Id", "Retry-After", "RateLimit-Policy", "RateLimit"]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append("WWW-Authenticate")
    return {
        "description": f"{TITLES[status]}: {' '.join(told)}",
        "headers": _headers(*headers, required=set()),
        "content": {
            CONTENT_TYPE: {
                "schema": {"allOf": [whole, {"properties": {"code": {"enum": list(codes)}}}]},
                "example": examples.told(example_of(status, codes)),
            }
        },
    }


def _webhook(name: str, data: type[BaseModel], reference: str, told: Mapping[str, Json]) -> Json:
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
                "content": {"application/json": {"schema": schema, "example": told[name]}},
            },
            "responses": {"2XX": {"description": "Taken. Anything else is sent again."}},
        }
    }
