"""Serving a simulator on two loopback ports, with a clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from local.provider.connections import CuttableProtocol
from local.provider.simulator import Simulator

LOOPBACK = "127.0.0.1"
_BACKLOG = 2048
_STARTED_POLL_SECONDS = 0.01


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: two servers share a process, and ``serve`` ends both."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening_socket(port: int) -> socket.socket:
    """A socket on loopback, bound early because every result URL contains its address. Port 0 picks a free port."""
    return socket.create_server((LOOPBACK, port), backlog=_BACKLOG)


def origin_of(bound: socket.socket) -> str:
    """Origin of a bound socket."""
    return f"http://{LOOPBACK}:{bound.getsockname()[1]}"


async def serve(
    simulator: Simulator,
    api_socket: socket.socket,
    results_socket: socket.socket,
    stop: asyncio.Event,
    on_ready: Callable[[], None],
) -> None:
    """Serves until ``stop`` is set; calls ``on_ready`` once both origins answer."""
    servers = [_server(app, bound) for app, bound in ((simulator.api, api_socket), (simulator.results, results_socket))]
    serving = [asyncio.create_task(server.serve([bound])) for server, bound in servers]
    pumping = asyncio.create_task(simulator.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        while not all(server.started for server, _ in servers):
            await asyncio.sleep(_STARTED_POLL_SECONDS)
        on_ready()
        # Any part that ends stops the whole: a simulator that serves and never pumps would look like a slow provider.
        await asyncio.wait([*serving, pumping, stopping], return_when=asyncio.FIRST_COMPLETED)
        if pumping.done():
            pumping.result()
    finally:
        stopping.cancel()
        pumping.cancel()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*serving, pumping, stopping, return_exceptions=True)
        simulator.close()


def write_ready_file(path: Path, simulator: Simulator) -> None:
    """Writes the simulator's addresses for a waiting process, which sees the whole file or none."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    where = {
        "api_base": simulator.api_bases[0],
        "kie_base": simulator.kie_base,
        "results_base": simulator.results_base,
        "pid": os.getpid(),
    }
    draft.write_text(json.dumps(where))
    draft.replace(path)


def _server(app: ASGIApp, bound: socket.socket) -> tuple[_Server, socket.socket]:
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        # Longer than any client's polling interval: only fault rules may close a pooled connection between polls.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return _Server(config), bound
