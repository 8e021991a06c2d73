"""Rendered images: exact ratios, visible edits, no metadata."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageStat

from local.provider.renderer import ImageSpec, render
from local.tests.provider.simulation import Simulation, photo


def _rendered(prompt: str = "a quiet harbour", ratio: str = "auto", **more: object) -> Image.Image:
    return Image.open(io.BytesIO(render(_spec(prompt, ratio, **more))))


def _spec(prompt: str, ratio: str = "auto", **more: object) -> ImageSpec:
    return ImageSpec("gpt-image-2-beta", prompt, ratio, **{"long_side_px": 320, **more})  # type: ignore[arg-type]


def _difference(one: Image.Image, other: Image.Image) -> float:
    small = [each.convert("RGB").resize((64, 64)) for each in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*small)).mean) / 3


@pytest.mark.parametrize("ratio", ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"])
@pytest.mark.parametrize("references", [(), (photo(),)])
def test_the_ratio_is_exact(ratio: str, references: tuple[bytes, ...]) -> None:
    width, height = _rendered(ratio=ratio, references=references).size
    wide, tall = map(int, ratio.split(":"))
    assert width * tall == height * wide
    assert 250 < max(width, height) <= 320


def test_auto_is_square_for_text_and_the_first_references_ratio_for_edits() -> None:
    assert _rendered().size == (320, 320)
    assert _rendered(references=(photo(size=(90, 180)), photo(size=(50, 50)))).size == (160, 320)


@pytest.mark.parametrize("references", [(), (photo(), photo("navy"))])
def test_the_same_prompt_gives_the_same_image(references: tuple[bytes, ...]) -> None:
    spec = _spec("a quiet harbour", references=references)
    assert render(spec) == render(spec)


def test_another_prompt_gives_another_image() -> None:
    assert _difference(_rendered("a quiet harbour"), _rendered("a loud market in the red evening")) > 15


@pytest.mark.parametrize(("name", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_an_image_has_the_colour_that_its_prompt_names(name: str, channel: int) -> None:
    # An edit is one colour all over.
    means = ImageStat.Stat(_rendered(f"Make it {name}, please", references=(photo("gray"),))).mean
    assert means.index(max(means)) == channel


def _bright_pixels(image: Image.Image) -> int:
    return sum(image.convert("L").point(lambda level: level > 200).histogram()[1:])


def test_the_prompt_can_be_read() -> None:
    bottom = (0, 200, 320, 320)
    short, long = (_bright_pixels(_rendered(prompt).crop(bottom)) for prompt in (".", "W" * 80))
    assert long > short + 500


def test_characters_that_no_font_has_are_left_out() -> None:
    bottom = (0, 250, 320, 320)
    drawn = [_bright_pixels(_rendered(f"gray {prompt}").crop(bottom)) for prompt in ("", "\U0010fffd" * 80)]
    assert abs(drawn[0] - drawn[1]) < 100


@pytest.mark.parametrize("prompt", ["x" * 20_000, "W" * 60 + " " + "w" * 60, "Кошка" * 30])
def test_text_stays_inside_the_image(prompt: str) -> None:
    image = _rendered(prompt, "1:1", references=(photo("black"),))
    assert _bright_pixels(image.crop((310, 0, 320, 320))) == 0
    assert _bright_pixels(image.crop((0, 260, 320, 320))) > 100


def test_an_edit_shows_its_reference_and_is_not_the_reference() -> None:
    reference = Image.open(io.BytesIO(photo("teal", (300, 300))))
    edited = _rendered("sharper", "1:1", references=(photo("teal", (300, 300)),))
    assert _difference(edited, reference) > 15
    # The pale disc of the reference lies in its upper left half, and is still the brightest thing inside the frame.
    disc, empty = (edited.convert("L").getpixel(point) for point in ((125, 110), (225, 60)))
    assert isinstance(disc, int | float)
    assert isinstance(empty, int | float)
    assert disc > empty + 40
    # And inside the frame nothing kept its colour.
    rendered = edited.convert("RGB").getpixel((225, 60))
    assert isinstance(rendered, tuple)
    assert max(abs(was - now) for was, now in zip((0, 128, 128), rendered, strict=True)) > 40


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_every_one_of_several_references_leaves_its_trace(count: int) -> None:
    plain = tuple(photo("gray") for _ in range(count))
    fused = _rendered(ratio="1:1", references=plain)
    for position in range(count):
        one_black = (*plain[:position], photo("black", size=(40, 300)), *plain[position + 1 :])
        change = ImageChops.difference(
            fused.convert("RGB"), _rendered(ratio="1:1", references=one_black).convert("RGB")
        )
        assert max(high for _, high in change.getextrema()) > 60, position  # type: ignore[misc]


def test_the_orientation_in_exif_is_followed_and_no_metadata_survives() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "private words"
    rendered = _rendered(references=(photo(size=(200, 100), kind="JPEG", exif=exif),))
    assert rendered.size == (160, 320)
    assert not rendered.getexif()


def test_transparent_and_palette_references_can_be_edited() -> None:
    for mode in ("RGBA", "P", "LA", "1", "I;16"):
        out = io.BytesIO()
        Image.new(mode, (40, 40)).save(out, "PNG")
        assert _rendered(references=(out.getvalue(),)).size == (320, 320)


@pytest.mark.parametrize("prompt", ["海辺の猫、写真" * 30, "قطة على الشاطئ", "👩‍🚀 🚀", "x" * 20_000, "\n\t\x00", "a"])
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert _rendered(prompt, "9:16", long_side_px=128).size == (72, 128)


def test_resolution_sets_the_long_side() -> None:
    assert _rendered(ratio="1:1", resolution="1K").size == (1024, 1024)


@pytest.mark.parametrize(("wanted", "kind"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_output_formats_are_what_they_say(simulation: Simulation, wanted: str, kind: str) -> None:
    simulation.fault("task", "output_format", format=wanted)
    done = simulation.finished()
    served = simulation.result(done["resultUrls"][0])
    assert Image.open(io.BytesIO(served.content)).format == kind
    assert served.headers["content-type"] == f"image/{wanted}"
