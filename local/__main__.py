"""`python -m local demo | up | down`: the whole application on this machine, for the Makefile."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
from dataclasses import asdict
from pathlib import Path

from local import demo
from local.deployment import CREDENTIALS, PROJECT, REGION
from local.stack import Pace, Stack, bring_down, bring_up

_FOLDER = PROJECT / ".local" / "up"
_STATE = _FOLDER / "stack.json"
_VARIABLES = PROJECT / ".local" / "env"
_LINK_SECONDS = 12 * 3600


def main() -> None:
    """Runs the command."""
    # A terminated demo cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser("demo", help="run two jobs, print what happens, and clean up")
    demo_parser.add_argument("--photo", type=Path, help="a JPEG, PNG or WEBP file to edit")
    up_parser = commands.add_parser("up", help="start the stack and leave it running")
    up_parser.add_argument("--port", type=int, default=0, help="port of the emulator (default: a free one)")
    up_parser.add_argument("--pace", type=float, default=0.1, help="factor for all waits (default: %(default)s)")
    commands.add_parser("down", help="stop the stack that `up` started")
    arguments = parser.parse_args()
    match arguments.command:
        case "demo":
            if arguments.photo and not arguments.photo.is_file():
                parser.error(f"no such file: {arguments.photo}")
            with contextlib.suppress(KeyboardInterrupt):
                demo.run(arguments.photo)
        case "up":
            _up(arguments.port, Pace(arguments.pace, arguments.pace))
        case _:
            _down()


def _up(port: int, pace: Pace) -> None:
    stack = _running()
    if stack is None:
        shutil.rmtree(_FOLDER, ignore_errors=True)
        stack = bring_up(_FOLDER, pace=pace, emulator_port=port, report=print)
        preset = json.dumps(demo.PRESET).encode()
        uploads = stack.outputs["UploadsBucketName"]
        stack.client("s3").put_object(Bucket=uploads, Key="presets/white-background.json", Body=preset)
        _write_private(_STATE, json.dumps(asdict(stack)))
    write_variables(stack, _VARIABLES)
    print(manual(stack, _VARIABLES))


def write_variables(stack: Stack, path: Path) -> None:
    """Writes the variables that the documentation's examples read, as shell lines for `. .local/env`.

    AWS tools in that shell call the local stack.
    """
    values = {
        "API": stack.api_url,
        "KEY": stack.api_key,
        "IMAGES_URL": stack.images_url,
        "UPLOADS": stack.outputs["UploadsBucketName"],
        "RESULTS": stack.outputs["ResultsBucketName"],
        "EVENT_BUS_NAME": stack.outputs["EventBusName"],
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        **CREDENTIALS,
    }
    _write_private(path, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))


def _write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, also in place of an older one. Both files hold the API key."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)


def _down() -> None:
    stack = _running()
    if stack is None:
        print("Nothing is running.")
        return
    bring_down(stack)
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _VARIABLES.unlink(missing_ok=True)
    print("Stopped.")


def _running() -> Stack | None:
    """The stack that `up` started; `None` if it is not running."""
    try:
        fields = json.loads(_STATE.read_text())
        stack = Stack(**{**fields, "pids": tuple(fields["pids"])})
        for pid in stack.pids:
            os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stack


def manual(stack: Stack, variables: Path) -> str:
    """Addresses of a running stack, and commands to try."""
    link = stack.client("s3").generate_presigned_url(
        "put_object",
        Params={"Bucket": stack.outputs["UploadsBucketName"], "Key": "uploads/white-background/photo.jpg"},
        ExpiresIn=_LINK_SECONDS,
    )
    authorization = '-H "Authorization: Bearer $KEY"'
    return f"""
Heliograph is running. AWS and the image provider are simulated on this machine; nothing is charged.

  playground     {stack.api_url}/playground   (in a browser, with the API key below)
  API            {stack.api_url}
  API reference  {stack.api_url}/docs
  OpenAI client  {stack.images_url}/v1   (base_url)
  API key        {stack.api_key}
  AWS endpoint   {stack.endpoint}   (AWS_ENDPOINT_URL for any AWS tool; Region {REGION}, keys test / test)
  provider       {stack.provider_url}/_sim/   (control plane of the simulator: tasks, balances, faults)
  uploads        s3://{stack.outputs["UploadsBucketName"]}
  results        s3://{stack.outputs["ResultsBucketName"]}

Set API, KEY and the other variables in your shell. The examples in the README and in docs/ read them, and AWS tools in
that shell call the local stack:

  . {shlex.quote(str(variables))}

Create a job, then read it (JOB_ID is the id in the first response):

  curl -s "$API/v1/jobs" {authorization} -d '{{"prompt": "a fox in the snow"}}'
  curl -s "$API/v1/jobs/JOB_ID" {authorization}

Edit a photo with the preset white-background:

  curl -T photo.jpg '{link}'

Show routes and budgets as an operator (also: ledger, keys, disable, enable, pause-spending, preflight):

  make routes

Stop everything: make down"""


if __name__ == "__main__":
    main()
