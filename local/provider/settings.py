"""Settings: set by the command line, changed while the simulator runs by ``POST /_sim/settings``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation

from local.provider.catalogue import KIE_MODELS, MODELS

OUTPUT_FORMATS = ("jpeg", "png", "webp")
MICRO_PER_USD = 1_000_000


class UnknownSetting(ValueError):
    """An unknown setting, or a value of the wrong kind; the text names it."""


@dataclass
class Settings:
    """Settings with their defaults. ``latency_scale`` multiplies task latency and callback backoff, not time-outs.

    ``callback_origins`` replaces DNS on a single machine: the beginning of a callback URL, and the address to
    connect to, e.g. ``{"https://abc.execute-api.us-east-1.amazonaws.com": "http://127.0.0.1:4566/abc"}``.
    """

    latency_scale: float = 1.0
    latency_min_seconds: float = 15.0  # [doc] 15-40 s
    latency_max_seconds: float = 40.0
    tail_probability: float = 0.0
    tail_seconds: float = 900.0  # [client] up to 15 minutes
    seed: int = 1
    rate_limit: bool = True
    rate_limit_creates: int = 20  # [unknown]; measured on the channel behind the provider
    rate_limit_window_seconds: float = 10.0
    rate_limit_retry_after: bool = False  # [unknown] no Retry-After is published
    output_format: str = "jpeg"
    long_side_px: int = 1280
    balance_usd: float = 100.0  # starting balance of every key
    retention_seconds: float = 7 * 86_400.0  # [client] results are kept 7 days
    file_retention_seconds: float = 7 * 86_400.0  # [provider]
    task_id_header: bool = True  # [client] the header may carry the id
    callback_timeout_seconds: float = 10.0  # [doc]
    callback_stops_on_4xx: bool = False  # [unknown]
    callback_origins: dict[str, str] = field(default_factory=dict)
    admit_loopback_references: bool = False
    allow_reference_origins: list[str] = field(default_factory=list)
    prices_usd: dict[str, float] = field(default_factory=dict)
    refused_keys: list[str] = field(default_factory=lambda: ["sk_wrongwrongwrongwrong"])

    def apply(self, changes: Mapping[str, object]) -> None:
        """Changes several settings, all or none. Raises ``UnknownSetting``."""
        known = {each.name for each in fields(self)}
        checked: dict[str, object] = {}
        for name, value in changes.items():
            if name not in known:
                raise UnknownSetting(f"no setting {name!r}; there are {', '.join(sorted(known))}")
            checked[name] = _fitted(name, getattr(self, name), value)
        for name, value in checked.items():
            setattr(self, name, value)

    def price_micro_usd(self, model_id: str) -> int:
        """Price of one image in micro-dollars."""
        if model_id in self.prices_usd:
            return micro_usd(self.prices_usd[model_id])
        return (MODELS | KIE_MODELS)[model_id].price_micro_usd


def micro_usd(usd: object) -> int:
    """Whole micro-dollars of an amount in JSON. Raises ``UnknownSetting`` for anything else."""
    try:
        return round(Decimal(str(usd)) * MICRO_PER_USD)
    except (InvalidOperation, ValueError, OverflowError) as wrong:
        raise UnknownSetting(f"{usd!r} is not an amount in USD") from wrong


def _fitted(name: str, current: object, value: object) -> object:
    fits = type(value) is type(current) or (isinstance(current, float) and type(value) is int)
    if not fits:
        raise UnknownSetting(f"{name} takes a {type(current).__name__}, not {value!r}")
    if name == "output_format" and value not in OUTPUT_FORMATS:
        raise UnknownSetting(f"output_format is one of {', '.join(OUTPUT_FORMATS)}")
    if isinstance(value, dict):
        if name == "callback_origins":
            return _origins(value)
        for amount in value.values():
            micro_usd(amount)
        return dict(value)
    if isinstance(value, list):
        return [str(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        raise UnknownSetting(f"{name} cannot be negative")
    return float(value) if isinstance(current, float) and isinstance(value, int) else value


def _origins(value: dict[str, object]) -> dict[str, str]:
    replacements = {prefix: each for prefix, each in value.items() if prefix and isinstance(each, str) and each}
    if len(replacements) != len(value):
        raise UnknownSetting("callback_origins maps the beginning of a URL to the beginning of another")
    return replacements
