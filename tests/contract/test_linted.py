"""What cfn-lint is shown: it finds mistakes in what SAM makes, and none in the template."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.contract.cfn_template import ROOT
from tests.contract.linted import EVERY_REGION, faults_in, variants, written
from tests.contract.transformed import transformed_template


@pytest.fixture
def cfn_lint() -> Path:
    """The one beside the SAM CLI. `make check` runs the newest."""
    found = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    assert found, "there is no cfn-lint: install the project's test dependencies"
    return Path(found)


def test_a_mistake_in_what_sam_makes_is_found(tmp_path: Path, cfn_lint: Path) -> None:
    template = transformed_template()
    template["Resources"]["DispatchJobRole"]["Properties"]["MaxSessionDurations"] = 3600
    template["Resources"]["DispatchJob"]["Properties"]["Description"] = {"Fn::GetAtt": ["Api", "Identity"]}
    faults = faults_in(written(tmp_path, "changed", template), cfn_lint)
    assert [re.sub(r" .*", "", fault.removeprefix("changed: ")) for fault in sorted(faults)] == ["E1010", "E3002"]


def test_what_a_region_lacks_is_found(tmp_path: Path, cfn_lint: Path) -> None:
    url = {"Type": "AWS::Lambda::Url", "Properties": {"TargetFunctionArn": "somebody", "AuthType": "NONE"}}
    variant = written(tmp_path, "regional", {"Resources": {"Url": url}}, regions=("us-east-1", "ca-west-1"))
    [fault] = faults_in(variant, cfn_lint)
    assert "does not exist in 'ca-west-1'" in fault


def test_a_linter_that_breaks_is_no_linter_that_is_content(tmp_path: Path, cfn_lint: Path) -> None:
    with pytest.raises(RuntimeError, match="broke on nowhere"):
        faults_in(written(tmp_path, "nowhere", {}, regions=("mars-north-1",)), cfn_lint)


def test_all_that_is_deployed_is_looked_at(tmp_path: Path) -> None:
    shown = {variant.name: variant for variant in variants(tmp_path)}
    assert shown["template.yaml"].path == ROOT / "template.yaml"
    transformed = json.loads(shown["transformed"].path.read_text())
    assert transformed.keys() >= {"Conditions", "Outputs", "Parameters", "Resources"}
    least = json.loads(shown["least"].path.read_text())
    assert len(least["Resources"]) < len(transformed["Resources"])
    # Where the least of it needs nothing that a Region lacks, it fits every Region.
    regional = {"AWS::Lambda::Url"} & {resource["Type"] for resource in least["Resources"].values()}
    assert (shown["least"].regions == (EVERY_REGION,)) == (not regional)
