"""A call in three languages: the one that `example` of an operation describes. The API and the key come from the
environment, and so does every id.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from heliograph.runtime.openapi.operations import Operation


@dataclass(frozen=True, slots=True)
class Sample:
    """A program that makes the call and prints the answer. `lang`: as highlighters name it."""

    label: str
    lang: str
    source: str


def samples(operation: Operation) -> tuple[Sample, ...]:
    """In every language."""
    return (
        Sample("cURL", "Shell", _curl(operation)),
        Sample("Python", "Python", _python(operation)),
        Sample("Node.js", "JavaScript", _node(operation)),
    )


def variables(operation: Operation) -> tuple[str, ...]:
    """What must be in the environment besides `API` and `KEY`: `JOB_ID` of `{job_id}`."""
    return tuple(name.upper() for name in operation.parameters)


def _path(operation: Operation, placeholder: str) -> str:
    path = operation.path
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", placeholder % name.upper())
    query = urlencode(operation.example_query)
    return f"{path}?{query}" if query else path


def _curl(operation: Operation) -> str:
    method = {"GET": "", "POST": "" if operation.example else " -X POST"}.get(
        operation.method, f" -X {operation.method}"
    )
    parts = [f'curl -sS{method} "$API{_path(operation, "$%s")}"', '-H "Authorization: Bearer $KEY"']
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in operation.example_headers.items()]
    if operation.example is not None:
        parts += ['-H "Content-Type: application/json"', f"-d {shlex.quote(json.dumps(operation.example))}"]
    return " \\\n  ".join(parts)


def _python(operation: Operation) -> str:
    url = f"f\"{{os.environ['API']}}{_path(operation, '{os.environ[%r]}')}\""
    headers = ['"Authorization": f"Bearer {os.environ[\'KEY\']}"']
    headers += [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in operation.example_headers.items()]
    lines = ["import os", "", "import httpx", "", f"answer = httpx.{operation.method.lower()}("]
    lines += [f"    {url},", f"    headers={{{', '.join(headers)}}},"]
    if operation.example is not None:
        lines += [f"    json={_literal(operation.example)},"]
    lines += [")", "print(answer.status_code, answer.json())"]
    return "\n".join(lines)


def _node(operation: Operation) -> str:
    url = f"`${{process.env.API}}{_path(operation, '${process.env.%s}')}`"
    headers = ["Authorization: `Bearer ${process.env.KEY}`"]
    if operation.example is not None:
        headers += ['"Content-Type": "application/json"']
    headers += [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in operation.example_headers.items()]
    lines = [f"const answer = await fetch({url}, {{"]
    if operation.method != "GET":
        lines += [f'  method: "{operation.method}",']
    lines += [f"  headers: {{ {', '.join(headers)} }},"]
    if operation.example is not None:
        lines += [f"  body: JSON.stringify({json.dumps(operation.example)}),"]
    lines += ["});", "console.log(answer.status, await answer.json());"]
    return "\n".join(lines)


def _literal(value: object) -> str:
    """JSON as Python writes it, in double quotes."""
    match value:
        case Mapping():
            return f"{{{', '.join(f'{json.dumps(name)}: {_literal(item)}' for name, item in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_literal, value))}]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return repr(value)
