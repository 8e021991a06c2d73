"""Findings of checks, one printed line each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity. Only a problem keeps a deployment from working."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One fact about the account, the provider or the deployment; unless it is ok, with what to do."""

    level: Level
    about: str
    text: str

    @property
    def line(self) -> str:
        """The printed line."""
        return f"{self.level:<8} {self.about}: {self.text}"


def ok(about: str, text: str) -> Finding:
    """A finding without anything to do."""
    return Finding(Level.OK, about, text)


def warning(about: str, text: str) -> Finding:
    """A finding that limits the deployment, or could not be checked."""
    return Finding(Level.WARNING, about, text)


def problem(about: str, text: str) -> Finding:
    """A finding that keeps the deployment from working."""
    return Finding(Level.PROBLEM, about, text)
