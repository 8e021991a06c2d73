"""The roles that the outside world plays for the use cases. Adapters implement them; so do the tests' fakes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from heliograph.domain.events import PublishedEvent
from heliograph.domain.jobs import Job
from heliograph.domain.media import MediaType
from heliograph.domain.provider import CreateOutcome, TaskRequest, TaskState
from heliograph.domain.references import ObjectLocation


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class ImageProvider(Protocol):
    """A vendor of image models. Neither call raises for anything the vendor or the network does."""

    def create(self, request: TaskRequest) -> CreateOutcome:
        """Makes one task, once: **not idempotent**, and money is held for it. Never repeats the call by itself."""
        ...

    def ask(self, task_id: str) -> TaskState:
        """One question about one task. Free."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What a look at an object tells. `head`: its first `SNIFF_BYTES` at most."""

    size_bytes: int
    version_id: str | None
    metadata: Mapping[str, str]
    head: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A small object, read whole. `version`: its version id, or its ETag where the bucket keeps none."""

    body: bytes
    version: str


class ObjectStore(Protocol):
    """Buckets. Every method raises `StorageFailed` when the store does not do its part."""

    def look(self, location: ObjectLocation) -> ObjectFacts | None:
        """Size, metadata and first bytes, for one request; `None` where there is no such object (version)."""
        ...

    def read(self, location: ObjectLocation, *, max_bytes: int) -> Document | None:
        """The whole object; `None` where there is none. Raises `InvalidRequest` for one larger than `max_bytes`."""
        ...

    def presigned_get(self, location: ObjectLocation, *, seconds: int) -> str:
        """A link that reads the object for `seconds` (less, if our own credentials end before). A secret."""
        ...

    def put(
        self,
        location: ObjectLocation,
        body: BinaryIO | bytes,
        *,
        content_type: str,
        sha256: str,
        metadata: Mapping[str, str],
    ) -> str | None:
        """Stores the object whole or not at all; the store itself verifies `sha256` (hex) on arrival.

        Returns the version's id, where the bucket keeps versions.
        """
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """A downloaded and verified result: complete, a picture by its bytes, within the size limit. `sha256` in hex."""

    file: BinaryIO
    media_type: MediaType
    size_bytes: int
    sha256: str
    width: int
    height: int


class ResultSource(Protocol):
    """Where the provider keeps finished pictures."""

    def fetch(self, url: str) -> AbstractContextManager[Picture]:
        """Downloads to disk in constant memory. Raises `ResultUnusable`, saying whether to try again."""
        ...


class JobStore(Protocol):
    """Jobs, one record each. Every method raises `StorageFailed` when the store does not do its part."""

    def add(self, job: Job) -> bool:
        """Writes a new job; `False`, and nothing written, if that id is taken. Of many at once, one wins."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job as it is now (a consistent read)."""
        ...

    def save(self, job: Job) -> Job:
        """Writes a changed job and returns it with its new revision. Raises `StaleJob` if somebody else was faster."""
        ...

    def needing_attention(self, now: datetime, *, limit: int) -> list[Job]:
        """Jobs whose `attention_at` has passed, longest overdue first."""
        ...


class EventBus(Protocol):
    """Where events are published."""

    def publish(self, event: PublishedEvent) -> None:
        """Puts one event. Raises `PublishFailed` unless the bus says that it took it."""
        ...


class Workflow(Protocol):
    """The state machine that carries a job from its task to its result."""

    def start(self, job_id: str) -> bool:
        """Starts the job's one execution; `False` if there has been one already. Raises `WorkflowFailed`."""
        ...
