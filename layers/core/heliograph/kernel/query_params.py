"""Values as a URL's query writes them. pydantic alone would also take `1_0`, `5.0`, and dates as seconds since 1970."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_WHOLE = re.compile(r"[0-9]{1,9}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _is_written(form: re.Pattern[str], example: str) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, str) and not form.fullmatch(value):
            raise ValueError(f"must be written like {example}")
        return value

    return BeforeValidator(check)


# Behind the bounds of a field: `Annotated[int, Field(ge=1), QUERY_INTEGER]`.
QUERY_INTEGER = _is_written(_WHOLE, "20")
DAY = _is_written(_DAY, "2026-11-22")
QueryTime = Annotated[AwareDatetime, _is_written(_MOMENT, "2026-11-22T10:00:00Z")]
