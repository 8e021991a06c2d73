"""Pages of the API's description: `/v1/openapi.json` for programs, `/docs` for people."""

from __future__ import annotations

import json

from heliograph.api.openapi.deployment import document_for
from heliograph.api.openapi.reference import Reference
from heliograph.api.pages import WebPage
from heliograph.routes.config import Routes

# The reference page may load its own files, and nothing else.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


def description_pages(description: str, routes: Routes, *, local_webhooks: bool, images_url: str) -> dict[str, WebPage]:
    """Both pages, by their paths below the stage. `description`: the document of all deployments."""
    document = document_for(description, routes, local_webhooks=local_webhooks, images_url=images_url)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return {
        "/v1/openapi.json": WebPage(text, "application/json"),
        "/docs": WebPage(Reference(document).page(), "text/html; charset=utf-8", POLICY),
    }
