"""A REST API's method for every method serves what no other method does."""

from typing import Any

import httpx

from .conftest import RunningEmulator, created


def _mock() -> dict[str, Any]:
    return {
        "responses": {"200": {"description": ""}},
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200"}},
        },
    }


TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Body": {
                    "swagger": "2.0",
                    "info": {"title": "anything", "version": "1"},
                    "paths": {
                        "/things": {"post": _mock()},
                        "/{proxy+}": {"x-amazon-apigateway-any-method": _mock()},
                    },
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


def test_a_greedy_path_for_any_method_takes_what_the_others_leave(emulator: RunningEmulator) -> None:
    api = created(emulator, "anything", TEMPLATE)
    base = f"{emulator.endpoint}/_aws/execute-api/{api}/v1"

    def status(method: str, path: str) -> int:
        return httpx.request(method, base + path, json={}).status_code

    assert status("POST", "/things") == 200
    assert status("GET", "/things") == 200
    assert status("DELETE", "/elsewhere/far") == 200
