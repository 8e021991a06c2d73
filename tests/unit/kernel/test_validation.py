"""JSON pointers: where in a document a fault is."""

from __future__ import annotations

from heliograph.kernel.validation import pointer
from hypothesis import given
from hypothesis import strategies as st


def read(document: dict[str, object] | list[object], place: str) -> object:
    """RFC 6901, section 4."""
    found: object = document
    for token in place.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        found = found[int(name)] if isinstance(found, list) else found[name]  # type: ignore[index]
    return found


@given(st.lists(st.text(alphabet='~/01ab é"') | st.integers(0, 3), max_size=4))
def test_a_pointer_leads_to_the_place_that_it_was_made_for(parts: list[str | int]) -> None:
    document: object = "here"
    for part in reversed(parts):
        document = [None] * part + [document] if isinstance(part, int) else {part: document}

    assert read(document, pointer(*parts)) == "here"  # type: ignore[arg-type]


def test_the_pointer_of_the_whole_is_empty() -> None:
    assert pointer() == ""
