"""`multipart/form-data` (RFC 7578), read whole and within limits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from heliograph.kernel.errors import Fault, MalformedDocument, UnusableParameters
from heliograph.kernel.texts import not_utf8
from heliograph.openai_images.parameters import Code

_MAX_PARTS = 64
_MAX_TEXT_BYTES = 256 * 1024
# It logs parts of what it parses.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Form:
    """A form, read."""

    texts: dict[str, str]
    """Texts by field."""
    files: dict[str, tuple[bytes, ...]]
    """Files by field, in the order of the form."""


class _TooLarge(FormParserError):
    pass


def read_form(body: bytes, content_type: str, *, files: Sequence[str]) -> Form:
    """The form in `body`. An empty field counts as left out.

    `files`: names of the fields that are files; each may be given several times, with or without `[]` after its name.
    Raises `MalformedDocument` if the body is no such form, `UnusableParameters` for a text given twice, or for a file
    in a text's field.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise MalformedDocument(Fault("", "the body must be multipart/form-data, with its boundary in Content-Type"))
    parts = _parts(body, options[b"boundary"])
    texts: dict[str, str] = {}
    found: dict[str, list[bytes]] = {}
    faults = []
    for name, content, is_file in parts:
        field = name.removesuffix("[]")
        if field in files:
            found.setdefault(field, []).append(content)
        elif is_file:
            faults.append(Fault(f"/{name[:128]}", "must be a text, not a file"))
        elif name in texts:
            faults.append(Fault(f"/{name[:128]}", "is given more than once"))
        else:
            texts[name] = _text(name, content)
    if faults:
        raise UnusableParameters(Code.INVALID, *faults)
    given = {name: text for name, text in texts.items() if text}
    return Form(given, {name: tuple(contents) for name, contents in found.items()})


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bytes, bool]]:
    parts: list[tuple[str, bytes, bool]] = []
    texts = 0

    def take(name: bytes | None, content: bytes, *, is_file: bool) -> None:
        nonlocal texts
        texts += 0 if is_file else len(content)
        if len(parts) >= _MAX_PARTS:
            raise _TooLarge(f"has more than {_MAX_PARTS} parts")
        if texts > _MAX_TEXT_BYTES:
            raise _TooLarge(f"has more than {_MAX_TEXT_BYTES} bytes of text")
        parts.append(((name or b"").decode(errors="replace"), content, is_file))

    def take_file(file: File) -> None:
        file.file_object.seek(0)
        take(file.field_name, file.file_object.read(), is_file=True)

    def take_field(field: Field) -> None:
        take(field.field_name, field.value or b"", is_file=False)

    ended = False

    def end() -> None:
        nonlocal ended
        ended = True

    try:
        # In memory: a body has 6 MB at most.
        config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "UPLOAD_ERROR_ON_BAD_CTE": True}
        parser = FormParser("multipart/form-data", take_field, take_file, end, boundary=boundary, config=config)
        parser.write(body)
        parser.finalize()
    except _TooLarge as error:
        raise MalformedDocument(Fault("", f"the form {error}")) from None
    except FormParserError:
        raise MalformedDocument(Fault("", "the body is no valid multipart/form-data")) from None
    if not ended:
        raise MalformedDocument(Fault("", "the form ends before its closing boundary"))
    return parts


def _text(name: str, content: bytes) -> str:
    if fault := not_utf8(content):
        raise MalformedDocument(Fault("", f"the form's field {name[:128]} {fault}"))
    return content.decode()
