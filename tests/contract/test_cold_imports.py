"""What a function loads to start, in a process of its own, from the layer as its build leaves it.

Sets, not times: what is not there costs nothing on any machine.
"""

from __future__ import annotations

import ast
import json
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

AWS = SOURCE / "heliograph" / "platform" / "aws.py"
# Nobody runs them.
BY_NOBODY = {
    "asyncio",
    "aws_lambda_powertools.event_handler.appsync",
    "aws_lambda_powertools.event_handler.openapi.models",
    "aws_lambda_powertools.utilities.data_classes.connect_contact_flow_event",
    "aws_lambda_powertools.utilities.parameters",
    "aws_lambda_powertools.utilities.parser",  # as batches do where pydantic is loaded before them
    "aws_xray_sdk",
    "boto3",
    "botocore.docs.service",
    "html.parser",
    "multiprocessing",
    "s3transfer",
}
API = {"aws_lambda_powertools.event_handler", "heliograph.api.responses"}
BATCHES = {"aws_lambda_powertools.utilities.batch"}
HTTP = {"httpx"}  # without httpcore: over the standard library
STORE = {"heliograph.jobs.adapters.dynamodb"}
OBJECTS = {"heliograph.storage.adapters.s3"}
SECRETS = {"heliograph.platform.secrets"}
WORKFLOW = {"heliograph.jobs.adapters.step_functions", "heliograph.platform.step_functions"}
WEBHOOKS = {
    "httpcore",
    "heliograph.webhooks.adapters.http_sender",
    "heliograph.webhooks.endpoint",
    "heliograph.webhooks.delivery",
}
OPENAI = {"heliograph.openai_images.parameters", "heliograph.openai_images.make_images"}
OPENAPI = {"heliograph.api.openapi.operations", "heliograph.api.openapi.document"}
LARGE = {
    *API,
    *OPENAPI,
    *BATCHES,
    *HTTP,
    *STORE,
    *OBJECTS,
    *SECRETS,
    *WORKFLOW,
    *WEBHOOKS,
    *OPENAI,
    "heliograph.providers.adapters.kie",
}
# Of those, what each of the functions in the way of a job may load.
ALLOWED: dict[str, set[str]] = {
    "submit_upload": {*BATCHES, *STORE, *OBJECTS, *WORKFLOW},
    "submit_request": {*API, *STORE, *OBJECTS, *WORKFLOW},
    "dispatch": {*HTTP, *STORE, *OBJECTS, *SECRETS},
    "poll": {*HTTP, *SECRETS},
    "finalize": {*HTTP, *STORE, *OBJECTS},
    "close": {*HTTP, *STORE, *OBJECTS, *SECRETS},
    "authorize": SECRETS,
    "api": {*API, *STORE, *OBJECTS, *WORKFLOW},
    "cancel": {*API, *STORE, *OBJECTS},
    "uploads": {*API, *OBJECTS},
    "pages": {*API, *OBJECTS},
}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(tmp_path_factory.mktemp("layer"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh.runtime_site(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("function", sorted(fresh.FUNCTION_NAMES))
def test_a_function_loads_what_it_runs(function: str, layer: Path, site: Path) -> None:
    loaded = fresh.modules_after_start(function, [layer, site])
    assert not loaded & BY_NOBODY
    if function in ALLOWED:
        assert loaded & LARGE == ALLOWED[function]


def test_poll_neither_serves_nor_stores_nor_signs_links(layer: Path, site: Path) -> None:
    loaded = fresh.modules_after_start("poll", [layer, site])
    assert {name for name in loaded if ".adapters." in name} == {
        "heliograph.providers.adapters.apimodels",
        "heliograph.providers.adapters.task_api",
    }
    assert {name for name in loaded if name.startswith("heliograph.execution.")} == {
        "heliograph.execution.outcomes",
        "heliograph.execution.poll",
        "heliograph.execution.task_state",
    }


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
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_client"
        if isinstance(node.args[0], ast.Constant)
    }
    data = layer / "botocore" / "data"
    assert asked == set(operations()) == {path.name for path in data.iterdir() if path.is_dir()}


def _names_used(source: str) -> Iterator[str]:
    """Whatever an adapter of AWS's takes from anything, and what it asks for by name (pages, signed links)."""
    if "botocore" not in source and "mypy_boto3" not in source:
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
        if "create_client(" in path.read_text() or "boto3.client" in path.read_text()
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


def test_names_that_are_gathered_on_demand_are_all_there(layer: Path) -> None:
    program = """
import importlib, json
for package in ("event_handler", "utilities.batch", "utilities.data_classes"):
    module = importlib.import_module("aws_lambda_powertools." + package)
    for name in module.__all__:
        found = getattr(module, name)
        assert not type(found).__name__ == "module", name
    try:
        module.no_such_name
    except AttributeError:
        continue
    raise AssertionError
import botocore.docs.docstring as written
assert written.LazyLoadedDocstring is not None
"""
    subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(layer), "PYTHONDONTWRITEBYTECODE": "1", "POWERTOOLS_SERVICE_NAME": "x"},
        check=True,
    )


def test_aws_is_believed_with_five_authorities_and_the_world_with_all(layer: Path) -> None:
    bundle = (layer / "certifi" / "cacert.pem").read_text().count("BEGIN CERTIFICATE")
    hashed = layer / "heliograph" / "platform" / "roots"
    assert (layer.parent / "amazon-roots.pem").read_text().count("BEGIN CERTIFICATE") == 5
    assert not hashed.exists() or len(list(hashed.iterdir())) == bundle
