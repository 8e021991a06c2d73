"""Replaces how `ministack` answers a signed link with an `Authorization` header: S3 refuses it.

**Stock** looks at the link's signature and answers 200, whatever else the request carries.

**Here** such a request is refused as S3 refuses it: 400 `InvalidArgument`, "Only one auth mechanism allowed"
(https://github.com/penpot/penpot/issues/10776 shows the whole of it).

**Needed** because programs send their API key with every request, also to links that an answer gave them: a call
that S3 refuses must fail here, too; until ministack refuses it.
"""

from typing import Any

from ministack.services import s3

_TOLD = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
    "the Authorization header should be specified"
)
_SIGNED_BY = {"x-amz-algorithm", "signature"}


def install() -> None:
    stock_verify = s3._verify_presigned_sigv4

    def verify(method: str, path: str, headers: dict[str, Any], query_params: dict[str, Any]) -> Any:
        is_link = any(name.lower() in _SIGNED_BY for name in query_params)
        if is_link and any(name.lower() == "authorization" for name in headers):
            return s3._error("InvalidArgument", _TOLD, 400, path)
        return stock_verify(method, path, headers, query_params)

    s3._verify_presigned_sigv4 = verify
