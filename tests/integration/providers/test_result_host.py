"""Downloads of finished pictures: links and bytes from outside, of which nothing is believed."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from heliograph.imaging.inspection import Inspection
from heliograph.kernel.errors import ResultUnusable
from heliograph.kernel.media_types import MediaType
from heliograph.providers.adapters import result_host
from heliograph.providers.adapters.result_host import ResultHost

from tests.integration.loopback import free_port, saying
from tests.pictures import jpeg, large_jpeg, png, png_chunk, webp

ORIGIN = "https://r2.apimodels.app"
URL = f"{ORIGIN}/images/1.png"
MOST_BYTES = 1000
PICTURE = png()
SIZE = len(PICTURE)


NO_WIDTH = png()[:8] + png_chunk(b"IHDR", bytes(4) + png()[20:29])


def chunked(*parts: bytes, status: int = 200, **headers: str) -> httpx.Response:
    """A response that is streamed, as real ones are, with the headers given and no more."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=_Parts(parts))


class _Parts(httpx.SyncByteStream):
    def __init__(self, parts: tuple[bytes, ...]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts


def whole(body: bytes, **headers: str) -> httpx.Response:
    return chunked(body, status=200, content_length=str(len(body)), **headers)


def host(response: httpx.Response | None = None, *, origins: frozenset[str] = frozenset({ORIGIN})) -> ResultHost:
    def reply(request: httpx.Request) -> httpx.Response:
        assert response, f"{request.url} must not be asked"
        return response

    return ResultHost(origins, max_bytes=MOST_BYTES, transport=httpx.MockTransport(reply))


def unusable(downloads: ResultHost, url: str = URL) -> ResultUnusable:
    with pytest.raises(ResultUnusable) as caught, downloads.fetch(url):
        pass
    return caught.value


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(png(30, 20), MediaType.PNG), (jpeg(30, 20), MediaType.JPEG), (webp(30, 20), MediaType.WEBP)],
)
def test_a_picture_is_described_by_its_bytes(body: bytes, media_type: MediaType) -> None:
    with host(whole(body)).fetch(URL) as picture:
        assert (picture.media_type, picture.width, picture.height) == (media_type, 30, 20)
        assert (picture.size_bytes, picture.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert picture.file.read() == body


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "image/gif", "image/jpeg", ""])
def test_a_wrong_content_type_does_not_matter_where_the_bytes_are_right(content_type: str) -> None:
    with host(whole(PICTURE, content_type=content_type)).fetch(URL) as picture:
        assert picture.media_type is MediaType.PNG


def test_a_chunked_picture_needs_no_length() -> None:
    with host(chunked(PICTURE[:9], PICTURE[9:], transfer_encoding="chunked")).fetch(URL) as picture:
        assert picture.size_bytes == len(PICTURE)


def test_a_picture_of_exactly_the_limit_is_taken() -> None:
    with host(whole(png(size_bytes=MOST_BYTES))).fetch(URL) as picture:
        assert picture.size_bytes == MOST_BYTES


def test_a_file_is_gone_when_nobody_needs_it() -> None:
    with host(whole(PICTURE)).fetch(URL) as picture:
        file = picture.file
    assert file.closed


