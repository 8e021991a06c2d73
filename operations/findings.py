"""What a check finds: one line for a person each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only a problem keeps a deployment from working."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One fact about the account, the provider or the deployment; if it is not ok, with the way out."""

    level: Level
    about: str
    text: str

    @property
    def line(self) -> str:
        """As it is printed."""
        return f"{self.level:<8} {self.about}: {self.text}"


def ok(about: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, about, text)


def warning(about: str, text: str) -> Finding:
    """It works, but less well, or nobody can tell."""
    return Finding(Level.WARNING, about, text)


def problem(about: str, text: str) -> Finding:
    """It does not work like this."""
    return Finding(Level.PROBLEM, about, text)
