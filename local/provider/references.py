"""References: a task's input images, fetched over HTTP with the provider's check of addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import httpx

from local.provider.connections import outgoing_tls
from local.provider.settings import Settings

MAX_REFERENCE_BYTES = 30 * 1024 * 1024  # [inferred] from the channel behind the provider
PRIVATE_ADDRESS = "private/reserved IP addresses not allowed"  # [provider] the text contains this

_FETCH_TIMEOUT_SECONDS = 20.0
_MAX_REDIRECTS = 3
_USER_AGENT = "Mozilla/5.0 (compatible; ImageFetcher/1.0)"
_DEFAULT_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[list[str]]]


class ReferenceRefused(Exception):
    """A reference that cannot be used; the text is the task's failure message."""


async def resolve_by_dns(host: str, port: int) -> list[str]:
    """All addresses of a host name."""
    loop = asyncio.get_running_loop()
    return [str(found[4][0]) for found in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_image(data: bytes) -> bool:
    """True if the first bytes are those of an accepted format: JPEG, PNG, WEBP [inferred]. Headers are not trusted."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


class References:
    """Fetches references. ``own_origin`` is the simulator's result host: public at the provider, loopback here."""

    def __init__(
        self,
        settings: Settings,
        own_origin: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve = resolve_by_dns,
    ) -> None:
        self._settings = settings
        self._own_origin = own_origin
        self._transport = transport
        self._resolve = resolve

    def refuse_at_create(self, urls: tuple[str, ...]) -> str | None:
        """Message of a 400 for a numeric private address, or None. Host names are resolved when the task runs."""
        for url in urls:
            address = _literal_address(urlsplit(url).hostname or "")
            if address is not None and not self._is_admitted(url, [address]):
                return f"Invalid image URL: {PRIVATE_ADDRESS}"
        return None

    async def fetch(self, url: str) -> bytes:
        """Bytes of an image of at most 30 MB. Raises ``ReferenceRefused``."""
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                await self._check_address(url)
                outcome = await self._get(url)
                if isinstance(outcome, bytes):
                    return outcome
                url = urljoin(url, outcome)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as wrong:
            raise ReferenceRefused(f"Failed to fetch image: {type(wrong).__name__}") from wrong
        raise ReferenceRefused("Failed to fetch image: too many redirects")

    async def _get(self, url: str) -> bytes | str:
        """Bytes of the image, or the URL of a redirect."""
        # A proxy from the environment cannot reach this machine.
        local = self._is_named_origin(url) or self._settings.admit_loopback_references
        async with (
            httpx.AsyncClient(
                transport=self._transport,
                timeout=_FETCH_TIMEOUT_SECONDS,
                trust_env=not local,
                verify=outgoing_tls(),
                headers={"User-Agent": _USER_AGENT},
            ) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.has_redirect_location:
                return answer.headers["location"]
            if answer.status_code != httpx.codes.OK:
                raise ReferenceRefused(f"Failed to fetch image: HTTP {answer.status_code}")
            data = bytearray()
            async for chunk in answer.aiter_bytes():
                data += chunk
                if len(data) > MAX_REFERENCE_BYTES:
                    raise ReferenceRefused("Image is too large: at most 30MB")
        if not is_image(bytes(data[:16])):
            raise ReferenceRefused("Unsupported image format: only JPEG, PNG and WEBP are accepted")
        return bytes(data)

    async def _check_address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ReferenceRefused("Invalid image URL")
        try:
            addresses = await self._resolve(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme])
        except OSError as wrong:
            raise ReferenceRefused("Failed to fetch image: the host name cannot be resolved") from wrong
        # The name is resolved again on connecting: good enough for a simulator, not for a public service.
        if not self._is_admitted(url, [ipaddress.ip_address(each.split("%")[0]) for each in addresses]):
            raise ReferenceRefused(f"Invalid image URL: {PRIVATE_ADDRESS}")

    def _is_admitted(self, url: str, addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
        loopback_too = self._settings.admit_loopback_references
        return self._is_named_origin(url) or all(
            _is_public(address) or (loopback_too and address.is_loopback) for address in addresses
        )

    def _is_named_origin(self, url: str) -> bool:
        allowed = [self._own_origin, *self._settings.allow_reference_origins]
        return _origin(url) in {_origin(each if "//" in each else f"http://{each}") for each in allowed}


def _origin(url: str) -> tuple[str, int]:
    """Host and port. The scheme does not matter for which server answers."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def _literal_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast
