"""Links that are tried without a network."""

from __future__ import annotations


class StubbedLinkTrial:
    """A `LinkTrial` in which every link works, but those whose URL holds one of the texts in `refused`."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.tried: list[str] = []

    def refusal(self, url: str) -> str | None:
        self.tried.append(url)
        return next((status for text, status in self.refused.items() if text in url), None)
