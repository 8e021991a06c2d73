"""The triggers in events/triggers, as AWS sends them."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.cfn_template import ROOT

TRIGGERS = ROOT / "events" / "triggers"


def read(name: str) -> Any:
    return json.loads((TRIGGERS / name).read_text())
