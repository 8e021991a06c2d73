"""Writes `events/published/` and `events/states/` anew, from the models. Run it at the project's root:

    python -m tests.contract.regenerate_published

Look at what changed before you keep it: within version "1", fields may be added to what is published, and nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# The package lies in the layer and is installed nowhere.
sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from heliograph.webhooks.event_catalogue import EVENT_TYPES, PublishedEvent
from pydantic.json_schema import GenerateJsonSchema

from tests.contract.cfn_template import ROOT
from tests.examples import arriving, published_examples, state_examples

EVENTS = ROOT / "events"


class _AsWritten(GenerateJsonSchema):
    """Every field is always written, also one whose value is its default: listeners may rely on it."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True


def schema_of(model: type[PublishedEvent]) -> dict[str, Any]:
    """The JSON Schema of a `detail`.

    We refuse fields that we don't know; whoever listens must not: fields are added within a version.
    """
    schema = _open(model.model_json_schema(mode="serialization", schema_generator=_AsWritten))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def contents() -> dict[Path, Any]:
    """Every generated file and the document in it."""
    published = EVENTS / "published"
    return {
        **{published / f"{name}.schema.json": schema_of(model) for name, model in EVENT_TYPES.items()},
        **{published / f"{name}.json": arriving(event) for name, event in published_examples().items()},
        **{
            EVENTS / "states" / f"{name}.json": state.model_dump(mode="json", exclude_none=name == "turn")
            for name, state in state_examples().items()
        },
    }


def _open(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _open(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)}
    return [_open(part) for part in schema] if isinstance(schema, list) else schema


def main() -> None:
    """Writes them."""
    for path, document in contents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
