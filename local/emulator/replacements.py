"""The replacements in stock `ministack`, and the one version that they are written for.

Each replacement is a module of its own with a test that fails on stock. To find those that a new
release of ministack makes unnecessary, run the tests with `HELIOGRAPH_EMULATOR_STOCK=1`.
"""

import importlib.metadata
from pathlib import Path

from local.emulator.unpacked_archives import UnpackedArchives

MINISTACK_VERSION = "1.5.33"


class WrongMinistackVersionError(RuntimeError):
    """A version of ministack that the replacements were not checked against. They could break silently."""


def require_known_version() -> None:
    installed = importlib.metadata.version("ministack")
    if installed != MINISTACK_VERSION:
        raise WrongMinistackVersionError(
            f"local/emulator replaces internals of ministack {MINISTACK_VERSION}, but {installed} "
            "is installed. Install that version, or check every module that local/emulator/replacements.py "
            "names against the new one and raise MINISTACK_VERSION."
        )


def install(*, endpoint: str, state: Path, function_python: str, function_site: Path, max_environments: int) -> None:
    """Imports ministack's services and installs the replacements. The environment must be set before."""
    from local.emulator import (  # noqa: PLC0415 - these import ministack, which reads the environment then
        any_method,
        environment_pool,
        execution_timeout,
        function_runtime,
        function_urls,
        gateway_responses,
        mapping_numbers,
        object_versions,
        one_authorization,
        secure_transport,
        task_timeout,
        version_headers,
    )

    home = state / "home"
    home.mkdir(parents=True, exist_ok=True)
    environment_pool.install(max_environments)
    function_runtime.install(
        function_runtime.FunctionRuntime(
            python=function_python,
            site=function_site,
            home=home,
            endpoint=endpoint,
            archives=UnpackedArchives(state / "archives"),
        )
    )
    function_urls.install()
    gateway_responses.install()
    any_method.install()
    mapping_numbers.install()
    object_versions.install()
    version_headers.install()
    one_authorization.install()
    secure_transport.install()
    execution_timeout.install()
    task_timeout.install()
