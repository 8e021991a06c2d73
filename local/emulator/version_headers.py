"""Replaces how `ministack` reads a version of an object: `response-…` parameters count there as well.

**Stock** answers `GET ?versionId=…` with the headers that the version was stored with, whatever the call's
`response-content-encoding` and its like say; without `versionId` it heeds them. AWS heeds them always.

**Here** they replace the version's headers, by stock's own function.

**Needed** because references are links to versions that override a wrong `Content-Encoding`; until ministack does it.
"""

from http import HTTPStatus
from typing import Any

from ministack.services import s3


def install() -> None:
    stock_get_object = s3._get_object

    def get_object(bucket_name: str, key: str, headers: Any, query_params: Any = None) -> Any:
        answer = stock_get_object(bucket_name, key, headers, query_params)
        if query_params and "versionId" in query_params and answer[0] == HTTPStatus.OK:
            s3._apply_response_overrides(answer[1], query_params)
        return answer

    s3._get_object = get_object
