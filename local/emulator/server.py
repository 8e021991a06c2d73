"""Serves `ministack` in this process: the socket, the replacements, the ready file and a complete shutdown."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config

from local.emulator import function_site, process_environment, replacements

_HOST = "127.0.0.1"
_HEALTH_PATH = "/_ministack/health"


@dataclass(frozen=True)
class Settings:
    port: int
    state: Path
    wait_scale: float
    ready_file: Path | None
    function_python: str
    function_site: Path | None
    function_endpoint: str | None
    max_environments: int
    enforce_roles: bool
    log_level: str


class CannotListenError(RuntimeError):
    """A port that is taken, or may not be opened."""


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; then ends every function's process and returns."""
    replacements.require_known_version()
    if settings.ready_file is not None:
        settings.ready_file.unlink(missing_ok=True)
    listener = _listen(settings.port)
    port = listener.getsockname()[1]
    endpoint = f"http://{_HOST}:{port}"
    process_environment.isolate(
        os.environ,
        port=port,
        state=settings.state,
        wait_scale=settings.wait_scale,
        enforce_roles=settings.enforce_roles,
        log_level=settings.log_level,
    )
    replacements.install(
        endpoint=settings.function_endpoint or endpoint,
        state=settings.state,
        function_python=settings.function_python,
        function_site=settings.function_site or _linked_site(settings),
        max_environments=settings.max_environments,
    )
    try:
        asyncio.run(_serve(listener, endpoint, settings))
    finally:
        _end_functions()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise CannotListenError(f"{_HOST}:{port}: {error.strerror}. Is another one running?") from error


def _linked_site(settings: Settings) -> Path:
    site = settings.state / "function-site"
    function_site.link(site, settings.function_python)
    return site


async def _serve(listener: socket.socket, endpoint: str, settings: Settings) -> None:
    # Imported here because it reads the environment on import.
    from ministack.app import app  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = settings.log_level
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    announcement = loop.create_task(_announce(endpoint, settings.ready_file))
    await serve(app, config, shutdown_trigger=stop.wait)
    announcement.cancel()


async def _announce(endpoint: str, ready_file: Path | None) -> None:
    while not await asyncio.to_thread(_answers, endpoint):
        await asyncio.sleep(0.02)
    if ready_file is not None:
        partial = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        partial.write_text(json.dumps({"endpoint": endpoint, "pid": os.getpid()}))
        partial.replace(ready_file)
    print(f"The emulator answers at {endpoint}", file=sys.stderr, flush=True)


def _answers(endpoint: str) -> bool:
    health = endpoint + _HEALTH_PATH
    with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=5) as response:  # noqa: S310
        return bool(response.status == HTTPStatus.OK)
    return False


def _end_functions() -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415

    lambda_runtime.reset()
