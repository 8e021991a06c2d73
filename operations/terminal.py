"""The terminal, and the person at it."""

from __future__ import annotations

import getpass
import sys
from typing import Protocol


class Terminal(Protocol):
    """Asks a person. Ctrl-C raises `KeyboardInterrupt`, a closed input `EOFError`."""

    @property
    def is_attended(self) -> bool:
        """Whether a person can answer."""
        ...

    def ask(self, question: str, usual: str = "") -> str:
        """The answer, stripped; `usual` for an empty one."""
        ...

    def ask_secretly(self, question: str) -> str:
        """The answer, stripped, not shown while it is typed."""
        ...


class OwnTerminal:
    """The terminal of this process."""

    @property
    def is_attended(self) -> bool:
        """Whether a person can answer."""
        return sys.stdin.isatty()

    def ask(self, question: str, usual: str = "") -> str:
        """The answer, stripped; `usual` for an empty one."""
        return input(f"{question} [{usual}]: ").strip() or usual

    def ask_secretly(self, question: str) -> str:
        """The answer, stripped, not shown while it is typed."""
        return getpass.getpass(f"{question}: ").strip()
