"""What may be asked for: every fault at once, each with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliograph.jobs.job import Job
from heliograph.jobs.request import (
    JobKind,
    JobRequest,
    OnUncertain,
    Policy,
    Rules,
    candidates,
    read_json_object,
    read_request,
)
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import MAX_FAULTS, Fault, InvalidRequest, MalformedDocument
from heliograph.kernel.texts import prompt_fault
from heliograph.kernel.validation import pointer
from heliograph.routes.config import Route, Routes
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.deployment import BETA, RULES, SECOND, InMemoryDeployment

LINK = "https://images.example.com/shoe.jpg"
CONTROL = {chr(code) for code in (*range(32), *range(127, 160))} - {"\t", "\n", "\r"}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


def faults(document: dict[str, Any], rules: Rules = RULES) -> dict[str, str]:
    """What is wrong with a document, by place."""
    with pytest.raises(InvalidRequest) as refused:
        read_request(document, rules)
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def test_a_prompt_is_all_that_a_request_needs() -> None:
    request = read_request({"prompt": "a lighthouse"}, RULES)

    assert request == JobRequest(model=BETA, policy=Policy.BETA_FIRST, prompt="a lighthouse")
    assert request.aspect_ratio is AspectRatio.AUTO


def test_the_filter_is_off_unless_asked_for() -> None:
    assert read_request({"prompt": "x"}, RULES).nsfw_checker is False
    assert read_request({"prompt": "x", "nsfw_checker": True}, RULES).nsfw_checker is True


@pytest.mark.parametrize("value", ["true", "false", 1, 0, None, [], "on"])
def test_the_filter_is_switched_by_a_boolean_only(value: object) -> None:
    assert "/nsfw_checker" in faults({"prompt": "x", "nsfw_checker": value})


def test_an_unknown_value_is_never_quietly_replaced_by_a_default() -> None:
    for field in ("model", "aspect_ratio", "nsfw_checker", "references", "metadata"):
        assert f"/{field}" in faults({"prompt": "x", field: None})


@pytest.mark.parametrize(
    ("references", "task"), [(0, JobKind.TEXT_TO_IMAGE), (1, JobKind.EDIT), (2, JobKind.FUSION), (16, JobKind.FUSION)]
)
def test_the_number_of_references_decides_the_task(references: int, task: JobKind) -> None:
    assert read_request({"prompt": "x", "references": [LINK] * references}, RULES).task is task


def test_references_keep_their_order_and_may_repeat() -> None:
    links = [f"{LINK}?{number}" for number in (3, 1, 2, 1)]

    assert read_request({"prompt": "x", "references": links}, RULES).reference_uris == tuple(links)


@pytest.mark.parametrize("letter", sorted(CONTROL))
def test_control_characters_are_refused_in_prompts_and_metadata(letter: str) -> None:
    document = {"prompt": f"a{letter}b", "metadata": {"key": letter, f"a{letter}": "x"}}

    assert faults(document).keys() == {"/prompt", "/metadata/key", pointer("metadata", f"a{letter}")}


@pytest.mark.parametrize("letter", [chr(code) for code in (*range(0x2028, 0x202F), *range(0x2066, 0x206A))])
def test_what_reorders_a_line_is_refused_where_lists_show_it_and_not_in_prompts(letter: str) -> None:
    found = faults({"prompt": "x", "tags": [f"a{letter}"], "metadata": {f"a{letter}": "b", "c": f"d{letter}"}})
    assert sorted(where.split("/")[1] for where in found) == ["metadata", "metadata", "tags"]
    assert read_request({"prompt": f"שלט {letter} x"}, RULES).prompt


@pytest.mark.parametrize(
    "text", ["👨‍👩‍👧", "می‌خواهم", "שלום\u200f", "全角　空白", "non\u00a0breaking", "soft\u00adhyphen"]
)
def test_what_scripts_and_emoji_are_made_of_is_taken(text: str) -> None:
    assert read_request({"prompt": text, "tags": [text], "metadata": {text: text}}, RULES).tags == (text,)


def test_tabs_and_lines_are_not_control_characters() -> None:
    assert read_request({"prompt": "one\ttwo\r\nthree"}, RULES).prompt == "one\ttwo\r\nthree"


def test_every_ratio_of_the_product_page_is_offered() -> None:
    offered = ["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]

    assert [read_request({"prompt": "x", "aspect_ratio": ratio}, RULES).aspect_ratio for ratio in offered] == offered


@given(ANY_TEXT.filter(lambda text: prompt_fault(text) is None and not set(text) & CONTROL))
def test_a_prompt_in_any_script_arrives_unchanged(prompt: str) -> None:
    body = json.dumps({"prompt": prompt}, ensure_ascii=False).encode()

    request = read_request(read_json_object(body, what="the body"), RULES)

    assert JobRequest.model_validate_json(request.model_dump_json()).prompt == prompt


@pytest.mark.parametrize(
    "prompt", ["灯台の夜明け", "منارة عند الفجر", "маяк на рассвете", "👩‍🚀🌅", "\t“quotes” \\ {braces} %s\n"]
)
def test_a_prompt_in_any_script_survives_the_whole_way_to_the_provider(here: InMemoryDeployment, prompt: str) -> None:
    here.dispatch(here.job_id(prompt=prompt))

    assert here.provider.requests[0].prompt == prompt


def test_every_fault_of_a_document_is_named_at_once_with_its_place() -> None:
    found = faults(
        {
            "prompt": " \n\t ",
            "aspect_ratio": "7:5",
            "nsfw_checker": "no",
            "references": [LINK, "ftp://images.example.com/a.png", "https://10.0.0.8/a.png"],
            "output_key": "../{name}",
            "webhook_url": "http://hooks.example.com/",
            "metadata": {"order": 17},
            "resolution": "4K",
            "a/b~c": 1,
        }
    )

    assert found.keys() == {
        "/prompt",
        "/aspect_ratio",
        "/nsfw_checker",
        "/references/1",
        "/references/2",
        "/output_key",
        "/webhook_url",
        "/metadata/order",
        "/resolution",
        "/a~1b~0c",
    }


@pytest.mark.parametrize(
    ("document", "pointer", "word"),
    [
        ({}, "/prompt", "required"),
        ({"prompt": ""}, "/prompt", "say something"),
        ({"prompt": "\u3000\u2003\n"}, "/prompt", "say something"),
        ({"prompt": None}, "/prompt", "string"),
        ({"prompt": ["x"]}, "/prompt", "string"),
        ({"prompt": {"text": "x"}}, "/prompt", "string"),
        ({"prompt": 7}, "/prompt", "string"),
        ({"prompt": "x" * 20_001}, "/prompt", "20000"),
        ({"prompt": "half a pair \ud83d"}, "/prompt", "surrogate"),
        ({"prompt": "x", "aspect_ratio": "16:10"}, "/aspect_ratio", "21:9"),
        ({"prompt": "x", "aspect_ratio": "AUTO"}, "/aspect_ratio", "auto"),
        ({"prompt": "x", "aspect_ratio": 1}, "/aspect_ratio", "auto"),
        ({"prompt": "x", "model": "dall-e-3"}, "/model", BETA),
        ({"prompt": "x", "model": ""}, "/model", "no such model"),
        ({"prompt": "x", "references": LINK}, "/references", ""),
        ({"prompt": "x", "references": {"0": LINK}}, "/references", ""),
        ({"prompt": "x", "references": [LINK, 5]}, "/references/1", "string"),
        ({"prompt": "x", "references": [None]}, "/references/0", "string"),
        ({"prompt": "x", "references": [[LINK]]}, "/references/0", "string"),
        ({"prompt": "x", "references": [LINK] * 17}, "/references", "at most 16"),
        ({"prompt": "x", "references": [LINK] * 11, "model": SECOND}, "/references", "at most 10"),
        ({"prompt": "x", "image_url": LINK}, "/image_url", "no such field"),
        ({"prompt": "x", "Prompt": "y"}, "/Prompt", "no such field"),
        ({"prompt": "x", "": 1}, "/", "no such field"),
        ({"prompt": "x", "metadata": []}, "/metadata", ""),
        ({"prompt": "x", "metadata": {"a": "v" * 513}}, "/metadata/a", "512"),
        ({"prompt": "x", "metadata": {"a": "\udfff"}}, "/metadata/a", "Unicode"),
        ({"prompt": "x", "metadata": {str(n): "" for n in range(33)}}, "/metadata", "32"),
        ({"prompt": "x", "aspect_ratio": []}, "/aspect_ratio", "auto"),
        ({"prompt": "x", "aspect_ratio": ["1:1"]}, "/aspect_ratio", "auto"),
        ({"prompt": "x", "aspect_ratio": {}}, "/aspect_ratio", "auto"),
        ({"prompt": "x", "metadata": {"k" * 65: "v"}}, "/metadata/" + "k" * 65, "64"),
        ({"prompt": "x", "metadata": {"": "v"}}, "/metadata/", "empty"),
        ({"prompt": "x", "metadata": {"a/b" * 30: "v"}}, "/metadata/" + "a~1b" * 30, "64"),
        ({"prompt": "x", "output_key": "all-the-same.{ext}"}, "/output_key", "{job_id}"),
        ({"prompt": "x", "output_key": "{job_id}.png"}, "/output_key", ".{ext}"),
        ({"prompt": "x", "output_key": 5}, "/output_key", "string"),
        ({"prompt": "x", "webhook_url": "https://localhost/hook"}, "/webhook_url", "private"),
        ({"prompt": "x", "on_uncertain": "retry"}, "/on_uncertain", "resubmit"),
        ({"prompt": "x", "on_uncertain": "FAIL"}, "/on_uncertain", "fail"),
        ({"prompt": "x", "on_uncertain": None}, "/on_uncertain", "fail"),
        ({"prompt": "x", "on_uncertain": True}, "/on_uncertain", "fail"),
        ({"prompt": "x", "on_uncertain": ["resubmit"]}, "/on_uncertain", "fail"),
    ],
)
def test_a_fault_is_named_with_its_place_and_reason(document: dict[str, Any], pointer: str, word: str) -> None:
    found = faults(document)

    assert list(found) == [pointer]
    assert word in found[pointer]


def test_the_longest_prompt_and_the_most_references_are_still_welcome() -> None:
    request = read_request({"prompt": "界" * 20_000, "references": [LINK] * 16}, RULES)

    assert len(request.prompt) == 20_000
    assert len(read_request({"prompt": "x", "model": SECOND, "references": [LINK] * 10}, RULES).references) == 10


def test_a_bad_reference_does_not_hide_that_there_are_too_many() -> None:
    for bad in ("nonsense", 1, None):
        found = faults({"prompt": "x", "references": [LINK] * 16 + [bad]})
        assert found.keys() == {"/references", "/references/16"}


def test_a_wrong_model_does_not_hide_what_no_model_could_take() -> None:
    found = faults({"prompt": "x" * 20_001, "model": "nonsense", "references": [LINK] * 17})

    assert found.keys() == {"/model", "/prompt", "/references"}


def test_a_ratio_that_the_route_does_not_offer_is_refused() -> None:
    square = Route(
        provider="apimodels",
        model="square-only",
        price_usd="0.01",
        max_references=0,
        aspect_ratios=frozenset({AspectRatio.SQUARE}),
    )
    rules = Rules(Routes((square,)), frozenset(), "uploads")

    assert faults({"prompt": "", "aspect_ratio": "16:9"}, rules) == {
        "/prompt": "must say something",
        "/aspect_ratio": "must be one of 1:1",
    }
    assert read_request({"prompt": "x", "aspect_ratio": "1:1"}, rules).model == "square-only"


def test_a_fault_never_repeats_a_long_value() -> None:
    secret = "s3cr3t" * 1000

    found = faults({"prompt": secret * 10, "references": [f"https://u:{secret}@x.org/"], "aspect_ratio": secret})

    assert all("s3cr3t" not in detail for detail in found.values())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{'prompt': 'x'}",
        b'{"prompt": "x",}',
        b'{"prompt": "x"} {}',
        b"-Infinity",
        b'{"prompt": "\xff\xfe"}',
        b'{"prompt": "a\nb"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"null",
        b"true",
        b'"{}"',
        b"[]",
        b'[{"prompt": "x"}]',
        b"7",
    ],
)
def test_what_is_no_json_object_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(MalformedDocument) as refused:
        read_json_object(body, what="the body")

    (fault,) = refused.value.faults
    assert fault.pointer == ""
    assert fault.detail.startswith("the body ")


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "half \\ud83d"}',
        b'{"prompt": "x", "references": ["s3://the-uploads/\\ud800"]}',
        b'{"prompt": "x", "anything": {"deep": ["\\udfff"]}}',
        b'{"\\udc00": 1}',
    ],
)
def test_half_a_surrogate_pair_anywhere_in_a_document_is_no_text(body: bytes) -> None:
    with pytest.raises(MalformedDocument, match="surrogate"):
        read_json_object(body, what="the body")


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert read_json_object(b'{"prompt": "\\ud83d\\ude80"}', what="the body") == {"prompt": "🚀"}


@pytest.mark.parametrize("count", [MAX_FAULTS, MAX_FAULTS + 1, 120_000])
def test_a_document_made_of_faults_is_named_in_its_first_hundred(count: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_request({"prompt": "x", "references": [1] * count}, RULES)

    named = refused.value.faults
    # One more than there are bad references: that they are too many.
    assert named[:2] == (Fault("/references/0", named[0].detail), Fault("/references/1", named[0].detail))
    assert named[MAX_FAULTS:] == (Fault("", f"and {count + 1 - MAX_FAULTS} more"),)


@pytest.mark.parametrize(("count", "told"), [(1, 1), (10, 10), (11, 11), (5_000, 11)])
def test_what_a_refusal_says_of_itself_is_ten_faults_at_most(count: int, told: int) -> None:
    refusal = InvalidRequest(*[Fault(f"/{number}", "is wrong") for number in range(count)])

    said = str(refusal).split("; ")
    assert len(said) == told
    assert said[:10] == [f"{number} is wrong" for number in range(min(count, 10))]
    assert (said[-1] == "…") is (count > 10)
    assert len(refusal.faults) == min(count, MAX_FAULTS + 1)


def test_a_nested_value_is_a_fault_like_any_other() -> None:
    body = b'{"prompt": ' + b"[" * 63 + b"]" * 63 + b"}"

    assert faults(read_json_object(body, what="the body")).keys() == {"/prompt"}


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read_json_object(b'\xef\xbb\xbf{"prompt": "x"}', what="the body") == {"prompt": "x"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (*JobRequest.model_fields, "anything")


def read(document: dict[str, Any]) -> JobRequest | tuple[Fault, ...]:
    try:
        return read_request(document, RULES)
    except InvalidRequest as refused:
        return refused.faults


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES))
def test_whatever_json_says_it_is_a_request_or_a_list_of_faults(document: dict[str, Any]) -> None:
    match read(document):
        case JobRequest() as request:
            assert JobRequest.model_validate_json(request.model_dump_json()) == request
        case found:
            assert found
            assert all(fault.pointer.startswith("/") for fault in found)


def test_a_stored_request_is_not_measured_by_the_rules_of_today(here: InMemoryDeployment) -> None:
    # The caps may have been lowered since: a job that was accepted must stay readable.
    job = here.post({"prompt": "x" * 20_000, "references": [LINK] * 16}).job

    assert Job.model_validate_json(job.model_dump_json()) == job


def test_nobody_risks_a_second_bill_who_did_not_say_so() -> None:
    assert read_request({"prompt": "x"}, RULES).on_uncertain is OnUncertain.FAIL
    assert read_request({"prompt": "x", "on_uncertain": "resubmit"}, RULES).on_uncertain is OnUncertain.RESUBMIT


# Two routes to one model, of which each takes what the other does not; and one to another.
MIXED = Rules(
    Routes.model_validate(
        [
            {"name": "many", "provider": "apimodels", "model": BETA, "price_usd": "0.06", "max_references": 16}
            | {"aspect_ratios": ["1:1"], "max_prompt_characters": 50},
            {"name": "long", "provider": "kie", "model": BETA, "price_usd": "0.05", "max_references": 2},
            {"name": "other", "provider": "apimodels", "model": SECOND, "price_usd": "0.04", "max_references": 0},
        ]
    ),
    frozenset(),
    "uploads",
)


def routes_for(**document: Any) -> list[str]:
    """The routes that a document may take, in order."""
    return [route.name for route in candidates(read_request({"prompt": "x", **document}, MIXED), MIXED.routes)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"aspect_ratio": "1:1"}, ["many", "long", "other"]),
        ({"aspect_ratio": "1:1", "policy": "cheapest"}, ["other", "long", "many"]),
        ({"aspect_ratio": "1:1", "model": BETA}, ["many", "long"]),
        ({"model": BETA}, ["long"]),
        ({"aspect_ratio": "1:1", "references": [LINK] * 3}, ["many"]),
        ({"aspect_ratio": "1:1", "model": BETA, "references": [LINK] * 3}, ["many"]),
        ({"references": [LINK] * 2}, ["long"]),
        ({"prompt": "x" * 51, "aspect_ratio": "1:1", "model": BETA}, ["long"]),
    ],
)
def test_a_model_with_several_routes_is_served_by_those_that_take_the_whole_request(
    document: dict[str, Any], expected: list[str]
) -> None:
    assert routes_for(**document) == expected


@pytest.mark.parametrize(
    "document",
    [
        {"references": [LINK] * 3, "aspect_ratio": "16:9"},
        {"references": [LINK] * 3, "aspect_ratio": "1:1", "prompt": "x" * 51},
        {"references": [LINK] * 16},
    ],
)
@pytest.mark.parametrize("choice", [{}, {"model": BETA}, {"policy": "cheapest"}])
def test_a_combination_that_no_single_route_takes_is_refused_as_such(
    document: dict[str, Any], choice: dict[str, Any]
) -> None:
    found = faults({"prompt": "x", **document, **choice}, MIXED)

    assert found.keys() == {""}
    assert "together" in found[""]


def test_what_no_route_of_a_model_takes_is_named_with_its_place() -> None:
    assert faults({"prompt": "x", "model": SECOND, "references": [LINK]}, MIXED).keys() == {"/references"}
    assert faults({"prompt": "x", "references": [LINK] * 17}, MIXED).keys() == {"/references"}
    assert faults({"prompt": "x" * 20_001}, MIXED).keys() == {"/prompt"}


def test_a_route_is_asked_for_by_its_model_and_not_by_its_name() -> None:
    assert faults({"prompt": "x", "model": "long"}, MIXED).keys() == {"/model"}


# ---- Tags and deadlines


@pytest.mark.parametrize(
    ("tags", "pointers"),
    [
        ([f"t{number}" for number in range(17)], ["/tags"]),
        ("autumn", ["/tags"]),
        ([""], ["/tags/0"]),
        (["x" * 65, "a\x00b"], ["/tags/0", "/tags/1"]),
        ([7], ["/tags/0"]),
        ({"a": "b"}, ["/tags"]),
    ],
)
def test_tags_are_a_few_short_words(tags: Any, pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_request({"prompt": "x", "tags": tags}, RULES)

    assert [fault.pointer for fault in refusal.value.faults] == pointers


def test_a_tag_counts_once_however_often_it_is_given() -> None:
    request = read_request({"prompt": "x", "tags": ["b", "a", "b", "夕暮れ"]}, RULES)

    assert request.tags == ("b", "a", "夕暮れ")


@pytest.mark.parametrize("seconds", [59, 21_601, 0, -1, 60.5, "60", True])
def test_a_deadline_is_within_the_bounds_of_the_deployments_own(seconds: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^deadline_seconds must be"):
        read_request({"prompt": "x", "deadline_seconds": seconds}, RULES)


@pytest.mark.parametrize("seconds", [60, 21_600, None])
def test_a_deadline_may_be_as_short_or_long_as_the_deployments_own_or_left_to_it(seconds: int | None) -> None:
    assert read_request({"prompt": "x", "deadline_seconds": seconds}, RULES).deadline_seconds == seconds
