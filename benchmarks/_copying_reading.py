"""Chunks as a file that can't go back."""

from __future__ import annotations

from collections.abc import Iterator


class Chunks:
    """`read(n)` gives n bytes, or what is left."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """All that is left for a negative `size`."""
        parts, have = [self._left], len(self._left)
        while size < 0 or have < size:
            part = next(self._chunks, b"")
            if not part:
                break
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        end = have if size < 0 else size
        self._left = whole[end:]
        return whole[:end]
