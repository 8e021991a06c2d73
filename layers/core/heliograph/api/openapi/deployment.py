"""The OpenAPI document of one deployment: the document of all deployments, with this one's models, caps and addresses.

`functions/serve_pages/openapi.json` is the document of all deployments. `make openapi` writes it; the generator is not
loaded here.
"""

from __future__ import annotations

import json
import re
from typing import Any

from heliograph.routes.config import Routes
from heliograph.storage.references import LOCAL_WEBHOOK_PATTERN

Json = dict[str, Any]
# The tag of the operations in OpenAI's shape, which have an address of their own, or are not there.
OPENAI_TAG = "OpenAI's shape"
_WEBHOOK_FIELDS = (("NewJob", "webhook_url"), ("EndpointRequest", "url"), ("EndpointChange", "url"))
_SCHEMA_REFERENCE = re.compile(r'"#/components/schemas/(\w+)"')


def document_for(text: str, routes: Routes, *, local_webhooks: bool = False, images_url: str = "") -> Json:
    """The document for a deployment with these routes. `text`: the document of all deployments.

    `local_webhooks`: webhooks may go to this machine. `images_url`: address of the operations in OpenAI's shape; empty
    where there are none.
    """
    document: Json = json.loads(text)
    schemas = document["components"]["schemas"]
    _set_caps(schemas["NewJob"]["properties"], routes)
    if local_webhooks:
        for name, field in _WEBHOOK_FIELDS:
            url = schemas[name]["properties"][field]
            url.get("anyOf", [url])[0]["pattern"] = LOCAL_WEBHOOK_PATTERN
    if images_url:
        _set_images_url(document, images_url)
    else:
        _remove_openai(document)
    return document


def _set_caps(fields: Json, routes: Routes) -> None:
    """The most that the deployment's routes take."""
    fields["model"]["enum"] = list(routes.models)
    fields["prompt"]["maxLength"] = routes.longest_prompt
    fields["references"]["maxItems"] = routes.most_references
    fields["aspect_ratio"]["enum"] = [ratio.value for ratio in routes.aspect_ratios]


def _set_images_url(document: Json, url: str) -> None:
    servers = [{"url": url.rstrip("/"), "description": "The stack's output `ImagesUrl`."}]
    for item in document["paths"].values():
        for operation in item.values():
            if OPENAI_TAG in operation["tags"]:
                operation["servers"] = servers


def _remove_openai(document: Json) -> None:
    """Removes the operations in OpenAI's shape, their tag, and the schemas that nothing else refers to."""
    document["tags"] = [tag for tag in document["tags"] if tag["name"] != OPENAI_TAG]
    document["paths"] = {
        path: item
        for path, item in document["paths"].items()
        if not any(OPENAI_TAG in operation["tags"] for operation in item.values())
    }
    components = document["components"]
    schemas = components.pop("schemas")
    used: set[str] = set()
    found = {*_SCHEMA_REFERENCE.findall(json.dumps(document))}
    while found:
        used |= found
        found = {name for user in found for name in _SCHEMA_REFERENCE.findall(json.dumps(schemas[user]))} - used
    components["schemas"] = {name: schema for name, schema in schemas.items() if name in used}
