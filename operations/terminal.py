"""A person to ask, if there is one."""

from __future__ import annotations

import getpass
import sys
from typing import Protocol


class Terminal(Protocol):
    """Where questions go. An interrupt raises `KeyboardInterrupt`, and the end of input `EOFError`."""

    @property
    def is_attended(self) -> bool:
        """Whether anybody is there."""
        ...

    def ask(self, question: str, usual: str = "") -> str:
        """The answer without spaces around it; `usual` for an empty one."""
        ...

    def ask_secretly(self, question: str) -> str:
        """The same, not shown while it is typed."""
        ...


class OwnTerminal:
    """The one that this process runs in."""

    @property
    def is_attended(self) -> bool:
        """Whether anybody is there."""
        return sys.stdin.isatty()

    def ask(self, question: str, usual: str = "") -> str:
        """The answer without spaces around it; `usual` for an empty one."""
        return input(f"{question} [{usual}]: ").strip() or usual

    def ask_secretly(self, question: str) -> str:
        """The same, not shown while it is typed."""
        return getpass.getpass(f"{question}: ").strip()
