"""`Authorization: Bearer …` (RFC 6750), compared without telling how much of it was right."""

from __future__ import annotations

import hmac


def is_right(header: str, key: str) -> bool:
    """Whether the header carries this very key. An empty key opens nothing."""
    scheme, _, credentials = header.partition(" ")
    same = hmac.compare_digest(credentials.strip().encode(), key.encode())
    return scheme.lower() == "bearer" and bool(key) and same
