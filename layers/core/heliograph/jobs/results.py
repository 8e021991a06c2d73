"""Results of a job: the stored images, and what became known of its attempts after its end."""

from __future__ import annotations

from pydantic import AwareDatetime

from heliograph.jobs.base import Record
from heliograph.kernel.failures import Charged
from heliograph.kernel.media_types import MediaType


class Result(Record):
    """One stored image. `version_id` pins its bytes; `sha256` is in hex; sizes are in bytes and pixels.

    `superseded_by`: the job whose newer result has the key that this one was meant for. This one has a key of its own.
    """

    bucket: str
    key: str
    version_id: str | None
    content_type: MediaType
    size_bytes: int
    sha256: str
    width: int
    height: int
    superseded_by: str | None = None


class Settlement(Record):
    """Outcome of an attempt that was uncertain when its job ended: known later, and never changed again.

    `charged`: yes or no. `results`: the images that arrived late. `provider_urls`: where the provider keeps paid images
    that were not stored, and `message` says why. `record_key`: of the job's record, written anew with the results.
    """

    attempt_id: str
    at: AwareDatetime
    charged: Charged
    message: str
    results: tuple[Result, ...] = ()
    provider_urls: tuple[str, ...] = ()
    record_key: str | None = None
    # Its event is published.
    announced: bool = False
