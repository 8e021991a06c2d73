"""`Authorization: Bearer …` (RFC 6750)."""

from __future__ import annotations


def bearer_of(header: str) -> str:
    """Credentials of the header; empty if it has none of the scheme Bearer."""
    scheme, _, credentials = header.partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""
