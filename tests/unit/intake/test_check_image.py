"""Stored images are looked at from both ends, and read through where that tells too little."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from heliograph.intake import check_image
from heliograph.intake.check_image import ImageCheck, problem_of
from heliograph.kernel.errors import StorageFailed
from heliograph.storage.references import ObjectLocation
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.deployment import UPLOADS
from tests.fakes.objects import InMemoryObjectStore
from tests.pictures import IMAGES, encoded, png, png_chunk, scene

SCENE = scene(300, 200)
IMAGES_OF_ALL_KINDS = {
    "JPEG": encoded(SCENE, "JPEG", quality=95),
    "progressive JPEG": encoded(SCENE, "JPEG", quality=95, progressive=True),
    "PNG": encoded(SCENE, "PNG"),
    "lossy WEBP": encoded(SCENE, "WEBP", quality=95),
    "lossless WEBP": encoded(SCENE, "WEBP", lossless=True),
}
JPEG, PNG = IMAGES_OF_ALL_KINDS["JPEG"], IMAGES_OF_ALL_KINDS["PNG"]
HEAD_BYTES, TAIL_BYTES = 2000, 500
KEY = "a.png"


@pytest.fixture(autouse=True)
def small_looks() -> Iterator[None]:
    """A look reads less than these small images have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_image, "HEAD_BYTES", HEAD_BYTES)
        patch.setattr(check_image, "TAIL_BYTES", TAIL_BYTES)
        patch.setattr(check_image, "MOST_READ_BYTES", 400_000)
        yield


class Checked:
    """An image that somebody put into the bucket, and what is said of it."""

    def __init__(self, image: bytes, *, whole: bool = False) -> None:
        self.objects = InMemoryObjectStore()
        self.objects.drop(UPLOADS, KEY, image)
        self.location = ObjectLocation(UPLOADS, KEY)
        check = ImageCheck(self.objects)
        facts = check.look(self.location)
        assert facts
        self.problem = check.problem(self.location, facts, whole=whole)

    @property
    def read_from(self) -> list[int]:
        return [start for _, start in self.objects.read_from]


@pytest.mark.parametrize("name", IMAGES_OF_ALL_KINDS)
def test_an_image_is_known_by_its_two_ends(name: str) -> None:
    image = IMAGES_OF_ALL_KINDS[name]
    assert len(image) > HEAD_BYTES + TAIL_BYTES

    checked = Checked(image)

    assert checked.problem is None
    assert checked.read_from == [len(image) - TAIL_BYTES]


@given(name=st.sampled_from(sorted(IMAGES_OF_ALL_KINDS)), share=st.floats(0, 1, exclude_max=True), whole=st.booleans())
def test_an_image_that_is_cut_anywhere_is_refused(name: str, share: float, whole: bool) -> None:
    image = IMAGES_OF_ALL_KINDS[name]

    assert Checked(image[: int(share * len(image))], whole=whole).problem


@given(name=st.sampled_from(sorted(IMAGES_OF_ALL_KINDS)), share=st.floats(0, 1), whole=st.booleans())
def test_an_image_that_is_filled_up_with_zeros_is_refused(name: str, share: float, whole: bool) -> None:
    image = IMAGES_OF_ALL_KINDS[name]
    kept = int(share * (len(image) - 40))

    assert Checked(image[:kept] + bytes(len(image) - kept), whole=whole).problem


def test_a_small_image_takes_one_request() -> None:
    checked = Checked(png())

    assert checked.problem is None
    assert checked.read_from == []


@pytest.mark.parametrize(
    "more", [b"\0\0\0\x18ftypmp42" + b"x" * 5000, bytes(5000)], ids=["a video", "zeros that a camera left"]
)
def test_an_image_with_something_behind_its_end_is_read_to_there(more: bytes) -> None:
    checked = Checked(JPEG + more)

    assert checked.problem is None
    assert checked.read_from == [len(JPEG) + len(more) - TAIL_BYTES, HEAD_BYTES]


