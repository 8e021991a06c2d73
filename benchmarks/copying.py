"""What it costs to copy a result from its host into a bucket, against every plain way of doing so."""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from matplotlib import rc_context
from matplotlib.figure import Figure

TITLE = "Copying a result"
_ROUNDS = 5
# By size in bytes: how many are copied in one process, one after the other.
_SIZES = {100_000_000: 1, 5_000_000: 4}
_OURS = "ours"
_FOUR = "ours_four"
_PNG, _WEBP = "ours_png", "ours_webp"
_ALL_OURS = {_OURS, _FOUR, _PNG, _WEBP}
_WAYS = {
    _OURS: "`finalize_job`: checked at both ends, in a file, SHA-256",
    _FOUR: "`finalize_job`, four at once",
    _PNG: "`finalize_job`, a PNG, its checksums",
    _WEBP: "`finalize_job`, a WEBP",
    "read_all": "httpx, read all → `put_object`",
    "upload_fileobj": "urllib3 → `upload_fileobj`",
    "temp_file": "urllib3 → temporary file → `upload_file`",
    "streamed_httpx": "httpx, streamed → `put_object`",
    "streamed": "urllib3, streamed → `put_object`",
    "streamed_sha256": "urllib3, streamed → `put_object`, SHA-256",
    "crt_file": "httpx → temporary file → CRT",
    "crt_streamed": "httpx, streamed → CRT",
}
# What is worth knowing of ordinary pictures too.
_ALSO_SMALL = {_OURS, _FOUR, "temp_file", "streamed", "streamed_sha256"}
_ONLY_SMALL = {_PNG, _WEBP}
_MOST_EXTRA_MB = 16
_MOST_RATIO = 1.2


def measure() -> dict[str, Any]:
    """Every way in a process of its own, in turn, several rounds."""
    has_crt = importlib.util.find_spec("awscrt") is not None
    names = [name for name in _WAYS if has_crt or not name.startswith("crt")]
    taken: dict[str, dict[str, list[dict[str, float]]]] = {
        str(size): {name: [] for name in names if name in _measured(size)} for size in _SIZES
    }
    with _ends() as (origin, certificate):
        for size, copies in _SIZES.items():
            for _ in range(_ROUNDS):
                for name in taken[str(size)]:
                    count = 4 if name == _FOUR else copies
                    taken[str(size)][name].append(_run(name, size, count, origin, certificate))
        stored = _stored(origin, certificate)
    return {
        "has_crt": has_crt,
        "rounds": _ROUNDS,
        "ways": {
            size: {
                name: {key: round(median(run[key] for run in runs), 3) for key in ("cpu_ms_per_mb", "extra_mb")}
                for name, runs in by_name.items()
            }
            for size, by_name in taken.items()
        },
        "checksums": {name: _checksum_of(name, stored) for name in names},
    }


def _measured(size: int) -> set[str]:
    large, *_ = _SIZES
    return set(_WAYS) - _ONLY_SMALL if size == large else _ALSO_SMALL | _ONLY_SMALL


def _run(name: str, size: int, copies: int, origin: str, certificate: str) -> dict[str, float]:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": origin,
        "AWS_CA_BUNDLE": certificate,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",  # of a server of our own
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    command = [sys.executable, "-m", "benchmarks._copying_ways", name, str(size), str(copies), origin, certificate]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _stored(origin: str, certificate: str) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=certificate)
    with urllib.request.urlopen(f"{origin}/stored", context=context) as response:  # noqa: S310
        stored: dict[str, Any] = json.load(response)
    return stored


def _checksum_of(name: str, stored: dict[str, Any]) -> str:
    """Which checksum S3 was told. Every copy must have come whole, and under one."""
    mine = {key: told for key, told in stored.items() if f"/{name}/" in key}
    sizes = {told["size_bytes"] for key, told in mine.items() if "/first." not in key}
    checksums = {checksum for told in mine.values() for checksum in told["checksums"]}
    if not sizes <= set(_SIZES) or len(checksums) != 1:
        raise RuntimeError(f"{name} stored {sizes} bytes under {checksums}")
    return str(checksums.pop()).removeprefix("x-amz-checksum-")


