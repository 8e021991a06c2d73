"""What records, events and views show of a URL: never what would let its reader in.

A link to a reference may be signed in its query, and a webhook's URL may carry a token there. Both stay in the job,
which fetches and sends with them, and are shown to nobody.
"""

from __future__ import annotations

import re

from heliograph.jobs.request import JobRequest
from heliograph.storage.references import HttpsUrl, Reference

_MASK = "…"
_AUTHORITY = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_REST = re.compile(r"([?#]).*", re.DOTALL)


def masked_url(url: str) -> str:
    """The URL without its query, its fragment, and any user name and password; `?…` where there was one.

    An `s3://` URI names an object and lets nobody in: it stays whole. The mask is no character of a URL, so that a URL
    that was masked is refused where it is sent again.
    """
    if url.startswith("s3://"):
        return url
    return _REST.sub(rf"\1{_MASK}", _AUTHORITY.sub(rf"\1{_MASK}@", url))


def _masked(reference: Reference) -> Reference:
    """An object's location lets nobody in, so it stays whole."""
    return HttpsUrl(masked_url(reference.url)) if isinstance(reference, HttpsUrl) else reference


def shown(request: JobRequest) -> JobRequest:
    """The request as records and views show it."""
    return request.model_copy(
        update={
            "references": tuple(map(_masked, request.references)),
            "webhook_url": None if request.webhook_url is None else masked_url(request.webhook_url),
        }
    )
