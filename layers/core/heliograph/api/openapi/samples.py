"""Samples of a call in three languages, made of the operation's example. API, key and ids come from the environment."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlencode

from heliograph.api.openapi.operations import Operation

# A body that is longer is broken into lines.
_SHORT = 48
_WORD = re.compile(r"""("(?:[^"\\]|\\.)*")|\b(true|false|null)\b""")
_LAST, _WITH_COMMA = re.compile(r"([^,\s{\[])\n"), r"\1,\n"


# The upload of a file and the job that uses it, as in docs/api.md.
_SEND_A_FILE = """\
form=$(curl -sS --fail-with-body "$API/v1/uploads" \\
  -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" \\
  -d "{\\"content_type\\": \\"image/png\\", \\"size_bytes\\": $(wc -c <"$PHOTO")}")

# All fields first, as they are, then the file.
fields=()
while IFS= read -r field; do
  fields+=(-F "$field")
done < <(jq -r '.fields | to_entries[] | "\\(.key)=\\(.value)"' <<<"$form")
curl -sS --fail-with-body "$(jq -r .url <<<"$form")" "${fields[@]}" -F "file=@$PHOTO"

# Its id is a reference now.
curl -sS --fail-with-body "$API/v1/jobs" \\
  -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" \\
  -d "{\\"prompt\\": \\"On white, as for a catalogue\\", \\"references\\": [$(jq .id <<<"$form")]}"\
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A program that makes the call and prints the response. `lang`: as highlighters name it."""

    label: str
    lang: str
    source: str


def samples(operation: Operation) -> tuple[Sample, ...]:
    """Samples in every language; for `createUpload`, the upload of a file as well."""
    whole_way = (Sample("With the file", "Shell", _SEND_A_FILE),) if operation.id == "createUpload" else ()
    return (
        Sample("cURL", "Shell", _curl(operation)),
        Sample("Python", "Python", _python(operation)),
        Sample("Node.js", "JavaScript", _node(operation)),
        *whole_way,
    )


def variables(operation: Operation) -> tuple[str, ...]:
    """Environment variables that the sample reads besides `API` and `KEY`: `JOB_ID` for `{job_id}`."""
    return tuple(name.upper() for name in operation.parameters)


def _path(operation: Operation, placeholder: str) -> str:
    path = operation.path
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", placeholder % name.upper())
    query = urlencode(operation.example_query)
    return f"{path}?{query}" if query else path


def _curl(operation: Operation) -> str:
    usual = "POST" if operation.example else "GET"
    method = "" if operation.method == usual else f" -X {operation.method}"
    parts = [f'curl -sS{method} "$API{_path(operation, "$%s")}"', '-H "Authorization: Bearer $KEY"']
    parts += [f'-H "{name}: {value}"' for name, value in operation.example_headers.items()]
    if operation.example is not None:
        body = _json(operation.example, indent=2).replace("\n", "\n  ")
        parts += ['-H "Content-Type: application/json"', f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(parts)


def _python(operation: Operation) -> str:
    url = f"f\"{{os.environ['API']}}{_path(operation, '{os.environ[%r]}')}\""
    headers = ['"Authorization": f"Bearer {os.environ[\'KEY\']}"']
    headers += [f'"{name}": {json.dumps(value)}' for name, value in operation.example_headers.items()]
    lines = ["import os", "", "import httpx", "", f"answer = httpx.{operation.method.lower()}("]
    lines += [f"    {url},", f"    headers={_braced(headers, '    ')},"]
    if operation.example is not None:
        body = re.sub(_WORD, _python_word, _json(operation.example, indent=4))
        # With a comma behind the last one of several lines, as Python is written.
        lines += [f"    json={re.sub(_LAST, _WITH_COMMA, body)},".replace("\n", "\n    ")]
    return "\n".join([*lines, ")", "print(answer.status_code, answer.json())"])


def _node(operation: Operation) -> str:
    url = f"`${{process.env.API}}{_path(operation, '${process.env.%s}')}`"
    headers = ["Authorization: `Bearer ${process.env.KEY}`"]
    headers += ['"Content-Type": "application/json"'] if operation.example is not None else []
    headers += [f'"{name}": {json.dumps(value)}' for name, value in operation.example_headers.items()]
    lines = [f"const answer = await fetch({url}, {{"]
    lines += [f'  method: "{operation.method}",'] if operation.method != "GET" else []
    lines += [f"  headers: {_braced(headers, '  ')},"]
    if operation.example is not None:
        lines += [f"  body: JSON.stringify({_json(operation.example, indent=2)}),".replace("\n", "\n  ")]
    return "\n".join([*lines, "});", "console.log(answer.status, await answer.json());"])


def _braced(parts: list[str], within: str) -> str:
    """One on the line, several on lines of their own."""
    if len(parts) == 1:
        return f"{{ {parts[0]} }}" if within == "  " else f"{{{parts[0]}}}"
    return "{\n" + "".join(f"{within}{within}{part},\n" for part in parts) + within + "}"


def _json(value: object, *, indent: int) -> str:
    """On one line where that is short, else on several."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _SHORT else json.dumps(value, ensure_ascii=False, indent=indent)


def _python_word(found: re.Match[str]) -> str:
    return found[1] or {"true": "True", "false": "False", "null": "None"}[found[2]]
