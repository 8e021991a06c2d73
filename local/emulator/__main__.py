"""Command line of the AWS emulator: `python -m local.emulator`.

Clients use `AWS_ENDPOINT_URL=http://127.0.0.1:PORT`, `AWS_DEFAULT_REGION=us-east-1`,
`AWS_ACCESS_KEY_ID=test` and `AWS_SECRET_ACCESS_KEY=test`. That pair is the account's root user: it may do
everything, also while the roles of functions are enforced.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from local.emulator.function_site import RuntimePackageMissingError
from local.emulator.replacements import WrongMinistackVersionError
from local.emulator.server import CannotListenError, Settings, run


def main() -> None:
    arguments = _parser().parse_args()
    try:
        _run(arguments)
    except (CannotListenError, RuntimePackageMissingError, WrongMinistackVersionError) as error:
        sys.exit(f"The emulator cannot start: {error}")
    # An ordinary exit would wait for threads that sleep in a Wait state of a Map or Parallel.
    sys.stderr.flush()
    os._exit(0)


def _run(arguments: argparse.Namespace) -> None:
    with contextlib.ExitStack() as stack:
        state = arguments.state_dir
        if state is None:
            state = Path(tempfile.mkdtemp(prefix="heliograph-emulator-"))
            stack.callback(shutil.rmtree, state, ignore_errors=True)
        state.mkdir(parents=True, exist_ok=True)
        run(
            Settings(
                port=arguments.port,
                state=state.resolve(),
                wait_scale=arguments.wait_scale,
                ready_file=arguments.ready_file,
                function_python=arguments.function_python,
                function_site=arguments.function_site and arguments.function_site.resolve(),
                function_endpoint=arguments.function_endpoint,
                max_environments=arguments.max_environments,
                enforce_roles=arguments.enforce_roles,
                log_level=arguments.log_level.upper(),
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.emulator", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=4566, help="port on 127.0.0.1; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument("--state-dir", type=Path, help="directory for unpacked code (default: a temporary one)")
    parser.add_argument("--wait-scale", type=float, default=1.0, help="factor for Wait states (default: %(default)s)")
    parser.add_argument("--ready-file", type=Path, help="file for {endpoint, pid} as JSON, written once it answers")
    parser.add_argument(
        "--function-python",
        default=getattr(sys, "_base_executable", sys.executable),
        help="interpreter of functions (default: %(default)s)",
    )
    parser.add_argument(
        "--function-site",
        type=Path,
        help="directory with the packages of AWS's runtime, last on the functions' path "
        "(default: links to what is installed here)",
    )
    parser.add_argument(
        "--function-endpoint",
        help="AWS endpoint of functions (default: this emulator)",
    )
    parser.add_argument("--max-environments", type=int, default=4, help="processes per function (default: %(default)s)")
    parser.add_argument(
        "--enforce-roles",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="functions may do only what their roles allow",
    )
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="warning", help="on stderr"
    )
    return parser


if __name__ == "__main__":
    main()
