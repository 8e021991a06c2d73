"""What operations work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heliograph.domain.routes import Routes
    from heliograph.ports import JobStore, Ledger
    from heliograph.steps.traffic import Control


@dataclass(frozen=True, slots=True)
class ControlRoom:
    """What a person needs who looks after a deployment."""

    routes: Routes
    control: Control
    jobs: JobStore
    ledger: Ledger
    retention: timedelta
