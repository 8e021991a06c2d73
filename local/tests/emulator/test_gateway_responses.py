"""A REST API answers errors of its own as its definition says."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from .conftest import RunningEmulator, created

PROBLEM = {
    "statusCode": 404,
    "responseParameters": {"gatewayresponse.header.Content-Type": "'application/problem+json'"},
    "responseTemplates": {"application/json": '{"title": "Not found", "id": "$context.requestId"}'},
}
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Body": {
                    "swagger": "2.0",
                    "info": {"title": "problems", "version": "1"},
                    "paths": {},
                    "x-amazon-apigateway-gateway-responses": {"MISSING_AUTHENTICATION_TOKEN": PROBLEM},
                }
            },
        },
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": {"RestApiId": {"Ref": "Api"}, "StageName": "v1"},
        },
    },
    "Outputs": {"Api": {"Value": {"Ref": "Api"}}},
}


def test_an_unknown_path_is_answered_with_the_apis_own_body(emulator: RunningEmulator) -> None:
    api = created(emulator, "problems", TEMPLATE)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{emulator.endpoint}/_aws/execute-api/{api}/v1/nowhere")

    with refused.value as answer:
        assert answer.code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        body = json.loads(answer.read())
    assert body == {"title": "Not found", "id": answer.headers["x-amzn-requestid"]}
