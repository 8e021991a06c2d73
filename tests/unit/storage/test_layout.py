"""Where things lie: what an upload's key means, and where results go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from heliograph.kernel.media_types import MediaType
from heliograph.storage.layout import (
    MAX_KEY_BYTES,
    JobDocument,
    OutputKeys,
    PresetUpload,
    check_output_key,
    default_output_key,
    preset_key,
    read_upload_key,
    record_key,
)
from hypothesis import assume, given
from hypothesis import strategies as st

JOB_ID = "job_abcdefghijklmnopqrstuvwxyz"
PNG = MediaType.PNG


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("uploads/white/shoe.jpg", PresetUpload("white", "shoe")),
        ("uploads/white/2026/11/shoe.final.jpg", PresetUpload("white", "2026/11/shoe.final")),
        ("uploads/white/shoe", PresetUpload("white", "shoe")),
        ("uploads/white/.hidden", PresetUpload("white", ".hidden")),
        ("uploads/white/v1.2/shoe", PresetUpload("white", "v1.2/shoe")),
        ("uploads/white/{braces} 靴 100%.png", PresetUpload("white", "{braces} 靴 100%")),
        ("uploads/white/uploads/white/shoe.jpg", PresetUpload("white", "uploads/white/shoe")),
        ("jobs/autumn.json", JobDocument("autumn")),
        ("jobs/2026/autumn.v2.json", JobDocument("2026/autumn.v2")),
    ],
)
def test_a_key_says_what_its_object_is_for(key: str, meaning: PresetUpload | JobDocument) -> None:
    assert read_upload_key(key) == meaning


@pytest.mark.parametrize(
    "key", ["uploads/", "uploads/white/", "uploads/white/2026/", "jobs/", "presets/white.json", "logo.png", "upload/a"]
)
def test_folder_markers_and_other_keys_mean_nothing(key: str) -> None:
    assert read_upload_key(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "uploads/shoe.jpg",
        "uploads//shoe.jpg",
        "uploads/../shoe.jpg",
        "uploads/white background/shoe.jpg",
        "uploads/-white/shoe.jpg",
        "uploads/" + "w" * 65 + "/shoe.jpg",
        "jobs/autumn.txt",
        "jobs/autumn",
        "jobs/.json",
    ],
)
def test_a_key_that_was_meant_to_start_a_job_and_can_not_says_so(key: str) -> None:
    with pytest.raises(ValueError, match="is named"):
        read_upload_key(key)


def test_a_preset_has_its_recipe_in_one_place() -> None:
    assert preset_key("white") == "presets/white.json"


@pytest.mark.parametrize(
    "pattern",
    [
        "{job_id}.{ext}",
        "{name}.{ext}",
        "shop/{preset}/{name}/{job_id}-{index}.{ext}",
        "läden/{name}.{ext}",
        "..{name}/v1..2/{job_id}.{ext}",
    ],
)
def test_a_pattern_may_use_the_fields_that_exist(pattern: str) -> None:
    assert check_output_key(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "must end with"),
        ("{job_id}", "must end with"),
        ("{job_id}.png", "must end with"),
        ("{job_id}/job.json", "must end with"),
        ("records/{name}.{ext}", "where the records of jobs are"),
        ("{job_id}/{name}", "must end with"),
        ("{job_id}{ext}", "must end with"),
        ("{job_id}.{ext}/", "must end with"),
        ("{job_id}.{ext}\n", "must end with"),
        ("result.{ext}", "must contain"),
        ("{preset}/{index}.{ext}", "must contain"),
        ("{job_id.{ext}", "no other braces"),
        ("{job_id}}.{ext}", "no other braces"),
        ("{{name}}.{ext}", "no other braces"),
        ("{{literal}}/{job_id}.{ext}", "no other braces"),
        ("}{/{job_id}.{ext}", "no other braces"),
        ("{}/{job_id}.{ext}", "no other braces"),
        ("{0}{job_id}.{ext}", "may use"),
        ("{tenant}{job_id}.{ext}", "may use"),
        ("{job_id.__class__}.{ext}", "may use"),
        ("{job_id[0]}.{ext}", "may use"),
        ("{job_id!r}.{ext}", "may use"),
        ("{job_id:>99}.{ext}", "may use"),
        ("{job_id:{index}}.{ext}", "may use"),
        ("{name}/{name}.{ext}", "each once"),
        ("{job_id}" * 40 + ".{ext}", "each once"),
        ("{ext}/{job_id}.{ext}", "each once"),
        ("/{job_id}.{ext}", "without empty"),
        ("a//{job_id}.{ext}", "without empty"),
        ("../{job_id}.{ext}", "without empty"),
        ("a/../{job_id}.{ext}", "without empty"),
        ("./{job_id}.{ext}", "without empty"),
        ("a\n/{job_id}.{ext}", "printable"),
        ("\x00{job_id}.{ext}", "printable"),
        ("é" * 256 + "{job_id}.{ext}", "512 bytes"),
    ],
)
def test_a_pattern_that_could_not_store_results_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_output_key(pattern)


def test_results_lie_in_a_folder_of_the_job() -> None:
    place = OutputKeys(default_output_key(PresetUpload("white", "a/shoe")), JOB_ID, "a/shoe", "white")

    assert place.result_key(1, MediaType.JPEG) == f"white/a/shoe/{JOB_ID}/1.jpg"
    assert place.result_key(2, MediaType.WEBP) == f"white/a/shoe/{JOB_ID}/2.webp"


def test_a_pattern_without_an_index_numbers_the_second_result() -> None:
    place = OutputKeys("shop/{name}.{ext}", JOB_ID, "shoe.v1", None)

    assert [place.result_key(index, PNG) for index in (1, 2, 3)] == [
        "shop/shoe.v1.png",
        "shop/shoe.v1-2.png",
        "shop/shoe.v1-3.png",
    ]


def test_a_name_is_never_read_as_a_pattern() -> None:
    place = OutputKeys("{name}/{job_id}.{ext}", JOB_ID, "{job_id} {0} {{x}} %s", None)

    assert place.result_key(1, PNG) == f"{{job_id}} {{0}} {{{{x}}}} %s/{JOB_ID}.png"


def test_a_long_name_is_cut_between_characters() -> None:
    place = OutputKeys(default_output_key(None).replace("api", "{name}"), JOB_ID, "靴" * 400, None)

    key = place.result_key(1, PNG)

    assert len(key.encode()) <= MAX_KEY_BYTES
    assert key.startswith("靴" * 300)
    assert key.endswith(f"/{JOB_ID}/1.png")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("../../shoe", "shoe"),
        ("..", "_"),
        (".", "_"),
        ("", "_"),
        ("/", "_"),
        ("/shoe", "shoe"),
        ("a//b", "a/b"),
        ("a/./b/../c", "a/b/c"),
        (".../..a/b..", ".../..a/b.."),
    ],
)
def test_a_name_keeps_only_what_is_no_way_up(name: str, part: str) -> None:
    place = OutputKeys("{preset}/{name}/{job_id}/{index}.{ext}", JOB_ID, name, "white")

    assert place.result_key(1, PNG) == f"white/{part}/{JOB_ID}/1.png"


def test_a_longest_pattern_with_the_longest_name_still_fits() -> None:
    ending = "{preset}/{name}-{job_id}-{index}.{ext}"
    pattern = check_output_key("x" * (MAX_KEY_BYTES // 2 - len(ending)) + ending)
    place = OutputKeys(pattern, JOB_ID, "靴" * 340, "p" * 64)

    key = place.result_key(99, PNG)
    assert len(key.encode()) <= MAX_KEY_BYTES
    assert JOB_ID in key


# File names as people and attackers make them.
PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=400)
NAMES = st.lists(PARTS | st.sampled_from(["", ".", "..", "..."]), min_size=1, max_size=6).map("/".join)
# So short that nothing is cut from them: what a cut may leave behind is left out.
SHORT_NAMES = NAMES.filter(lambda name: len(name.encode()) < 300)
FOLDERS = ["", "a/", "läden/", "a.b/c/", "..a/", ".", ".."]
PATTERNS = st.builds(
    lambda folder, fields: folder + "".join(fields) + ".{ext}",
    st.sampled_from(FOLDERS),
    st.permutations(["{job_id}", "{index}", "{name}", "{preset}", "/x", "-", "/y"]).flatmap(
        lambda fields: st.integers(1, len(fields)).map(lambda count: fields[:count])
    ),
)
PLACES = st.builds(
    OutputKeys,
    st.sampled_from(["{preset}/{name}/{job_id}/{index}.{ext}", "jobs/{name}/{job_id}/{index}.{ext}"]) | PATTERNS,
    st.just(JOB_ID),
    NAMES,
    st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True),
)


def is_allowed(pattern: str) -> bool:
    try:
        check_output_key(pattern)
    except ValueError:
        return False
    return True


@given(PLACES, st.integers(1, 99), st.sampled_from(MediaType))
def test_every_key_fits(place: OutputKeys, index: int, media_type: MediaType) -> None:
    assume(is_allowed(place.pattern))

    key = place.result_key(index, media_type)
    assert 0 < len(key.encode()) <= MAX_KEY_BYTES
    assert not key.startswith("/")


@given(PLACES, SHORT_NAMES, st.integers(1, 99))
def test_every_key_stays_inside_the_bucket(place: OutputKeys, name: str, index: int) -> None:
    assume(is_allowed(place.pattern))
    place = replace(place, name=name)

    assert not {"", ".", ".."} & set(place.result_key(index, PNG).split("/"))


@given(PLACES, st.sets(st.integers(1, 99), min_size=2, max_size=5))
def test_results_of_one_job_never_share_a_key(place: OutputKeys, indexes: set[int]) -> None:
    assume(is_allowed(place.pattern))

    keys = [place.result_key(index, PNG) for index in indexes]

    assert len(set(keys)) == len(keys)


@given(NAMES)
def test_two_jobs_of_one_name_never_share_a_key_by_default(name: str) -> None:
    source = PresetUpload("white", name)
    first, second = (OutputKeys(default_output_key(source), job, name, "white") for job in (JOB_ID, JOB_ID[::-1]))

    assert first.result_key(1, PNG) != second.result_key(1, PNG)


@given(PLACES, PLACES, st.integers(1, 99), st.sampled_from(MediaType), st.sampled_from(MediaType))
def test_places_that_share_a_first_result_are_known_by_it(
    one: OutputKeys, other: OutputKeys, cut: int, first: MediaType, second: MediaType
) -> None:
    assume(is_allowed(one.pattern) and is_allowed(other.pattern))
    for place in (other, replace(other, pattern=one.pattern), replace(one, name=one.name + "x" * cut)):
        if one.result_key(1, first) == place.result_key(1, second):
            assert one.first_key() == place.first_key()


@pytest.mark.parametrize("media_type", MediaType)
def test_names_that_are_cut_to_one_key_are_known_by_it(media_type: MediaType) -> None:
    shared = 0
    for length in range(MAX_KEY_BYTES - 80, MAX_KEY_BYTES):
        one, other = (OutputKeys("{name}.{ext}", JOB_ID, "x" * length + end, None) for end in "ab")
        if one.result_key(1, media_type) == other.result_key(1, media_type):
            shared += 1
            assert one.first_key() == other.first_key()
    assert shared


def test_records_lie_apart_from_results_by_the_jobs_id() -> None:
    assert record_key(JOB_ID, "default") == f"records/{JOB_ID}.json"
    assert record_key(JOB_ID, "shop") == f"records/tenants/shop/{JOB_ID}.json"
