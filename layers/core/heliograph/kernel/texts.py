# ruff: noqa: RUF001, RUF002 - the marks of broken texts look like other characters
"""Texts that were broken on their way here: recognised before money is spent on them, or decoded.

What breaks a text leaves marks: U+FFFD in place of bytes that were no UTF-8, `KÃ¤se` where UTF-8 was read as an older
code page, `=?UTF-8?Q?K=C3=A4se?=` and `K%C3%A4se` where nobody decoded. Each rule here is narrow enough to pass real
texts that look alike, such as `SÃO PAULO`, `“CAFÉ”`, `50% off` and links with percent-encoded words.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote

_RESEND = "send it as UTF-8"
# The first of an encoded word is enough: metadata may be cut.
_ENCODED_WORD = re.compile(r"=\?[A-Za-z0-9_.:*+-]+\?[BbQq]\?[!->@-~ ]{0,64}")
_ESCAPED_BYTES = re.compile(r"(?:%[0-9A-Fa-f]{2})+|(?:=[0-9A-F]{2})+")
# A scheme is short; without that bound, a text of one long word takes time by the square of its length.
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s<>\"]+")
_SAID_CHARACTERS = 40
# Characters with a category of visible ones that show nothing.
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159")


def text_fault(text: str) -> str | None:
    """The first sign that a text was broken on its way, and what to do; `None` for one that looks intact."""
    if (at := text.find("\ufffd")) >= 0:
        return f"holds U+FFFD at character {at + 1}, which stands for bytes that could not be read: {_RESEND}"
    if found := next(_misread(text), None):
        said, meant = found
        return f"holds {said!r} for {meant!r}: it is UTF-8 that was read as another encoding; {_RESEND}"
    return None


def prompt_fault(text: str) -> str | None:
    """The same of a text that a model reads: it must show something as well, and be decoded."""
    if not any(map(_is_visible, text)):
        return "must say something: it holds nothing visible" if text.strip() else "must say something"
    if not text.strip("? \t\r\n"):
        return f"must say something: question marks alone are what is left of a text in the wrong encoding; {_RESEND}"
    if fault := text_fault(text):
        return fault
    if found := _ENCODED_WORD.search(text):
        return (
            f"holds the encoded word {found[0][:_SAID_CHARACTERS]!r}, which is not decoded: its character set is "
            f"unknown or it is damaged; {_RESEND} or percent-encoded UTF-8"
        )
    if escaped := _undecoded_bytes(text):
        return f"holds {escaped[:_SAID_CHARACTERS]!r}, encoded bytes of a text that are not decoded: {_RESEND}"
    return None


def not_utf8(body: bytes) -> str | None:
    """Which byte of a body is no UTF-8, and where; `None` where all of it is."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        start = error.start
        line = body.count(b"\n", 0, start) + 1
        return (
            f"is no UTF-8: byte 0x{body[start]:02X} at position {start + 1} (line {line}) can't be read; "
            "it may be ISO-8859-1 or Windows-1252"
        )
    return None


def decode_metadata(value: str) -> str:
    """The text that the value of an `x-amz-meta-…` header stands for. S3 metadata is ASCII only.

    Undone are RFC 2047, also of single words within a text; UTF-8 that S3 read as ISO-8859-1 before it made RFC 2047 of
    it; or else percent-encoding of the whole. A value that is none of these, such as `50% off`, stays as it is.
    """
    decoded = _without_encoded_words(value)
    if decoded != value or not value.isascii():
        return _read_again(decoded)
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def _without_encoded_words(value: str) -> str:
    if "=?" not in value or not value.isascii():
        return value
    try:
        return "".join(
            part if isinstance(part, str) else part.decode((charset or "ascii").partition("*")[0])
            for part, charset in decode_header(value)
        )
    except (HeaderParseError, LookupError, ValueError):
        return value


def _read_again(text: str) -> str:
    """UTF-8 that was taken for ISO-8859-1, read as what it is; any other text as it is."""
    try:
        meant = text.encode("latin-1").decode()
    except ValueError:
        return text
    return meant if next(_misread(text), None) else text


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNPS" and character not in _BLANKS


def _undecoded_bytes(text: str) -> str | None:
    for found in _ESCAPED_BYTES.finditer(_LINK.sub(" ", text)):
        escaped = found[0]
        raw = bytes.fromhex(escaped.replace(escaped[0], ""))
        if raw.isascii():
            continue
        try:
            raw.decode()
        except UnicodeDecodeError:
            # Single bytes of an older encoding: `K%E4se`. `50%Baumwolle` is a percentage, and `size=EA` a word.
            before = found.string[max(0, found.start() - 4) : found.start()].rstrip()
            if escaped[0] == "=" or before[-1:].isdigit():
                continue
        return escaped
    return None


# ---- UTF-8 that was read as an older code page

