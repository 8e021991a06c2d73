# ruff: noqa: RUF001 - the tables hold what only looks like something else
"""What was broken on its way is recognised; what only looks like it passes; what can be decoded is."""

from __future__ import annotations

import base64
import json
from email.charset import Charset
from email.header import Header
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from heliograph.jobs.request import read_request
from heliograph.kernel.errors import InvalidRequest, UnusableParameters
from heliograph.kernel.texts import decode_metadata, not_utf8, prompt_fault, text_fault
from heliograph.openai_images.parameters import EditRequest, GenerationRequest, read_images_request
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.deployment import RULES

BODIES = Path(__file__).parents[2] / "texts"
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)

REAL = [
    "Käse für Größe",
    "SÃO PAULO",
    "MAÇÃ, IRMÃ, AMANHÃ – já",
    "IRMÃ…",
    "“CAFÉ”",
    "«CAFÉ»",
    "the word CAFÉ” in red",
    "JOSÉ’s bar",
    "L’ÉTÉ À CÔTÉ…",
    "POKÉMON™ and CAFÉ®",
    "NOËL’S",
    "DÉJÀ VU",
    "Spaß… „Spaß“",
    "HYVÄ… ÄÖÜ äöüß",
    "VÝŠKA, DÚŠKA, OBTÍŽ, KŘÍŽ",
    "co máš… víš… též…",
    "voilà » café™",
    "PERÒ… PIÙ… CITTÀ’",
    "2×½ and 3×² and 5 Å²",
    "Ø 5 µm, ½ cup, £5–£10, 10€",
    "√π and √2",
    "├── tree",
    "tiếng Việt",
    "İstanbul ığüşöç",
    "Москва",
    "日本語のプロンプト",
    "한국어",
    "ελληνικά",
    "שלום",
    "नमस्ते",
    "👍🏽👩‍👩‍👧 ☀️",
    "☀",
    "50% off",
    "100%25",
    "100%cashmere, 60%Baumwolle, 100 %Cashmere",
    "like https://de.wikipedia.org/wiki/K%C3%A4se",
    "size=EA, a=B",
    "what?",
    "a\u200bb",
]
BROKEN = {
    "U+FFFD": ["K\ufffdse", "\ufffd\ufffd", "a hat, K\ufffdse"],
    "read as another encoding": [
        "KÃ¤se",
        "fÃ¼r",
        "GrÃ¶ÃŸe",
        "CAFÃ‰",
        "GRÃœN",
        "Ã–l",
        "voilÃ\xa0",
        "SÃ£o Paulo",
        "nicht „KÃ¤se“ hier",
        "日本 KÃ¤se",
        "donâ€™t",
        "donâ\x80\x99t",
        "â€œHelloâ€\x9d",
        "word â€“ word",
        "20 Â°C",
        "KÃƒÂ¤se",
        "zaÅ¼Ã³Å‚Ä‡",
        "Ä°stanbul",
        "Ð¼Ð°ÑÐº",
        "Î±Î²Î³",
        "×©×œ×•×\x9d",
        "æ—¥æœ¬èªž",
        "í•œêµ\xadì–´",
        "tiáº¿ng Viá»‡t",
        "ðŸ‘\x8d",
        "ï¿½",
        "ï»¿hat",
        "K√§se",
        "don‚Äôt",
        "K├ñse",
        "gr├╝n",
        "donΓÇÖt",
    ],
    "encoded word": [
        "=?X-FOO?B?YWJj?=",
        "hat =?UTF-8?Q?K=C3=A4se?= drauf",
        "=?UTF-8?B?S8Ok",
    ],
    "not decoded": ["K%C3%A4se", "K%E4se", "%E4pfel", "50%25 K%C3%A4se", "K=C3=A4se"],
    "nothing visible": [
        "\u200b",
        "\ufeff",
        "\u200f",
        "\u200b \u2060\n",
        "\u202e\u202c",
        "\u3164",
        "\u115f\u1160",
        "\uffa0",
        "\u2800",
        "\u00ad",
        "\u034f",
        "\u180e",
        "\u061c",
        "\u0301",
        "\ufe0f",
        "\U000e0041\U000e007f",
        "\U000e0100",
        "\ue000",
        "\U0010fffd",
    ],
    "must say something": ["", " ", "\n", "\u3000", "???", "???? ??"],
}
ALL_BROKEN = [(text, says) for says, texts in BROKEN.items() for text in texts]


@pytest.mark.parametrize("text", REAL)
def test_a_real_text_passes(text: str) -> None:
    assert prompt_fault(text) is None


@pytest.mark.parametrize(("text", "says"), ALL_BROKEN)
def test_a_text_that_was_broken_on_its_way_is_refused_and_says_how(text: str, says: str) -> None:
    fault = prompt_fault(text)
    assert fault
    assert says in fault


# Of letters that a code page has no place for, one of its own marks is left.
@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
@pytest.mark.parametrize("text", [text for text in REAL[:3] + REAL[22:30] if not text.isascii()])
def test_a_real_text_that_is_read_as_an_older_code_page_is_refused(text: str, codec: str) -> None:
    assert text_fault(text.encode().decode(codec, errors="replace"))


