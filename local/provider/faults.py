"""Fault rules: the calls that fail, how, and how often.

Rules match by prompt, so that parallel tests do not interfere, and by provider, so that one can fail alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from local.provider.catalogue import PROVIDERS

KINDS: Mapping[str, frozenset[str]] = {
    "create": frozenset(
        {
            "cut_before",
            "cut_after",
            "cut_after_with_header",
            "error_with_header",
            "slow",
            "429",
            "5xx",
            "401",
            "402",
            "html_502",
            "html_524",
            "200_with_code",
            "completed_at_once",
            "refused_content_policy",
        }
    ),
    "task": frozenset(
        {
            "never_finishes",
            "fail",
            "empty_result",
            "unknown_state",
            "long_tail",
            "result_json_only",
            "output_format",
        }
    ),
    "query": frozenset({"5xx", "html", "200_with_code", "401", "429", "slow", "cut"}),
    "result": frozenset(
        {
            "truncated",
            "half",
            "zero_filled",
            "wrong_content_type",
            "not_an_image",
            "slow_body",
            "404",
            "403",
            "5xx",
            "redirect_private",
            "no_content_length",
            "oversized",
            "cut",
        }
    ),
    "callback": frozenset({"duplicate", "early", "reordered", "stale", "forged", "never"}),
}

_RULE_FIELDS = {"on", "kind", "match", "times", "provider"}


class BadRule(ValueError):
    """A fault rule that names no known fault; the text lists the known ones."""


@dataclass(frozen=True)
class Fault:
    """A fault with its parameters. A parameter of the wrong type has its default value."""

    kind: str
    parameters: Mapping[str, Any]

    def text(self, name: str, default: str) -> str:
        """A parameter that is a string."""
        value = self.parameters.get(name)
        return value if isinstance(value, str) else default

    def number(self, name: str, default: float) -> float:
        """A parameter that is a number."""
        value = self.parameters.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    def whole(self, name: str, default: int) -> int:
        """A parameter that is a whole number."""
        return int(self.number(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """A parameter that is true or false."""
        value = self.parameters.get(name)
        return value if isinstance(value, bool) else default


@dataclass
class Rule:
    """A fault and the calls it applies to.

    ``match`` is a substring of the prompt, empty for all; ``times`` None means no limit; ``used`` counts the calls.

    ``provider`` None means both.
    """

    rule_id: str
    on: str
    match: str
    times: int | None
    provider: str | None
    fault: Fault
    used: int = 0

    def fits(self, on: str, prompt: str, provider: str, kinds: Collection[str] | None) -> bool:
        """True if the rule matches the call and is not used up."""
        return (
            self.on == on
            and (kinds is None or self.fault.kind in kinds)
            and self.match in prompt
            and self.provider in {None, provider}
            and (self.times is None or self.used < self.times)
        )

    def describe(self) -> dict[str, object]:
        """JSON of the rule, for the control plane."""
        return {
            "id": self.rule_id,
            "on": self.on,
            "kind": self.fault.kind,
            "match": self.match,
            "times": self.times,
            "provider": self.provider,
            "used": self.used,
            **self.fault.parameters,
        }


class FaultRules:
    """The rules in the order in which they were added; the first that matches applies."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._added = 0

    def add(self, wanted: Mapping[str, Any]) -> Rule:
        """Adds a rule from JSON. Raises ``BadRule``."""
        on, kind, match, times, provider = (wanted.get(name) for name in ("on", "kind", "match", "times", "provider"))
        if not isinstance(on, str) or on not in KINDS:
            raise BadRule(f"'on' is one of {', '.join(KINDS)}")
        if not isinstance(kind, str) or kind not in KINDS[on]:
            raise BadRule(f"'kind' on {on} is one of {', '.join(sorted(KINDS[on]))}")
        if match is not None and not isinstance(match, str):
            raise BadRule("'match' is a substring of the prompt")
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
            raise BadRule("'times' is a positive whole number, or null for no limit")
        if provider is not None and provider not in PROVIDERS:
            raise BadRule(f"'provider' is one of {', '.join(PROVIDERS)}, or null for both")
        parameters = {name: value for name, value in wanted.items() if name not in _RULE_FIELDS}
        self._added += 1
        rule = Rule(f"fault-{self._added}", on, match or "", times, provider, Fault(kind, parameters))
        self._rules.append(rule)
        return rule

    def take(self, on: str, prompt: str, *, provider: str, kinds: Collection[str] | None = None) -> Fault | None:
        """The fault that applies to this call, counted as used; None if none applies."""
        for rule in self._rules:
            if rule.fits(on, prompt, provider, kinds):
                rule.used += 1
                return rule.fault
        return None

    def describe(self) -> list[dict[str, object]]:
        """All rules, with how often each was used."""
        return [rule.describe() for rule in self._rules]

    def remove(self, rule_id: str | None = None) -> int:
        """Removes one rule, or all; returns the number removed."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if rule_id is not None and rule.rule_id != rule_id]
        return before - len(self._rules)
