"""TLS: one context, with its certificate authorities, for all clients of the process."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

import httpx

# RFC 5280's checks, which Python 3.13 makes by default. Set here so that every Python refuses the same certificates.
_CHECKS = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN

# Made with the layer (layers/core/trim.py): one file per authority, read when a certificate needs it.
_ROOTS = Path(__file__).parent / "roots"


@cache
def ssl_context() -> ssl.SSLContext:
    """Context with certifi's authorities, independent of the environment. Reading all at once takes 20 ms of CPU."""
    context = (
        ssl.create_default_context(capath=_ROOTS) if _ROOTS.is_dir() else httpx.create_ssl_context(trust_env=False)
    )
    context.verify_flags |= _CHECKS
    return context
