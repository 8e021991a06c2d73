"""One way to copy pictures from an HTTPS server to S3, in a process of its own: says what it took.

python -m benchmarks._copying_ways WAY SIZE_BYTES COPIES ORIGIN CERTIFICATE
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import ssl
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, cast

import boto3
import httpx
import urllib3
from heliograph.platform import aws
from heliograph.platform.http_transport import BoundedTransport
from heliograph.platform.threads import Threads
from heliograph.providers.adapters.result_host import ResultHost
from heliograph.storage.adapters.s3 import S3ObjectStore
from heliograph.storage.references import ObjectLocation

from benchmarks._copying_reading import Chunks

_WARM_UP_BYTES = 100_000
_CHUNK_BYTES = 256 * 1024
_BUCKET = "results"

Copy = Callable[[str, str], None]


def _ours(certificate: str, origin: str) -> Copy:
    """The very adapters of `finalize_job`, called as it calls them."""
    transport = BoundedTransport(ssl.create_default_context(cafile=certificate))
    host = ResultHost(frozenset({origin}), max_bytes=1 << 30, transport=transport)
    objects = S3ObjectStore(aws.s3())

    def copy(url: str, key: str) -> None:
        with host.fetch(url) as picture:
            place = ObjectLocation(_BUCKET, key)
            objects.look(place)
            objects.put(
                place,
                picture.file,
                content_type=picture.media_type,
                sha256=picture.sha256,
                metadata={"heliograph-sha256": picture.sha256},
            )

    return copy


def _plain(certificate: str) -> Mapping[str, Copy]:
    context = ssl.create_default_context(cafile=certificate)
    s3, http, pool = boto3.client("s3"), httpx.Client(verify=context), urllib3.PoolManager(ssl_context=context)

    def read_all(url: str, key: str) -> None:
        s3.put_object(Bucket=_BUCKET, Key=key, Body=http.get(url).content)

    def upload_fileobj(url: str, key: str) -> None:
        s3.upload_fileobj(cast(IO[bytes], pool.request("GET", url, preload_content=False)), _BUCKET, key)

    def temp_file(url: str, key: str) -> None:
        with tempfile.NamedTemporaryFile() as file:
            for chunk in pool.request("GET", url, preload_content=False).stream(_CHUNK_BYTES):
                file.write(chunk)
            file.flush()
            s3.upload_file(file.name, _BUCKET, key)

    def streamed_httpx(url: str, key: str) -> None:
        with http.stream("GET", url) as response:
            s3.put_object(
                Bucket=_BUCKET,
                Key=key,
                Body=cast(IO[bytes], Chunks(response.iter_raw())),
                ContentLength=int(response.headers["content-length"]),
            )

    def streamed(url: str, key: str) -> None:
        response = pool.request("GET", url, preload_content=False)
        s3.put_object(
            Bucket=_BUCKET,
            Key=key,
            Body=cast(IO[bytes], response),
            ContentLength=int(response.headers["content-length"]),
        )

    def streamed_sha256(url: str, key: str) -> None:
        response = pool.request("GET", url, preload_content=False)
        s3.put_object(
            Bucket=_BUCKET,
            Key=key,
            Body=cast(IO[bytes], response),
            ContentLength=int(response.headers["content-length"]),
            ChecksumAlgorithm="SHA256",
        )

    return {
        "read_all": read_all,
        "upload_fileobj": upload_fileobj,
        "temp_file": temp_file,
        "streamed_httpx": streamed_httpx,
        "streamed": streamed,
        "streamed_sha256": streamed_sha256,
    }


def _way(name: str, origin: str, certificate: str) -> Copy:
    if name.startswith("ours"):
        return _ours(certificate, origin)
    if name.startswith("crt"):
        copy: Copy = importlib.import_module("benchmarks._copying_crt").ways(certificate)[name]
        return copy
    return _plain(certificate)[name]


def _memory(field: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].removesuffix("kB")) * 1024


def main() -> None:
    """Copies a small picture, and then measures."""
    name, size, copies, origin, certificate = sys.argv[1:]
    copy = _way(name, origin, certificate)
    kind = {"ours_png": "png", "ours_webp": "webp"}.get(name, "jpeg")
    copy(f"{origin}/pictures/{_WARM_UP_BYTES}.{kind}", f"{name}/{os.getpid()}/first.{kind}")
    together = Threads(4 if name == "ours_four" else 1)
    urls = [f"{origin}/pictures/{size}.{kind}"] * int(copies)
    calls = [partial(copy, url, f"{name}/{os.getpid()}/{number}.{kind}") for number, url in enumerate(urls)]
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = _memory("VmRSS"), resource.getrusage(resource.RUSAGE_SELF)
    together(calls)
    ended, peak = resource.getrusage(resource.RUSAGE_SELF), _memory("VmHWM")
    cpu_seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    cpu_ms_per_mb = cpu_seconds * 1e9 / (int(size) * int(copies))
    print(json.dumps({"cpu_ms_per_mb": cpu_ms_per_mb, "extra_mb": (peak - before) / 1e6}))


if __name__ == "__main__":
    main()
