"""Wiring of the API's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.runtime.wiring.adapters import object_store

if TYPE_CHECKING:
    from heliograph.api.pages import BucketOrigins, WebPage
    from heliograph.runtime.settings.serve_pages import ServePagesSettings


def api_pages(settings: ServePagesSettings, description: str) -> dict[str, WebPage]:
    """The API's OpenAPI document and reference page. `description`: the document of all deployments."""
    from heliograph.api.openapi.pages import description_pages

    return description_pages(
        description,
        settings.usable_routes,
        local_webhooks=settings.local_webhooks,
        images_url=settings.images_url or "",
    )


def bucket_origins(settings: ServePagesSettings) -> BucketOrigins:
    """What `pages` lets a browser reach besides the API. Worked out here, without a call."""
    from heliograph.api.pages import BucketOrigins

    objects = object_store()
    return BucketOrigins(
        uploads=objects.origin_of_links(settings.uploads_bucket),
        results=objects.origin_of_links(settings.results_bucket),
    )
