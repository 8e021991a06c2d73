"""Copy a task's images from its provider into the results bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from heliograph.execution.store_result import ResultStore
from heliograph.jobs.job import Attempt, Job, Result
from heliograph.kernel.errors import ResultUnusable
from heliograph.storage.objects import Copied
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.jobs.ports import ResultIndex
    from heliograph.kernel.ports import Together
    from heliograph.providers.ports import ResultSource
    from heliograph.storage.objects import Replacing


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCopier:
    """Downloads images, verifies them, and stores them as results."""

    source: ResultSource
    store: ResultStore
    index: ResultIndex
    together: Together

    def copy_all(
        self, job: Job, attempt: Attempt | None, urls: Sequence[str], *, first: int = 1
    ) -> list[Result | ResultUnusable]:
        """Stores the images at the URLs as the job's results, from the `first`-th on; returns each or its error.

        Raises an `Unavailable` where a retry may succeed.
        """
        return self.together(
            [partial(self._copied, job, attempt, index, url) for index, url in enumerate(urls, start=first)]
        )

    def _copied(self, job: Job, attempt: Attempt | None, index: int, url: str) -> Result | ResultUnusable:
        try:
            return self._copy(job, attempt, index, url)
        except ResultUnusable as error:
            return error

    def _copy(self, job: Job, attempt: Attempt | None, index: int, url: str) -> Result:
        with self.source.fetch(url) as image:

            def write(place: ObjectLocation, metadata: Mapping[str, str], replacing: Replacing | None) -> Copied:
                # Indexed before it can be copied back into an uploads folder.
                self.index.note_result(image.sha256, job.origin or image.sha256)
                image.file.seek(0)
                return Copied(
                    self.store.objects.put(
                        place,
                        image.file,
                        content_type=image.media_type,
                        sha256=image.sha256,
                        metadata=metadata,
                        replacing=replacing,
                    )
                )

            result = self.store.store(job, attempt, index, image, write=write)
            assert isinstance(result, Result)  # noqa: S101 - only a copy can find nothing to copy
            return result
