"""What an upload's metadata may say over its preset: what that lists, a stricter filter, and nothing by mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliograph.intake.create_job import Submission
from heliograph.intake.overrides import NAMES, RESULT_NAMES, fixed_prefix, overridden
from heliograph.intake.submit_upload import Upload
from heliograph.jobs.provenance import metadata_of
from heliograph.kernel.errors import InvalidRequest
from heliograph.webhooks.event_catalogue import UploadRejected
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples import succeeded_job
from tests.fakes.deployment import BETA, UPLOADS, InMemoryDeployment
from tests.fakes.results import ScriptedResultSource
from tests.pictures import JPEG

RECIPE: dict[str, Any] = {"prompt": "a white background", "output_key": "shop/{preset}/{name}.{ext}"}
EVERYTHING = list(NAMES.values())


def over(metadata: dict[str, str], **recipe: Any) -> dict[str, Any]:
    return overridden({**RECIPE, **recipe}, metadata, preset="white", decode=str)


def faults(metadata: dict[str, str], **recipe: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        over(metadata, **recipe)
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def test_a_preset_that_says_nothing_lets_its_uploads_choose_prompt_and_ratio() -> None:
    assert over({"prompt": "mine", "aspect-ratio": "4:5"}) == {**RECIPE, "prompt": "mine", "aspect_ratio": "4:5"}


@pytest.mark.parametrize("name", ["model", "policy", "output-key"])
def test_what_a_preset_does_not_list_is_refused(name: str) -> None:
    field = name.replace("-", "_")
    found = faults({name: "x"})
    assert list(found) == [f"/{field}"]
    assert f"x-amz-meta-{name}" in found[f"/{field}"]
    assert "prompt, aspect_ratio" in found[f"/{field}"]


def test_a_preset_can_let_its_uploads_choose_nothing() -> None:
    assert faults({"prompt": "x"}, overrides=[]) == {
        "/prompt": "x-amz-meta-prompt: uploads to the preset white may choose nothing"
    }


def test_what_a_preset_lists_can_be_chosen() -> None:
    said = over({"model": "m", "output-key": "shop/white/{job_id}.{ext}"}, overrides=EVERYTHING, policy="cheapest")
    assert said == {"prompt": RECIPE["prompt"], "model": "m", "output_key": "shop/white/{job_id}.{ext}"}


@pytest.mark.parametrize("listed", ["prompt", ["promt"], ["aspect-ratio"], [1], {"prompt": True}, None, [["prompt"]]])
def test_a_list_that_is_none_is_the_presets_fault_with_every_upload(listed: object) -> None:
    assert list(faults({}, overrides=listed)) == ["/overrides"]


def test_the_list_itself_is_no_part_of_the_request() -> None:
    assert "overrides" not in over({}, overrides=EVERYTHING)


# ---- The filter


@pytest.mark.parametrize("listed", [EVERYTHING, []])
def test_any_upload_can_switch_the_filter_on(listed: list[str]) -> None:
    assert over({"nsfw-checker": "true"}, overrides=listed)["nsfw_checker"] is True
    assert over({"nsfw-checker": "true"}, overrides=listed, nsfw_checker=False)["nsfw_checker"] is True


@pytest.mark.parametrize("filtered", [True, "true", 1, None])
def test_no_upload_can_switch_the_filter_off(filtered: object) -> None:
    assert list(faults({"nsfw-checker": "false"}, overrides=EVERYTHING, nsfw_checker=filtered)) == ["/nsfw_checker"]


def test_an_upload_may_say_that_a_filter_is_off_that_is_off() -> None:
    assert over({"nsfw-checker": "false"}).get("nsfw_checker", False) is False


# ---- Where results go


@pytest.mark.parametrize(
    ("output_key", "prefix"),
    [
        ("shop/{name}.{ext}", "shop/"),
        ("shop/{preset}/{name}.{ext}", "shop/white/"),
        ("shop/new-{name}.{ext}", "shop/new-"),
        ("{preset}/{name}.{ext}", "white/"),
        ("{name}.{ext}", "white/"),
        ("{job_id}/{name}.{ext}", "white/"),
        (None, "white/"),
    ],
)
def test_an_upload_chooses_keys_under_its_presets_prefix(output_key: str | None, prefix: str) -> None:
    assert fixed_prefix(output_key, "white") == prefix
    recipe = {"overrides": ["output_key"], "output_key": output_key}
    assert over({"output-key": prefix + "x/{name}.{ext}"}, **recipe)["output_key"] == prefix + "x/{name}.{ext}"
    for outside in ("{name}.{ext}", "other/{name}.{ext}", "{job_id}/{ext}", "api/job_aaa/{name}.{ext}", ""):
        found = faults({"output-key": outside}, **recipe)
        assert f"must begin with {prefix}" in found["/output_key"]


FIELDS = st.sampled_from(["{preset}", "{name}", "{job_id}", "{index}", "{ext}"])
PIECES = st.sampled_from(["shop/", "../", "./", "/", "..", "white/", "a", "%2e%2e/", "tenants/", "records/", ".", ""])
PATTERNS = st.builds(
    lambda start, pieces: start + "".join(pieces) + "{name}.{ext}",
    st.sampled_from(["", "shop/", "shop/x-", "white/", "{preset}/", "{job_id}"]),
    st.lists(FIELDS | PIECES, max_size=2),
)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.sampled_from(["mine", "%C3%A4", ""]),
        "aspect-ratio": st.sampled_from(["1:1", "16:9"]),
        "nsfw-checker": st.sampled_from(["true", "false", "false", "FALSE", "%66alse", "0"]),
        "model": st.just(BETA),
        "output-key": PATTERNS,
        "mtime": st.just("1"),
    },
)
RECIPES = st.fixed_dictionaries(
    {"prompt": st.just("x"), "overrides": st.just(EVERYTHING) | st.lists(st.sampled_from(EVERYTHING), max_size=6)},
    optional={
        "nsfw_checker": st.booleans(),
        "output_key": st.sampled_from(["shop/{name}.{ext}", "shop/x-{name}{job_id}.{ext}", "{name}.{ext}"]),
        "policy": st.just("beta-first"),
    },
)
FILES = st.lists(st.sampled_from(["a", "shop", "..", ".", "", "tenants", "records", "api"]), max_size=4).map("/".join)


@example({"nsfw-checker": "false"}, {"prompt": "x", "overrides": EVERYTHING, "nsfw_checker": True}, "")
@given(METADATA, RECIPES, FILES)
def test_whatever_an_upload_says_its_filter_is_as_strict_and_its_results_lie_under_the_prefix(
    metadata: dict[str, str], recipe: dict[str, Any], file: str
) -> None:
    here = InMemoryDeployment()
    here.objects.drop(UPLOADS, "presets/white.json", json.dumps(recipe).encode())
    key = f"uploads/white/{file}x.jpg"
    version = here.objects.drop(UPLOADS, key, JPEG, metadata=metadata)

    outcome = here.announce_upload(Upload(UPLOADS, key, version, etag="e", sequencer="1"))

    if isinstance(outcome, UploadRejected):
        assert len(here.jobs) == 0
        return
    assert isinstance(outcome, Submission)
    job = here.run(outcome.job.job_id)
    assert job.request.nsfw_checker >= recipe.get("nsfw_checker", False)
    allowed = recipe.get("overrides", ["prompt", "aspect_ratio"])
    assert {"model", "policy", "output-key"} & metadata.keys() <= {field.replace("_", "-") for field in allowed}
    prefix = fixed_prefix(recipe.get("output_key"), "white") if "output-key" in metadata else ""
    assert job.results
    for result in job.results:
        assert result.key.startswith(prefix)
        assert not result.key.startswith(("tenants/", "records/"))


# ---- Names that look like ours


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("promt", "prompt"),
        ("prompts", "prompt"),
        ("propmt", "prompt"),
        ("Promt", "prompt"),
        ("x-amz-meta-prompt", "prompt"),
        ("x-prompt", "prompt"),
        ("heliograph-prompt", "prompt"),
        ("x-heliograph-prompt", "prompt"),
        ("negative-prompt", "prompt"),
        ("aspectratio", "aspect-ratio"),
        ("aspect_ratio", "aspect-ratio"),
        ("aspect-ration", "aspect-ratio"),
        ("aspect", "aspect-ratio"),
        ("apsect-raito", "aspect-ratio"),
        ("output_key", "output-key"),
        ("outputkey", "output-key"),
        ("ouput-key", "output-key"),
        ("nsfw", "nsfw-checker"),
        ("nsfw_checker", "nsfw-checker"),
        ("nsfw-check", "nsfw-checker"),
        ("modle", "model"),
        ("modell", "model"),
        ("polcy", "policy"),
    ],
)
def test_a_name_that_was_meant_to_be_ours_is_refused_with_what_was_meant(name: str, meant: str) -> None:
    found = faults({name: "x"})
    assert found[""].endswith(f"write x-amz-meta-{meant}")
    assert found[""].startswith(f"x-amz-meta-{name.lower()} is not known")


@pytest.mark.parametrize("name", ["webhook-url", "webhook_url", "references", "deadline-seconds", "on-uncertain"])
def test_what_only_a_preset_can_say_is_refused(name: str) -> None:
    assert "is for the preset" in faults({name: "x"})[""]


@pytest.mark.parametrize("name", ["heliograph-colour", "x-heliograph-quality", "heliograph"])
def test_our_own_name_space_holds_nothing_else(name: str) -> None:
    assert "there are x-amz-meta-prompt" in faults({name: "x"})[""]


@pytest.mark.parametrize(
    "name",
    [
        *("mtime", "s3cmd-attrs", "mode", "uid", "gid", "atime", "ctime", "md5chksum", "btime", "tier", "rdev"),
        *("camera-model", "lens-model", "exif-model", "make", "title", "description", "author", "keywords"),
        *("content-md5", "sha256", "cb-modifiedtime", "ascl", "owner", "permissions", "group", "file-mtime"),
        *("sku", "product-id", "shop", "color", "size", "ratio", "name", "key", "ext", "index", "filename", "promo"),
        *("x-amz-key-v2", "x-amz-iv", "x-amz-matdesc", "client-id", "modified", "policy-number", "model-number"),
        *("project", "version", "status", "tags", "metadata", "source", "quality", "width", "height", "rclone-mtime"),
    ],
)
def test_other_peoples_metadata_means_nothing(name: str) -> None:
    assert over({name: "x"}) == RECIPE


def test_the_metadata_of_our_own_results_means_nothing() -> None:
    job = succeeded_job()
    with ScriptedResultSource().fetch("https://r.test/1") as picture:
        written = metadata_of(job, job.attempt, picture)
    assert written.keys() <= RESULT_NAMES
    assert over(written) == RECIPE


def test_every_fault_of_an_uploads_metadata_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        over(
            {"promt": "x", "aspectratio": "1:1", "mode": "33188", "model": "m", "nsfw-checker": "false"},
            nsfw_checker=True,
        )
    assert len(refused.value.faults) == 4
