"""template.yaml as CloudFormation gets it: after AWS's own SAM transform, which runs here without an account.

What SAM adds is in no source file: roles, permissions, event source mappings, the API's paths. SAM itself resolves some
references to parameters; conditions stay as they are until CloudFormation decides them (see `deployed.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.arn_generator import ArnGenerator
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from tests.contract import observability
from tests.contract.cfn_template import ROOT

# It speaks of feature toggles and metrics, which are the service's own.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

REGION = "us-east-1"
# A Region of each partition that anybody can have an account in.
PARTITIONS = {"us-east-1": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}


def transformed_template(parameters: Mapping[str, str] | None = None, *, region: str = REGION) -> dict[str, Any]:
    """The template after the transform. Each call returns a copy, to be changed freely."""
    document: dict[str, Any] = json.loads(_transformed(tuple(sorted((parameters or {}).items())), region))
    return document


def whole_stack() -> dict[str, Any]:
    """The transformed template with the resources of the stack that it nests beside its own."""
    document = transformed_template()
    assert not document["Resources"].keys() & observability.RESOURCES.keys()
    return {**document, "Resources": {**document["Resources"], **observability.RESOURCES}}


@cache
def _transformed(parameters: tuple[tuple[str, str], ...], region: str) -> str:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for name, resource in template["Resources"].items():
        _upload(name, resource)
    session = boto3.Session(region_name=region)
    before = ArnGenerator.BOTO_SESSION_REGION_NAME
    try:
        done = Translator({}, Parser(), boto_session=session).translate(template, dict(parameters))
    finally:
        ArnGenerator.BOTO_SESSION_REGION_NAME = before
    return json.dumps(done)


def _upload(name: str, resource: dict[str, Any]) -> None:
    """As `sam package` does: the transform knows code in S3 only, CloudFormation nested templates too."""
    for field in ("CodeUri", "ContentUri", "DefinitionUri"):
        if field in resource.get("Properties", {}):
            resource["Properties"][field] = f"s3://a-bucket/{name}"
    if resource["Type"] == "AWS::CloudFormation::Stack":
        resource["Properties"]["TemplateURL"] = f"https://s3.us-east-1.amazonaws.com/a-bucket/{name}"
