"""Who may import whom, and what is pinned: read from the sources, without running them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

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


PACKAGE_FILES = sources(".")
SHELLS = sorted((ROOT / "functions").glob("*/app.py"))


def those(paths: Iterable[Path], breaks_the_rule: Callable[[Path], object]) -> list[str]:
    """The files that break a rule."""
    return [str(path.relative_to(ROOT)) for path in paths if breaks_the_rule(path)]


def test_there_is_something_to_look_at() -> None:
    assert len(PACKAGE_FILES) > 100
    assert len(SHELLS) > 10


def test_kernel_imaging_and_ports_know_the_standard_library_pydantic_and_the_package() -> None:
    pure = [path for path in PACKAGE_FILES if path.parent.name in {"kernel", "imaging"} or path.stem == "ports"]
    known = {*sys.stdlib_module_names, "pydantic", "heliograph"}
    impure = {"os", "time", "logging", "random", "secrets", "socket", "subprocess"}

    assert those(pure, lambda path: roots(modules_imported_by(path)) - (known - impure)) == []


def test_two_modules_read_the_environment() -> None:
    # The logger decides by it what is imported. (Programs that the API's description shows read theirs.)
    readers = {PACKAGE / "runtime" / "environment.py", PACKAGE / "monitoring" / "logging.py"}
    others = [path for path in PACKAGE_FILES if path not in readers and path.parent.name != "openapi"]

    assert those(others, lambda path: re.search(r"\b(environ|getenv)\b", path.read_text())) == []


def test_a_function_is_a_thin_shell() -> None:
    foreign = {"boto3", "botocore", "httpcore", "httpx", "standardwebhooks", "functions", "app"}

    assert those(SHELLS, lambda path: len(path.read_text().splitlines()) > LONGEST_SHELL_LINES) == []
    assert those(SHELLS, lambda path: roots(modules_imported_by(path)) & foreign) == []
    assert those(SHELLS, lambda path: any(".adapters" in name for name in modules_imported_by(path))) == []
    # One file each.
    assert sorted((ROOT / "functions").glob("**/*.py")) == SHELLS


def test_nothing_sleeps() -> None:
    def sleeps(path: Path) -> bool:
        # A stopwatch is what an adapter may have of `time`.
        allowed = {"time", "time.monotonic"} if path.parent.name in {"adapters", "platform"} else set()
        # Who waits on a caller's behalf is handed `Sleep`; all other waiting is the workflow's.
        if path.parent.name == "wiring":
            allowed = {"time"}
        elif path.name != "wait_for_end.py" and re.search(r"\bsleep\b|^import time\b", path.read_text(), re.MULTILINE):
            return True
        return bool({name for name in modules_imported_by(path) if name.partition(".")[0] == "time"} - allowed)

    assert those([*PACKAGE_FILES, *SHELLS], sleeps) == []


# Monotonic clocks know no day, and are nobody's concern.
_READING = re.compile(r"\b(datetime\.(now|today)|date\.today|utcnow|time\.(time|time_ns|gmtime|localtime))\(")
_READERS = {f"time.{name}" for name in ("time", "time_ns", "gmtime", "localtime")}
KINDS_OF_ANY_DAY = ("unit", "contract", "integration", "browser", "fakes")


def reads_the_systems_clock(path: Path) -> bool:
    return bool(_READING.search(path.read_text()) or modules_imported_by(path) & _READERS)


def test_only_one_adapter_reads_the_systems_clock() -> None:
    assert those([*PACKAGE_FILES, *SHELLS], reads_the_systems_clock) == ["layers/core/heliograph/platform/clock.py"]


def test_no_test_reads_the_systems_clock() -> None:
    # The time of a test is that of the fixture `clock`: `NOW`, until the test moves it.
    files = [path for kind in KINDS_OF_ANY_DAY for path in sorted((ROOT / "tests" / kind).glob("**/*.py"))]

    assert those(files, reads_the_systems_clock) == []


def test_no_two_public_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path in PACKAGE_FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))

    assert {name: files for name, files in places.items() if len(files) > 1} == {}


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
