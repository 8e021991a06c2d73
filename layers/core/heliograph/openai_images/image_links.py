"""Links to results that carry their own permission: whoever has one reads one image, until it expires.

They are served by a function of ours. A link signed for S3 does not do for programs that send their API key along
with every request: S3 refuses a signed link that comes with an `Authorization` header.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

# As long as OpenAI's own links last.
LIFETIME = timedelta(minutes=60)
FILES = "/v1/images/files"
# Not `Expires` and `Signature`: those are AWS's own, and whatever looks at them would take a link for one of S3's.
UNTIL, PROOF = "until", "proof"
_PURPOSE = b"heliograph image links 1"
_PATH = re.compile(rf"{FILES}/(job_[a-z2-7]{{26}})/([1-9][0-9]{{0,2}})\.(?:jpg|png|webp)")
_EXPIRES = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class ImageLink:
    """The `index`th result of a job, from 1."""

    job_id: str
    index: int


def signed_path(link: ImageLink, *, extension: str, expires_at: datetime, secret: str) -> str:
    """The link's path and query. `secret`: of the deployment, and not empty."""
    expires = str(int(expires_at.timestamp()))
    signature = _signature(link, expires, secret)
    return f"{FILES}/{link.job_id}/{link.index}.{extension}?{UNTIL}={expires}&{PROOF}={signature}"


def read_link(path: str, *, expires: str, signature: str, now: datetime, secret: str) -> ImageLink | None:
    """What the link is for; `None` for one that was never made, or has expired."""
    found = _PATH.fullmatch(path)
    if found is None or not _EXPIRES.fullmatch(expires):
        return None
    link = ImageLink(found[1], int(found[2]))
    genuine = hmac.compare_digest(_signature(link, expires, secret).encode(), signature.encode(errors="replace"))
    return link if genuine and int(expires) > now.timestamp() else None


def _signature(link: ImageLink, expires: str, secret: str) -> str:
    # A key of its own, derived from the secret, so that no signature says anything about the secret's other uses.
    key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
    return hmac.new(key, f"{link.job_id}/{link.index}/{expires}".encode(), hashlib.sha256).hexdigest()