@pytest.mark.parametrize(
    ("response", "reason", "again"),
    [
        pytest.param(
            chunked(PICTURE, content_length=str(SIZE + 1)), f"only {SIZE} of {SIZE + 1} bytes", True, id="truncated"
        ),
        pytest.param(
            chunked(PICTURE, content_length=str(SIZE - 1)), f"only {SIZE} of {SIZE - 1} bytes", True, id="too long"
        ),
        pytest.param(chunked(PICTURE), "no length", True, id="no length at all"),
        pytest.param(chunked(PICTURE, content_length="many"), "no length", True, id="a length that is no number"),
        pytest.param(chunked(b"", content_length="1001"), "larger than the 1000 bytes", False, id="oversized header"),
        pytest.param(
            chunked(*[b"x" * 100] * 11, transfer_encoding="chunked"), "larger than the 1000", False, id="oversized body"
        ),
        pytest.param(whole(b"<html>not yet</html>"), "no JPEG, PNG or WEBP", True, id="a page"),
        pytest.param(whole(b"GIF89a" + bytes(50)), "no JPEG, PNG or WEBP", True, id="another format"),
        pytest.param(whole(b""), "no JPEG, PNG or WEBP", True, id="nothing"),
        *(
            pytest.param(whole(part), f"ends after {len(part)} bytes", True, id=f"cut after {len(part)} bytes")
            for part in (png()[:8], png()[:20], png()[:-1], jpeg()[:3], jpeg()[:22], jpeg()[:-1])
        ),
        pytest.param(whole(webp()[:12]), f"has 12 of the {len(webp())} bytes", True, id="a WEBP cut"),
        pytest.param(whole(NO_WIDTH), "no size in pixels", True, id="no width"),
        pytest.param(whole(PICTURE, content_encoding="gzip"), "encoded", True, id="encoded"),
        *(
            pytest.param(chunked(status=status), f"its host said {status}", True, id=str(status))
            for status in (401, 403, 404, 410, 429, 500, 502, 503, 504, 524)
        ),
        *(
            pytest.param(chunked(PICTURE, status=status), f"its host said {status}", False, id=str(status))
            for status in (204, 206, 400, 451)
        ),
    ],
)
def test_what_is_not_the_whole_picture_is_unusable(response: httpx.Response, reason: str, again: bool) -> None:
    error = unusable(host(response))
    assert reason in str(error)
    assert error.again is again


def in_parts(image: bytes) -> ResultHost:
    """A host of a large image, which comes in parts."""
    parts = (image[start : start + 65_536] for start in range(0, len(image), 65_536))
    response = chunked(*parts, content_length=str(len(image)))
    return ResultHost(frozenset({ORIGIN}), max_bytes=2_000_000, transport=httpx.MockTransport(lambda _: response))


def test_a_large_jpeg_with_something_behind_it_is_read_again_and_taken() -> None:
    body = large_jpeg() + bytes(200_000)

    with in_parts(body).fetch(URL) as picture:
        assert (picture.width, picture.height) == (1000, 900)
        assert picture.file.read() == body


@pytest.mark.parametrize("lacking", [1, 2, 100, 100_000])
@pytest.mark.parametrize("is_filled", [False, True])
def test_a_large_jpeg_without_its_end_is_unusable(lacking: int, is_filled: bool) -> None:
    body = large_jpeg()[:-lacking] + (bytes(lacking) if is_filled else b"")

    assert "without its end marker" in str(unusable(in_parts(body)))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data", f"{ORIGIN}/other.png", "/other.png"])
def test_a_redirect_is_refused_and_not_followed(status: int, location: str) -> None:
    asked: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return chunked(status=status, location=location)

    downloads = ResultHost(frozenset({ORIGIN}), max_bytes=MOST_BYTES, transport=httpx.MockTransport(reply))
    assert unusable(downloads).again is False
    assert asked == [URL]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.acme.com/1.png",
        "https://r2.apimodels.app@evil.acme.com/1.png",
        "https://r2.apimodels.app:443@evil.acme.com/1.png",
        "https://user@r2.apimodels.app/1.png",
        "https://r2.apimodels.app.evil.acme.com/1.png",
        "https://evil-r2.apimodels.app/1.png",
        "https://r2.apimodels.app:8443/1.png",
        "https://r2.apimodels.app:80/1.png",
        "https://r2.apimodels.app./1.png",
        "https://R2.APIMODELS.APP/1.png",
        "http://r2.apimodels.app/1.png",
        "ftp://r2.apimodels.app/1.png",
        "https:///r2.apimodels.app/1.png",
        "https:r2.apimodels.app/1.png",
        "//r2.apimodels.app/1.png",
        "https://r2.apimodels.app\\@evil.acme.com/1.png",
        "https://r2.apimodels.app%2f@evil.acme.com/1.png",
        "https://r2.apimodels.app#@evil.acme.com/1.png".replace("#", "%23"),
        "https://127.0.0.1/1.png",
        "https://[::1]/1.png",
        "file:///etc/passwd",
        "r2.apimodels.app/1.png",
        "",
    ],
)
def test_a_link_to_any_other_place_is_not_asked(url: str) -> None:
    error = unusable(host(), url)
    assert "not on an allowed host" in str(error)
    assert error.again is False


