"""What a deployment costs by the month when nothing happens, from the template. Pure."""

from __future__ import annotations

from decimal import Decimal

from heliograph.monitoring.metrics import HealthSnapshot, of_sweep
from heliograph.webhooks.adapters.dynamodb_deliveries import PENDING_SHARDS

from benchmarks import _prices
from benchmarks._bill import Use, bill, gb_seconds, total
from benchmarks._prices import Architecture
from benchmarks._template import TEMPLATE, Template, polled_queues, resources
from tests.contract import observability

_MONTH_SECONDS = 30 * 24 * 3600
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html: five pollers a queue, 20 s a poll.
_POLLERS, _POLL_SECONDS = 5, 20
_SWEEP_SECONDS = 300
# Estimated, and more than enough: two queries of each of eight shards and four items of routes, twice; a few lines.
_ONE_SWEEP = Use(invocations=1, gb_seconds=gb_seconds(500, 512), read_units=16, log_bytes=2000)
# The one of deliveries: a query for each shard.
_ONE_OF_DELIVERIES = Use(invocations=1, gb_seconds=gb_seconds(200, 256), read_units=PENDING_SHARDS, log_bytes=500)


def alarms(template: Template = observability.TEMPLATE) -> Decimal:
    """All alarms of the template that watches."""
    return resources("AWS::CloudWatch::Alarm", template) * _prices.ALARM.usd


def dashboards(template: Template = observability.TEMPLATE) -> Decimal:
    """All dashboards of the template that watches."""
    return resources("AWS::CloudWatch::Dashboard", template) * _prices.DASHBOARD.usd


def sweeps_metrics() -> Decimal:
    """The metrics that every sweep tells."""
    return len(list(of_sweep(0, HealthSnapshot(stuck_jobs=0, unavailable_routes=0)))) * _prices.SERIES.usd


def watching(template: Template = observability.TEMPLATE) -> Decimal:
    """CloudWatch, together."""
    return alarms(template) + dashboards(template) + sweeps_metrics()


def secrets(template: Template = TEMPLATE) -> Decimal:
    """All secrets of the template."""
    return resources("AWS::SecretsManager::Secret", template) * _prices.SECRET.usd


def idle_queues(template: Template = TEMPLATE) -> Decimal:
    """Lambda's polls of queues in which there is nothing."""
    polls = polled_queues(template) * _POLLERS * _MONTH_SECONDS // _POLL_SECONDS
    return polls * _prices.QUEUE_REQUEST.usd


def sweeps() -> Decimal:
    """The sweeps themselves, where they find nothing."""
    thousands = Decimal(_MONTH_SECONDS // _SWEEP_SECONDS) / 1000
    kinds = (_ONE_SWEEP, _ONE_OF_DELIVERIES)
    return sum((total(bill(each, Architecture.ARM64)) * thousands for each in kinds), Decimal(0))