@pytest.mark.parametrize("text", ["a tidy kitchen", "K\ufffdse", "KÃ¤se"])
def test_every_text_of_a_request_is_looked_at(text: str) -> None:
    document = {
        "prompt": text,
        "tags": [text],
        "metadata": {text: text, "order": text},
        "output_key": f"{text}/{{job_id}}.{{ext}}",
    }

    if text.isascii():
        read_request(document, RULES)
        return
    with pytest.raises(InvalidRequest) as refusal:
        read_request(document, RULES)
    assert {fault.pointer for fault in refusal.value.faults} == {
        "/prompt",
        "/tags/0",
        f"/metadata/{text}",
        "/metadata/order",
        "/output_key",
    }


def test_a_text_that_is_only_echoed_may_be_encoded() -> None:
    link = "https://shop.example.com/K%C3%A4se"
    read_request({"prompt": "a hat", "metadata": {"link": link, "words": "K%C3%A4se", "empty": "\u200b"}}, RULES)


@pytest.mark.parametrize("kind", [GenerationRequest, EditRequest])
def test_a_call_in_openais_shape_is_refused_before_its_images_are_stored(kind: type[Any]) -> None:
    with pytest.raises(UnusableParameters, match="U\\+FFFD") as refusal:
        read_images_request(kind, {"prompt": "K\ufffdse"}, RULES)
    assert [fault.pointer for fault in refusal.value.faults] == ["/prompt"]


def test_a_prompt_that_shows_nothing_is_refused() -> None:
    document = json.loads((BODIES / "body-zero-width.json").read_bytes())
    with pytest.raises(InvalidRequest, match="nothing visible"):
        read_request({"prompt": document["prompt"]}, RULES)


def test_a_body_that_is_no_utf8_is_told_which_byte_and_where() -> None:
    fault = not_utf8((BODIES / "body-latin1.json").read_bytes())
    assert fault
    assert "byte 0xE4 at position 13 (line 1)" in fault
    assert not_utf8("Käse".encode()) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # What S3 gives back of UTF-8 that was sent as it is.
        ("=?UTF-8?B?Y2FzZXMtbSBLw4PCpHNl?=", "cases-m Käse"),
        ("KÃ¤se", "Käse"),
        ("hat =?UTF-8?Q?K=C3=A4se?= drauf", "hat Käse drauf"),
        ("=?UTF-8?Q?K=C3=A4?= =?UTF-8?Q?se?=", "Käse"),
        ("=?UTF-8?B?S8M=?=\r\n =?UTF-8?B?pHNl?=", "Käse"),
        ("=?ISO-8859-1?Q?K=E4se?= und =?UTF-8?B?S8Okc2U=?=", "Käse und Käse"),
        ("=?utf-8*de?q?K=C3=A4se?=", "Käse"),
        ("K%C3%A4se", "Käse"),
        ("SÃO PAULO", "SÃO PAULO"),
        ("50% off", "50% off"),
    ],
)
def test_metadata_arrives_as_it_was_meant(value: str, text: str) -> None:
    assert decode_metadata(value) == text
    assert prompt_fault(text) is None


@pytest.mark.parametrize("value", ["K%E4se", "=?X-FOO?B?YWJj?=", "=?UTF-8?Q?=E4?= drauf", "K%25C3%25A4se"])
def test_metadata_that_can_not_be_decoded_is_refused_and_not_guessed(value: str) -> None:
    assert prompt_fault(decode_metadata(value))


@given(ANY_TEXT)
def test_any_text_survives_percent_encoding(text: str) -> None:
    assert decode_metadata(quote(text)) == text


@given(ANY_TEXT.filter(lambda text: text_fault(text) is None))
@example("“CAFÉ” É»")
def test_any_intact_text_survives_rfc_2047_in_base64(text: str) -> None:
    assert decode_metadata(f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?=") == text


@given(ANY_TEXT.filter(lambda text: text_fault(text) is None))
@example("日本語 Käse")
def test_any_intact_text_survives_that_s3_takes_it_for_latin_1(text: str) -> None:
    as_s3_has_it = text.encode().decode("latin-1")
    value = f"=?UTF-8?B?{base64.b64encode(as_s3_has_it.encode()).decode()}?="
    assert decode_metadata(value) in {text, as_s3_has_it}


@given(ANY_TEXT.filter(lambda text: text == text.strip() and text.isprintable() and not text.isascii()))
def test_any_text_survives_rfc_2047_as_others_write_it(text: str) -> None:
    in_words = Header(text, Charset("utf-8"), maxlinelen=75).encode(linesep="", maxlinelen=75)

    assert text_fault(text) or decode_metadata(in_words) == text


@given(ANY_TEXT.filter(lambda text: text_fault(text) is None and "%" not in text and "=?" not in text))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert decode_metadata(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "50% off",
        "100%",
        "%zz",
        "%E4%BD",
        "%FF",
        "=?utf-8?x?aa?=",
        "=?nonsense?q?a?=",
        "=?utf-8?b?a?=",
        "=?=",
        "=??=",
        "=?undefined?q?a?=",
        "=?utf-8\x00?q?a?=",
    ],
)
def test_what_only_looks_encoded_stays_as_it_is(text: str) -> None:
    assert decode_metadata(text) == text


@given(ANY_TEXT)
def test_no_text_is_too_odd_to_judge(text: str) -> None:
    prompt_fault(text)


@pytest.mark.parametrize("word", ["x" * 200_000, "x." * 100_000, "x+" * 100_000])
def test_a_prompt_of_one_very_long_word_is_checked_in_time_by_its_length(word: str) -> None:
    # By the square of its length, this would take more than a minute.
    assert prompt_fault(word) is None
