"""The parameters of OpenAI's image calls: each is heeded, ignored and named, or refused by its name."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from heliograph.jobs.request import Rules, read_request
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import UnusableParameters
from heliograph.openai_images.image_sizes import TOLERANCE, example_size, nearest_ratio
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import EditRequest, GenerationRequest, ImagesRequest, read_images_request
from heliograph.routes.config import Route, Routes
from hypothesis import given
from hypothesis import strategies as st
from openai.resources.images import Images

from tests.fakes.deployment import RULES, SECOND

ALIASES = ModelAliases({"dall-e-3": None, "fast": SECOND})
KINDS = [GenerationRequest, EditRequest]


def read(kind: type[ImagesRequest] = GenerationRequest, **parameters: Any) -> ImagesRequest:
    return read_images_request(kind, {"prompt": "a fox", **parameters}, RULES, ALIASES)


def refused(kind: type[ImagesRequest], **parameters: Any) -> UnusableParameters:
    with pytest.raises(UnusableParameters) as raised:
        read(kind, **parameters)
    return raised.value


@pytest.mark.parametrize(("kind", "method"), [(GenerationRequest, "generate"), (EditRequest, "edit")])
def test_every_parameter_of_the_official_client_is_known(kind: type[ImagesRequest], method: str) -> None:
    parameters = set(inspect.signature(getattr(Images, method)).parameters)
    its_own = {"self", "extra_headers", "extra_query", "extra_body", "timeout", "image"}
    assert set(kind.model_fields) == parameters - its_own


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_null_is_left_out(kind: type[ImagesRequest]) -> None:
    nothing = dict.fromkeys(set(kind.model_fields) - {"prompt"})
    assert read(kind, **nothing) == read(kind)
    assert read(kind).job_document([], RULES) == {"prompt": "a fox"}


@pytest.mark.parametrize(
    ("given", "asked_of_the_job"),
    [
        ({"model": SECOND}, {"model": SECOND}),
        ({"size": "1536x1024"}, {"aspect_ratio": "3:2"}),
        ({"size": "auto"}, {}),
        ({"moderation": "auto"}, {"nsfw_checker": True}),
        ({"moderation": "low"}, {}),
        ({"user": "u1"}, {"metadata": {"user": "u1"}}),
        ({"user": "u1", "safety_identifier": "s1"}, {"metadata": {"user": "s1"}}),
        ({"user": "u1", "safety_identifier": ""}, {"metadata": {"user": "u1"}}),
        ({"n": 10}, {}),
        ({"response_format": "url"}, {}),
        ({"quality": "auto"}, {}),
        ({"quality": "standard"}, {}),
        ({"quality": "hd"}, {}),
        ({"quality": "high"}, {}),
        ({"style": "vivid"}, {}),
        ({"output_format": "webp", "output_compression": 90}, {}),
        ({"background": "auto"}, {}),
        ({"background": "opaque"}, {}),
        ({"partial_images": 2}, {}),
        ({"model": "dall-e-3"}, {}),
        ({"model": "fast"}, {"model": SECOND}),
        ({"model": ""}, {}),
        ({"size": ""}, {}),
        ({"size": "1024 x 1024"}, {"aspect_ratio": "1:1"}),
        ({"size": " 1792X1024 "}, {"aspect_ratio": "16:9"}),
        ({"size": "1024\u00d71536"}, {"aspect_ratio": "2:3"}),
        ({"size": "1024*1024"}, {"aspect_ratio": "1:1"}),
        ({"size": "16:9"}, {"aspect_ratio": "16:9"}),
        ({"stream": False}, {}),
        ({"partial_images": 0}, {}),
    ],
)
def test_what_is_heeded_becomes_a_job(given: dict[str, Any], asked_of_the_job: dict[str, Any]) -> None:
    document = read(**given).job_document([], RULES, ALIASES)
    assert document == {"prompt": "a fox", **asked_of_the_job}
    assert read_request(document, RULES)


@pytest.mark.parametrize(
    ("kind", "name", "value", "code"),
    [
        *[
            (kind, name, value, code)
            for kind in KINDS
            for name, value, code in [
                ("background", "transparent", "unsupported_value"),
                ("complexity", "low", "unsupported_parameter"),
                ("frame_count", 9, "unsupported_parameter"),
                ("frame_duration_ms", 200, "unsupported_parameter"),
                ("background", "blue", "invalid_value"),
                ("output_format", "gif", "invalid_value"),
                ("output_format", "svg", "invalid_value"),
                ("output_compression", 101, "invalid_value"),
                ("output_compression", "high", "invalid_value"),
                ("partial_images", False, "invalid_value"),
                ("partial_images", 4, "invalid_value"),
                ("quality", "best", "invalid_value"),
                ("model", "gpt-image-0", "model_not_found"),
                ("stream", True, "unsupported_value"),
                ("svg", {"model": "x"}, "unsupported_parameter"),
                ("model", 3, "invalid_value"),
                ("n", 0, "invalid_value"),
                ("n", 11, "invalid_value"),
                ("n", True, "invalid_value"),
                ("n", 1.5, "invalid_value"),
                ("n", "many", "invalid_value"),
                ("size", "large", "invalid_value"),
                ("size", "0x1024", "invalid_value"),
                ("size", "99999x1024", "invalid_value"),
                ("size", "1024x1000000000000", "invalid_value"),
                ("size", "1x1", "invalid_value"),
                ("size", "-1024x1024", "invalid_value"),
                ("size", "1024", "invalid_value"),
                ("size", 1024, "invalid_value"),
                ("size", ["1024x1024"], "invalid_value"),
                ("size", "1:3", "invalid_value"),
                ("size", "1024x3072", "unsupported_value"),
                ("size", "1024x2389", "unsupported_value"),
                ("size", "3000x1000", "unsupported_value"),
                ("size", "1792x936", "unsupported_value"),
                ("size", "1280x800", "unsupported_value"),
                ("size", "1024x256", "unsupported_value"),
                ("size", "256x1024", "unsupported_value"),
                ("response_format", "hex", "invalid_value"),
                ("response_format", [], "invalid_value"),
                ("prompt", None, "invalid_value"),
                ("user", 7, "invalid_value"),
                ("seed", 7, "unknown_parameter"),
            ]
        ],
        (GenerationRequest, "style", "baroque", "invalid_value"),
        (GenerationRequest, "moderation", "high", "invalid_value"),
        (GenerationRequest, "mask", "x", "unknown_parameter"),
        (EditRequest, "style", "vivid", "unknown_parameter"),
        (EditRequest, "moderation", "auto", "unknown_parameter"),
        (EditRequest, "input_fidelity", "extreme", "invalid_value"),
        (EditRequest, "mask", "a file", "unsupported_parameter"),
        (EditRequest, "markup", "a file", "unsupported_parameter"),
    ],
)
def test_what_can_not_be_had_is_refused_by_name(kind: type[ImagesRequest], name: str, value: Any, code: str) -> None:
    error = refused(kind, **{name: value})
    assert (error.code, [fault.pointer for fault in error.faults]) == (code, [f"/{name}"])


def test_a_missing_prompt_is_told_as_missing() -> None:
    with pytest.raises(UnusableParameters) as raised:
        read_images_request(GenerationRequest, {}, RULES)
    assert raised.value.code == "missing_required_parameter"


def test_every_fault_is_told_at_once() -> None:
    error = refused(GenerationRequest, quality="best", n=0, seed=1)
    assert {fault.pointer for fault in error.faults} == {"/quality", "/n", "/seed"}


def test_the_models_that_there_are_are_named() -> None:
    told = refused(GenerationRequest, model="gpt-image-0").faults[0].detail
    assert "gpt-image-2-beta, gpt-image-2, dall-e-3, fast" in told


def test_what_was_ignored_is_named_and_what_changed_nothing_is_not() -> None:
    ignored = read(quality="high", style="vivid", output_compression=90, partial_images=1, output_format="webp")
    everything = ("output_compression", "output_format", "partial_images", "quality", "style")
    assert ignored.ignored(["png"]) == everything
    assert read(EditRequest, input_fidelity="high").ignored([]) == ("input_fidelity",)
    harmless = read(quality="auto", background="opaque", partial_images=0, output_format="png", moderation="low")
    assert harmless.ignored(["png", "png"]) == ()
    assert harmless.ignored(["png", "jpeg"]) == ("output_format",)


@pytest.mark.parametrize(
    ("model", "response_format", "base64", "link"),
    [
        (None, None, True, True),
        (None, "b64_json", True, False),
        (None, "url", False, True),
        ("gpt-image-2", None, True, False),
        ("gpt-image-2", "url", False, True),
        ("dall-e-3", None, False, True),
        ("dall-e-3", "b64_json", True, False),
        ("fast", None, True, True),
    ],
)
def test_what_comes_is_what_was_asked_for_or_what_openai_answers(
    model: str | None, response_format: str | None, base64: bool, link: bool
) -> None:
    wish = read(model=model, response_format=response_format)
    assert (wish.wants_base64, wish.wants_links) == (base64, link)


def test_a_transparent_background_is_refused_without_advice_that_costs() -> None:
    told = refused(GenerationRequest, background="transparent").faults[0].detail
    assert "opaque" in told
    assert "prompt" not in told


def test_a_size_without_a_ratio_is_answered_with_the_nearest_and_all_others() -> None:
    told = refused(GenerationRequest, size="1024x3072").faults[0].detail
    assert "nearest is 9:16, such as 945x1680" in told
    assert all(f"{ratio} (" in told for ratio in AspectRatio if ratio is not AspectRatio.AUTO)


@pytest.mark.parametrize("ratio", [ratio for ratio in AspectRatio if ratio is not AspectRatio.AUTO])
def test_an_example_of_a_ratio_has_that_ratio(ratio: AspectRatio) -> None:
    wide, high = map(int, example_size(ratio).split("x"))
    assert wide * int(ratio.partition(":")[2]) == high * int(ratio.partition(":")[0])
    assert read(size=example_size(ratio)).job_document([], RULES)["aspect_ratio"] == ratio


# What the models of OpenAI and Stable Diffusion take.
USUAL = "256x256 512x512 1024x1024 1536x1024 1024x1536 1792x1024 1024x1792 1152x896 1216x832 1344x768 1536x640"


@pytest.mark.parametrize("size", USUAL.split())
def test_the_usual_sizes_have_a_ratio(size: str) -> None:
    assert read(size=size).job_document([], RULES)["aspect_ratio"] != AspectRatio.AUTO


@given(width=st.integers(16, 9999), height=st.integers(16, 9999))
def test_no_size_becomes_an_image_of_quite_another_shape(width: int, height: int) -> None:
    try:
        ratio = read(size=f"{width}x{height}").job_document([], RULES)["aspect_ratio"]
    except UnusableParameters:
        return
    wide, high = map(int, ratio.split(":"))
    assert abs(math.log(wide / high) - math.log(width / height)) <= math.log(TOLERANCE)


@pytest.mark.parametrize(("text", "same"), [("2", 2), ("10", 10)])
def test_a_form_has_texts_only(text: str, same: int) -> None:
    assert read(EditRequest, n=text, stream="false", partial_images="0").n == same


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1024, 1024), "1:1"),
        ((256, 256), "1:1"),
        ((1536, 1024), "3:2"),
        ((1024, 1536), "2:3"),
        ((1792, 1024), "16:9"),
        ((1024, 1792), "9:16"),
        ((1536, 864), "16:9"),
        ((1100, 1000), "1:1"),
        ((1000, 1200), "4:5"),
    ],
)
def test_a_size_becomes_the_nearest_ratio(size: tuple[int, int], ratio: str) -> None:
    assert nearest_ratio(*size, offered=tuple(AspectRatio)) == ratio


SIDES = st.integers(1, 9999)


@given(width=SIDES, height=SIDES, offered=st.lists(st.sampled_from(AspectRatio), min_size=1, unique=True))
def test_no_offered_ratio_is_nearer(width: int, height: int, offered: list[AspectRatio]) -> None:
    def distance(ratio: AspectRatio) -> float:
        wide, high = map(int, ratio.split(":"))
        return abs(math.log(wide / high) - math.log(width / height))

    chosen = nearest_ratio(width, height, offered=offered)
    fixed = [ratio for ratio in offered if ratio is not AspectRatio.AUTO]
    assert chosen in offered
    assert not fixed or distance(chosen) == min(map(distance, fixed))


def test_only_what_the_asked_model_offers_is_chosen() -> None:
    square = Route(
        provider="apimodels",
        model="square",
        price_usd="1",
        max_references=1,
        aspect_ratios=frozenset({AspectRatio.AUTO, AspectRatio.SQUARE}),
    )
    rules = Rules(Routes((*RULES.routes, square)), frozenset(), "uploads")
    wish = read_images_request(GenerationRequest, {"prompt": "x", "size": "512x512", "model": "square"}, rules)
    assert wish.job_document([], rules)["aspect_ratio"] == "1:1"
    with pytest.raises(UnusableParameters, match="nearest is 1:1"):
        read_images_request(GenerationRequest, {"prompt": "x", "size": "1536x1024", "model": "square"}, rules)
