"""Wiring of the operator's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.runtime.environment import read_settings
from heliograph.runtime.wiring.adapters import ledger_store, plain_job_store, route_control

if TYPE_CHECKING:
    from heliograph.runtime.operator import OperatorTools


def operator_tools() -> OperatorTools:
    """For `python -m operations`, with the settings of its environment."""
    from heliograph.platform.event_bus import EventBridgeBus
    from heliograph.runtime.operator import OperatorTools
    from heliograph.runtime.settings.operations import OperationsSettings

    settings = read_settings(OperationsSettings)
    # A terminal is no log: the commands of an operator emit no metrics.
    control = route_control(settings, EventBridgeBus(aws.events(), settings.event_bus))
    return OperatorTools(
        routes=settings.usable_routes,
        control=control,
        jobs=plain_job_store(settings),
        ledger=ledger_store(settings.ledger_table),
        retention=settings.job_retention,
    )
