"""``python -m local.provider``: starts the simulator on loopback."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from local.provider.serving import listening_socket, origin_of, serve, write_ready_file
from local.provider.settings import OUTPUT_FORMATS, Settings
from local.provider.simulator import Simulator

_SWITCH_INTERVAL_SECONDS = 0.0005


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The parsed command line."""
    usual = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m local.provider",
        description="Simulate the image APIs of two providers on 127.0.0.1. GET /_sim/ documents its control plane.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8401, help="port of the API; 0 picks a free one (default: %(default)s)")
    add("--results-port", type=int, default=0, help="port of the result host; 0 picks a free one (default)")
    add(
        "--latency-scale",
        type=float,
        default=1.0,
        help="factor for the 15-40 s that a task takes (default: %(default)s)",
    )
    add("--seed", type=int, default=usual.seed, help="seed of the latencies (default: %(default)s)")
    add(
        "--tail-probability",
        type=float,
        default=0.0,
        help="share of tasks that take minutes (default: %(default)s)",
    )
    add(
        "--balance-usd",
        type=float,
        default=usual.balance_usd,
        help="starting balance of every key (default: %(default)s)",
    )
    add(
        "--rate-limit",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="limit each key to 20 create calls in 10 s",
    )
    add(
        "--retention-seconds",
        type=float,
        default=usual.retention_seconds,
        help="time after which results expire (default: %(default)s)",
    )
    add(
        "--output-format",
        choices=OUTPUT_FORMATS,
        default=usual.output_format,
        help="format of results (default: %(default)s)",
    )
    add("--long-side-px", type=int, default=usual.long_side_px, help="long side of results (default: %(default)s)")
    add(
        "--allow-reference-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="fetch references from this private origin, e.g. http://127.0.0.1:4566; repeatable",
    )
    add("--admit-loopback-references", action="store_true", help="fetch references from any loopback address")
    add("--ready-file", type=Path, help="file for the addresses, as JSON, written once the simulator listens")
    return parser.parse_args(given)


async def run(given: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = Settings(
        latency_scale=given.latency_scale,
        seed=given.seed,
        tail_probability=given.tail_probability,
        balance_usd=given.balance_usd,
        rate_limit=given.rate_limit,
        retention_seconds=given.retention_seconds,
        output_format=given.output_format,
        long_side_px=given.long_side_px,
        allow_reference_origins=given.allow_reference_origin,
        admit_loopback_references=given.admit_loopback_references,
    )
    api_socket, results_socket = listening_socket(given.port), listening_socket(given.results_port)
    simulator = Simulator(settings, api_origin=origin_of(api_socket), results_origin=origin_of(results_socket))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def announce() -> None:
        line = {
            "simulator": "apimodels.app",
            "api_bases": simulator.api_bases,
            "kie_base": simulator.kie_base,
            "results_base": simulator.results_base,
            "control": simulator.control_base,
            "pid": os.getpid(),
        }
        if given.ready_file is not None:
            write_ready_file(given.ready_file, simulator)
        print(json.dumps(line), flush=True)

    await serve(simulator, api_socket, results_socket, stop, announce)


def main() -> int:
    """Runs the simulator; prints a plain message when a port is taken."""
    # Threads that render give the interpreter back to the event loop sooner.
    sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
    try:
        asyncio.run(run(arguments()))
    except OSError as wrong:
        print(f"cannot listen: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
