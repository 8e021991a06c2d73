"""Takes out of a layer what no function of ours can need, and puts beside it whom to trust. Run by the Makefile.

    python trim.py ARTIFACTS_DIR

No package's source is rewritten. What is done saves more than a twentieth of a start each
(docs/decisions/0073-less-build-machinery.md).

- The SDK's data keeps the operations that `platform/aws.py` names, without their prose; of the list of all endpoints,
  theirs. With all of it a start costs a quarter of a bare client more.
- Before that, every file is compared with what its package says of it (RECORD), and none may be there that no package
  names; after it, `SHA256SUMS` says what the layer holds: `sha256sum --check SHA256SUMS` in /opt. (Bytecode is made of
  these files afterwards.)
- Of the packages' own papers, their licences and names.
- `amazon-roots.pem`: the certificate authorities of AWS's endpoints, five out of certifi's bundle. botocore reads its
  bundle anew for every connection, which takes 21 ms of CPU with the whole of it, and 3 ms with these.
- `python/heliograph/platform/roots`: all of certifi's, each in a file by its subject's hash, so that OpenSSL reads the
  one that it looks for. To read them all takes 16 ms, a tenth of a start. Needs an `openssl` to build; without one the
  whole bundle is read, once.
"""

from __future__ import annotations

import ast
import base64
import csv
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What botocore reads whatever the service.
COMMON_DATA = {"_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"}
# https://www.amazontrust.com/repository/ names them.
AMAZON_ROOTS = {f"Amazon Root CA {number}" for number in (1, 2, 3, 4)} | {
    "Starfield Services Root Certificate Authority - G2"
}
# What botocore asks about by itself, whoever calls: where a bucket is that a form is signed for, or that has moved.
NEEDED_BY_THE_SDK = {"s3": ("CreateBucket", "HeadBucket")}
MANIFEST = "SHA256SUMS"
# Our package, and the programs that a layer has no use for: installers write those, and name them elsewhere.
_OURS_OR_REMOVED = {"heliograph", "bin"}
_ONE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
_LABELED = re.compile(r'# Label: "(?P<label>[^"]*)"\n(?:#[^\n]*\n)*(?P<one>' + _ONE.pattern + ")", re.DOTALL)


class Damaged(Exception):
    """A package is not what its wheel was."""


def main(artifacts: Path) -> None:
    """Trims the layer in that folder."""
    packages = artifacts / "python"
    verify(packages)
    trim_sdk(packages / "botocore" / "data", operations(packages / "heliograph" / "platform" / "aws.py"))
    trim_papers(packages)
    bundle = (packages / "certifi" / "cacert.pem").read_text()
    (artifacts / "amazon-roots.pem").write_text(amazon_roots(bundle))
    hash_roots(bundle, packages / "heliograph" / "platform" / "roots")
    (artifacts / MANIFEST).write_text(manifest(artifacts))


def verify(packages: Path) -> None:
    """Raises `Damaged` unless every package is as its wheel has it, and nothing else is there but what is ours."""
    named: set[Path] = set()
    faults: list[str] = []
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        with record.open(newline="") as lines:
            for name, digest, _ in csv.reader(lines):
                path = packages / name
                named.add(path)
                # Without one: the list itself, and what an installer made of the others.
                if digest and ".." not in Path(name).parts and not _is(path, digest):
                    faults.append(f"{name} is not as its package has it")
    for path in packages.rglob("*"):
        inside = path.relative_to(packages)
        if path.is_file() and path not in named and inside.parts[0] not in _OURS_OR_REMOVED:
            faults.append(f"{inside} belongs to no package")
    if not named:
        faults.append("there are no packages")
    if faults:
        raise Damaged("; ".join(faults[:20]))


def _is(path: Path, digest: str) -> bool:
    """Whether the file has that digest, as wheels write them: the hash's name, and base64 without padding."""
    algorithm, _, expected = digest.partition("=")
    if algorithm not in {"sha256", "sha384", "sha512"} or not path.is_file():
        return False
    found = hashlib.new(algorithm, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(found).decode().rstrip("=") == expected


def manifest(artifacts: Path) -> str:
    """Every file's SHA-256 and path, as `sha256sum` writes and checks them."""
    files = {path.relative_to(artifacts): path for path in artifacts.rglob("*") if path.is_file()}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests) if name.name != MANIFEST)


def operations(aws: Path) -> dict[str, tuple[str, ...]]:
    """What `OPERATIONS` is there, without running it."""
    for node in ast.parse(aws.read_text()).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "OPERATIONS":
            found: dict[str, tuple[str, ...]] = ast.literal_eval(node.value) if node.value else {}
            return found
    raise LookupError(f"{aws} names no OPERATIONS")