@pytest.mark.parametrize(
    "url",
    [
        "https://[r2.apimodels.app/1.png",
        "https://[::1/1.png",
        "https://]/1.png",
        "https://r2.apimodels.app[/1.png",
        "https://r2.apimodels.app\u2100/1.png",  # NFKC makes a slash of it
        f"{ORIGIN}/images/\x00.png",
        f"{ORIGIN}/images/\x7f.png",
        f"{ORIGIN}/images/\n.png",
        f"{ORIGIN}/" + "x" * 70_000,
        "https://r2.apimodels.app\n/1.png",
    ],
)
def test_a_link_that_is_no_url_is_not_asked_and_not_worth_another_try(url: str) -> None:
    assert unusable(host(), url).again is False


def test_every_allowed_origin_is_asked() -> None:
    origins = frozenset({"https://r2.apimodels.app", "https://cdn.apimodels.app:8443"})
    for origin in origins:
        with host(whole(PICTURE), origins=origins).fetch(f"{origin}/1.png") as picture:
            assert picture.size_bytes == len(PICTURE)


def test_the_host_sees_who_we_are_and_no_key() -> None:
    seen: list[httpx.Headers] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return whole(PICTURE)

    downloads = ResultHost(frozenset({ORIGIN}), max_bytes=MOST_BYTES, transport=httpx.MockTransport(reply))
    with downloads.fetch(URL):
        pass
    [headers] = seen
    assert headers["user-agent"].startswith("heliograph/")
    assert headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie"} & set(headers)


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
def test_a_download_that_breaks_off_is_worth_another_try(error: Exception) -> None:
    def reply(_: httpx.Request) -> httpx.Response:
        raise error

    downloads = ResultHost(frozenset({ORIGIN}), max_bytes=MOST_BYTES, transport=httpx.MockTransport(reply))
    failure = unusable(downloads)
    assert failure.again is True
    assert type(error).__name__ in str(failure)


@dataclass
class Slow(httpx.SyncByteStream):
    """A picture of which each part takes its time, on a clock that can be read."""

    picture: bytes
    parts: int
    seconds_each: float
    now: float = 1000.0

    def __iter__(self) -> Iterator[bytes]:
        size_bytes = len(self.picture) // self.parts
        for part in range(self.parts):
            self.now += self.seconds_each
            yield self.picture[part * size_bytes :][:size_bytes]

    def downloads(self, monkeypatch: pytest.MonkeyPatch) -> ResultHost:
        monkeypatch.setattr(result_host, "monotonic", lambda: self.now)
        size_bytes = len(self.picture)
        response = httpx.Response(200, headers={"content-length": str(size_bytes)}, stream=self)
        transport = httpx.MockTransport(lambda _: response)
        return ResultHost(frozenset({ORIGIN}), max_bytes=size_bytes, transport=transport)


def test_a_download_may_take_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(png(size_bytes=1024 * 1024), parts=4, seconds_each=30)
    with slow.downloads(monkeypatch).fetch(URL) as picture:
        assert picture.size_bytes == 1024 * 1024


@pytest.mark.parametrize("part_bytes", [1, 64, 256 * 1024])
def test_a_download_that_takes_longer_is_given_up_and_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, part_bytes: int
) -> None:
    # However little arrives at a time: whoever waits for a whole chunk of it waits for as long as the host likes.
    slow = Slow(bytes(40 * part_bytes), parts=40, seconds_each=30)
    error = unusable(slow.downloads(monkeypatch))
    assert "more than 120 s" in str(error)
    assert (error.again, error.host_failed) == (True, True)
    assert slow.now == 1000 + 5 * 30


