"""Report of `make keys`: all API keys, without their secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from heliograph.access.keys import ApiKey

from operations.tables import columns

_HEAD = ("id", "name", "tenant", "scopes", "a day", "state", "last used", "made by")


def key_report(keys: Iterable[ApiKey], now: datetime) -> Iterator[str]:
    """Lines of the report, the oldest key first."""
    rows = [_row(key, now) for key in sorted(keys, key=lambda key: key.created_at)]
    if rows:
        yield from columns([_HEAD, *rows])
    else:
        yield "There are no API keys except the deployment's own. `make new-key NAME=…` creates one."


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    return (
        key.key_id,
        key.name,
        key.tenant,
        " ".join(sorted(key.scopes)),
        f"{key.daily_budget_usd} USD" if key.daily_budget_usd else "no limit",
        _state(key, now),
        f"{key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never",
        key.made_by or "unknown",
    )


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if key.is_valid(now) else 'expired'} {key.expires_at:%Y-%m-%d %H:%M} UTC"
