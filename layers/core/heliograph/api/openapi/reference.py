"""API reference: one page, made of the OpenAPI document alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from heliograph.api.openapi.markup import Html, element, json_code, paragraphs, program_code, prose, together
from heliograph.api.problems import TITLES

Json = Mapping[str, Any]
_REF = "#/components/schemas/"
_BOUNDS = (
    ("minLength", "maxLength", " characters"),
    ("minimum", "maximum", ""),
    ("minItems", "maxItems", " of them"),
    ("minProperties", "maxProperties", " of them"),
)
_KINDS = {"date-time": "time", "date": "day", "boolean": "boolean"}
_BEFORE = """\
# the URL of this page, without /docs
export API=…
# your API key
export KEY=…\
"""
_ERRORS_FROM = 400


class Reference:
    """The page of one document."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._schemas: Mapping[str, Json] = document["components"]["schemas"]

    def page(self) -> str:
        """The whole of it. Its style and its script are files beside it."""
        info = self._document["info"]
        return "<!doctype html>\n" + element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("meta", name="color-scheme", content="light dark"),
                element("title", f"API reference · {info['title']}"),
                element("link", rel="icon", href="playground/icon.svg", type="image/svg+xml"),
                element("link", rel="stylesheet", href="docs/style.css"),
                element("script", type="module", src="docs/script.js"),
            ),
            element(
                "body",
                element("a", "Skip to the reference", class_="skip", href="#start"),
                self._top(),
                element("nav", self._contents(), aria_label="Operations", id="contents"),
                element("main", self._introduction(), *self._groups(), self._events(), self._problems(), id="start"),
            ),
            lang="en",
        )

    def _top(self) -> Html:
        info = self._document["info"]
        links = (("Playground", "playground"), ("openapi.json", "v1/openapi.json"))
        return element(
            "header",
            element("img", src="playground/icon.svg", alt="", width="28", height="28"),
            element("p", element("strong", info["title"]), " API reference ", element("span", info["version"])),
            element("div", *(element("a", name, href=href) for name, href in links), class_="links"),
            class_="top",
        )

    def _contents(self) -> Html:
        parts = [element("a", "Introduction", href="#introduction", class_="group")]
        for tag, operations in self._by_tag():
            parts.append(element("a", tag["name"], href=f"#{_slug(tag['name'])}", class_="group"))
            links = (
                element("li", element("a", _method(method), operation["summary"], href=f"#{operation['operationId']}"))
                for method, _, operation in operations
            )
            parts.append(element("ul", *links))
        parts.append(element("a", "Events", href="#events", class_="group"))
        links = (element("a", name, href=f"#{_slug(name)}", class_="event") for name in self._document["webhooks"])
        parts.append(element("ul", *(element("li", link) for link in links)))
        parts.append(element("a", "Errors", href="#problems", class_="group"))
        label = element("summary", "Contents")
        return element("details", label, element("div", *parts), open=True)

    def _introduction(self) -> Html:
        info = self._document["info"]
        return element(
            "section",
            element(
                "div",
                element("h1", "API reference"),
                element("p", prose(info["summary"]), class_="lead"),
                paragraphs(info["description"]),
                class_="text",
            ),
            element(
                "aside",
                element("h3", "Before you begin"),
                _code(program_code(_BEFORE)),
                element(
                    "p",
                    "Every example below reads these two, and the ids that it needs, such as JOB_ID.",
                    class_="note",
                ),
                class_="code",
            ),
            id="introduction",
            class_="operation",
        )

    def _by_tag(self) -> Iterator[tuple[Json, list[tuple[str, str, Json]]]]:
        for tag in self._document["tags"]:
            found = [
                (method, path, item[method])
                for path, item in self._document["paths"].items()
                for method in item
                if tag["name"] in item[method]["tags"]
            ]
            if found:
                yield tag, found

    def _groups(self) -> Iterator[Html]:
        for tag, operations in self._by_tag():
            yield element(
                "section",
                element("h2", tag["name"]),
                element("p", prose(tag["description"])),
                id=_slug(tag["name"]),
                class_="group",
            )
            for method, path, operation in operations:
                yield self._operation(method, path, operation)

    def _operation(self, method: str, path: str, operation: Json) -> Html:
        scopes = [scope for needed in operation["security"] for names in needed.values() for scope in names]
        text = element(
            "div",
            element("h3", element("a", operation["summary"], href=f"#{operation['operationId']}")),
            element("p", _method(method), element("code", path), class_="endpoint"),
            paragraphs(operation["description"]),
            element("p", "Scope ", *_listed(scopes), class_="note") if scopes else None,
            self._parameters(operation),
            self._body(operation),
            self._answers(operation),
            class_="text",
        )
        return element("section", text, self._examples(operation), id=operation["operationId"], class_="operation")

    def _parameters(self, operation: Json) -> Html:
        parts: list[Html] = []
        for place, title in (("path", "Path"), ("query", "Query"), ("header", "Headers")):
            found = [parameter for parameter in operation["parameters"] if parameter["in"] == place]
            if found:
                parts += [element("h4", title), element("ul", *map(self._parameter, found), class_="fields")]
        return together(parts)

    def _parameter(self, parameter: Json) -> Html:
        described = {"description": parameter.get("description", ""), **parameter["schema"]}
        return self._field(parameter["name"], described, required=parameter["required"], sent=True)

    def _body(self, operation: Json) -> Html | None:
        if "requestBody" not in operation:
            return None
        kinds = operation["requestBody"]["content"].items()
        return together(
            together([element("h4", "Body ", element("small", kind)), self._fields(content["schema"], sent=True)])
            for kind, content in kinds
        )

    def _answers(self, operation: Json) -> Html:
        successes, problems = [], []
        for status, response in operation["responses"].items():
            answer = self._answer(response)
            if int(status) >= _ERRORS_FROM:
                name, _, why = answer["description"].partition(": ")
                problems.append(element("li", _status(status), element("span", prose(why), title=name)))
            else:
                successes.append(self._success(status, answer))
        count = f"Errors ({len(problems)})"
        return together(
            [
                element("h4", "Responses"),
                element("ul", *successes, class_="answers"),
                element("details", element("summary", count), element("ul", *problems, class_="problems")),
            ]
        )

    def _answer(self, answer: Json) -> Json:
        """The response itself, where the operation refers to a shared one."""
        if "$ref" not in answer:
            return answer
        shared: Json = self._document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        return shared

    def _success(self, status: str, answer: Json) -> Html:
        headers = [name for name in answer.get("headers", {}) if name not in _COMMON_HEADERS]
        shown = element("p", "With ", *_listed(headers), class_="note") if headers else None
        schemas = [content["schema"] for content in answer.get("content", {}).values()]
        bodies = [
            element("details", element("summary", self._title(schema)), self._fields(schema))
            for whole in schemas
            for schema in whole.get("oneOf", [whole])
        ]
        return element("li", element("p", _status(status), prose(answer["description"])), shown, *bodies)

    def _examples(self, operation: Json) -> Html:
        tabs = _tabs(
            operation["operationId"],
            [(sample["label"], _code(program_code(sample["source"]))) for sample in operation["x-codeSamples"]],
        )
        answers = [
            (f"{status} {name}" if len(content.get("examples", {})) > 1 else status, example["value"])
            for status, answer in operation["responses"].items()
            if int(status) < _ERRORS_FROM
            for content in answer.get("content", {}).values()
            for name, example in content.get("examples", {}).items()
        ]
        shown = [
            element("details", element("summary", "Response ", label), _code(json_code(value)), open=index == 0)
            for index, (label, value) in enumerate(answers)
        ]
        return element("aside", tabs, *shown, class_="code")

    def _problems(self) -> Html:
        items = (
            element(
                "li",
                element("strong", element("a", element("code", code), href=f"docs/errors#{code}")),
                " ",
                element("span", prose(why)),
            )
            for code, why in self._document["x-problem-codes"].items()
        )
        return element(
            "section",
            element("h2", "Errors"),
            element(
                "p",
                prose(
                    "Errors are `application/problem+json`: `code` names the problem, `detail` says what to do, "
                    "`retryable` whether the same call may succeed later, and `charged` whether it cost money."
                ),
            ),
            element("ul", *items, class_="codes"),
            id="problems",
            class_="group",
        )

    def _events(self) -> Html:
        parts = [
            element(
                "section",
                element("h2", "Events"),
                element(
                    "p",
                    "Events go to the deployment's event bus and to your webhooks, at least once and in no order; ",
                    element("code", "event_id"),
                    " identifies repeats. Within a version, fields are only added.",
                ),
                id="events",
                class_="group",
            )
        ]
        for name, item in self._document["webhooks"].items():
            [media] = item["post"]["requestBody"]["content"].values()
            example = media.get("example")
            parts.append(
                element(
                    "section",
                    element(
                        "div",
                        element("h3", element("a", name, href=f"#{_slug(name)}")),
                        paragraphs(item["post"]["description"]),
                        self._fields(media["schema"]),
                        class_="text",
                    ),
                    element("aside", element("h3", "Example"), _code(json_code(example)), class_="code")
                    if example
                    else None,
                    id=_slug(name),
                    class_="operation",
                )
            )
        return together(parts)

    # -- schemas

    def _resolved(self, schema: Json) -> Json:
        """Without references, and with all that must be true of it at once."""
        if "$ref" in schema:
            named = self._resolved(self._schemas[schema["$ref"].removeprefix(_REF)])
            return {**named, **{word: value for word, value in schema.items() if word != "$ref"}}
        merged = dict(schema)
        for part in map(self._resolved, merged.pop("allOf", ())):
            fields = {name: dict(field) for name, field in part.get("properties", {}).items()}
            for name, field in merged.get("properties", {}).items():
                fields[name] = {**fields.get(name, {}), **field}
            required = [*part.get("required", ()), *merged.get("required", ())]
            merged = {**part, **merged, "properties": fields, "required": required}
        return merged

    def _title(self, schema: Json) -> str:
        return str(schema.get("$ref", "Body")).removeprefix(_REF)

    def _fields(self, schema: Json, *, sent: bool = False) -> Html:
        """Fields of a request (`sent`), required ones first, or of a response, which always has all of them."""
        whole = self._resolved(schema)
        required = whole.get("required", ()) if sent else ()
        properties = whole.get("properties", {})
        names = sorted(properties, key=lambda name: name not in required)
        items = (self._field(name, properties[name], required=name in required, sent=sent) for name in names)
        return element("ul", *items, class_="fields")

    def _field(self, name: str, schema: Json, *, required: bool, sent: bool) -> Html:
        bare, nullable = self._bare(schema)
        inner = self._bare(bare["items"])[0] if "items" in bare else bare
        facts = [*self._facts(bare, sent=sent)]
        nested = None
        if "properties" in inner:
            count = f"{len(inner['properties'])} fields"
            nested = element("details", element("summary", count), self._fields(inner, sent=sent))
        kind = self._kind(bare) + (" or null" if nullable else "")
        return element(
            "li",
            element(
                "p",
                element("code", name, class_="name"),
                element("span", kind, class_="kind"),
                element("span", "required", class_="required") if required else None,
                class_="head",
            ),
            element("p", prose(schema["description"])) if schema.get("description") else None,
            element("p", *_separated(facts), class_="facts") if facts else None,
            nested,
        )

    def _bare(self, schema: Json) -> tuple[Json, bool]:
        """Without references and null, and whether it may be null."""
        whole = self._resolved(schema)
        options = whole.get("anyOf", ())
        some = [option for option in options if option.get("type") != "null"]
        if len(some) == 1:
            bare, _ = self._bare(some[0])
            return {**bare, **{word: value for word, value in whole.items() if word != "anyOf"}}, True
        return whole, len(some) < len(options)

    def _kind(self, schema: Json) -> str:
        if "items" in schema:
            return f"array of {self._kind(self._bare(schema['items'])[0])}s"
        if "properties" not in schema and isinstance(schema.get("additionalProperties"), Mapping):
            return "object of strings"
        if "const" in schema:
            return "constant"
        kind = str(schema.get("type", "any"))
        return _KINDS.get(schema.get("format", kind), kind)

    def _facts(self, schema: Json, *, sent: bool) -> Iterator[Html]:
        inner = self._bare(schema["items"])[0] if "items" in schema else schema
        for options in (schema.get("enum"), inner.get("enum") if inner is not schema else None):
            if options:
                yield together(_listed([str(option) for option in options], "or"))
        if "const" in schema:
            yield element("code", str(schema["const"]))
        yield from _bounds(schema)
        for option in inner.get("anyOf", ()):
            if "description" in option:
                yield together([option["description"].rstrip(".")])
        default = schema.get("default")
        if sent and default not in (None, "", [], {}):
            yield together(["default ", element("code", _plain(default))])


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(schema: Json) -> Iterator[Html]:
    for least, most, unit in _BOUNDS:
        low, high = schema.get(least), schema.get(most)
        if low and high:
            yield Html(f"{low:,} to {high:,}{unit}")
        elif low or high:
            yield Html(f"{'at least' if low else 'at most'} {low or high:,}{unit}")


