"""Which addresses are public: whatever leads inside, in whatever spelling, is not."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from heliograph.kernel.public_addresses import is_address, is_loopback, is_public
from hypothesis import given
from hypothesis import strategies as st

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "52.95.110.1",
    "99.255.255.255",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2600:1f18::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "3ffe::1",
    "3fff:1000::1",
]
NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.1.2.3", "0.255.255.255"],  # noqa: S104
    "private": [
        "10.0.0.0",
        "10.255.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.0.0",
        "192.168.255.255",
    ],
    "behind a carrier's NAT": ["100.64.0.0", "100.100.100.200", "100.127.255.255"],
    "loopback": ["127.0.0.1", "127.0.0.0", "127.255.255.255", "::1"],
    "unspecified": ["::"],
    "link-local": ["169.254.0.0", "169.254.1.1", "169.254.255.255", "fe80::", "fe80::1", "febf:ffff::1"],
    "metadata": [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.169.253",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "168.63.129.16",
    ],
    "protocol assignments": ["192.0.0.0", "192.0.0.170", "192.0.0.255", "2001::1", "2001:1ff:ffff::1", "2001:10::1"],
    "documentation": [
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.255",
        "2001:db8::1",
        "2001:db8:ffff:ffff::1",
        "3fff::1",
        "3fff:fff:ffff::1",
    ],
    "benchmarks": ["198.18.0.0", "198.19.255.255", "2001:2::1"],
    "6to4": ["192.88.99.1", "2002::1", "2002:0a00:0001::1", "2002:808:808::1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::7f00:1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.0", "254.255.255.255", "4000::1", "8000::1", "e000::1", "5f00::1"],
    "broadcast": ["255.255.255.255"],
    "IPv4-mapped": ["::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::ffff:8.8.8.8"],
    "IPv4-compatible": ["::10.0.0.1", "::127.0.0.1", "::8.8.8.8"],
    "IPv4-translated": ["::ffff:0:10.0.0.1"],
    "NAT64": [
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:ffff::a9fe:a9fe",
    ],
    "discard-only": ["100::1"],
    "unique local": ["fc00::1", "fd12:3456:789a::1", "fdff:ffff::1"],
    "site-local": ["fec0::1", "feff::1"],
    "with a zone": ["fe80::1%eth0", "fe80::1%2", "2606:4700::1%eth0"],
    "no address": ["", " ", "localhost", "1.1.1", "1.1.1.1.1", "01.1.1.1", "0x1.1.1.1", "16843009", "1.1.1.256", "1:2"],
    "written oddly": [" 8.8.8.8", "8.8.8.8 ", "[::1]", "8.8.8.8:443", "8.8.8.8/32"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)
    assert is_address(address)


@pytest.mark.parametrize(("kind", "address"), [(kind, one) for kind, all_ in NOT_PUBLIC.items() for one in all_])
def test_any_other_is_not(kind: str, address: str) -> None:
    assert not is_public(address), kind


@given(st.ip_addresses(v=6).filter(lambda address: address not in IPv6Network("2000::/3")))
def test_nothing_outside_of_what_is_given_out_to_public_hosts_is_public(address: IPv6Address) -> None:
    assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_no_address_of_the_old_kind_is_public_inside_of_one_of_the_new_kind(address: object) -> None:
    for form in ("::ffff:{}", "::{}", "64:ff9b::{}", "64:ff9b:1::{}", "::ffff:0:{}"):
        assert not is_public(form.format(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1"])
def test_this_very_machine_is_known(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "0.0.0.0", "128.0.0.1", "10.0.0.1", "localhost", "::1%lo", ""])  # noqa: S104
def test_nothing_else_is_this_very_machine(address: str) -> None:
    assert not is_loopback(address)
