"""Whose certificates are believed out there: one context for every client of this process."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import httpx

# Made with the layer (layers/core/trim.py): each authority in a file of its own, read when it is met.
_ROOTS = Path(__file__).parent / "roots"


@cache
def ssl_context() -> ssl.SSLContext:
    """The whole of certifi's list, whatever the environment says. To read it in one go takes 20 ms of CPU."""
    if _ROOTS.is_dir():
        return ssl.create_default_context(capath=_ROOTS)
    return httpx.create_ssl_context(trust_env=False)
