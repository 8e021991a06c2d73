"""Whose certificates are believed out there: one context for every client of this process."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import httpx

# RFC 5280's checks, which Python 3.13 makes by default. Set here so that every Python refuses the same certificates.
_CHECKS = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN

# Made with the layer (layers/core/trim.py): each authority in a file of its own, read when it is met.
_ROOTS = Path(__file__).parent / "roots"


@cache
def ssl_context() -> ssl.SSLContext:
    """The whole of certifi's list, whatever the environment says. To read it in one go takes 20 ms of CPU."""
    context = (
        ssl.create_default_context(capath=_ROOTS) if _ROOTS.is_dir() else httpx.create_ssl_context(trust_env=False)
    )
    context.verify_flags |= _CHECKS
    return context
