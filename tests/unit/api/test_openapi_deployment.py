"""The OpenAPI document of a deployment: its models, caps and addresses, in the document of all deployments."""

from __future__ import annotations

import json

from heliograph.api.openapi.deployment import OPENAI_TAG, document_for
from heliograph.routes.config import Routes
from heliograph.storage.references import LOCAL_WEBHOOK_PATTERN
from jsonschema import Draft202012Validator

from tests.contract.openapi import TEXT
from tests.fakes.deployment import ROUTES

SMALL = Routes.model_validate(
    [
        {
            "provider": "kie",
            "model": "small",
            "price_usd": "0.01",
            "max_references": 2,
            "max_prompt_characters": 50,
            "aspect_ratios": ["16:9", "1:1"],
        }
    ]
)
WITH_URL = {"NewJob": "webhook_url", "EndpointRequest": "url", "EndpointChange": "url"}


def test_a_job_may_ask_for_what_the_deployments_routes_take() -> None:
    fields = document_for(TEXT, SMALL)["components"]["schemas"]["NewJob"]["properties"]
    assert fields["model"]["enum"] == ["small"]
    assert fields["prompt"]["maxLength"] == 50
    assert fields["references"]["maxItems"] == 2
    assert fields["aspect_ratio"]["enum"] == ["1:1", "16:9"]


def test_webhooks_to_this_machine_are_described_where_they_are_allowed() -> None:
    for allowed in (True, False):
        document = document_for(TEXT, ROUTES, local_webhooks=allowed)
        for schema, field in WITH_URL.items():
            url = document["components"]["schemas"][schema]["properties"][field]
            pattern = url.get("anyOf", [url])[0]["pattern"]
            assert (pattern == LOCAL_WEBHOOK_PATTERN) is allowed, schema
            found = {**document["components"]["schemas"][schema], "components": document["components"]}
            body = {**({"prompt": "x"} if schema == "NewJob" else {}), field: "http://127.0.0.1:8080/hook"}
            assert Draft202012Validator(found).is_valid(body) is allowed, schema


def test_calls_go_to_the_place_that_the_document_comes_from_and_openais_to_their_own() -> None:
    document = document_for(TEXT, ROUTES, images_url="https://images.example/")
    # Relative to /v1/openapi.json: right below any stage, domain and base path.
    assert [server["url"] for server in document["servers"]] == [".."]
    for item in document["paths"].values():
        for operation in item.values():
            own = [server["url"] for server in operation.get("servers", ())]
            assert own == (["https://images.example"] if OPENAI_TAG in operation["tags"] else [])


def test_without_the_routes_in_openais_shape_nothing_of_theirs_is_described() -> None:
    document = document_for(TEXT, ROUTES)
    assert not [path for path in document["paths"] if "images" in path]
    assert OPENAI_TAG not in [tag["name"] for tag in document["tags"]]
    assert "openai" not in json.dumps(document).lower()
    assert "ImagesAnswer" not in document["components"]["schemas"]
    # Of what others need as well, nothing is missing.
    assert {"Charged", "MediaType", "JobResource"} <= document["components"]["schemas"].keys()
