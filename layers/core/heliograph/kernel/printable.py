"""Text of others, fit for a terminal, a log or a list: one rule for what is shown, one for what is taken.

A control character can move a terminal's cursor or rename its window, and so can those of C1 (U+009B is ESC and `[` in
one). A bidirectional control reorders the line that it is in.
"""

from __future__ import annotations

# For the character class of a pattern, in Python and JSON Schema: C0 but tab, line feed and carriage return; DEL; C1.
CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
# Line and paragraph separators, embeddings, overrides and isolates. (A mark such as U+200F reorders nothing by itself.)
REORDERING = r"\u2028-\u202e\u2066-\u2069"


def without_unprintable(text: str) -> str:
    """The text with a space for every character that is not printed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
