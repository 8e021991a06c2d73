"""Jitter: delays spread by chance, repeatable for each id."""

from __future__ import annotations

import hashlib


def jittered(seconds: int, key: str) -> int:
    """`seconds`, by half more or less: always the same for a key, so that many that begin together come apart."""
    return max(1, round(seconds * (jitter_fraction(key) + 0.5)))


def jitter_fraction(key: str) -> float:
    """From 0 to 1: by chance, but always the same for a key."""
    return hashlib.sha256(key.encode()).digest()[0] / 255
