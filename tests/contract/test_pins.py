"""What is installed anywhere is pinned with its hashes, and what is deployed is what the tests run on."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.contract.assembled_layer import SOURCE
from tests.contract.cfn_template import ROOT

sys.path.insert(0, str(SOURCE))
import trim

LOCK, LAYER = ROOT / "requirements.lock", SOURCE / "requirements.txt"
FILES = [LOCK, LAYER, *sorted((ROOT / "tests" / "tools").glob("*.txt"))]
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[0-9][A-Za-z0-9.]*)(?P<marker> ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
# Whatever runs pip in a build, on this machine or in a pipeline.
RUNNERS = [ROOT / "Makefile", SOURCE / "Makefile", ROOT / ".ci" / "run", *sorted(ROOT.glob(".github/workflows/*.yml"))]


def pins(path: Path) -> dict[str, str]:
    """By name: the version. Nothing may be there but pins, each with its hashes, and comments."""
    found: dict[str, str] = {}
    hashed: set[str] = set()
    name = ""
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        if pin := PIN.fullmatch(line):
            name = pin["name"]
            assert name not in found, f"{name} is pinned twice"
            found[name] = pin["version"]
        else:
            assert HASH.fullmatch(line), line
            hashed.add(name)
    assert found.keys() == hashed
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_an_exact_version_with_hashes_and_names_no_registry(path: Path) -> None:
    assert pins(path)
    assert "://" not in path.read_text()
    assert "--index" not in path.read_text()


def test_the_versions_of_the_layer_are_those_of_the_lock_and_of_these_tests() -> None:
    locked = pins(LOCK)
    for name, version in pins(LAYER).items():
        assert locked[name] == version
        assert importlib.metadata.version(name) == version


def test_the_layer_has_the_hashes_of_the_lock() -> None:
    def hashes(path: Path) -> dict[str, set[str]]:
        blocks = re.split(r"\n(?=[a-z0-9])", path.read_text())
        return {block.partition("==")[0]: set(re.findall(r"sha256:(\w+)", block)) for block in blocks}

    locked, layer = hashes(LOCK), hashes(LAYER)
    assert {name: layer[name] for name in pins(LAYER)} == {name: locked[name] for name in pins(LAYER)}


def test_the_lock_is_made_of_every_group() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    makefile = (ROOT / "Makefile").read_text().splitlines()
    [command] = [line for line in makefile if line.endswith(f"--output-file {LOCK.name}")]

    assert re.findall(r"--group (\w+)", command) == list(groups)


def commands(path: Path) -> list[str]:
    """Each command of a file that installs something, in one line."""
    lines = path.read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if re.search(r"\bpip\b.*\binstall\b|\$\(INSTALL\)", line) and " = " not in line]


def test_nothing_is_installed_without_the_hashes_of_what_it_is() -> None:
    found = [command for path in RUNNERS for command in commands(path)]
    assert len(found) >= 4
    for command in found:
        assert "--require-hashes" in command or "$(HASHED)" in command, command
    assert "\nHASHED := --require-hashes --no-deps --only-binary :all:\n" in (ROOT / "Makefile").read_text()


# ---- The layer's own integrity


def wheel(folder: Path, name: str, content: bytes, *, digest: str | None = None) -> Path:
    """A package of one module, as pip unpacks it."""
    found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    module = folder / f"{name}.py"
    module.write_bytes(content)
    papers = folder / f"{name}-1.dist-info"
    papers.mkdir()
    (papers / "RECORD").write_text(
        f"{name}.py,sha256={found if digest is None else digest},{len(content)}\n"
        f"{papers.name}/RECORD,,\n../../bin/{name},sha256=x,1\n"
    )
    return module


def test_packages_that_are_as_their_wheels_have_them_are_taken(tmp_path: Path) -> None:
    wheel(tmp_path, "one", b"1")
    wheel(tmp_path, "other", b"")
    for ours in ("heliograph", "bin"):
        (tmp_path / ours).mkdir()
        (tmp_path / ours / "x.py").write_text("x")

    trim.verify(tmp_path)


@pytest.mark.parametrize("change", ["changed", "cut", "gone", "a weak hash", "a foreign file", "another's dist-info"])
def test_a_package_that_is_not_as_its_wheel_has_it_ends_the_build(tmp_path: Path, change: str) -> None:
    wheel(tmp_path, "sound", b"1")
    module = wheel(tmp_path, "other", b"content", digest="md5=abc" if change == "a weak hash" else None)
    match change:
        case "changed":
            module.write_bytes(b"Content")
        case "cut":
            module.write_bytes(b"conten")
        case "gone":
            module.unlink()
        case "a foreign file":
            (tmp_path / "sitecustomize.py").write_text("import evil")
        case "another's dist-info":
            (tmp_path / "other-1.dist-info" / "RECORD").unlink()

    with pytest.raises(trim.Damaged, match=r"other|sitecustomize"):
        trim.verify(tmp_path)


def test_a_layer_without_packages_is_none(tmp_path: Path) -> None:
    with pytest.raises(trim.Damaged):
        trim.verify(tmp_path)


def test_the_manifest_names_every_file_of_the_layer_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "one.py").write_bytes(b"1")
    (tmp_path / "amazon-roots.pem").write_bytes(b"")

    assert trim.manifest(tmp_path).splitlines() == [
        f"{hashlib.sha256(b'').hexdigest()}  amazon-roots.pem",
        f"{hashlib.sha256(b'1').hexdigest()}  python/one.py",
    ]
