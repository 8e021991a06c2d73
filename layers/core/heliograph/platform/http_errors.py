"""Errors of httpx in a call of a provider: whether the provider may have received the request.

A create call costs money once it was received, so every error that is not known to come before is taken to come after.
A test holds the table against all errors that httpx has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

MAY_HAVE_ARRIVED: Final[Mapping[type[httpx.HTTPError], bool]] = {
    # There was no connection.
    httpx.ConnectError: False,
    httpx.ConnectTimeout: False,
    httpx.PoolTimeout: False,
    httpx.UnsupportedProtocol: False,
    # It broke, fell silent or was closed while the request or the answer was on its way.
    httpx.CloseError: True,
    httpx.ReadError: True,
    httpx.ReadTimeout: True,
    httpx.WriteError: True,
    httpx.WriteTimeout: True,
    httpx.LocalProtocolError: True,
    httpx.RemoteProtocolError: True,
    # A proxy says no more than that the call failed.
    httpx.ProxyError: True,
    # An answer came, and could not be read or leads elsewhere.
    httpx.DecodingError: True,
    httpx.HTTPStatusError: True,
    httpx.TooManyRedirects: True,
}


def may_have_arrived(error: httpx.HTTPError) -> bool:
    """As its nearest kind in the table; `True` of an error that has none."""
    return next((MAY_HAVE_ARRIVED[kind] for kind in type(error).__mro__ if kind in MAY_HAVE_ARRIVED), True)
