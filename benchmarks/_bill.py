"""What a job costs besides its picture, from what it used. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from math import ceil

from benchmarks import _prices
from benchmarks._prices import Architecture

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: a whole vCPU at this much memory.
_WHOLE_CPU_MB = 1769
JOBS = 1000
_CENT = Decimal("0.0001")
# Of the picture's price: what all the rest may cost.
GOAL = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Use:
    """What a job uses, on average."""

    transitions: float = 0
    invocations: float = 0
    gb_seconds: float = 0
    write_units: float = 0
    read_units: float = 0
    api_calls: float = 0
    events: float = 0
    queue_requests: float = 0
    s3_writes: float = 0
    s3_reads: float = 0
    log_bytes: float = 0
    secret_calls: float = 0
    egress_bytes: float = 0

    def plus(self, other: Use) -> Use:
        """Both together."""
        return Use(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


def billed_ms(*, cpu_ms: float, wall_ms: float, memory_mb: int) -> int:
    """How long a call takes at its memory's share of a CPU, in whole milliseconds as Lambda bills them.

    `cpu_ms` of a whole core are stretched by the share; what else passed (`wall_ms` less `cpu_ms`) was waiting.
    """
    share = min(1.0, memory_mb / _WHOLE_CPU_MB)
    return max(1, ceil(cpu_ms / share + max(0.0, wall_ms - cpu_ms)))


def gb_seconds(milliseconds: float, memory_mb: int) -> float:
    """What Lambda charges besides the call itself."""
    return milliseconds / 1000 * memory_mb / 1024


def bill(use: Use, architecture: Architecture) -> dict[str, Decimal]:
    """Dollars for a thousand such jobs, by service."""
    by_price = (
        (_prices.TRANSITION, use.transitions),
        (_prices.INVOCATION, use.invocations),
        (_prices.GB_SECOND[architecture], use.gb_seconds),
        (_prices.WRITE_UNIT, use.write_units),
        (_prices.READ_UNIT, use.read_units),
        (_prices.API_CALL, use.api_calls),
        (_prices.EVENT, use.events),
        (_prices.QUEUE_REQUEST, use.queue_requests),
        (_prices.S3_WRITE, use.s3_writes),
        (_prices.S3_READ, use.s3_reads),
        (_prices.LOG_BYTE, use.log_bytes),
        (_prices.SECRET_CALL, use.secret_calls),
        (_prices.EGRESS_BYTE, use.egress_bytes),
    )
    told: dict[str, Decimal] = {}
    for price, used in by_price:
        told[price.service] = told.get(price.service, Decimal(0)) + price.usd * Decimal(str(used)) * JOBS
    return {service: usd.quantize(_CENT) for service, usd in told.items()}


def downloads() -> Decimal:
    """Dollars for a thousand results that are each fetched once over the internet."""
    return (_prices.EGRESS_BYTE.usd * _prices.RESULT_BYTES * JOBS).quantize(_CENT)


def total(told: Mapping[str, Decimal]) -> Decimal:
    """All services together."""
    return sum(told.values(), Decimal(0))


def share_of_picture(usd_per_1000: Decimal) -> Decimal:
    """Of what a thousand pictures cost."""
    return usd_per_1000 / (_prices.IMAGE_USD * JOBS)
