"""Reference images as a request names them: `https://…` or `s3://bucket/key`. Links from outside are hostile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from heliograph.kernel.public_addresses import is_address, is_public
from heliograph.kernel.tenants import DEFAULT_TENANT
from heliograph.storage.layout import PENDING_PREFIX, TENANTS_PREFIX, folder_of

MAX_URL_CHARACTERS = 2048
_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))"
# What is surely a public link, for the API's description; `check_public_url` knows more of them.
LINK_PATTERN = rf"^https://([A-Za-z0-9_-]{{1,63}}\.){{1,8}}[A-Za-z][A-Za-z0-9-]{{1,62}}{_PORT}?(/[!-~]*)?$"
# The same for webhooks: without a fragment.
WEBHOOK_PATTERN = LINK_PATTERN.replace("[!-~]", '[!"$-~]')
# And where webhooks may go to this very machine.
LOCAL_WEBHOOK_PATTERN = rf"{WEBHOOK_PATTERN}|^http://(127\.0\.0\.1|localhost){_PORT}(/[!\"$-~]*)?$"
_VERSION = "?versionId="
# What somebody may take for the id of an upload.
_ID_LIKE = re.compile(r"(?i)up[a-z]{0,5}[_-].*|.*\bup_.*", re.DOTALL)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
# This very machine, as the local stack's receivers are reached.
_LOOPBACK_URL = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost):(?P<port>[0-9]{1,5})([/?][\x21-\x7e]*)?")
_LAST_PORT = 65_535
# Names that never mean a public host (RFC 6761, RFC 8375, and what clouds use inside).
_INSIDE_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "home.arpa",
    "test",
    "invalid",
    "example",
    "onion",
    "lan",
    "corp",
)


@dataclass(frozen=True, slots=True)
class ObjectLocation:
    """An object in a bucket; `version_id` pins the very bytes, where the bucket keeps versions."""

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def uri(self) -> str:
        """`s3://bucket/key`, with `?versionId=` where pinned. Keys may hold `?` and `#`: read it only with `parse`."""
        pinned = self.version_id or _VERSION in self.key
        return f"s3://{self.bucket}/{self.key}" + (f"{_VERSION}{self.version_id or ''}" if pinned else "")

    @classmethod
    def parse(cls, uri: str) -> ObjectLocation:
        """Reads an `s3://` URI. Raises `ValueError` saying what is missing."""
        if not uri.startswith("s3://"):
            raise ValueError("is no s3:// URI")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        key, marker, version_id = key.rpartition(_VERSION)
        if not marker:
            key, version_id = version_id, ""
        if not bucket or not key:
            raise ValueError("an s3:// reference is s3://bucket/key")
        return cls(bucket, key, version_id or None)


@dataclass(frozen=True, slots=True)
class HttpsUrl:
    """A public link, which only the provider follows."""

    url: str

    @property
    def uri(self) -> str:
        """The link itself."""
        return self.url


Reference = ObjectLocation | HttpsUrl


def read_reference(uri: str) -> Reference:
    """The reference that a text names. Checks nothing: `check_reference` does, before a request is accepted."""
    try:
        return ObjectLocation.parse(uri)
    except ValueError:
        return HttpsUrl(uri)


def check_reference(
    reference: str, *, buckets: frozenset[str], uploads_bucket: str | None = None, tenant: str = DEFAULT_TENANT
) -> str:
    """The reference itself, if it can be one; else `ValueError` with the reason.

    An `s3://` reference must be in one of `buckets` (those the functions may read), among the objects of the tenant,
    and not among the pending uploads of `uploads_bucket`, which are anybody's and don't last. A link must be https and
    must not name a private, loopback, link-local or otherwise reserved address. Names are not resolved here: the
    provider fetches references, not we, and what a name resolves to then, nobody can know now.
    """
    if len(reference) > MAX_URL_CHARACTERS:
        raise ValueError(f"is longer than {MAX_URL_CHARACTERS} characters")
    if reference.startswith("s3://"):
        location = ObjectLocation.parse(reference)
        if location.bucket not in buckets:
            raise ValueError("must be in this deployment's uploads or results bucket")
        own = folder_of(tenant)
        if not location.key.startswith(own) or (not own and location.key.startswith(TENANTS_PREFIX)):
            raise ValueError(f"must lie under {own}, where your objects are" if own else "belongs to another tenant")
        if location.bucket == uploads_bucket and location.key.startswith(PENDING_PREFIX):
            raise ValueError(
                f"lies under {PENDING_PREFIX}, where uploads are deleted after a day; name an upload of yours by its "
                "id (up_…), and the job keeps it"
            )
        if not has_plain_link(location.key):
            raise ValueError(
                "has a key with the part . or .., which HTTP clients take out of a link, so that no provider can fetch "
                "it; give the object another key"
            )
        return reference
    if "://" not in reference and _ID_LIKE.fullmatch(reference):
        raise ValueError(
            "is no id of an upload, which POST /v1/uploads gives: up_, 26 letters and digits, and .jpg, .png or .webp"
        )
    return check_public_url(reference)


def has_plain_link(key: str) -> bool:
    """True if HTTP clients fetch the link to an object of that key as it was signed (RFC 3986, 5.2.4)."""
    return not {".", ".."} & set(key.split("/"))


def check_public_url(url: str) -> str:
    """The URL itself if it is https and may be public; else `ValueError`. Nothing is resolved or fetched."""
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"is longer than {MAX_URL_CHARACTERS} characters")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("is no URL: percent-encode what is not printable ASCII")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme != "https":
        raise ValueError("must be an https:// URL")
    if port == 0:
        raise ValueError("is no URL: there is no port 0")
    if not host or ("[" in parts.netloc and ":" not in host):
        raise ValueError("is no URL: it names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password")
    if _points_inside(host):
        raise ValueError("points at a private or reserved address")
    return url


def check_webhook_url(url: str, *, local: bool = False) -> str:
    """The URL itself if webhooks can be sent to it; else `ValueError`. Any port will do.

    `local`: so can `http://` to this very machine by its plain names, as in the local stack. The name is not resolved
    here: that is done, and checked, at every attempt.
    """
    if "#" in url:
        raise ValueError("must not carry a fragment: it would not be sent")
    if local and len(url) <= MAX_URL_CHARACTERS and (found := _LOOPBACK_URL.fullmatch(url)):
        if not 0 < int(found["port"]) <= _LAST_PORT:
            raise ValueError("is no URL: there is no such port")
        return url
    return check_public_url(url)


def _points_inside(host: str) -> bool:
    name = host.removesuffix(".").lower()
    if "%" in name:  # a zone id: an interface of somebody's machine
        return True
    if is_address(name):
        return not is_public(name)
    # Anything but a plain name (percent signs, other scripts' dots, backslashes) is read differently by different
    # clients; internationalised names have their plain form (xn--…).
    if not _HOST_NAME.fullmatch(name):
        return True
    labels = name.split(".")
    # `2130706433`, `0x7f.1` and the like are addresses to many clients, and no public name ends in a number.
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return True
    return len(labels) == 1 or any(name == inside or name.endswith("." + inside) for inside in _INSIDE_NAMES)
