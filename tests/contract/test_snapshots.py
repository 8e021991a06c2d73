"""SnapStart: who wakes from a snapshot, from which, and that nothing is in it that must not be there twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import _fresh_process as fresh
from tests.contract.assembled_layer import assemble
from tests.contract.cfn_template import (
    FUNCTIONS,
    GLOBALS,
    RESOURCES,
    ROOT,
    holds,
    resources_of,
    value_of,
    variables_of,
)

[API] = resources_of("AWS::Serverless::Api").values()
SNAPSHOTS = {name: function["SnapStart"] for name, function in FUNCTIONS.items() if "SnapStart" in function}
ALIAS = RESOURCES["AuthorizeCallLive"]["Properties"]
SNAPSHOT = RESOURCES["AuthorizeCallSnapshot"]


@pytest.mark.parametrize(
    ("parameter", "applied_on", "version"),
    [
        # A Region that lacks it must not see the property at all.
        ("off", {"Ref": "AWS::NoValue"}, "$LATEST"),
        ("authorizer", {"ApplyOn": "PublishedVersions"}, "authorizecallsnapshot"),
    ],
)
def test_the_gateway_asks_what_was_deployed_last_or_its_snapshot(
    parameter: str, applied_on: dict[str, str], version: str
) -> None:
    condition, asked_for, otherwise = SNAPSHOTS["AuthorizeCall"]["Fn::If"]
    chosen = asked_for if holds(condition, SnapStart=parameter) else otherwise
    assert chosen == applied_on
    assert value_of(ALIAS["FunctionVersion"], SnapStart=parameter) == version
    assert holds(SNAPSHOT["Condition"], SnapStart=parameter) == (parameter != "off")
    assert API["Auth"]["Authorizers"]["BearerKey"]["FunctionArn"] == {"Ref": "AuthorizeCallLive"}


def test_without_asking_for_it_nobody_has_snapshots() -> None:
    assert list(SNAPSHOTS) == ["AuthorizeCall"]
    assert not holds("HasSnapshots")
    assert "SnapStart" not in GLOBALS


def test_every_release_takes_a_new_snapshot_of_the_same_function() -> None:
    assert SNAPSHOT["Properties"] == {"FunctionName": {"Ref": "AuthorizeCall"}, "Description": {"Ref": "Release"}}
    assert ALIAS["FunctionName"] == {"Ref": "AuthorizeCall"}
    # Lambda publishes no version of what has not changed, and CloudFormation takes that for a failure.
    condition, described, _ = FUNCTIONS["AuthorizeCall"]["Description"]["Fn::If"]
    assert condition == SNAPSHOT["Condition"]
    assert "${Release}" in described["Fn::Sub"]


# Who draws chance, reads a clock or makes a connection while the function starts, by the module that calls. (Of what
# the SDK and Python themselves seed at import, nothing becomes an id or a secret.)
_DRAWN = """
import json, os, random, secrets, socket, sys, time, uuid
drawn = []

def watch(module, name):
    real = getattr(module, name)
    def watched(*arguments, **named):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if module is socket.socket or caller == "app" or caller.startswith("heliograph"):
            drawn.append(f"{caller}: {name}")
        return real(*arguments, **named)
    setattr(module, name, watched)

for module, names in {
    os: ["urandom"], random: ["random", "uniform", "randint", "choice"], time: ["time", "time_ns", "monotonic"],
    secrets: ["token_bytes", "token_hex", "token_urlsafe"], uuid: ["uuid4"], socket.socket: ["connect"],
}.items():
    for name in names:
        watch(module, name)
from heliograph.platform.clock import SystemClock
watch(SystemClock, "now")
import app
print(json.dumps(drawn))
"""


def test_a_snapshot_holds_no_chance_no_time_and_no_connection(tmp_path: Path) -> None:
    layer, site = assemble(tmp_path / "layer"), fresh.runtime_site(tmp_path / "site")
    for function in SNAPSHOTS:
        folder = ROOT / FUNCTIONS[function]["CodeUri"]
        assert json.loads(fresh.said(_DRAWN, [folder, layer, site], variables_of(function))) == []
