"""Numbers as JSON has them: `60.0` is a whole number there, `true` and `"60"` are none."""

from __future__ import annotations

from pydantic import BeforeValidator


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# With `strict=True`: `Annotated[int, Field(strict=True, ge=1), JSON_INTEGER]`.
JSON_INTEGER = BeforeValidator(_whole)
