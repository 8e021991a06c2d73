"""The result host: public, without keys, and for a limited time."""

from __future__ import annotations

import pytest

from local.tests.provider.simulation import RESULTS, Simulation

_DAY = 86_400


@pytest.fixture
def url(simulation: Simulation) -> str:
    return str(simulation.finished()["resultUrls"][0])


def test_a_result_lies_on_another_origin_with_its_right_headers(simulation: Simulation, url: str) -> None:
    served = simulation.result(url)
    assert url.startswith(f"{RESULTS}/images/")
    assert served.status_code == 200
    assert served.headers["content-type"] == "image/jpeg"
    assert int(served.headers["content-length"]) == len(served.content)
    assert served.headers["etag"].startswith('"')
    assert served.headers["accept-ranges"] == "bytes"


def test_a_missing_user_agent_is_forbidden(simulation: Simulation, url: str) -> None:
    assert simulation.result(url, **{"user-agent": ""}).status_code == 403


def test_a_request_that_carries_a_key_is_refused(simulation: Simulation, url: str) -> None:
    assert simulation.result(url, authorization="Bearer sk_test0123456789abcdef").status_code == 400


def test_a_head_request_shows_the_size_without_the_body(simulation: Simulation, url: str) -> None:
    head = simulation.result(url, "HEAD")
    assert head.headers["content-length"] == simulation.result(url).headers["content-length"]


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=10-", 10, None), ("bytes=-5", -5, None), ("bytes=5-999999999", 5, None)],
)
def test_a_range_is_served_in_part(simulation: Simulation, url: str, wanted: str, start: int, end: int | None) -> None:
    whole = simulation.result(url).content
    part = simulation.result(url, range=wanted)
    assert part.status_code == 206
    assert part.content == whole[start:end]
    assert part.headers["content-range"].endswith(f"/{len(whole)}")


def test_a_range_beyond_the_end_is_refused(simulation: Simulation, url: str) -> None:
    assert simulation.result(url, range="bytes=999999999-").status_code == 416


def test_an_unchanged_result_is_not_sent_again(simulation: Simulation, url: str) -> None:
    etag = simulation.result(url).headers["etag"]
    assert simulation.result(url, **{"if-none-match": etag}).status_code == 304


def test_a_result_is_gone_after_its_retention(simulation: Simulation, url: str) -> None:
    simulation.advance(6 * _DAY)
    assert simulation.result(url).status_code == 200
    simulation.clock.now += _DAY
    assert simulation.result(url).status_code == 404
    simulation.advance(0)
    assert len(simulation.simulator.storage) == 0


def test_uploads_have_a_retention_of_their_own(simulation: Simulation) -> None:
    simulation.control("POST", "/settings", json={"retention_seconds": 1.0})
    answer = simulation.call("POST", "/files", files={"file": ("a.bin", b"123", "text/plain")})
    simulation.advance(60)
    assert simulation.result(answer.json()["data"]["publicUrl"]).content == b"123"


@pytest.mark.parametrize("path", ["/images/nothing.jpeg", "/images/../../etc/passwd", "/"])
def test_what_was_never_published_is_not_found(simulation: Simulation, path: str) -> None:
    assert simulation.result(f"{RESULTS}{path}").status_code == 404


@pytest.mark.parametrize(("kind", "status"), [("404", 404), ("403", 403), ("5xx", 503)])
def test_a_result_can_fail_once(simulation: Simulation, url: str, kind: str, status: int) -> None:
    simulation.fault("result", kind, times=1)
    assert simulation.result(url).status_code == status
    assert simulation.result(url).status_code == 200


def test_a_result_can_have_a_wrong_type_or_be_no_image(simulation: Simulation, url: str) -> None:
    simulation.fault("result", "wrong_content_type", content_type="application/xml", times=1)
    simulation.fault("result", "not_an_image", times=1)
    lying, page = simulation.result(url), simulation.result(url)
    assert (lying.headers["content-type"], lying.content[:3]) == ("application/xml", b"\xff\xd8\xff")
    assert (page.headers["content-type"], page.content[:5]) == ("image/jpeg", b"<!doc")


def test_a_result_can_redirect_to_a_private_address(simulation: Simulation, url: str) -> None:
    simulation.fault("result", "redirect_private")
    served = simulation.result(url)
    assert served.status_code == 302
    assert served.headers["location"].startswith("http://169.254.169.254/")


def test_a_result_can_come_without_its_length(simulation: Simulation, url: str) -> None:
    whole = simulation.result(url).content
    simulation.fault("result", "no_content_length")
    served = simulation.result(url)
    assert "content-length" not in served.headers
    assert served.content == whole


@pytest.mark.parametrize("declare", [True, False])
def test_a_result_can_be_far_too_large(simulation: Simulation, url: str, declare: bool) -> None:
    simulation.fault("result", "oversized", bytes=300_000, declare=declare)
    served = simulation.result(url)
    assert ("content-length" in served.headers) is declare
    assert len(served.content) == 300_000
    assert served.content.startswith(b"\xff\xd8\xff")


def test_a_slow_body_is_complete_in_the_end(simulation: Simulation, url: str) -> None:
    whole = simulation.result(url).content
    simulation.fault("result", "slow_body", seconds=0.02, chunks=3)
    assert simulation.result(url).content == whole
