"""Webhooks, verified as their receiver verifies them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import time_machine
from standardwebhooks import Webhook


def verified(secret: str, body: str | bytes, headers: Mapping[str, str], *, at: datetime) -> Any:
    """The message, for a receiver whose clock is at `at`. Raises where it is not signed, or five minutes too old."""
    # The library reads the system's clock.
    with time_machine.travel(at, tick=False):
        return Webhook(secret).verify(body, dict(headers))
