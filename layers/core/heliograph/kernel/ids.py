"""Ids: derived from what makes a thing the same thing, so that doing it twice finds the first one."""

from __future__ import annotations

import base64
import hashlib
import re

JOB_ID = re.compile(r"job_[a-z2-7]{26}")


def derived_id(prefix: str, *parts: str) -> str:
    """`<prefix>_` and 26 characters of base32 (130 bits): the same parts give the same id, others another.

    Fits an execution name of Step Functions (at most 80 of letters, digits, `-` and `_`).
    """
    # Each part with its length: ("ab", "c") and ("a", "bc") are different things.
    material = "".join(f"{len(part.encode())}:{part}," for part in parts)
    digest = base64.b32encode(hashlib.sha256(material.encode()).digest()).decode().lower()
    return f"{prefix}_{digest[:26]}"


def token_digest(token: str) -> str:
    """Digest of a callback secret: a reader of the record can't call back with it."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