@contextmanager
def _ends() -> Iterator[tuple[str, str]]:
    """A host of pictures and an S3: where both are, and by which certificate they are known."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, both = Path(folder) / "certificate.pem", Path(folder) / "both.pem"
        public, private = _certified()
        certificate.write_bytes(public)
        both.write_bytes(private + public)
        command = [sys.executable, "-m", "benchmarks._copying_ends", str(both)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                port = server.stdout.readline().strip() if server.stdout else ""
                yield f"https://127.0.0.1:{port}", str(certificate)
            finally:
                server.terminate()


def _certified() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "this machine")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private


def tell(figures: dict[str, Any], plots: Path) -> str:
    """Tables by size, a plot, and what is demanded."""
    large, *_ = _SIZES
    told = [_demand(figures["ways"][str(large)]), "![CPU and memory of a copy](performance/copying.svg)"]
    told += [_table(size, figures) for size in _SIZES]
    told.append(
        f"Medians of {figures['rounds']} interleaved runs, each in a fresh process that copied a small image first. "
        "CPU is user and system time of the process; memory is its peak above what was resident before. The host and "
        "the S3 server are local, both over TLS. The images are noise: JPEGs, like the provider's, unless another "
        "format is named. *Best* is the cheapest plain way at that size. `finalize_job` also checks for every image "
        "whether the bucket already has it. The plain ways check nothing: they store a truncated or endless download "
        "or an error page like an image."
    )
    if not figures["has_crt"]:
        told.append("The CRT client was not installed and is missing from the comparison.")
    _plot(figures["ways"][str(large)], plots / "copying.svg")
    return "\n\n".join(told)


def _best(ways: dict[str, Any]) -> str:
    return min((name for name in ways if name not in _ALL_OURS), key=lambda name: ways[name]["cpu_ms_per_mb"])


def _ratio(name: str, ways: dict[str, Any]) -> float:
    return float(ways[name]["cpu_ms_per_mb"] / ways[_best(ways)]["cpu_ms_per_mb"])


def _demand(ways: dict[str, Any]) -> str:
    ratio, extra_mb = _ratio(_OURS, ways), ways[_OURS]["extra_mb"]
    met = ratio <= _MOST_RATIO and extra_mb <= _MOST_EXTRA_MB
    return (
        f"Copying a result of 100 MB takes **{ratio:.2f} times** the CPU of the best plain way that also stores a "
        f"checksum ({_WAYS[_best(ways)]}), and **{max(extra_mb, 0):.1f} MB** of memory. The bounds are {_MOST_RATIO} "
        f"times and {_MOST_EXTRA_MB} MB: {'met' if met else '**missed**'}."
    )


def _table(size: int, figures: dict[str, Any]) -> str:
    ways = figures["ways"][str(size)]
    lines = [f"| {size // 1_000_000} MB | checksum | CPU, times the best | extra memory, MB |", "|---|---|--:|--:|"]
    lines += [
        f"| {_WAYS[name]} | {figures['checksums'][name].upper()} | {_ratio(name, ways):.2f} "
        f"| {max(way['extra_mb'], 0):.1f} |"
        for name, way in ways.items()
    ]
    return "\n".join(lines)


def _plot(ways: dict[str, Any], path: Path) -> None:
    names = list(ways)[::-1]
    labels = [_WAYS[name].replace("`", "") for name in names]
    colours = ["#c2410c" if name.startswith(_OURS) else "#94a3b8" for name in names]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    cpu, memory = figure.subplots(1, 2, sharey=True)
    cpu.barh(labels, [_ratio(name, ways) for name in names], color=colours)
    cpu.axvline(_MOST_RATIO, color="#334155", linestyle=":", linewidth=1)
    cpu.set_xlabel("CPU, times the best plain way")
    memory.barh(labels, [ways[name]["extra_mb"] for name in names], color=colours)
    memory.axvline(_MOST_EXTRA_MB, color="#334155", linestyle=":", linewidth=1)
    memory.set_xlabel("extra memory for 100 MB, in MB")
    for axes in (cpu, memory):
        axes.tick_params(labelsize=8)
    with rc_context({"svg.hashsalt": path.name}):  # the same figures, the same file
        figure.savefig(path, metadata={"Date": None})
