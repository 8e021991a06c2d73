"""cfn-lint on the template as it is written, and as CloudFormation gets it in every Region.

    python -m tests.contract.linted CFN_LINT

Of what SAM makes, cfn-lint sees nothing in template.yaml: roles, permissions, the API's methods, the function URL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract import observability
from tests.contract.cfn_template import ROOT
from tests.contract.deployed import Deployed, on_off_parameters
from tests.contract.transformed import REGION, transformed_template

EVERY_REGION = "ALL_REGIONS"
# A template whose conditions are decided needs the switches no more.
_UNUSED_PARAMETER = "W2001"
# SAM writes no tracing mode where the parameter is `Disabled`, so that value never meets the property.
_VALUE_OF_A_REFERENCE = "W1030"
# What some Regions lack: https://docs.aws.amazon.com/lambda/latest/dg/lambda-urls.html
_REGIONAL = "AWS::Lambda::Url"
# `sam build` and `sam package` write merges and aliases out, also in nested templates; a test holds what they write.
_ALIASES = ("W1100", "W1101")
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Variant:
    """A template to look at. `regions`: those that it should fit; `ignored`: rules that say nothing about it."""

    name: str
    path: Path
    regions: tuple[str, ...] = (REGION,)
    ignored: tuple[str, ...] = ()


def variants(folder: Path) -> Iterator[Variant]:
    """The template and the one it nests; the transformed one with all its conditions; the least of it."""
    yield Variant("template.yaml", ROOT / "template.yaml")
    yield Variant("observability.yaml", observability.PATH, regions=(EVERY_REGION,), ignored=_ALIASES)
    everything = transformed_template(on_off_parameters("on"))
    yield written(folder, "transformed", everything, ignored=(_VALUE_OF_A_REFERENCE,))
    least = Deployed(on_off_parameters("off"))
    everywhere = (REGION,) if least.of_type(_REGIONAL) else (EVERY_REGION,)
    yield written(folder, "least", least.template, regions=everywhere, ignored=(_UNUSED_PARAMETER,))


def written(folder: Path, name: str, template: dict[str, Any], **options: Any) -> Variant:
    """A template as a file."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(template))
    return Variant(name, path, **options)


def faults_in(variant: Variant, cfn_lint: Path) -> list[str]:
    """What that cfn-lint has against it."""
    options = ["--ignore-checks", *variant.ignored] if variant.ignored else []
    command = [str(cfn_lint), "--format", "json", "--regions", *variant.regions, *options, "--", str(variant.path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    # Its exit code tells which kinds of fault there are, of which 1 is that it broke.
    if said.returncode == 1 or said.stderr:
        raise RuntimeError(f"cfn-lint broke on {variant.name}: {said.stderr or said.stdout}")
    return [_told(variant, fault) for fault in json.loads(said.stdout)]


def _told(variant: Variant, fault: dict[str, Any]) -> str:
    where = "/".join(map(str, fault["Location"].get("Path") or ()))
    return f"{variant.name}: {fault['Rule']['Id']} {fault['Message']} ({where})"


def main(cfn_lint: Path) -> int:
    """Prints every fault, if there is one."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda variant: faults_in(variant, cfn_lint), list(variants(Path(folder))))
        faults = [fault for each in found for fault in each]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
