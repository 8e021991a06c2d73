"""template.yaml as CloudFormation gets it: after AWS's own SAM transform, which runs here without an account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from tests.contract.cfn_template import ROOT

REGION = "us-east-1"


def transformed_template(parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The template after the transform. Each call returns a copy, to be changed freely."""
    document: dict[str, Any] = json.loads(_transformed(tuple(sorted((parameters or {}).items()))))
    return document


@cache
def _transformed(parameters: tuple[tuple[str, str], ...]) -> str:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for name, resource in template["Resources"].items():
        for field in ("CodeUri", "ContentUri", "DefinitionUri"):  # as `sam package` does: it knows code in S3 only
            if field in resource.get("Properties", {}):
                resource["Properties"][field] = f"s3://a-bucket/{name}"
    session = boto3.Session(region_name=REGION)
    return json.dumps(Translator({}, Parser(), boto_session=session).translate(template, dict(parameters)))
