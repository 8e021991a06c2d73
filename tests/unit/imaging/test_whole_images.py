"""Everything that real encoders and cameras write is a whole image, and has the size that it says."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from heliograph.kernel.media_types import MediaType
from PIL import Image, ImageCms, ImageFilter

from tests.pictures import IMAGES, encoded, inspected, png_chunk, scene

EXIF = Image.Exif()
EXIF[0x0112] = 6
EXIF[0x010F] = "A camera"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xff\xd9</x:xmpmeta>"


def interlaced(image: Image.Image) -> bytes:
    """An RGB image as a PNG of seven passes, which Pillow reads and does not write."""
    rows = bytearray()
    for left, top, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for y in range(top, image.height, down):
            row = b"".join(bytes(image.getpixel((x, y))) for x in range(left, image.width, across))  # type: ignore[arg-type]
            rows += b"\0" + row if row else b""
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(bytes(rows))), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpegs() -> Iterator[tuple[str, bytes]]:
    image = scene()
    for quality in (1, 30, 75, 95, 100):
        yield f"quality {quality}", encoded(image, "JPEG", quality=quality)
    for subsampling in ("4:4:4", "4:2:2", "4:2:0", "4:1:1"):
        yield f"subsampling {subsampling}", encoded(image, "JPEG", subsampling=subsampling)
        yield f"progressive {subsampling}", encoded(image, "JPEG", subsampling=subsampling, progressive=True)
    yield "optimised", encoded(image, "JPEG", optimize=True)
    for blocks in (1, 2, 7):
        yield f"a restart marker every {blocks} blocks", encoded(image, "JPEG", restart_marker_blocks=blocks)
        yield (
            f"progressive, a restart marker every {blocks} blocks",
            encoded(image, "JPEG", restart_marker_blocks=blocks, progressive=True),
        )
    yield "a restart marker each row", encoded(image, "JPEG", restart_marker_rows=1)
    yield "grey", encoded(image.convert("L"), "JPEG")
    yield "progressive grey", encoded(image.convert("L"), "JPEG", progressive=True)
    yield "CMYK", encoded(image.convert("CMYK"), "JPEG")
    yield "progressive CMYK", encoded(image.convert("CMYK"), "JPEG", progressive=True)
    yield "RGB kept", encoded(image, "JPEG", keep_rgb=True)
    yield (
        "EXIF, ICC, XMP and a comment",
        encoded(image, "JPEG", exif=EXIF, icc_profile=PROFILE, xmp=XMP, comment=b"\xff\xd9 no end"),
    )
    yield "a profile in several segments", encoded(image, "JPEG", icc_profile=bytes(200_000))
    whole = encoded(image, "JPEG")
    preview = encoded(image.resize((32, 20)), "JPEG")
    in_exif = b"Exif\0\0" + preview
    yield "a preview in its EXIF", b"\xff\xd8\xff\xe1" + struct.pack(">H", len(in_exif) + 2) + in_exif + whole[2:]
    yield "a second picture behind it", whole + preview
    yield "a video behind it", whole + b"\0\0\0\x18ftypmp42" + bytes(5000)
    yield "zeros behind it", whole + bytes(4096)
    yield "a line break behind it", whole + b"\r\n"
    yield (
        "fill bytes before its markers",
        whole.replace(b"\xff\xdb", b"\xff\xff\xff\xdb").replace(b"\xff\xd9", b"\xff\xff\xd9"),
    )
    yield "without Huffman tables, as frames of a video are", without_tables(whole)
    yield "one pixel", encoded(Image.new("RGB", (1, 1)), "JPEG")
    yield "one colour", encoded(Image.new("RGB", (640, 480), "white"), "JPEG", optimize=True)


def without_tables(image: bytes) -> bytes:
    """A JPEG whose Huffman tables are the standard ones, without them."""
    kept, at = image[:2], 2
    while image[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(image[at + 2 : at + 4])
        kept += b"" if image[at + 1] == 0xC4 else image[at:end]
        at = end
    return kept + image[at:]


def pngs() -> Iterator[tuple[str, bytes]]:
    image = scene()
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield f"mode {mode}", encoded(image.convert(mode), "PNG")
    for bits in (1, 2, 4):
        yield f"{bits} bits", encoded(image.quantize(1 << bits), "PNG", bits=bits)
    for level in (0, 1, 9):
        yield f"compressed {level}", encoded(image, "PNG", compress_level=level)
    palette = image.quantize(16)
    palette.info["transparency"] = bytes(range(16))
    yield "a palette with transparency", encoded(palette, "PNG", transparency=bytes(range(16)))
    yield "one colour transparent", encoded(image, "PNG", transparency=(1, 2, 3))
    yield "EXIF, ICC and a resolution", encoded(image, "PNG", exif=EXIF, icc_profile=PROFILE, dpi=(300, 300))
    frames = [image.rotate(turn) for turn in (90, 180, 270)]
    yield "an animation", encoded(image, "PNG", save_all=True, append_images=frames, duration=100)
    yield (
        "an animation after another picture",
        encoded(image, "PNG", save_all=True, append_images=frames, default_image=True),
    )
    yield "interlaced", interlaced(image)
    for width, height in ((1, 1), (2, 1), (3, 3), (5, 8)):
        yield f"interlaced {width} by {height}", interlaced(scene(50, 50).resize((width, height)))
    yield "something behind it", encoded(image, "PNG") + b"what was there before"
    yield "one pixel", encoded(Image.new("RGB", (1, 1)), "PNG")
    yield "one colour", encoded(Image.new("RGB", (700, 700), "white"), "PNG")
    yield (
        "an empty chunk of pixels at its end",
        encoded(image, "PNG").replace(png_chunk(b"IEND", b""), png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")),
    )


def webps() -> Iterator[tuple[str, bytes]]:
    image = scene()
    for method in (0, 3, 6):
        for quality in (0, 75, 100):
            yield f"lossy {quality}, method {method}", encoded(image, "WEBP", quality=quality, method=method)
            yield (
                f"lossless {quality}, method {method}",
                encoded(image, "WEBP", lossless=True, quality=quality, method=method),
            )
    transparent = image.copy()
    transparent.putalpha(Image.radial_gradient("L").resize(image.size))
    yield "transparent", encoded(transparent, "WEBP")
    yield "transparent, alpha lossy", encoded(transparent, "WEBP", alpha_quality=20)
    yield "transparent, lossless", encoded(transparent, "WEBP", lossless=True, exact=True)
    yield "EXIF, ICC and XMP", encoded(image, "WEBP", exif=EXIF, icc_profile=PROFILE, xmp=XMP)
    yield "lossless, EXIF, ICC and XMP", encoded(image, "WEBP", lossless=True, exif=EXIF, icc_profile=PROFILE, xmp=XMP)
    frames = [image.rotate(turn) for turn in (90, 180, 270)]
    yield "an animation", encoded(image, "WEBP", save_all=True, append_images=frames, duration=100)
    yield "a lossless animation", encoded(image, "WEBP", save_all=True, append_images=frames, lossless=True)
    yield "a mixed animation", encoded(image, "WEBP", save_all=True, append_images=frames, allow_mixed=True)
    yield "something behind it", encoded(image, "WEBP") + b"more"
    yield "few colours", encoded(image.quantize(4).convert("RGB"), "WEBP", lossless=True)
    yield "one pixel", encoded(Image.new("RGB", (1, 1)), "WEBP")
    yield "one pixel, lossless", encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)


def flat_webps() -> Iterator[tuple[str, bytes]]:
    """They end in zeros, more than an encoder pads with, as a rule."""
    for colour in ("black", "#808080"):
        for method in (0, 4):
            for how in ({"quality": 100}, {"quality": 80}, {"lossless": True}):
                image = Image.new("RGB", (640, 480), colour)
                yield f"{colour} {method} {how}", encoded(image, "WEBP", method=method, **how)
    for share in (0.5, 0.9, 0.98):
        image = Image.new("RGB", (320, 240), "white")
        image.paste(scene(320, round(240 * share)), (0, 0))
        for method in (0, 4):
            for quality in (0, 100):
                yield f"flat below {share} {method} {quality}", encoded(image, "WEBP", method=method, quality=quality)
                yield (
                    f"flat below {share} {method} {quality} lossless",
                    encoded(image, "WEBP", method=method, quality=quality, lossless=True),
                )
    yield "blurred", encoded(scene(300, 200).filter(ImageFilter.GaussianBlur(8)), "WEBP", quality=5)


KINDS = {
    **{f"JPEG: {name}": image for name, image in jpegs()},
    **{f"PNG: {name}": image for name, image in pngs()},
    **{f"WEBP: {name}": image for name, image in webps()},
    **{f"WEBP, flat: {name}": image for name, image in flat_webps()},
}


@pytest.mark.parametrize("name", KINDS)
def test_what_encoders_write_is_whole(name: str) -> None:
    image = KINDS[name]
    judge = Image.open(io.BytesIO(image))
    judge.load()

    facts = inspected(image)

    assert (facts.width, facts.height) == judge.size
    assert facts.media_type is MediaType[name[:4].rstrip(":")]


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 16, 17, 1000])
@pytest.mark.parametrize(
    "name",
    [
        "JPEG: progressive, a restart marker every 2 blocks",
        "JPEG: EXIF, ICC, XMP and a comment",
        "PNG: an animation",
        "WEBP: an animation",
        "WEBP: transparent, lossless",
    ],
)
def test_it_does_not_matter_in_which_pieces_an_image_arrives(name: str, piece_bytes: int) -> None:
    assert inspected(KINDS[name], piece_bytes=piece_bytes, known_size=True) == inspected(KINDS[name])


@pytest.mark.parametrize("name", ["exif6.jpg", "p3_red.jpg", "alpha_black_under.png"])
def test_photos_of_other_peoples_reports_are_whole(name: str) -> None:
    with Image.open(IMAGES / name) as judge:
        facts = inspected((IMAGES / name).read_bytes())
        assert (facts.width, facts.height) == judge.size


def test_the_largest_photo_of_a_phone_is_no_bomb() -> None:
    image = encoded(Image.new("L", (12_000, 9_000)), "JPEG")

    assert inspected(image).width == 12_000
