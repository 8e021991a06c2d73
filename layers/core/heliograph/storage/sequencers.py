"""S3's sequencers: which of two writes of one key came later."""

from __future__ import annotations

_MOST_DIGITS = 64


def sortable(sequencer: str) -> str:
    """The sequencer as a text that sorts as S3 orders events of one key.

    They are hexadecimal texts of different lengths: S3 wants the shorter one filled up with zeros on the right, and
    both compared as texts (S3 User Guide, "Event message structure").
    """
    return sequencer.lower().ljust(_MOST_DIGITS, "0")
