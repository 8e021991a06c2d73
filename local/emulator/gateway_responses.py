"""Replaces how `ministack` imports a REST API's definition: with its gateway responses.

**Stock** answers with customised gateway responses when they were put through the API of API Gateway, but
it drops `x-amazon-apigateway-gateway-responses` from a definition; and this is where SAM's
`GatewayResponses` end up. Every error that never reaches a function keeps its default body.

**Here** they are put as the definition is imported, before the deployment that takes them into effect.

**Needed** because all errors of the API have one format; until ministack imports them.
"""

from typing import Any

from ministack.services import apigateway_v1

_EXTENSION = "x-amazon-apigateway-gateway-responses"


def install() -> None:
    stock_import_rest_api = apigateway_v1._import_rest_api

    def import_rest_api(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> str:
        api_id: str = stock_import_rest_api(spec, base_data)
        for response_type, response in (spec.get(_EXTENSION) or {}).items():
            apigateway_v1._put_gateway_response(api_id, response_type, response)
        return api_id

    apigateway_v1._import_rest_api = import_rest_api
