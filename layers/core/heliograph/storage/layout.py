"""Layout of the two buckets: the meaning of uploads' keys, and the keys of results.

Uploads bucket:   uploads/<preset>/<path>   an image to be edited by a preset
                  jobs/<name>.json          a whole job document
                  presets/<preset>.json     a recipe; checked, starts nothing
                  pending/<key>             an upload of the API that no job has named; kept at <key> once one does
                  anything else             starts nothing; references may lie there
Results bucket:   <output key>            a result
                  records/<job id>.json   the record of a job

In both, everything of a tenant other than `default` lies under `tenants/<tenant>/`, and nothing else does. There are
two exceptions: all records lie under `records/`, those of a tenant under `records/tenants/<tenant>/`; and all pending
uploads under `pending/`, those of a tenant under `pending/tenants/<tenant>/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from heliograph.kernel.media_types import MediaType
from heliograph.kernel.tenants import DEFAULT_TENANT

UPLOADS_PREFIX = "uploads/"
JOBS_PREFIX = "jobs/"
PRESETS_PREFIX = "presets/"
TENANTS_PREFIX = "tenants/"
RECORDS_PREFIX = "records/"
PENDING_PREFIX = "pending/"
PRESET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# The limit of S3, in bytes of UTF-8.
MAX_KEY_BYTES = 1024
_FIELD = re.compile(r"\{([^{}]*)\}")
_FIELDS = frozenset({"preset", "name", "job_id", "index", "ext"})


@dataclass(frozen=True, slots=True)
class PresetUpload:
    """`uploads/<preset>/<name>.<ext>`; `name` keeps its folders and loses its extension."""

    preset: str
    name: str


@dataclass(frozen=True, slots=True)
class JobDocument:
    """`jobs/<name>.json`."""

    name: str


def read_upload_key(key: str) -> PresetUpload | JobDocument | None:
    """Meaning of an object's key; `None` for a folder marker or a key outside the two prefixes.

    Raises `ValueError` for a key that was meant to start a job and can't.
    """
    if key.endswith("/"):
        return None
    if key.startswith(JOBS_PREFIX):
        name = key.removeprefix(JOBS_PREFIX)
        if not name.endswith(".json") or name == ".json":
            raise ValueError("a job document is named jobs/<name>.json")
        return JobDocument(name.removesuffix(".json"))
    if key.startswith(UPLOADS_PREFIX):
        preset, slash, path = key.removeprefix(UPLOADS_PREFIX).partition("/")
        if not slash or not PRESET_NAME.fullmatch(preset):
            raise ValueError("an upload is named uploads/<preset>/<file>; a preset's name is letters, digits, - and _")
        return PresetUpload(preset, _without_extension(path))
    return None


def preset_key(preset: str) -> str:
    """Key of a preset in the uploads bucket."""
    return f"{PRESETS_PREFIX}{preset}.json"


def read_preset_key(key: str) -> str | None:
    """The preset whose recipe lies there; `None` for a folder marker. Raises `ValueError` for a key that names none."""
    if key.endswith("/"):
        return None
    name = key.removeprefix(PRESETS_PREFIX).removesuffix(".json")
    if key != preset_key(name) or not PRESET_NAME.fullmatch(name):
        raise ValueError(
            "a preset lies at presets/<name>.json; its name begins with a letter or a digit and has at most 64 "
            "letters, digits, - and _"
        )
    return name


def check_output_key(pattern: str) -> str:
    """The pattern itself, if results can be stored by it; else `ValueError`.

    A pattern is a key with fields: `{preset}`, `{name}` (the upload's path below the preset, without extension),
    `{job_id}`, `{index}` (1, 2, …) and `{ext}`. Without `{job_id}`, a later job of the same name writes a new version
    of the same object: what a shop wants whose pages link to it (the bucket keeps the older versions).
    """
    fields = _FIELD.findall(pattern)
    if set(fields) - _FIELDS or len(set(fields)) < len(fields) or set(_FIELD.sub("", pattern)) & set("{}"):
        named = ", ".join(f"{{{name}}}" for name in sorted(_FIELDS))
        raise ValueError(f"may use {named}, each once, and no other braces")
    if not pattern.endswith(".{ext}") or f"/{pattern}".endswith("/.{ext}"):
        raise ValueError("must end with the file's name and .{ext}")
    if not {"name", "job_id"} & set(fields):
        raise ValueError("must contain {name} or {job_id}: else every job would write over the last one's result")
    if pattern.startswith(TENANTS_PREFIX):
        raise ValueError(f"must not begin with {TENANTS_PREFIX}, where each tenant has a folder of its own")
    if pattern.startswith(RECORDS_PREFIX):
        raise ValueError(f"must not begin with {RECORDS_PREFIX}, where the records of jobs are")
    if pattern.startswith("/") or pattern.endswith("/") or any(part in {"", ".", ".."} for part in pattern.split("/")):
        raise ValueError("must be a key without empty, '.' or '..' parts")
    if len(pattern.encode()) > MAX_KEY_BYTES // 2 or not pattern.isprintable():
        raise ValueError(f"must be printable and at most {MAX_KEY_BYTES // 2} bytes")
    return pattern


@dataclass(frozen=True, slots=True)
class OutputKeys:
    """Keys of one job's results: a template with everything filled in but `{index}` and `{ext}`."""

    pattern: str
    job_id: str
    name: str
    preset: str | None

    def result_key(self, index: int, media_type: MediaType) -> str:
        """The key of the `index`-th result (from 1). Where the pattern has no `{index}`, the second ends in `-2`."""
        key = self._filled(index, media_type.extension)
        if index > 1 and "{index}" not in self.pattern:
            path = PurePosixPath(key)
            key = str(path.with_name(f"{path.stem}-{index}{path.suffix}"))
        return key

    @property
    def is_shared(self) -> bool:
        """True if other jobs may write to the same keys: the template does not contain the job's id."""
        return "{job_id}" not in self.pattern

    def first_key(self) -> str:
        """The key of the first result without its extension: two places share it if they share any first key."""
        # With the longest extension, which cuts a long name the most.
        longest = max((media_type.extension for media_type in MediaType), key=len)
        return self._filled(1, longest).removesuffix(f".{longest}")

    def of_the_job_alone(self) -> OutputKeys:
        """A place beside this one that no other job has: its keys carry the job's id."""
        if "{job_id}" in self.pattern:
            return self
        return replace(self, pattern=self.pattern.removesuffix(".{ext}") + "-{job_id}.{ext}")

    def _filled(self, index: int, extension: str) -> str:
        values = {
            "preset": self.preset or "api",
            "job_id": self.job_id,
            "index": str(index),
            "ext": extension,
        }
        # A long file name is cut rather than refused: the job id tells such results apart.
        room = MAX_KEY_BYTES - 32 - len(self.pattern.format(**values, name="").encode())
        # What a file system would take for a way up is no part of a name.
        cut = self.name.encode()[: max(room, 0)].decode(errors="ignore")
        name = "/".join(part for part in cut.split("/") if part not in {"", ".", ".."}) or "_"
        return self.pattern.format(**values, name=name)


def record_key(job_id: str, tenant: str) -> str:
    """Key of a job's record in the results bucket: no other job has that key, whatever the two are named."""
    return f"{RECORDS_PREFIX}{folder_of(tenant)}{job_id}.json"


def folder_of(tenant: str) -> str:
    """Prefix of a tenant's objects in both buckets, with a `/` at the end; empty for the default tenant."""
    return "" if tenant == DEFAULT_TENANT else f"{TENANTS_PREFIX}{tenant}/"


def default_output_key(source: PresetUpload | JobDocument | None) -> str:
    """The pattern of a job that names none: always a folder of its own."""
    match source:
        case PresetUpload():
            return "{preset}/{name}/{job_id}/{index}.{ext}"
        case JobDocument():
            return "jobs/{name}/{job_id}/{index}.{ext}"
        case None:
            return "api/{job_id}/{index}.{ext}"


def _without_extension(path: str) -> str:
    folder, slash, file = path.rpartition("/")
    stem, dot, _ = file.rpartition(".")
    return folder + slash + (stem if dot and stem else file)