_COMMON_HEADERS = frozenset({"X-Request-Id", "RateLimit-Policy", "RateLimit", "Cache-Control"})


def _tabs(name: str, panels: list[tuple[str, Html]]) -> Html:
    """Panels that work without a script: radio buttons choose."""
    parts: list[Html] = []
    for index, (label, panel) in enumerate(panels):
        identity = f"{name}-{_slug(label)}"
        parts += [
            element("input", type="radio", name=f"{name}-language", id=identity, value=label, checked=index == 0),
            element("label", label, for_=identity),
            element("div", panel, class_="panel"),
        ]
    return element("div", *parts, class_="tabs", role="group", aria_label="Example call")


def _code(source: Html) -> Html:
    return element("pre", element("code", source), tabindex="0")


def _method(method: str) -> Html:
    return element("b", method.upper(), class_=f"method {method}")


def _status(status: str) -> Html:
    return element("b", status, class_="status", title=TITLES[HTTPStatus(int(status))])


def _listed(names: list[str], last: str = "and") -> list[str]:
    parts: list[str] = []
    for index, name in enumerate(names):
        if index:
            parts.append(f" {last} " if index == len(names) - 1 else ", ")
        parts.append(element("code", name))
    return parts


def _separated(facts: list[Html]) -> list[str]:
    return [part for index, fact in enumerate(facts) for part in ((" · ", fact) if index else (fact,))]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
