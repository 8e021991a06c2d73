"""No image that was cut, filled up with zeros, or made to cost too much is taken for a whole one."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from heliograph.imaging import pieces, webp
from heliograph.imaging import png as png_reader
from heliograph.imaging.inspection import Inspection
from heliograph.kernel.errors import UnusableImage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import IMAGES, encoded, inspected, large_jpeg, png_chunk, scene

SCENE = scene()
FRAMES = [SCENE.rotate(turn) for turn in (90, 180)]
TRANSPARENT = SCENE.copy()
TRANSPARENT.putalpha(Image.radial_gradient("L").resize(SCENE.size))
WITH_END = {
    "JPEG": encoded(SCENE, "JPEG"),
    "progressive JPEG": encoded(SCENE, "JPEG", progressive=True),
    "JPEG with restart markers": encoded(SCENE, "JPEG", restart_marker_blocks=3),
    "JPEG with a profile": encoded(SCENE, "JPEG", icc_profile=bytes(range(256)) * 300),
    "PNG": encoded(SCENE, "PNG"),
    "PNG of a palette": encoded(SCENE.quantize(8), "PNG"),
    "animated PNG": encoded(SCENE, "PNG", save_all=True, append_images=FRAMES),
}
# Their pixels have no end marker.
WITHOUT_END = {
    "lossy WEBP": encoded(SCENE, "WEBP"),
    "lossless WEBP": encoded(SCENE, "WEBP", lossless=True),
    "transparent WEBP": encoded(TRANSPARENT, "WEBP"),
    "animated WEBP": encoded(SCENE, "WEBP", save_all=True, append_images=FRAMES),
    "large lossy WEBP": encoded(scene(400, 300), "WEBP", quality=95),
    "large lossless WEBP": encoded(scene(300, 200), "WEBP", lossless=True),
}
ALL = {**WITH_END, **WITHOUT_END}
# Of a WEBP: with less than that gone, what is left can be another picture that is whole.
LAST_BYTES = 100


def problem(image: bytes, **how: bool) -> str | None:
    """Why it is none; `None` if it is taken for a whole one."""
    try:
        inspected(image, **how)
    except UnusableImage as error:
        return str(error)
    return None


def zero_filled(image: bytes, kept: int) -> bytes:
    return image[:kept] + bytes(len(image) - kept)


@pytest.mark.parametrize("known_size", [False, True])
@given(name=st.sampled_from(sorted(ALL)), share=st.floats(0, 1, exclude_max=True))
def test_an_image_that_is_cut_anywhere_is_not_whole(name: str, share: float, known_size: bool) -> None:
    image = ALL[name]

    assert problem(image[: int(share * len(image))], known_size=known_size)


@pytest.mark.parametrize("name", ALL)
def test_an_image_that_lacks_its_last_bytes_is_not_whole(name: str) -> None:
    for missing in range(1, 40):
        assert problem(ALL[name][:-missing])


@given(name=st.sampled_from(sorted(WITH_END)), share=st.floats(0, 1, exclude_max=True))
def test_an_image_that_is_filled_up_with_zeros_from_anywhere_is_not_whole(name: str, share: float) -> None:
    image = WITH_END[name]

    assert problem(zero_filled(image, int(share * len(image))))


@pytest.mark.parametrize("name", WITH_END)
def test_an_image_whose_last_bytes_are_zeros_is_not_whole(name: str) -> None:
    for missing in range(1, 40):
        assert problem(zero_filled(WITH_END[name], len(WITH_END[name]) - missing))


@given(name=st.sampled_from(sorted(WITHOUT_END)), share=st.floats(0, 1))
def test_pixels_without_an_end_marker_are_read_to_their_end(name: str, share: float) -> None:
    image = WITHOUT_END[name]

    assert problem(zero_filled(image, int(share * (len(image) - LAST_BYTES))))


def test_a_decoder_takes_that_for_whole() -> None:
    """So to decode it would not have helped."""
    image = WITHOUT_END["large lossy WEBP"]
    damaged = zero_filled(image, len(image) // 2)
    assert problem(damaged)

    with Image.open(io.BytesIO(damaged)) as judge:
        judge.load()


@given(name=st.sampled_from(sorted(ALL)), seed=st.integers(0, 10_000))
def test_whatever_is_changed_nothing_else_is_raised(name: str, seed: int) -> None:
    chance = random.Random(seed)
    image = bytearray(ALL[name])
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(len(image), chance.choice([64, 700, len(image)])))
        match chance.randrange(4):
            case 0:
                image[at] = chance.randrange(256)
            case 1:
                image[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\xff\xd9\xff\xda"])
            case 2:
                del image[at : at + chance.choice([1, 8, 100])]
            case _:
                image[at:at] = chance.randbytes(chance.choice([1, 4, 30]))

    problem(bytes(image))


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 "])
)
def test_noise_is_no_image(noise: bytes, head: bytes) -> None:
    assert problem(head + noise)


@given(at=st.integers(33, len(WITH_END["PNG"]) - 1), bit=st.integers(0, 7))
def test_a_single_bit_of_a_png_tells(at: int, bit: int) -> None:
    image = bytearray(WITH_END["PNG"])
    image[at] ^= 1 << bit

    assert problem(bytes(image))


def test_a_result_of_somebody_elses_report_says_where_it_ends() -> None:
    image = (IMAGES / "half-result.jpg").read_bytes()

    assert problem(image) == "the JPEG ends after 2,809 bytes without its end marker"


def test_an_upload_of_somebody_elses_report_is_broken() -> None:
    assert "without its end marker" in str(problem((IMAGES / "truncated.jpg").read_bytes()))


def without(image: bytes, name: bytes, which: int = 0) -> bytes:
    """A PNG without one of its chunks."""
    at, found = 8, []
    while at < len(image):
        end = at + 12 + int.from_bytes(image[at : at + 4])
        if image[at + 4 : at + 8] == name:
            found.append((at, end))
        at = end
    start, end = found[which]
    return image[:start] + image[end:]


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IEND", b"")


def pixels(size_bytes: int) -> bytes:
    return png_chunk(b"IDAT", zlib.compress(bytes(size_bytes)))


SPLIT = png(4, 4, *(png_chunk(b"IDAT", part) for part in (zlib.compress(bytes(52))[:9], zlib.compress(bytes(52))[9:])))


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (without(SPLIT, b"IDAT", 0), "pixels that are damaged"),
        (without(SPLIT, b"IDAT", 1), "bytes of pixels"),
        (without(SPLIT, b"IHDR"), "does not begin with its header"),
        (without(WITH_END["PNG of a palette"], b"PLTE"), "lacks its palette"),
        (without(WITH_END["animated PNG"], b"fdAT", 0), "lacks part"),
        (without(WITH_END["animated PNG"], b"fdAT", -1), "lacks the end of its animation"),
        (without(WITH_END["animated PNG"], b"fcTL", 1), "lacks part"),
        (without(WITH_END["animated PNG"], b"acTL"), "a frame too many"),
        (png(4, 4), "0 of 52 bytes"),
        (png(4, 4, pixels(51)), "51 of 52 bytes"),
        (png(4, 4, pixels(53)), "more pixels than its header says"),
        (png(4, 4, pixels(52), png_chunk(b"teXt", b""), pixels(52)), "pixels in two places"),
        (png(4, 4, pixels(52), bits=3), "of a kind that there is not"),
        (png(0, 4, pixels(4)), "no size in pixels"),
        (png(4, 4, png_chunk(b"NEWS", b""), pixels(52)), "a chunk NEWS"),
        (SPLIT[:8] + struct.pack(">I", 2**31) + SPLIT[12:], "something else than a chunk"),
    ],
)
def test_a_png_is_more_than_its_checksums(image: bytes, says: str) -> None:
    assert says in str(problem(image))


def test_a_png_of_two_chunks_of_pixels_is_whole() -> None:
    assert problem(SPLIT) is None


JPEG = WITH_END["JPEG"]
PROGRESSIVE = WITH_END["progressive JPEG"]
RESTARTING = WITH_END["JPEG with restart markers"]


def segment(image: bytes, marker: int, which: int = 0) -> slice:
    """Where that segment is."""
    at = -1
    for _ in range(which + 1):
        at = image.index(bytes([0xFF, marker]), at + 1)
    return slice(at, at + 2 + int.from_bytes(image[at + 2 : at + 4]))


def cut_out(image: bytes, part: slice) -> bytes:
    return image[: part.start] + image[part.stop :]


def replaced(image: bytes, *replacements: tuple[bytes, bytes]) -> bytes:
    for old, new in replacements:
        image = image.replace(old, new, 1)
    return image


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (cut_out(JPEG, segment(JPEG, 0xC0)), "a scan before its frame"),
        (cut_out(JPEG, segment(JPEG, 0xDB)), "lacks a quantization table"),
        (cut_out(PROGRESSIVE, segment(PROGRESSIVE, 0xC4)), "lacks a Huffman table"),
        (JPEG[: segment(JPEG, 0xDA).stop] + b"\xff\xd9", "too few for it"),
        (JPEG[: segment(JPEG, 0xDA).start] + b"\xff\xd9", "lacks the data of 3 of its 3 components"),
        (JPEG[:2] + b"\xff\xd9", "ends without an image"),
        (JPEG.replace(b"\xff\xc0", b"\xff\xc9"), "(SOF9)"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "components of 12 bits"),
        (JPEG[:2] + b"\xff\x02" + JPEG[2:], "unknown marker, FF02"),
        (JPEG[:2] + b"\xff\xe0\0\x01" + JPEG[2:], "a segment of 1 bytes"),
        (replaced(RESTARTING, (b"\xff\xd1", b"")), "lacks restart markers"),
        (replaced(RESTARTING, (b"\xff\xd1", b"\xff\xd2")), "lacks restart markers"),
        (RESTARTING[: RESTARTING.index(b"\xff\xd1")] + b"\xff\xd9", "lacks restart markers"),
    ],
)
def test_a_jpeg_is_more_than_its_end_marker(image: bytes, says: str) -> None:
    assert says in str(problem(image))


WEBP = WITHOUT_END["lossy WEBP"]


def renamed(image: bytes, name: bytes) -> bytes:
    return image.replace(b"VP8 ", name, 1)


def changed(image: bytes, at: int, value: bytes) -> bytes:
    return image[:at] + value + image[at + len(value) :]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (renamed(WEBP, b"Icon"), "no image in it"),
        (renamed(WEBP, b"VP\0\0"), "something else than a chunk"),
        (changed(WEBP, 16, struct.pack("<I", len(WEBP))), "longer than what holds it"),
        (changed(WEBP, 23, b"\0\0\0"), "no frame where its image should be"),
        (changed(WEBP, 20, b"\xf0\xff\xff"), "a first partition that is cut short"),
        (changed(WITHOUT_END["lossless WEBP"], 20, b"\0"), "no image where its image should be"),
        (changed(WITHOUT_END["transparent WEBP"], 24, b"\x09\0\0"), "pixels, and has"),
        (changed(WITHOUT_END["animated WEBP"], 24, b"\x09\0\0\x09\0\0"), "a frame that is larger than it"),
        (changed(WEBP, 4, struct.pack("<I", len(WEBP) - 10)), "longer than what holds it"),
    ],
)
def test_a_webp_is_more_than_its_length(image: bytes, says: str) -> None:
    assert says in str(problem(image))


def huge(name: str) -> bytes:
    match name:
        case "PNG":
            return (IMAGES / "bomb_20000.png").read_bytes()
        case "PNG of the largest size":
            return png(2**31 - 1, 2**31 - 1, pixels(10))
        case "PNG of sixteen bits":
            return png(10_000, 10_000, pixels(10), bits=16, colour=6)
        case "JPEG":
            return JPEG.replace(struct.pack(">HH", 61, 97), struct.pack(">HH", 65_535, 65_535))
        case _:
            facts = struct.pack("<I", 16_382 | 7_999 << 14)
            return b"RIFF" + struct.pack("<I", 1000) + b"WEBPVP8L" + struct.pack("<I", 900) + b"/" + facts + bytes(9)


@pytest.mark.parametrize("name", ["PNG", "PNG of the largest size", "PNG of sixteen bits", "JPEG", "WEBP"])
def test_an_image_of_too_many_pixels_is_not_read_and_not_asked_for_again(name: str) -> None:
    inspection = Inspection()
    inspection.read(huge(name)[:1000])

    assert inspection.is_over
    with pytest.raises(UnusableImage, match="at most") as caught:
        inspection.end()
    assert not caught.value.again


def test_twelve_thousand_by_twelve_thousand_is_too_much() -> None:
    assert "at most 120,000,000" in str(problem(png(12_000, 12_000, pixels(10))))


@pytest.mark.parametrize(
    "image",
    [
        JPEG[:2] + b"\xff\xe0\0\2" * 2000,
        JPEG[:2] + b"\xff\xc4" + struct.pack(">H", 2 + 17 * 2000) + bytes(17 * 2000),
        JPEG[:2] + b"\xff\xdb" + struct.pack(">H", 2 + 65 * 1000) + bytes(65 * 1000),
        JPEG[: segment(JPEG, 0xDA).start] + JPEG[segment(JPEG, 0xDA).start : -2] * 2000,
        png(4, 4, png_chunk(b"teXt", b"") * 2000),
        b"RIFF" + struct.pack("<I", 4 + 8 * 2000) + b"WEBP" + b"ABCD\0\0\0\0" * 2000,
    ],
    ids=["segments", "Huffman tables", "quantization tables", "scans", "chunks of a PNG", "chunks of a WEBP"],
)
def test_empty_parts_are_not_counted_to_their_end(image: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_PARTS", 900)

    assert problem(image) == f"the {image_name(image)} is made of more than 900 parts"


def image_name(image: bytes) -> str:
    return {b"\xff": "JPEG", b"\x89": "PNG", b"R": "WEBP"}[image[:1]]


def test_pixels_are_inflated_no_further_than_the_header_says() -> None:
    image = png(4, 4, pixels(20_000_000))
    inspection = Inspection()
    inspection.read(image)

    assert inspection.is_over
    assert "more pixels" in str(problem(image))


def test_the_pixels_of_a_large_webp_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then only many zeros are taken for damage."""
    image = WITHOUT_END["large lossy WEBP"]
    monkeypatch.setattr(webp, "MOST_READ_BYTES", 1000)
    monkeypatch.setattr(webp, "ALWAYS_READ_BYTES", 0)

    assert problem(zero_filled(image, len(image) - len(image) // 10))
    assert problem(zero_filled(image, len(image) - len(image) // 50)) is None
    assert problem(image) is None


def test_what_comes_after_damage_costs_nothing() -> None:
    inspection = Inspection()
    inspection.read(b"GIF89a" + bytes(20))
    inspection.read(JPEG)

    with pytest.raises(UnusableImage, match="no JPEG, PNG or WEBP"):
        inspection.end()


def skimmed(image: bytes) -> Inspection:
    inspection = Inspection(size_bytes=len(image), thorough=False)
    for start in range(0, len(image), 65_536):
        inspection.read(image[start : start + 65_536])
    return inspection


LARGE_JPEG = large_jpeg()


@given(share=st.floats(0, 1, exclude_max=True), is_filled=st.booleans())
def test_a_large_jpeg_that_is_skimmed_is_not_whole_if_it_is_cut_or_filled(share: float, is_filled: bool) -> None:
    kept = int(share * (len(LARGE_JPEG) - 1))
    damaged = zero_filled(LARGE_JPEG, kept) if is_filled else LARGE_JPEG[:kept]

    with pytest.raises(UnusableImage):
        skimmed(damaged).end()


@pytest.mark.parametrize("missing", [1, 2, 40, 100])
def test_a_skimmed_jpeg_that_lacks_its_last_bytes_is_in_doubt(missing: int) -> None:
    assert skimmed(LARGE_JPEG[:-missing]).in_doubt
    assert skimmed(zero_filled(LARGE_JPEG, len(LARGE_JPEG) - missing)).in_doubt
    assert skimmed(LARGE_JPEG).end().width == 1000


@pytest.mark.parametrize("size_bytes", [65_535, 65_536, 65_537])
def test_the_end_of_a_skimmed_jpeg_may_be_anywhere_in_a_piece(size_bytes: int) -> None:
    inspection = Inspection(thorough=False)
    cut = len(LARGE_JPEG) - 1 - size_bytes
    for piece in (LARGE_JPEG[:cut], LARGE_JPEG[cut:-1], LARGE_JPEG[-1:]):
        inspection.read(piece)

    assert inspection.end().height == 900


def test_what_follows_a_skimmed_jpeg_leaves_a_doubt_and_no_fault() -> None:
    image = LARGE_JPEG + bytes(200_000)

    assert skimmed(image).in_doubt
    assert problem(image) is None


def test_empty_parts_of_a_small_file_are_refused_early() -> None:
    inspection = Inspection()
    inspection.read(JPEG[:2] + b"\xff\xe0\0\2" * 15_000)

    assert inspection.is_over


def test_of_many_pixels_only_the_first_are_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated = []
    real = png_reader._Pixels._inflated

    def counted(self: png_reader._Pixels, data: bytes | memoryview) -> bytes:
        inflated.append(len(data))
        return real(self, data)

    monkeypatch.setattr(png_reader._Pixels, "_inflated", counted)
    image = png(10_000, 10_000, pixels(10_000 * 30_001))

    assert problem(image) is None
    assert len(inflated) * 256 * 1024 < 20_000_000


def test_a_png_of_fewer_bytes_than_its_pixels_can_be_deflated_into_is_not_whole() -> None:
    image = png(10_000, 10_000, pixels(20_000_000))

    assert "of 300,010,000 bytes of pixels" in str(problem(image))
