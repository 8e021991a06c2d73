"""`ENV=name`: an environment in samconfig.toml, SAM's own file, so that a deployment needs no questions."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.cli.types import CfnParameterOverridesType

from operations.places import ROOT
from operations.refusals import Refused

SAMCONFIG = ROOT / "samconfig.toml"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The section `[name.deploy.parameters]`, merged over `[name.global.parameters]`."""

    name: str
    stack: str | None = None
    region: str | None = None
    profile: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    has_bucket: bool = False


def read_environment(name: str, file: Path = SAMCONFIG) -> Environment:
    """The environment of that name. Raises `Refused` if the file has none."""
    try:
        document: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Refused(f"{file.name} can't be read ({error}).") from error
    found = document.get(name, {})
    if not isinstance(found, dict) or "parameters" not in found.get("deploy", {}):
        raise Refused(
            f"{file.name} has no section [{name}.deploy.parameters]. ENV={name} needs one; the file shows an example."
        )
    options = {**found.get("global", {}).get("parameters", {}), **found["deploy"]["parameters"]}
    # Read as sam itself reads it: it may be a text, a list, a table or another file.
    parameters = CfnParameterOverridesType().convert(options.get("parameter_overrides"), None, None)
    return Environment(
        name=name,
        stack=options.get("stack_name"),
        region=options.get("region"),
        profile=options.get("profile"),
        parameters=parameters,
        has_bucket="s3_bucket" in options,
    )
