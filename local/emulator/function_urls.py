"""Replaces two properties of function URLs in `ministack`: the size limits, and the address in the event.

**Stock** serves function URLs well, with payloads of any size. On Lambda, what a function is invoked with and what it
answers has 6 MB at most, as JSON: a body that is no text counts as base64. Larger calls are refused with a 413 before
the function runs; of larger answers the caller sees a 502.

It also gives functions the host name that the URL has on AWS, which does not resolve on this machine.

**Here** both are measured as Lambda does. Where the URL was called by the emulator's own address, the event says so
in the headers that a proxy adds (`X-Forwarded-Host`, `-Proto`, `-Prefix`): a function that makes links to itself can
make them reachable.

**Needed** because images are sent and received by such a URL, and what is too large for AWS must fail here, too; until
ministack measures them.
"""

import json
from typing import Any

from ministack.services import lambda_svc

_MOST_BYTES_IN = 6_291_456
_MOST_BYTES_OUT = 6_291_556


def install() -> None:
    stock_build_event = lambda_svc._build_function_url_event
    stock_handle = lambda_svc.handle_function_url_request
    stock_shape = lambda_svc._function_url_proxy_response

    class TooLargeError(Exception):
        pass

    def build_event(url_id: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        event: dict[str, Any] = stock_build_event(url_id, *args, **kwargs)
        *_, headers, _body, _query = args[:7]
        host = {name.lower(): value for name, value in headers.items()}.get("host", "")
        if host and not host.startswith(f"{url_id}."):
            seen = {"host": host, "proto": "http", "prefix": f"/_aws/lambda-url/{url_id}"}
            event["headers"].update({f"x-forwarded-{name}": value for name, value in seen.items()})
        if len(json.dumps(event)) > _MOST_BYTES_IN:
            raise TooLargeError
        return event

    async def handle(*args: Any, **kwargs: Any) -> Any:
        try:
            return await stock_handle(*args, **kwargs)
        except TooLargeError:
            message = f"Request must be smaller than {_MOST_BYTES_IN} bytes for the InvokeFunction operation"
            return 413, {"Content-Type": "application/json"}, json.dumps({"Message": message}).encode()

    def shape(answer: dict[str, Any] | None, cors_headers: dict[str, str]) -> Any:
        too_large = answer is not None and len(json.dumps(answer)) > _MOST_BYTES_OUT
        return stock_shape(None if too_large else answer, cors_headers)

    lambda_svc._build_function_url_event = build_event
    lambda_svc.handle_function_url_request = handle
    lambda_svc._function_url_proxy_response = shape
