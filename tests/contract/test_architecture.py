"""Who may import whom, and what is pinned: read from the sources, without running them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.contract.cfn_template import ROOT

PACKAGE = ROOT / "layers" / "core" / "heliograph"
LONGEST_SHELL_LINES = 66


def modules_imported_by(path: Path) -> set[str]:
    """Full names, also of imports that only type checkers run."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{name.name}" for name in node.names} | {str(node.module)}
    return found


def roots(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def sources(folder: str) -> list[Path]:
    return sorted((PACKAGE / folder).glob("**/*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


SHELLS = sorted((ROOT / "functions").glob("*/app.py"))


PURE = [path for path in sources(".") if path.parent.name in {"kernel", "imaging"} or path.stem in {"ports"}]


@pytest.mark.parametrize("path", PURE, ids=named)
def test_the_kernel_knows_the_standard_library_pydantic_and_itself(path: Path) -> None:
    modules = modules_imported_by(path)
    assert roots(modules) <= {*sys.stdlib_module_names, "pydantic", "heliograph"}
    assert not roots(modules) & {"os", "time", "logging", "random", "secrets", "socket", "subprocess"}


# The logger decides by it what is imported. (Programs that the API's description shows read theirs.)
READERS_OF_THE_ENVIRONMENT = {PACKAGE / "runtime" / "environment.py", PACKAGE / "monitoring" / "logging.py"}


@pytest.mark.parametrize("path", [path for path in sources(".") if path.parent.name != "openapi"], ids=named)
def test_one_module_reads_the_environment(path: Path) -> None:
    reads = re.search(r"\b(environ|getenv)\b", path.read_text()) is not None
    assert reads == (path in READERS_OF_THE_ENVIRONMENT)


@pytest.mark.parametrize("path", SHELLS, ids=named)
def test_a_function_is_a_thin_shell(path: Path) -> None:
    modules = modules_imported_by(path)
    assert len(path.read_text().splitlines()) <= LONGEST_SHELL_LINES
    assert not roots(modules) & {*"boto3", "botocore", "httpcore", "httpx", "standardwebhooks", "functions", "app"}
    assert not {name for name in modules if ".adapters" in name}


@pytest.mark.parametrize("path", SHELLS, ids=named)
def test_a_function_is_one_file(path: Path) -> None:
    assert [found.name for found in path.parent.glob("*.py")] == ["app.py"]


@pytest.mark.parametrize("path", [*sources("."), *SHELLS], ids=named)
def test_nothing_sleeps(path: Path) -> None:
    # A stopwatch is what an adapter may have of `time`.
    allowed = {"time", "time.monotonic"} if path.parent.name in {"adapters", "platform"} else set()
    # Who waits on a caller's behalf is handed `Sleep`; all other waiting is the workflow's.
    if path.parent.name == "wiring":
        allowed = {"time"}
    elif path.name != "wait_for_end.py":
        assert not re.search(r"\bsleep\b|^import time\b", path.read_text(), re.MULTILINE)
    assert {name for name in modules_imported_by(path) if name.partition(".")[0] == "time"} <= allowed


# Monotonic clocks know no day, and are nobody's concern.
_READING = re.compile(r"\b(datetime\.(now|today)|date\.today|utcnow|time\.(time|time_ns|gmtime|localtime))\(")
_READERS = {f"time.{name}" for name in ("time", "time_ns", "gmtime", "localtime")}
KINDS_OF_ANY_DAY = ("unit", "contract", "integration", "browser", "fakes")


def reads_the_systems_clock(path: Path) -> bool:
    return bool(_READING.search(path.read_text()) or modules_imported_by(path) & _READERS)


@pytest.mark.parametrize("path", [*sources("."), *SHELLS], ids=named)
def test_only_one_adapter_reads_the_systems_clock(path: Path) -> None:
    assert reads_the_systems_clock(path) == (path == PACKAGE / "platform" / "clock.py")


@pytest.mark.parametrize("kind", KINDS_OF_ANY_DAY)
def test_no_test_reads_the_systems_clock(kind: str) -> None:
    # The time of a test is that of the fixture `clock`: `NOW`, until the test moves it.
    readers = [named(path) for path in sorted((ROOT / "tests" / kind).glob("**/*.py")) if reads_the_systems_clock(path)]
    assert readers == []


PINS = {
    line.partition("==")[0].lower().replace("_", "-"): line.removesuffix(" \\")
    for line in (ROOT / "layers" / "core" / "requirements.txt").read_text().splitlines()
    if "==" in line
}


def test_the_layer_pins_one_exact_version_of_each() -> None:
    for line in PINS.values():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line)


def dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in project["dependencies"]]


def needed(requirement: Requirement) -> set[str]:
    """The requirement and everything that it brings, on Linux and the function's Python."""
    found: set[str] = set()
    waiting = [requirement]
    while waiting:
        one = waiting.pop()
        name = one.name.lower().replace("_", "-")
        if name in found and not one.extras:
            continue
        found.add(name)
        try:
            brought = [Requirement(text) for text in requires(one.name) or ()]
        except PackageNotFoundError:
            continue
        wanted = [{"extra": extra, "python_version": "3.13"} for extra in (*one.extras, "")]
        waiting += [new for new in brought if not new.marker or any(new.marker.evaluate(each) for each in wanted)]
    return found


def test_the_layer_pins_all_that_the_project_depends_on_and_nothing_more() -> None:
    assert set().union(*(needed(one) for one in dependencies())) == set(PINS)
