"""What a function loads to start, in a process of its own, from the layer as its build leaves it.

Sets, not times: what is not there costs nothing on any machine.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
import trim

from benchmarks import _fresh_process as fresh
from tests.contract.assembled_layer import SOURCE, assemble
from tests.contract.cfn_template import ROOT, variables_of

AWS = SOURCE / "heliograph" / "platform" / "aws.py"
# What is large, or must not be everywhere, and the functions that run it.
ONLY_IN: dict[str, set[str]] = {
    "heliograph.webhooks.adapters.http_sender": {"send_webhook"},
    "heliograph.api.openapi.operations": set(),
    "heliograph.providers.adapters.result_host": {"finalize_job", "recover_job", "sweep_jobs"},
    "aws_lambda_powertools.utilities.batch": {"submit_upload", "fan_out_webhooks"},
    # Another provider's, unless the deployment has its key.
    "heliograph.providers.adapters.kie": set(),
    # Brings asyncio and wraps the SDK; only deployments that trace calls have it.
    "aws_xray_sdk": set(),
    # All of pydantic's parsers: batches load them where they find them loaded.
    "aws_lambda_powertools.utilities.parser": set(),
}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(tmp_path_factory.mktemp("layer"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh.runtime_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def loaded(layer: Path, site: Path) -> dict[str, set[str]]:
    """By function: what its start loads."""
    return {function: fresh.modules_after_start(function, [layer, site]) for function in fresh.FUNCTION_NAMES}


@pytest.mark.parametrize("module", ONLY_IN)
def test_a_function_loads_what_it_runs(module: str, loaded: dict[str, set[str]]) -> None:
    assert {function for function, modules in loaded.items() if module in modules} == ONLY_IN[module]


def test_poll_task_neither_serves_nor_stores(loaded: dict[str, set[str]]) -> None:
    stores = {
        name
        for name in loaded["poll_task"]
        if name.startswith(("heliograph.jobs.adapters.dynamodb", "heliograph.storage.adapters.s3"))
    }
    assert not stores
    assert not loaded["poll_task"] & {"aws_lambda_powertools.event_handler", "heliograph.jobs.job"}


# ---- The search for garbage


def test_a_function_searches_for_no_garbage_until_it_is_made(layer: Path, site: Path) -> None:
    for function, name in fresh.FUNCTION_NAMES.items():
        shell = ROOT / "functions" / function
        first = next(
            line for line in (shell / "app.py").read_text().splitlines() if "heliograph" in line or "aws_lambda" in line
        )
        assert first.startswith("import heliograph.runtime.start ")
        said = fresh.said(
            "import gc, heliograph.runtime.start; was = gc.isenabled(); import app; print(was, gc.isenabled())",
            [shell, layer, site],
            variables_of(name),
        )
        assert said.split() == ["False", "True"]


def test_nothing_but_a_function_turns_it_off(layer: Path, site: Path) -> None:
    program = """
import gc, importlib, pkgutil, heliograph
for found in pkgutil.walk_packages(heliograph.__path__, "heliograph."):
    if found.name != "heliograph.runtime.start" and not found.name.endswith("__main__"):
        importlib.import_module(found.name)
        assert gc.isenabled(), found.name
print("done")
"""
    assert fresh.said(f"exec({program!r})", [layer, site], variables_of("PollTask")).split() == ["done"]


# ---- The SDK


def operations() -> dict[str, tuple[str, ...]]:
    """`OPERATIONS` of platform/aws.py."""
    [node] = [
        node.value
        for node in ast.parse(AWS.read_text()).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "OPERATIONS"
    ]
    assert node
    found: dict[str, tuple[str, ...]] = ast.literal_eval(node)
    return found


def test_the_layer_has_the_services_that_the_adapters_ask_for_and_no_others(layer: Path) -> None:
    asked = {
        node.args[0].value
        for node in ast.walk(ast.parse(AWS.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client"
        if isinstance(node.args[0], ast.Constant)
    }
    data = layer / "botocore" / "data"
    assert asked == set(operations()) == {path.name for path in data.iterdir() if path.is_dir()}


def _names_used(source: str) -> Iterator[str]:
    """Whatever an adapter of AWS's takes from anything, and what it asks for by name (pages, signed links)."""
    if not any(name in source for name in ("aws_errors", "botocore", "mypy_boto3")):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name):
                yield name
            case ast.Call(
                func=ast.Attribute(attr="get_paginator" | "generate_presigned_url"), args=[ast.Constant(value=name), *_]
            ):
                yield str(name)


