"""The parameters of OpenAI's image calls: each is heeded, or refused by its name."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from heliograph.domain.errors import UnusableParameters
from heliograph.domain.openai_shape import (
    EditRequest,
    GenerationRequest,
    ImagesRequest,
    nearest_ratio,
    read_images_request,
)
from heliograph.domain.requests import Rules, read_request
from heliograph.domain.routes import AspectRatio, Route, Routes
from hypothesis import given
from hypothesis import strategies as st
from openai.resources.images import Images

from tests.fakes.deployment import RULES, SECOND

KINDS = [GenerationRequest, EditRequest]


def read(kind: type[ImagesRequest] = GenerationRequest, **parameters: Any) -> ImagesRequest:
    return read_images_request(kind, {"prompt": "a fox", **parameters}, RULES)


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
        ({"background": "auto"}, {}),
        ({"stream": False}, {}),
        ({"partial_images": 0}, {}),
    ],
)
def test_what_is_heeded_becomes_a_job(given: dict[str, Any], asked_of_the_job: dict[str, Any]) -> None:
    document = read(**given).job_document([], RULES)
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
                ("background", "opaque", "unsupported_value"),
                ("complexity", "low", "unsupported_parameter"),
                ("frame_count", 9, "unsupported_parameter"),
                ("frame_duration_ms", 200, "unsupported_parameter"),
                ("output_compression", 90, "unsupported_parameter"),
                ("output_format", "png", "unsupported_parameter"),
                ("partial_images", 2, "unsupported_value"),
                ("partial_images", False, "unsupported_value"),
                ("quality", "hd", "unsupported_value"),
                ("quality", "high", "unsupported_value"),
                ("stream", True, "unsupported_value"),
                ("svg", {"model": "x"}, "unsupported_parameter"),
                ("model", "dall-e-3", "model_not_found"),
                ("model", 3, "invalid_value"),
                ("n", 0, "invalid_value"),
                ("n", 11, "invalid_value"),
                ("n", True, "invalid_value"),
                ("n", 1.5, "invalid_value"),
                ("n", "many", "invalid_value"),
                ("size", "large", "invalid_value"),
                ("size", "0x1024", "invalid_value"),
                ("size", "99999x1024", "invalid_value"),
                ("size", "1024 x 1024", "invalid_value"),
                ("size", "1024x256", "unsupported_value"),
                ("size", "256x1024", "unsupported_value"),
                ("response_format", "hex", "invalid_value"),
                ("response_format", [], "invalid_value"),
                ("prompt", None, "invalid_value"),
                ("user", 7, "invalid_value"),
                ("seed", 7, "unknown_parameter"),
            ]
        ],
        (GenerationRequest, "style", "vivid", "unsupported_parameter"),
        (GenerationRequest, "moderation", "high", "invalid_value"),
        (GenerationRequest, "mask", "x", "unknown_parameter"),
        (EditRequest, "style", "vivid", "unknown_parameter"),
        (EditRequest, "moderation", "auto", "unknown_parameter"),
        (EditRequest, "input_fidelity", "high", "unsupported_parameter"),
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
    error = refused(GenerationRequest, quality="high", n=0, seed=1)
    assert {fault.pointer for fault in error.faults} == {"/quality", "/n", "/seed"}


def test_the_models_that_there_are_are_named() -> None:
    assert "gpt-image-2-beta, gpt-image-2" in refused(GenerationRequest, model="gpt-image-1").faults[0].detail


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
        ((3840, 1280), "21:9"),
        ((1280, 3840), "9:16"),
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
    wish = read_images_request(GenerationRequest, {"prompt": "x", "size": "1536x1024", "model": "square"}, rules)
    assert wish.job_document([], rules)["aspect_ratio"] == "1:1"
