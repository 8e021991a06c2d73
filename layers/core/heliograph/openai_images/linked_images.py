"""Links to results for programs that send their API key along with every request, and what such a link shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from heliograph.kernel.errors import InvalidRequest, StorageFailed
from heliograph.kernel.media_types import MediaType
from heliograph.openai_images.image_links import LIFETIME, ImageLink, read_link, signed_path
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import JobReader
    from heliograph.kernel.ports import Clock
    from heliograph.openai_images.make_images import GeneratedImage
    from heliograph.storage.ports import ObjectStore

# An answer of a function has 6 MB at most, and bytes travel in it as base64.
MOST_ANSWERED_BYTES = 4_400_000
# A link for S3 is followed at once.
_REDIRECT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """A link, and until when it reads its image. A secret."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkedImage:
    """What a link leads to: the bytes or, where they have no room in an answer, a link for S3."""

    content_type: MediaType
    body: bytes | None
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLinks:
    """Makes links and follows them. `secret`: the deployment's own key, which no caller has."""

    jobs: JobReader
    objects: ObjectStore
    clock: Clock
    secret: Callable[[], str]

    def make(self, picture: GeneratedImage, *, base: str) -> ImageUrl:
        """A link to one picture at `base`. Raises `StorageFailed`."""
        expires_at = self.clock.now() + LIFETIME
        link = ImageLink(picture.job.job_id, picture.index)
        extension = picture.linked.result.content_type.extension
        path = signed_path(link, extension=extension, expires_at=expires_at, secret=self.secret())
        return ImageUrl(base + path, expires_at)

    def follow(self, path: str, *, expires: str, signature: str) -> LinkedImage | None:
        """What the link leads to; `None` if nowhere. Looks at nothing before the signature. Raises `StorageFailed`."""
        link = read_link(path, expires=expires, signature=signature, now=self.clock.now(), secret=self.secret())
        job = self.jobs.get(link.job_id) if link else None
        if link is None or job is None or link.index > len(job.all_results):
            return None
        result = job.all_results[link.index - 1]
        location = ObjectLocation(result.bucket, result.key, result.version_id)
        body = None
        if result.size_bytes <= MOST_ANSWERED_BYTES:
            try:
                document = self.objects.read(location, max_bytes=result.size_bytes)
            except InvalidRequest as error:
                raise StorageFailed(str(error)) from error
            if document is None:
                return None
            body = document.body
        return LinkedImage(result.content_type, body, self.objects.presigned_get(location, seconds=_REDIRECT_SECONDS))