def test_the_layer_has_the_operations_that_the_adapters_call_and_no_others() -> None:
    session = botocore.session.get_session()
    known = {
        botocore.xform_name(operation): (service, operation)
        for service in operations()
        for operation in session.get_service_model(service).operation_names
    }
    used = {name for path in (SOURCE / "heliograph").rglob("*.py") for name in _names_used(path.read_text())}
    listed = {(service, operation) for service, names in operations().items() for operation in names}
    assert {known[name] for name in used & set(known)} == listed


def test_only_one_module_makes_clients() -> None:
    makers = {
        path.name
        for path in (SOURCE / "heliograph").rglob("*.py")
        if re.search(r"create_client\(|boto3\.(client|resource|Session|session)\b", path.read_text())
    }
    assert makers == {"aws.py"}


# In the SDK's own words: where each service is, what a call may say and what comes back.
_TOLD = """
import json, sys
import botocore.session
session = botocore.session.get_session()

def members(shape, above=()):
    if shape is None or shape.name in above:
        return None
    above = (*above, shape.name)
    if shape.type_name == "structure":
        inner = {name: members(member, above) for name, member in shape.members.items()}
    elif shape.type_name == "list":
        inner = members(shape.member, above)
    elif shape.type_name == "map":
        inner = [members(shape.key, above), members(shape.value, above)]
    else:
        inner = None
    return [shape.type_name, sorted(shape.serialization), inner]

told = {}
for service, operations in json.loads(sys.argv[1]).items():
    for region in ("us-east-1", "eu-central-1", "eu-central-2", "us-gov-west-1", "cn-north-1"):
        client = session.create_client(service, region_name=region, aws_access_key_id="x", aws_secret_access_key="x")
        told[service + " in " + region] = [client.meta.endpoint_url, client.meta.partition]
    model = client.meta.service_model
    told[service] = {key: value for key, value in model.metadata.items()}
    for name in operations:
        operation = model.operation_model(name)
        method = botocore.xform_name(name)
        told[service + "." + name] = [
            operation.http, members(operation.input_shape), members(operation.output_shape),
            sorted(shape.name for shape in operation.error_shapes), str(operation.endpoint),
            str(operation.static_context_parameters), operation.http_checksum, operation.auth_type,
            client.can_paginate(method),
        ]
    if service == "s3":
        form = client.generate_presigned_post("bucket", "key", Conditions=[["eq", "$x-amz-meta-a", "b"]])
        told["form"] = [form["url"], sorted(form["fields"])]
print(json.dumps(told))
"""


def _told(path: Path) -> Any:
    finished = subprocess.run(
        [sys.executable, "-S", "-c", _TOLD, json.dumps(operations())],
        env={"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(finished.stdout)


def test_the_trimmed_sdk_says_what_the_whole_one_says_in_every_partition(layer: Path) -> None:
    whole = Path(botocore.__file__).parents[1]
    assert _told(layer) == _told(whole)


def test_an_operation_that_the_sdk_does_not_know_stops_the_build() -> None:
    with pytest.raises(LookupError, match="GetItems"):
        trim.only({"GetItems"}, {"operations": {"GetItem": {}}, "shapes": {}})


def test_aws_is_believed_with_five_authorities_and_the_world_with_all(layer: Path) -> None:
    bundle = (layer / "certifi" / "cacert.pem").read_text().count("BEGIN CERTIFICATE")
    hashed = layer / "heliograph" / "platform" / "roots"
    assert (layer.parent / "amazon-roots.pem").read_text().count("BEGIN CERTIFICATE") == 5
    assert not hashed.exists() or len(list(hashed.iterdir())) == bundle
