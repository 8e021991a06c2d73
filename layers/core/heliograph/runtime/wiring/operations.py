"""Wiring of the operator's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.runtime.environment import read_settings
from heliograph.runtime.wiring.adapters import ledger_store, plain_job_store, route_control

if TYPE_CHECKING:
    from heliograph.runtime.operator import OperatorTools


def control_room() -> OperatorTools:
    """For `operations`, with the settings that are in its environment; no function of ours has it."""
    from heliograph.platform.event_bus import EventBridgeBus
    from heliograph.runtime.operator import OperatorTools
    from heliograph.runtime.settings.operations import OperationsSettings

    settings = read_settings(OperationsSettings)
    # A person's terminal is no log: what is done here is measured by nobody.
    control = route_control(settings, EventBridgeBus(aws.events(), settings.event_bus))
    ledger = ledger_store(settings.ledger_table)
    return OperatorTools(settings.usable_routes, control, plain_job_store(settings), ledger, settings.job_retention)
