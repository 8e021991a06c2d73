"""What it costs to start a function: CPU of importing it and making all that it works with, against a bare client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks import _fresh_process as fresh
from tests.contract.cfn_template import ROOT

TITLE = "Cold starts"
ROUNDS = 7
# The yardstick is measured anew between so many starts: the machine may be busier by then.
_STARTS_PER_YARDSTICK = 4
_LAYER_SOURCE = ROOT / "layers" / "core"
# On these it is shown what each measure brings.
_SHOWN = ("poll_task", "submit_job", "finalize_job")
# No start may cost more, as a multiple of a bare client.
_LIMIT = 1.6
_LIMITS = {"poll_task": 1.3}


def measure() -> dict[str, Any]:
    """CPU milliseconds: medians of fresh processes, in turns."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        site = fresh.runtime_site(folder / "site")
        sdk = _installed_sdk(folder / "sdk")
        layer = _built_layer(folder / "layer")
        variants = {
            "with the SDK as installed": _with_whole_sdk(layer, sdk, folder / "whole-sdk"),
            "with garbage searched for": _with_garbage_searched_for(layer, folder / "garbage"),
            "with all root certificates in one file": _with_one_bundle(layer, folder / "one-bundle"),
        }
        nowhere = {"PYTHONPYCACHEPREFIX": str(folder / "no-bytecode")}

        starts: list[tuple[str, str, Path, dict[str, str]]] = [
            (name, "as built", layer, {}) for name in sorted(fresh.FUNCTION_NAMES)
        ]
        starts += [(name, "without bytecode", layer, nowhere) for name in _SHOWN]
        starts += [(name, variant, path, {}) for variant, path in variants.items() for name in _SHOWN]
        yardstick: list[float] = []
        seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for number, (name, variant, path, variables) in enumerate(starts):
                if number % _STARTS_PER_YARDSTICK == 0:
                    yardstick.append(fresh.yardstick_cpu_seconds(sdk=sdk, site=site))
                taken = fresh.start_cpu_seconds(name, layer=path, site=site, variables=variables)
                seconds[variant, name].append(taken)
        return {
            "rounds": ROUNDS,
            "yardstick_cpu_ms": _ms(yardstick),
            "functions": {name: _ms(seconds["as built", name]) for name in sorted(fresh.FUNCTION_NAMES)},
            "variants": {
                variant: {name: _ms(taken) for (kind, name), taken in seconds.items() if kind == variant}
                for variant in ("without bytecode", *variants)
            },
            "layer_megabytes": {
                "as built": _megabytes(layer),
                "with the SDK as installed": _megabytes(variants["with the SDK as installed"]),
            },
        }


def tell(figures: dict[str, Any], plots: Path) -> str:
    """Ratios, the slowest first."""
    yardstick = figures["yardstick_cpu_ms"]
    ratios = {name: taken / yardstick for name, taken in figures["functions"].items()}
    _plot(ratios, plots / "cold_starts.svg")
    lines = [
        "CPU time of a function's start: importing it and creating everything it uses, with the layer as it is built, "
        'beyond what Lambda\'s own runtime loads. The unit (1.00) is a bare `boto3.client("s3")`, as pip installs it, '
        f"in the same interpreter and run. Medians of {figures['rounds']} fresh processes each, interleaved.",
        "",
        "![CPU of each function's start](performance/cold_starts.svg)",
        "",
        "| function | times a bare client | bound |",
        "|---|---|---|",
    ]
    for name, ratio in sorted(ratios.items(), key=lambda each: -each[1]):
        limit = _LIMITS.get(name, _LIMIT)
        missed = ": **missed**" if round(ratio, 2) > limit else ""
        lines.append(f"| {name} | {ratio:.2f} | {limit}{missed} |")
    lines += [
        "",
        "What each part of the build saves. What was taken out, and what that costs: "
        "[decision 73](decisions/0073-less-build-machinery.md).",
        "",
    ]
    shown = list(next(iter(figures["variants"].values())))
    lines += ["| | " + " | ".join(shown) + " | layer |", "|---" * (len(shown) + 2) + "|"]
    megabytes = figures["layer_megabytes"]
    for variant, taken in {"as built": figures["functions"], **figures["variants"]}.items():
        told = " | ".join(f"{taken[name] / yardstick:.2f}" for name in shown)
        size = megabytes.get(variant)
        lines.append(f"| {variant} | {told} | {f'{size:.0f} MB' if size else ''} |")
    return "\n".join(lines)


def _built_layer(folder: Path) -> Path:
    """As `sam build` makes it, for this interpreter."""
    source = folder / "source"
    shutil.copytree(_LAYER_SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        ["make", "--silent", "-C", str(source), "build-CoreLayer"],  # noqa: S607
        env={
            **os.environ,
            "ARTIFACTS_DIR": str(folder / "built"),
            "LAYER_PYTHON": fresh.PYTHON,
            "PIP": f"{sys.executable} -m pip",
        },
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder / "built" / "python"


def _installed_sdk(folder: Path) -> Path:
    """As anybody has it: everything, compiled by pip. Of the layer's versions."""
    pins = [line.removesuffix(" \\") for line in (_LAYER_SOURCE / "requirements.txt").read_text().splitlines()]
    constraints = folder.with_suffix(".txt")
    # Without their hashes: pip wants those of everything that it installs, or of nothing.
    constraints.write_text("\n".join(line for line in pins if "==" in line))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", fresh.PYTHON, "install", "--quiet", "--compile"),
            *("--disable-pip-version-check", "--target", str(folder)),
            *("boto3", "--constraint", str(constraints)),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return folder


def _with_whole_sdk(layer: Path, sdk: Path, folder: Path) -> Path:
    """The same layer with nothing taken away from the SDK."""
    shutil.copytree(layer, folder)
    shutil.rmtree(folder / "botocore")
    shutil.copytree(sdk / "botocore", folder / "botocore")
    return folder


def _with_garbage_searched_for(layer: Path, folder: Path) -> Path:
    """The same layer with Python's garbage collection during the start."""
    shutil.copytree(layer, folder)
    start = folder / "heliograph" / "runtime" / "start"
    shutil.rmtree(start.parent / "__pycache__")
    start.with_suffix(".py").write_text("")
    subprocess.run(
        [
            *(fresh.PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
            str(start.parent),
        ],
        check=True,
    )
    return folder


def _with_one_bundle(layer: Path, folder: Path) -> Path:
    """The same layer without the folder of root certificates: certifi's whole bundle is read."""
    shutil.copytree(layer, folder)
    shutil.rmtree(folder / "heliograph" / "adapters" / "roots")
    return folder


def _ms(seconds: list[float]) -> float:
    return round(median(seconds) * 1000, 1)


def _megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


def _plot(ratios: dict[str, float], path: Path) -> None:
    names = sorted(ratios, key=lambda name: ratios[name])
    figure = Figure(figsize=(7, 0.24 * len(names) + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [ratios[name] for name in names], color="#3b6ea5")
    axes.axvline(1, color="#888888", linewidth=1)
    axes.set_xlabel('CPU of the start, as a multiple of boto3.client("s3")')
    axes.spines[["top", "right"]].set_visible(False)
    with rc_context({"svg.hashsalt": "heliograph"}):
        figure.savefig(path, metadata={"Date": None})
