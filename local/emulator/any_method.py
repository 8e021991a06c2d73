"""Replaces how `ministack` imports a path of a REST API's definition: with its method for every method.

**Stock** serves `ANY` methods that were made through the API of API Gateway, and exports them, but drops
`x-amazon-apigateway-any-method` from a definition; and this is what SAM makes of `Method: ANY`.

**Here** it is imported as the `ANY` that it means.

**Needed** because what our API has no path for is answered by a function of ours; until ministack imports it.
"""

from typing import Any

from ministack.services import apigateway_v1

_EXTENSION = "x-amazon-apigateway-any-method"


def install() -> None:
    stock_import_operation = apigateway_v1._import_operation

    def import_operation(api_id: str, resource_id: str, http_method: str, *rest: Any) -> None:
        method = "ANY" if http_method.lower() == _EXTENSION else http_method
        stock_import_operation(api_id, resource_id, method, *rest)

    apigateway_v1._OPENAPI_HTTP_METHODS = {*apigateway_v1._OPENAPI_HTTP_METHODS, _EXTENSION}
    apigateway_v1._import_operation = import_operation
