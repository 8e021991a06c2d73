"""Public addresses: those that may be reached on behalf of a caller from outside.

The lists are written out, not taken from `ipaddress.is_global`: that changes from one Python to the next, and a
deployment must not open with an update. Source: IANA's registries of special-purpose addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's NAT; some clouds' metadata
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # one cloud's inside, though it looks public
            "169.254.0.0/16",  # link-local; clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# All that is given out to public hosts. Outside of it: loopback, link-local, site-local, unique local (`fd00:ec2::254`
# too), multicast, and what embeds an IPv4 address (mapped, compatible, translated, NAT64).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID …
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which embeds an IPv4 address; its relays are gone (RFC 7526)
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: str) -> bool:
    """True if a host of the public internet can have this address. A text that is no address is not public."""
    parsed = None if "%" in address else _parsed(address)  # a zone is an interface of somebody's machine
    if parsed is None:
        return False
    if isinstance(parsed, IPv6Address):
        return parsed in _GLOBAL_UNICAST and not any(parsed in network for network in _NOT_PUBLIC_V6)
    return not any(parsed in network for network in _NOT_PUBLIC_V4)


def is_loopback(address: str) -> bool:
    """True if the address is this machine's, in its plain spelling."""
    parsed = None if "%" in address else _parsed(address)
    if isinstance(parsed, IPv6Address):
        return parsed == IPv6Address("::1")
    return parsed is not None and parsed in IPv4Network("127.0.0.0/8")


def is_address(text: str) -> bool:
    """True if the text is an address."""
    return _parsed(text) is not None


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