def test_a_large_picture_takes_little_memory() -> None:
    size_bytes = 40 * 1024 * 1024
    body = memoryview(png(size_bytes=size_bytes))

    class Large(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for start in range(0, size_bytes, 64 * 1024):
                yield bytes(body[start : start + 64 * 1024])

    response = httpx.Response(200, headers={"content-length": str(size_bytes)}, stream=Large())
    transport = httpx.MockTransport(lambda _: response)
    downloads = ResultHost(frozenset({ORIGIN}), max_bytes=size_bytes, transport=transport)
    tracemalloc.start()
    try:
        with downloads.fetch(URL) as picture:
            assert picture.size_bytes == size_bytes
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * 1024 * 1024


def served(head: str, body: bytes) -> tuple[ResultUnusable | str, bytes]:
    """What comes of a real socket, and the request it saw."""
    with saying(f"HTTP/1.1 {head}\r\n\r\n".encode() + body) as server:
        try:
            with ResultHost(frozenset({server.origin}), max_bytes=MOST_BYTES).fetch(
                f"{server.origin}/1.png"
            ) as picture:
                found: ResultUnusable | str = picture.sha256
        except ResultUnusable as error:
            found = error
    return found, server.requests[0]


SHA256 = hashlib.sha256(PICTURE).hexdigest()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"200 OK\r\nContent-Length: {SIZE}", PICTURE),
        (f"200 OK\r\nContent-Length: {SIZE}\r\nContent-Type: text/html", PICTURE),
        ("200 OK\r\nTransfer-Encoding: chunked", f"{SIZE:x}\r\n".encode() + PICTURE + b"\r\n0\r\n\r\n"),
        (f"200 OK\r\nContent-Length: {SIZE}", PICTURE + b"and more"),
    ],
)
def test_a_whole_picture_arrives_over_a_real_socket(head: str, body: bytes) -> None:
    found, request = served(head, body)
    assert found == SHA256
    assert b"user-agent: heliograph/" in request.lower()
    assert b"authorization" not in request.lower()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"200 OK\r\nContent-Length: {SIZE + 1}", PICTURE),
        ("200 OK\r\nTransfer-Encoding: chunked", f"{SIZE:x}\r\n".encode() + PICTURE + b"\r\n"),
        ("200 OK\r\nTransfer-Encoding: chunked", f"{SIZE:x}\r\n".encode() + PICTURE[:30]),
        ("200 OK\r\nX-Nothing: else", PICTURE),
        ("404 Not Found\r\nContent-Length: 0", b""),
        ("503 Busy\r\nContent-Length: 0", b""),
    ],
)
def test_half_a_picture_over_a_real_socket_is_worth_another_try(head: str, body: bytes) -> None:
    found, _ = served(head, body)
    assert isinstance(found, ResultUnusable)
    assert found.again


def test_a_host_that_is_away_is_worth_another_try() -> None:
    origin = f"http://127.0.0.1:{free_port()}"
    assert unusable(ResultHost(frozenset({origin}), max_bytes=1), f"{origin}/1.png").again


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503, 524])
def test_a_host_that_does_not_hand_a_picture_over_says_nothing_about_it(status: int) -> None:
    assert unusable(host(chunked(status=status))).host_failed is True


@pytest.mark.parametrize(
    "response",
    [
        whole(b"<html>not yet</html>"),
        whole(NO_WIDTH),
        chunked(PICTURE, content_length="1001"),
        chunked(status=400),
        chunked(status=302, location="/x"),
    ],
)
def test_a_picture_that_was_handed_over_and_is_none_is_not_the_hosts_failure(response: httpx.Response) -> None:
    assert unusable(host(response)).host_failed is False


def test_a_link_to_another_place_is_not_the_hosts_failure() -> None:
    assert unusable(host(), "https://evil.acme.com/1.png").host_failed is False


@pytest.mark.parametrize("url", [f"{ORIGIN}/\ud800.png", f" {ORIGIN}/1.png", f"{ORIGIN}@evil.example/1.png", ORIGIN])
def test_a_link_that_no_client_could_follow_is_refused_for_good(url: str) -> None:
    error = unusable(host(whole(PICTURE)), url)

    assert not error.again
    assert not error.host_failed


LARGE = png(size_bytes=900)


