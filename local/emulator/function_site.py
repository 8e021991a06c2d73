"""The directory of the packages that AWS's Python runtime includes.

Built from what is installed next to the emulator, by links, so it needs no network. It holds
these distributions with their dependencies and nothing else, so a function still fails, as it would on AWS,
when it imports something that is neither in its archive nor in a layer.
"""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

RUNTIME_DISTRIBUTIONS = ("awslambdaric", "boto3")
_BUILD_ONE = (
    "Pass --function-site, a directory made with `python -m pip install --target DIRECTORY "
    f"{' '.join(RUNTIME_DISTRIBUTIONS)}` by the functions' interpreter."
)


class RuntimePackageMissingError(RuntimeError):
    """A package of AWS's runtime that is not installed here."""


def link(directory: Path, function_python: str) -> None:
    """Fills the directory, for functions that run under this interpreter's version."""
    if _version_of(function_python) != _version_of(sys.executable):
        raise RuntimePackageMissingError(
            f"{function_python} is not the Python version that runs the emulator, so functions cannot use its "
            f"packages. {_BUILD_ONE}"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for distribution in _with_dependencies(RUNTIME_DISTRIBUTIONS):
        for entry in _top_level_entries(distribution):
            target = directory / entry.name
            target.unlink(missing_ok=True)
            target.symlink_to(entry)


def _with_dependencies(names: tuple[str, ...]) -> list[importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise RuntimePackageMissingError(f"{name} is not installed. {_BUILD_ONE}") from error
        requirements = found[name].requires or []
        wanted += [_name_of(line) for line in requirements if "extra ==" not in line]
    return list(found.values())


def _version_of(python: str) -> str:
    question = "import sys; print(*sys.version_info[:2])"
    return subprocess.run([python, "-S", "-c", question], check=True, capture_output=True, text=True).stdout


def _name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _top_level_entries(distribution: importlib.metadata.Distribution) -> set[Path]:
    site_packages = Path(str(distribution.locate_file("")))
    names = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    return {site_packages / name for name in names}
