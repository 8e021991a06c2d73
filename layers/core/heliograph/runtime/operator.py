"""Tools of the operator's command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.budgets.ports import Ledger
    from heliograph.jobs.ports import JobStore
    from heliograph.routes.config import Routes
    from heliograph.routes.control import RouteControl


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTools:
    """Routes, jobs and ledger of a deployment, for its operator."""

    routes: Routes
    control: RouteControl
    jobs: JobStore
    ledger: Ledger
    retention: timedelta
    """How long the record of an ended job is kept."""
