"""What operations work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.jobs.ports import JobStore
    from heliograph.routes.config import Routes
    from heliograph.routes.control import RouteControl


@dataclass(frozen=True, slots=True)
class OperatorTools:
    """What a person needs who looks after a deployment."""

    routes: Routes
    control: RouteControl
    jobs: JobStore
    ledger: Ledger
    retention: timedelta