# What UTF-8 of more than one byte looks like, each byte as a character.
_SEQUENCE = re.compile("[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Of other code pages: letters with accents, quotation marks and dashes alone.
_WESTERN_SEQUENCE = re.compile("\xc3[\x80-\xbf]|\xe2\x80[\x90-\xba]")
# Blocks that people write prompts in, as first and last code points. What decodes to anything else was no UTF-8:
# `CAFÉ™` would be Latin with an IPA letter, `VÝŠKA` with a Syriac mark.
_WRITTEN = (
    (0xA0, 0x17F),
    (0x1A0, 0x1A1),
    (0x1AF, 0x1B0),
    (0x1CD, 0x1DC),
    (0x218, 0x21B),
    (0x300, 0x30C),
    (0x323, 0x328),
    (0x386, 0x3CE),
    (0x400, 0x45F),
    (0x490, 0x491),
    (0x5D0, 0x5EA),
    (0x60C, 0x67E),
    (0x686, 0x686),
    (0x698, 0x698),
    (0x6A9, 0x6AF),
    (0x6CC, 0x6CC),
    (0x6F0, 0x6F9),
    (0x904, 0xE5B),
    (0x10D0, 0x10FF),
    (0x1E00, 0x1EFF),
    (0x200B, 0x205E),
    (0x20A0, 0x214F),
    (0x2190, 0x27BF),
    (0x2B00, 0x2BFF),
    (0x3000, 0x30FF),
    (0x3105, 0x318E),
    (0x3400, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xFE0F, 0xFE0F),
    (0xFEFF, 0xFFFD),
    (0x1F000, 0x1FAFF),
)
_STARTS = [first for first, _ in _WRITTEN]
# What ends a word in a real text: all of it can also be the rest of a letter in a wrong one.
_ENDINGS = frozenset("‘’“”…–—»›™®©°ºª•¡¿!\xa0²³¹")
# After a root sign, or beside another line of a drawing, these are what they look like.
_DRAWN = frozenset("π∞∑∏∫∂Ω≠≤≥│┤┐╕╖╡║╣╗")
_UNITS = frozenset({"Å²", "Å³"})


def _bytes_as_characters(codec: str) -> dict[int, int | str]:
    """A table that makes of each character the one whose number is its byte in the code page, and of others a space."""
    table: dict[int, int | str] = {}
    for byte in range(0x80, 0x100):
        try:
            table[ord(bytes([byte]).decode(codec))] = byte
        except UnicodeDecodeError:
            table[byte] = byte
    return table


_FIRST_OF_LATIN_1 = 0xA0


class _AsBytes(dict[int, int | str]):
    def __missing__(self, character: int) -> int | str:
        # Latin-1 has the C1 controls where Windows has its punctuation.
        return character if character < _FIRST_OF_LATIN_1 else " "


_WINDOWS = _AsBytes(_bytes_as_characters("cp1252"))
_OTHERS = tuple(_AsBytes(_bytes_as_characters(codec)) for codec in ("mac_roman", "cp437", "cp850"))
_OTHERS_LEADS = re.compile("[√‚├ΓÔ]")


def _misread(text: str) -> Iterator[tuple[str, str]]:
    """Each place where UTF-8 was read as an older code page: what stands there, and what was probably meant."""
    if text.isascii():
        return
    for found, meant in _sequences(text, text.translate(_WINDOWS), _SEQUENCE):
        if _is_written(meant) and not _is_real(text, *found.span(), meant):
            yield text[found.start() : found.end()], meant
    if _OTHERS_LEADS.search(text):
        for table in _OTHERS:
            for found, meant in _sequences(text, text.translate(table), _WESTERN_SEQUENCE):
                said = text[found.start() : found.end()]
                if not _DRAWN.intersection(said):
                    yield said, meant


def _sequences(text: str, as_bytes: str, pattern: re.Pattern[str]) -> Iterator[tuple[re.Match[str], str]]:
    for found in pattern.finditer(as_bytes):
        try:
            yield found, found[0].encode("latin-1").decode()
        except UnicodeDecodeError:
            continue


def _is_written(character: str) -> bool:
    block = bisect(_STARTS, ord(character)) - 1
    return block >= 0 and ord(character) <= _WRITTEN[block][1]


def _is_real(text: str, start: int, end: int, meant: str) -> bool:
    """Whether the letter at `start` and what follows can be the end of a word as it should be, such as `JOSÉ’` was."""
    said, before, after = text[start:end], text[start - 1 : start], text[end : end + 1]
    lead, rest = said[0], said[1:]
    if said in _UNITS or (lead == "×" and before.isdigit()):
        return True
    if (
        "LATIN" not in unicodedata.name(meant, "")
        and meant.isalpha()
        and (before + after).isascii()
        and before.isalpha()
    ):
        return True  # one letter of another script within a word
    if not lead.isalpha() or not before.isalpha() or not set(rest) <= _ENDINGS:
        return False
    ends = not after.isalpha() or (rest == "’" and after in "sS")
    return ends and lead.islower() == before.islower()
