"""The API's description as a deployment of this template serves it."""

from __future__ import annotations

import json
from typing import Any

from heliograph.api.openapi.deployment import document_for
from heliograph.api.openapi.document import document_text
from heliograph.routes.config import Routes

from tests.contract.cfn_template import FUNCTIONS, ROOT, TEMPLATE

ROUTES = Routes.model_validate(json.loads(TEMPLATE["Parameters"]["Routes"]["Default"]))
TEXT = document_text(ROOT / "events" / "published")
DOCUMENT: dict[str, Any] = document_for(TEXT, ROUTES, images_url="https://images.test/")
KEPT = ROOT / "functions" / "serve_pages" / "openapi.json"
# For providers, who are told of it with every order.
CALLBACK = ("POST", "/v1/callbacks/{job_id}/{token}")


def calls_of(function: str) -> set[tuple[str, str]]:
    """Method and path of everything that the gateway hands to a function."""
    events = FUNCTIONS[function].get("Events", {}).values()
    found = [event["Properties"] for event in events if event["Type"] == "Api"]
    return {(call["Method"], call["Path"]) for call in found}