def test_an_image_with_another_behind_it_is_known_by_the_others_end() -> None:
    assert Checked(JPEG + encoded(scene(50, 50), "JPEG")).problem is None


def test_a_preview_in_its_header_is_not_its_end() -> None:
    in_exif = b"Exif\0\0" + encoded(scene(60, 40), "JPEG")
    image = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(in_exif) + 2) + in_exif + JPEG[2:]

    assert Checked(image).problem is None
    assert "without its end marker" in str(Checked(image[:HEAD_BYTES]).problem)
    assert "without its end marker" in str(Checked(image[: HEAD_BYTES + 100]).problem)
    assert "without its end marker" in str(Checked(image[:-10]).problem)


def test_a_header_longer_than_a_look_is_read_on() -> None:
    image = encoded(SCENE, "JPEG", icc_profile=bytes(100_000))

    assert Checked(image).problem is None
    assert Checked(image).read_from == [HEAD_BYTES]
    assert Checked(image[:90_000]).problem


def test_what_is_read_whole_has_no_damage_within() -> None:
    damaged = PNG[:5000] + bytes(10) + PNG[5010:]

    assert Checked(damaged).problem is None
    checked = Checked(damaged, whole=True)
    assert checked.problem == "is broken: the PNG has pixels that are damaged; send the whole file again"
    assert checked.read_from == [HEAD_BYTES]


def test_the_very_bytes_that_were_seen_are_read_on() -> None:
    objects = InMemoryObjectStore()
    location = ObjectLocation(UPLOADS, KEY)
    version = objects.drop(UPLOADS, KEY, JPEG)
    check = ImageCheck(objects)
    facts = check.look(location)
    objects.drop(UPLOADS, KEY, b"another")
    assert facts

    assert check.problem(location, facts) is None
    assert [seen.version_id for seen, _ in objects.read_from] == [version]


def test_all_images_of_a_request_together_are_not_read_for_ever() -> None:
    objects = InMemoryObjectStore()
    location = ObjectLocation(UPLOADS, KEY)
    image = JPEG + bytes(200_000)
    objects.drop(UPLOADS, KEY, image)
    check = ImageCheck(objects)
    facts = check.look(location)
    assert facts

    problems = [check.problem(location, facts) for _ in range(3)]

    assert problems[0] is None
    assert "too much to read with the others" in str(problems[-1])
    assert check.problem(location, facts, whole=True) is None


def test_a_bomb_is_refused_at_its_header() -> None:
    checked = Checked((IMAGES / "bomb_20000.png").read_bytes())

    assert "is too large: the PNG has 20,000 by 20,000 pixels; at most 120,000,000" in str(checked.problem)
    assert checked.read_from == []


def test_a_bucket_that_breaks_off_is_no_fault_of_the_image() -> None:
    objects = InMemoryObjectStore()
    location = ObjectLocation(UPLOADS, KEY)
    objects.drop(UPLOADS, KEY, JPEG)
    objects.on("rest", StorageFailed("away"))
    check = ImageCheck(objects)
    facts = check.look(location)
    assert facts

    with pytest.raises(StorageFailed):
        check.problem(location, facts)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (b"", "is empty"),
        (b"GIF89a" + bytes(100), "no JPEG, PNG or WEBP"),
        (b"\xff\xd8\xff", "is broken: the JPEG ends after 3 bytes without its end marker; send the whole file again"),
        (png_chunk(b"IDAT", b""), "no JPEG, PNG or WEBP"),
        (JPEG[:-2], "is broken"),
        ((IMAGES / "bomb_20000.png").read_bytes(), "is too large"),
    ],
)
def test_an_image_in_memory_is_read_whole(image: bytes, says: str) -> None:
    assert says in str(problem_of(image))
    assert says in str(Checked(image).problem)


def test_a_whole_image_in_memory_is_welcome() -> None:
    for image in IMAGES_OF_ALL_KINDS.values():
        assert problem_of(image) is None
