"""The layer as its build leaves it, put together from what is installed here: no network."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from tests.contract.cfn_template import ROOT

SOURCE = ROOT / "layers" / "core"


def assemble(artifacts: Path) -> Path:
    """Copies the pinned packages and ours, and trims them as the Makefile does; returns the folder of packages."""
    packages = artifacts / "python"
    packages.mkdir(parents=True)
    for name in pinned():
        for entry in _top_level(importlib.metadata.distribution(name)):
            if entry.is_dir():
                shutil.copytree(entry, packages / entry.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(entry, packages)
    shutil.copytree(SOURCE / "heliograph", packages / "heliograph", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, str(SOURCE / "trim.py"), str(artifacts)], check=True)
    compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(packages)]
    subprocess.run(compiling, check=True)
    return packages


def pinned() -> list[str]:
    """The distributions of the layer."""
    lines = (SOURCE / "requirements.txt").read_text().splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line]


def _top_level(distribution: importlib.metadata.Distribution) -> set[Path]:
    site = Path(str(distribution.locate_file("")))
    names = {file.parts[0] for file in distribution.files or () if file.parts[0] not in {"..", "__pycache__"}}
    return {site / name for name in names}
