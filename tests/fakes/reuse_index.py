"""The index of what was made of which bytes, in dictionaries."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from heliograph.jobs.fingerprints import KeyedUpload
from heliograph.storage.sequencers import sortable

from tests.fakes.script import Line, Script


class InMemoryReuseIndex:
    """A `ReuseIndex` that compares what was there, and fails when told to."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}
        self._uploads: dict[tuple[str, str], KeyedUpload] = {}
        self._contents: dict[str, str] = {}
        self.results: dict[str, str] = {}
        self._jobs: Counter[tuple[str, str, str]] = Counter()
        self._stopped: set[str] = set()
        self._script = Script()

    def on(self, method: str, *lines: Line) -> None:
        """What happens at the next calls of one of its methods."""
        self._script.on(method, *lines)

    def repair(self) -> None:
        """From now on every call just works."""
        self._script.clear()

    def holder(self, reuse_key: str) -> str | None:
        with self._script.playing("holder"):
            return self._holders.get(reuse_key)

    def hold(self, reuse_key: str, job_id: str, *, instead_of: str | None) -> bool:
        with self._script.playing("hold"):
            if self._holders.get(reuse_key) != instead_of:
                return False
            self._holders[reuse_key] = job_id
            return True

    def upload(self, bucket: str, key: str) -> KeyedUpload | None:
        with self._script.playing("upload"):
            return self._uploads.get((bucket, key))

    def note_upload(self, bucket: str, key: str, upload: KeyedUpload) -> None:
        with self._script.playing("note_upload"):
            if upload.sequencer:
                upload = replace(upload, sequencer=sortable(upload.sequencer))
                before = self._uploads.get((bucket, key))
                if before and before.sequencer > upload.sequencer:
                    return
            self._uploads[bucket, key] = upload

    def sha256_of(self, fingerprint: str) -> str | None:
        with self._script.playing("sha256_of"):
            return self._contents.get(fingerprint)

    def note_sha256(self, fingerprint: str, sha256: str) -> None:
        with self._script.playing("note_sha256"):
            self._contents[fingerprint] = sha256

    def origin_of(self, sha256: str) -> str | None:
        with self._script.playing("origin_of"):
            return self.results.get(sha256)

    def note_result(self, sha256: str, origin: str) -> None:
        with self._script.playing("note_result"):
            self.results[sha256] = origin

    def count_job(self, preset_version: str, origin: str, day: str) -> int:
        with self._script.playing("count_job"):
            self._jobs[preset_version, origin, day] += 1
            return self._jobs[preset_version, origin, day]

    def is_stopped(self, preset_version: str) -> bool:
        with self._script.playing("is_stopped"):
            return preset_version in self._stopped

    def stop(self, preset_version: str) -> None:
        with self._script.playing("stop"):
            self._stopped.add(preset_version)
