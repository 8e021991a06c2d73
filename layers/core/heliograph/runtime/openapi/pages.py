"""The description as pages: `/v1/openapi.json` for programs, `/docs` for people."""

from __future__ import annotations

import json

from heliograph.domain.routes import Routes
from heliograph.runtime.openapi.document import describe
from heliograph.runtime.pages import Page


def description_pages(routes: Routes) -> dict[str, Page]:
    """By their paths below the stage."""
    document = describe(routes)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return {"/v1/openapi.json": Page(text, "application/json")}