@dataclass
class Flaky:
    """A host whose answers break off: a piece of each, in turn; then what it wrote down of the requests."""

    kept: list[int]
    etag: str = '"v1"'
    accept_ranges: str = "bytes"
    honours_ranges: bool = True
    content_range: str | None = None

    def __post_init__(self) -> None:
        self.asked: list[tuple[str | None, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        wanted = request.headers.get("range")
        self.asked.append((wanted, request.headers.get("if-range")))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.honours_ranges else 0
        rest = LARGE[start:]
        headers = {"content-length": str(len(rest)), "etag": self.etag, "accept-ranges": self.accept_ranges}
        if start:
            headers["content-range"] = self.content_range or f"bytes {start}-{len(LARGE) - 1}/{len(LARGE)}"
        kept = self.kept.pop(0)
        return httpx.Response(206 if start else 200, headers=headers, stream=_Cut(rest[:kept], kept < len(rest)))

    def downloads(self) -> ResultHost:
        return ResultHost(frozenset({ORIGIN}), max_bytes=MOST_BYTES, transport=httpx.MockTransport(self))


@dataclass
class _Cut(httpx.SyncByteStream):
    part: bytes
    breaks_off: bool

    def __iter__(self) -> Iterator[bytes]:
        yield self.part
        if self.breaks_off:
            raise httpx.ReadError("")


def test_a_download_that_breaks_off_goes_on_where_it_ended() -> None:
    flaky = Flaky([300, 200, 10_000])
    with flaky.downloads().fetch(URL) as picture:
        assert picture.file.read() == LARGE
        assert (picture.size_bytes, picture.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    assert flaky.asked == [(None, None), ("bytes=300-", '"v1"'), ("bytes=500-", '"v1"')]


def test_a_host_that_sends_all_of_it_again_is_taken_from_the_beginning() -> None:
    flaky = Flaky([300, 10_000], honours_ranges=False)
    with flaky.downloads().fetch(URL) as picture:
        assert picture.file.read() == LARGE
        assert picture.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert len(flaky.asked) == 2


@pytest.mark.parametrize(
    "flaky",
    [
        pytest.param(Flaky([300], etag='W/"v1"'), id="a weak validator"),
        pytest.param(Flaky([300], etag=""), id="no validator"),
        pytest.param(Flaky([300], accept_ranges="none"), id="no ranges"),
        pytest.param(Flaky([0]), id="nothing came"),
    ],
)
def test_what_can_not_go_on_begins_anew_another_time(flaky: Flaky) -> None:
    error = unusable(flaky.downloads())
    assert "broke off (ReadError)" in str(error)
    assert (error.again, error.host_failed) == (True, True)
    assert flaky.asked == [(None, None)]


def test_a_download_that_keeps_breaking_off_is_given_up() -> None:
    flaky = Flaky([10] * 100)
    error = unusable(flaky.downloads())
    assert (error.again, error.host_failed) == (True, True)
    assert [wanted for wanted, _ in flaky.asked] == [None, "bytes=10-", "bytes=20-", "bytes=30-"]


@pytest.mark.parametrize("content_range", ["bytes 299-899/900", "bytes 300-899/901", "bytes 300-898/900", "nonsense"])
def test_another_part_than_the_missing_one_is_not_taken_for_it(content_range: str) -> None:
    error = unusable(Flaky([300, 10_000], content_range=content_range).downloads())
    assert "did not send the rest" in str(error)
    assert (error.again, error.host_failed) == (True, True)


@pytest.mark.parametrize("status", [204, 302, 400, 404, 416, 503])
def test_a_host_that_refuses_the_rest_may_still_have_the_whole(status: int) -> None:
    answers = [Flaky([300])(httpx.Request("GET", URL)), chunked(status=status)]
    downloads = ResultHost(
        frozenset({ORIGIN}), max_bytes=MOST_BYTES, transport=httpx.MockTransport(lambda _: answers.pop(0))
    )
    error = unusable(downloads)
    assert (error.again, error.host_failed) == (True, True)


def test_a_rest_that_is_longer_than_the_picture_is_not_the_picture() -> None:
    class Longer(Flaky):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            return answer if len(self.asked) == 1 else httpx.Response(206, headers=answer.headers, stream=_More())

    class _More(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield LARGE[300:] + b"more"

    assert "904 of 900 bytes" in str(unusable(Longer([300, 10_000]).downloads()))


def test_a_picture_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []
    read = Inspection.read

    def counted(inspection: Inspection, piece: bytes) -> None:
        pieces.append(len(piece))
        read(inspection, piece)

    monkeypatch.setattr(Inspection, "read", counted)
    body = png(size_bytes=3_000_000)
    with saying(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body) as server:
        downloads = ResultHost(frozenset({server.origin}), max_bytes=len(body))
        with downloads.fetch(f"{server.origin}/1.png") as picture:
            assert picture.sha256 == hashlib.sha256(body).hexdigest()
    assert sum(pieces) == len(body)
    assert max(pieces) <= 256 * 1024
