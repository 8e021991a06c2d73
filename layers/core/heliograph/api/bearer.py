"""`Authorization: Bearer …` (RFC 6750)."""

from __future__ import annotations


def bearer_of(header: str) -> str:
    """The credentials that the header carries; nothing where it carries none of this kind."""
    scheme, _, credentials = header.partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""