def trim_sdk(data: Path, kept: Mapping[str, tuple[str, ...]]) -> None:
    """Leaves botocore what it reads for those operations of each service, in every region and partition."""
    for entry in data.iterdir():
        if entry.is_dir() and entry.name not in kept:
            shutil.rmtree(entry)
        elif entry.is_file() and entry.name not in COMMON_DATA:
            entry.unlink()
    prefixes = set()
    for service, names in kept.items():
        *older, newest = sorted(folder for folder in (data / service).iterdir() if folder.is_dir())
        for folder in older:
            shutil.rmtree(folder)
        for path in newest.glob("examples-*"):
            path.unlink()
        for path in newest.glob("*.json*"):
            model = only({*names, *NEEDED_BY_THE_SDK.get(service, ())}, _without_prose(_read(path)))
            if path.name.removesuffix(".gz") == "service-2.json":
                prefixes.add(model["metadata"]["endpointPrefix"])
            path.unlink()
            _write(path.with_name(path.name.removesuffix(".gz")), model)
    endpoints = _read(data / "endpoints.json")
    for partition in endpoints["partitions"]:
        partition["services"] = {name: told for name, told in partition["services"].items() if name in prefixes}
    _write(data / "endpoints.json", endpoints)


def only(names: set[str], model: dict[str, Any]) -> dict[str, Any]:
    """Of one of a service's documents what it says of those operations: calls with their shapes, pages, or waiting."""
    if "merge" in model:
        return {**model, "merge": only(names, model["merge"])}
    kept = dict(model)
    if "pagination" in model:
        kept["pagination"] = {name: told for name, told in model["pagination"].items() if name in names}
    if "waiters" in model:
        kept["waiters"] = {name: told for name, told in model["waiters"].items() if told["operation"] in names}
    if "operations" in model:
        if missing := names - set(model["operations"]):
            raise LookupError(f"the SDK knows no {', '.join(sorted(missing))}")
        kept["operations"] = {name: told for name, told in model["operations"].items() if name in names}
        kept["shapes"] = _reached(kept["operations"], model["shapes"])
    return kept


def _reached(operations: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left = [operations]
    while left:
        new = _shapes_named_in(left.pop()) - set(found)
        found |= {name: shapes[name] for name in new}
        left += [shapes[name] for name in new]
    return found


def _shapes_named_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_shapes_named_in, value))
    if not isinstance(value, dict):
        return set()
    named = {part for name, part in value.items() if name == "shape" and isinstance(part, str)}
    return named.union(*map(_shapes_named_in, value.values()))


def trim_papers(packages: Path) -> None:
    """Leaves of each distribution what says whose it is and what one may do with it."""
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for folder in packages.glob("*.dist-info"):
        for path in folder.iterdir():
            if path.is_file() and path.name != "METADATA" and not re.match("(?i)licen[cs]e|notice|copying", path.name):
                path.unlink()
    for path in [*packages.rglob("*.pyi"), *packages.rglob("*.pyx"), *packages.rglob("*.c")]:
        path.unlink()


def amazon_roots(bundle: str) -> str:
    """Those of AWS's own endpoints, and no others."""
    found = {match["label"]: match["one"] for match in _LABELED.finditer(bundle) if match["label"] in AMAZON_ROOTS}
    if missing := AMAZON_ROOTS - set(found):
        raise LookupError(f"certifi's bundle lacks {', '.join(sorted(missing))}")
    return "".join(found[name] for name in sorted(found))


def hash_roots(bundle: str, folder: Path) -> None:
    """One file for each, as OpenSSL looks for it."""
    openssl = shutil.which("openssl")
    if not openssl:
        sys.stderr.write("no openssl here: the layer reads its whole bundle of certificates at every start\n")
        return
    folder.mkdir()
    for one in _ONE.findall(bundle):
        hashed = subprocess.run(
            [openssl, "x509", "-noout", "-subject_hash"], input=one, capture_output=True, text=True, check=True
        ).stdout.strip()
        number = len(list(folder.glob(f"{hashed}.*")))
        (folder / f"{hashed}.{number}").write_text(one)


def _without_prose(value: Any) -> Any:
    """Emptied, not removed: botocore reads some. A structure's member of that name is an object, and stays."""
    if isinstance(value, dict):
        return {
            name: "" if name == "documentation" and isinstance(part, str) else _without_prose(part)
            for name, part in value.items()
        }
    return [_without_prose(part) for part in value] if isinstance(value, list) else value


def _read(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, separators=(",", ":")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
