"""Reference images and webhooks: links from outside are hostile."""

from __future__ import annotations

from ipaddress import IPv6Network
from urllib.parse import quote, urlsplit

import httpx
import pytest
from heliograph.storage.references import (
    MAX_URL_CHARACTERS,
    ObjectLocation,
    check_public_url,
    check_reference,
    has_plain_link,
)
from hypothesis import example, given
from hypothesis import strategies as st

BUCKETS = frozenset({"the-uploads"})


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example.com/shoe.jpg",
        "https://example.com",
        "https://images.example.com:8443/a.png?size=2&sign=a%2Fb#top",
        "https://images.example.com./a.png",
        "https://xn--bcher-kva.example.net/a.png",
        "HTTPS://IMAGES.EXAMPLE.COM/A.PNG",
        "https://8.8.8.8/a.png",
        "https://[2606:4700::1111]/a.png",
        "https://my_images.example.com/a.png",
        "https://10.example.com/a.png",
        "https://internal.example.com/a.png",
        "https://localhost.example.com/a.png",
        "https://images.example.com/http://127.0.0.1/",
    ],
)
def test_a_public_https_link_is_taken_as_it_is(url: str) -> None:
    assert check_public_url(url) == url


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",  # noqa: S104 - it is refused
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "127.0.0.1.",
        "127.0.0.1:8080",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2002:808:808::1]",
        "[::127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[::ffff:0:10.0.0.1]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::a00:1]",
        "[fec0::1]",
        "[100::1]",
        "[4000::1]",
        "[2001:0:1::]",
        "2130706433",
        "0x7f000001",
        "0X7F.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.0x1",
        "%31%32%37.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "api.localhost",
        "metadata.google.internal",
        "ip-10-0-0-1.eu-west-1.compute.internal.",
        "printer.local",
        "router.lan",
        "hidden.onion",
        "nas.home.arpa",
        "intranet",
        "localhost.localdomain",
        "127.0.0%E3%80%821",
        "foo.%EF%BD%8Cocalhost",
        "127.0.0.1\\.good.example.com",
        "127.0.0.1%2f.good.example.com",
        "good.example.com%00.evil.example.com",
        "images..example.com",
        "images.example.com,10.0.0.1",
    ],
)
def test_a_link_into_a_private_network_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="private or reserved"):
        check_public_url(f"https://{host}/a.png")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must be an https"),
        ("shoe.jpg", "must be an https"),
        ("//images.example.com/a.png", "must be an https"),
        ("http://images.example.com/a.png", "must be an https"),
        ("ftp://images.example.com/a.png", "must be an https"),
        ("file:///etc/passwd", "must be an https"),
        ("data:image/png;base64,AAAA", "must be an https"),
        ("javascript:alert(1)", "must be an https"),
        ("https://", "no host"),
        ("https:///a.png", "no host"),
        ("https:images.example.com", "no host"),
        ("https://:443/", "no host"),
        ("https://[::1/a.png", "is no URL"),
        ("https://[127.0.0.1]/a.png", "is no URL"),
        ("https://images.example.com:99999/", "is no URL"),
        ("https://images.example.com:http/", "is no URL"),
        ("https://user@images.example.com/", "user name"),
        ("https://user:word@images.example.com/", "user name"),
        ("https://images.example.com@127.0.0.1/", "user name"),
        ("https://@images.example.com/", "user name"),
        ("https://images.example.com/a b.png", "percent-encode"),
        ("https://images.example.com/\n", "percent-encode"),
        (" https://images.example.com/", "percent-encode"),
        ("https://bücher.example.com/", "percent-encode"),
        ("https://images.example.com/\ud800", "percent-encode"),
        ("https://①②⑦.⓪.⓪.①/", "percent-encode"),
        ("https://x.org/" + "a" * MAX_URL_CHARACTERS, "longer"),
    ],
)
def test_what_is_no_https_link_is_refused_with_its_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_public_url(url)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="192.168.0.0/16"))
def test_no_spelling_of_a_private_address_gets_through(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    hosts = (str(address), str(number), hex(number), f"0{number:o}", f"[::ffff:{address}]", f"[64:ff9b::{address}]")

    for host in hosts:
        with pytest.raises(ValueError, match="private or reserved"):
            check_public_url(f"https://{host}/")


def test_an_object_of_this_deployment_can_be_a_reference() -> None:
    uri = "s3://the-uploads/logos/a b?#ü.png"

    assert check_reference(uri, buckets=BUCKETS) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "s3://somebody-elses/a.png",
        "s3://the-uploads2/a.png",
        "s3://THE-UPLOADS/a.png",
        "s3://the-uploads",
        "s3://the-uploads/",
        "s3:///a.png",
        "S3://the-uploads/a.png",
        "s3://the-uploads/" + "a" * MAX_URL_CHARACTERS,
    ],
)
def test_any_other_object_can_not(uri: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each for a reason of its own
        check_reference(uri, buckets=BUCKETS)


@given(st.ip_addresses(v=6).filter(lambda address: address not in IPv6Network("2000::/3")))
def test_no_address_outside_of_what_is_given_out_publicly_gets_through(address: object) -> None:
    with pytest.raises(ValueError, match="private or reserved"):
        check_public_url(f"https://[{address}]/")


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text("abcXYZ019._-", min_size=1),
)
def test_a_pinned_location_survives_its_uri_whatever_its_key(key: str, version_id: str) -> None:
    location = ObjectLocation("the-uploads", key, version_id)

    assert ObjectLocation.parse(location.uri) == location


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example("uploads/white/a.png?versionId=7.png")
@example("?versionId=")
def test_an_unpinned_location_survives_its_uri_whatever_its_key(key: str) -> None:
    location = ObjectLocation("the-uploads", key)

    assert ObjectLocation.parse(location.uri) == location


@pytest.mark.parametrize(
    "key", ["a/../b.jpg", "a/./b.jpg", "./a.jpg", "../a.jpg", "a/..", "a/.", "uploads/p/.././b.jpg"]
)
def test_an_object_whose_link_no_client_fetches_as_it_was_signed_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"the part \. or \.\..*give the object another key"):
        check_reference(f"s3://the-uploads/{key}?versionId=v1", buckets=BUCKETS)


@pytest.mark.parametrize(
    "key", ["a//b.jpg", "a/...jpg", "..a/b.", "a/.../b", "a/%2e%2e/b.jpg", ".hidden/a.jpg", "a..b/c.jpg"]
)
def test_an_odd_key_whose_link_is_fetched_as_it_was_signed_is_taken(key: str) -> None:
    assert check_reference(f"s3://the-uploads/{key}", buckets=BUCKETS)


@given(st.lists(st.sampled_from(["a", ".", "..", "...", "%2e", "", "ü", "a b"]), min_size=1, max_size=5))
def test_a_plain_link_is_one_that_a_client_leaves_as_it_is(parts: list[str]) -> None:
    key = "/".join(parts)
    link = f"https://the-uploads.s3.eu-central-1.amazonaws.com/{quote(key)}"

    assert has_plain_link(key) == (httpx.URL(link).raw_path == urlsplit(link).path.encode())
