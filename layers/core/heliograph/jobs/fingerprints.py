"""Equality of jobs: what decides an image, as digests. What was made once of the same is not paid again.

The bytes of the references count, by their SHA-256, never where they lie or when they were stored.

An upload is the same upload if its key, the bytes of all its references and the whole of its request are the same. Its
image is the same image if the bytes and what the model is asked for are: where a result goes, who is told and for how
long it may take change nothing about it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from heliograph.jobs.job import Job
from heliograph.jobs.request import JobRequest, Policy, Reuse


@dataclass(frozen=True, slots=True)
class Sources:
    """The references of a request, in order: SHA-256 of the bytes in hex; of a public link, the link itself.

    Nobody knows what lies behind a link: with one, results are comparable only under the same key.
    """

    contents: tuple[str, ...] = ()
    has_links: bool = False


@dataclass(frozen=True, slots=True)
class KeyedUpload:
    """The newest upload of a key: its identity, the job that it came to, and S3's sequencer of its announcement."""

    identity: str
    job_id: str
    sequencer: str


def identity_of(request: JobRequest, sources: Sources) -> str:
    """Digest of an upload's bytes and of its whole request, however its document was written.

    `refresh` is no part of it: it says what to do with an equal upload, not what is equal.
    """
    asked = request.model_dump(mode="json", exclude={"references", "refresh"})
    if request.policy is not Policy.PINNED:
        # Chosen by the policy, from routes that come and go.
        del asked["model"]
    return _digest("upload", asked, list(sources.contents))


def reuse_key_of(request: JobRequest, sources: Sources, *, tenant: str, key: str | None) -> str | None:
    """Digest under which equal jobs find each other's result; `None` where a job may find none, nor leave one.

    Other tenants' are never equal. `key`: of the upload. Where results are not shared (`reuse: never`) or can't be
    compared (links), those of the same key still are: nobody pays twice for the same upload.
    """
    everywhere = request.reuse is Reuse.TENANT and not sources.has_links
    if not everywhere and key is None:
        return None
    asked = {
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "nsfw_checker": request.nsfw_checker,
        "by": request.model if request.policy is Policy.PINNED else request.policy,
    }
    return _digest("image", tenant, None if everywhere else key, asked, list(sources.contents))


def is_to_be_made_again(job: Job) -> bool:
    """True if the same upload, sent again, becomes a new job: this one ended without an image, and cost nothing.

    One that was or may have been charged stays the job of its upload: a repeat must not pay twice.
    """
    if not job.is_over or job.all_results:
        return False
    return not job.spent_microusd and not job.unknown_cost_microusd


def _digest(*parts: Any) -> str:
    told = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()
