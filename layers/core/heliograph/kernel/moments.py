"""A moment as callers write it: an RFC 3339 date and time with its UTC offset."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from heliograph.kernel.pagination import in_utc

_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII)


def _as_written(value: object) -> object:
    # pydantic also takes numbers, and texts of digits, for seconds since 1970.
    if isinstance(value, datetime) or (isinstance(value, str) and _WRITTEN.fullmatch(value)):
        return value
    raise ValueError("must be a date and time with its UTC offset, such as 2026-11-22T10:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_as_written), AfterValidator(in_utc)]
