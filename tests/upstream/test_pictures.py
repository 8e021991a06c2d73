"""The pictures: exact ratios, visible edits, no metadata."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageStat

from local.upstream.painting import Commission, paint
from tests.upstream.simulation import Simulation, photo


def _painted(prompt: str = "a quiet harbour", ratio: str = "auto", **more: object) -> Image.Image:
    commission = Commission("gpt-image-2-beta", prompt, ratio, **{"long_side_px": 320, **more})  # type: ignore[arg-type]
    return Image.open(io.BytesIO(paint(commission)))


def _difference(one: Image.Image, other: Image.Image) -> float:
    small = [each.convert("RGB").resize((64, 64)) for each in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*small)).mean) / 3


@pytest.mark.parametrize("ratio", ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"])
@pytest.mark.parametrize("references", [(), (photo(),)])
def test_the_ratio_is_exact(ratio: str, references: tuple[bytes, ...]) -> None:
    width, height = _painted(ratio=ratio, references=references).size
    wide, tall = map(int, ratio.split(":"))
    assert width * tall == height * wide
    assert 250 < max(width, height) <= 320


def test_auto_is_square_for_text_and_the_first_references_ratio_for_edits() -> None:
    assert _painted().size == (320, 320)
    assert _painted(references=(photo(size=(90, 180)), photo(size=(50, 50)))).size == (160, 320)


def test_another_prompt_gives_another_picture_and_the_same_prompt_the_same() -> None:
    first = _painted("a quiet harbour")
    assert _difference(first, _painted("a quiet harbour")) < 3
    assert _difference(first, _painted("a loud market in the red evening")) > 15


def test_the_prompt_and_the_caption_can_be_seen() -> None:
    bottom = (0, 200, 320, 320)
    short, long = (_painted(prompt).crop(bottom).convert("L") for prompt in (".", "W" * 80))
    bright = [sum(each.point(lambda level: level > 200).histogram()[1:]) for each in (short, long)]
    assert bright[1] > bright[0] + 500


def test_an_edit_shows_its_reference_and_is_not_the_reference() -> None:
    reference = Image.open(io.BytesIO(photo("teal", (300, 300))))
    edited = _painted("sharper", "1:1", references=(photo("teal", (300, 300)),))
    assert _difference(edited, reference) > 15
    # The pale disc of the reference lies in its upper left half, and is still the brightest thing inside the frame.
    disc, empty = (edited.convert("L").getpixel(point) for point in ((125, 110), (225, 60)))
    assert isinstance(disc, int | float)
    assert isinstance(empty, int | float)
    assert disc > empty + 40
    # And inside the frame nothing kept its colour.
    painted = edited.convert("RGB").getpixel((225, 60))
    assert isinstance(painted, tuple)
    assert max(abs(was - now) for was, now in zip((0, 128, 128), painted, strict=True)) > 40


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_every_one_of_several_references_leaves_its_trace(count: int) -> None:
    plain = tuple(photo("gray") for _ in range(count))
    fused = _painted(ratio="1:1", references=plain)
    for position in range(count):
        one_black = (*plain[:position], photo("black", size=(40, 300)), *plain[position + 1 :])
        change = ImageChops.difference(fused.convert("RGB"), _painted(ratio="1:1", references=one_black).convert("RGB"))
        assert max(high for _, high in change.getextrema()) > 60, position  # type: ignore[misc]


def test_the_orientation_in_exif_is_followed_and_no_metadata_survives() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "private words"
    painted = _painted(references=(photo(size=(200, 100), kind="JPEG", exif=exif),))
    assert painted.size == (160, 320)
    assert not painted.getexif()


def test_transparent_and_palette_references_can_be_edited() -> None:
    for mode in ("RGBA", "P", "LA", "1", "I;16"):
        out = io.BytesIO()
        Image.new(mode, (40, 40)).save(out, "PNG")
        assert _painted(references=(out.getvalue(),)).size == (320, 320)


@pytest.mark.parametrize("prompt", ["海辺の猫、写真" * 30, "قطة على الشاطئ", "👩‍🚀 🚀", "x" * 20_000, "\n\t\x00", "a"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert _painted(prompt, "9:16", long_side_px=128).size == (72, 128)


def test_resolution_sets_the_long_side() -> None:
    assert _painted(ratio="1:1", resolution="1K").size == (1024, 1024)


@pytest.mark.parametrize(("wanted", "kind"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_output_formats_are_what_they_say(simulation: Simulation, wanted: str, kind: str) -> None:
    simulation.fault("task", "output_format", format=wanted)
    done = simulation.finished()
    served = simulation.result(done["resultUrls"][0])
    assert Image.open(io.BytesIO(served.content)).format == kind
    assert served.headers["content-type"] == f"image/{wanted}"
