"""Options that all programs of this package share: the stack, its Region and its environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from operations.refusals import Refused
from operations.samconfig import Environment, read_environment
from operations.stacks import DEFAULT_STACK

_OWN_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A stack and its Region, as far as they are given. `parameters`: those of the environment, if one is named."""

    stack: str
    region: str | None
    environment: Environment | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def add_target(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Adds `--stack`, `--region` and `--env`; `again`: to a sub-command, after which they may stand as well."""
    default = argparse.SUPPRESS if again else None
    parser.add_argument(
        "--stack", default=default, type=_text, metavar="NAME", help=f"the stack (default: {DEFAULT_STACK})"
    )
    parser.add_argument(
        "--region",
        default=default,
        type=_text,
        help="the AWS Region (default: AWS_DEFAULT_REGION, or the region of your AWS profile)",
    )
    parser.add_argument(
        "--env",
        default=default,
        type=_text,
        metavar="NAME",
        help="an environment of samconfig.toml, which names the stack and the Region instead",
    )


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Adds `--parameters`."""
    parser.add_argument(
        "--parameters",
        default="",
        metavar="NAME=VALUE …",
        help="parameters of template.yaml to change; every other one stays as it is",
    )


def place_of(arguments: argparse.Namespace) -> Place:
    """The stack's place. Raises `Refused` if two are named, or the environment is missing.

    An environment's AWS profile becomes this process's, for the SDK and for every program that it starts.
    """
    if arguments.env is None:
        return Place(stack=arguments.stack or DEFAULT_STACK, region=arguments.region)
    environment = read_environment(arguments.env)
    for what, typed, said in (
        ("STACK", arguments.stack, environment.stack),
        ("REGION", arguments.region, environment.region),
    ):
        if typed and said and typed != said:
            raise Refused(f"ENV={environment.name} means {said}, but {what}={typed} is given too: leave one out.")
    if environment.profile:
        for name in _OWN_CREDENTIALS:
            os.environ.pop(name, None)
        os.environ["AWS_PROFILE"] = environment.profile
    return Place(
        stack=arguments.stack or environment.stack or DEFAULT_STACK,
        region=arguments.region or environment.region,
        environment=environment,
        parameters=environment.parameters,
    )


def _text(text: str) -> str | None:
    return text or None
