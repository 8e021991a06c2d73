"""`python -m local demo | up | down`: the whole application on this machine. The Makefile calls it."""

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
    """Reads the command line."""
    # A terminated demo cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser("demo", help="show it once, and clean up")
    demo_parser.add_argument("--photo", type=Path, help="your own JPEG, PNG or WEBP")
    up_parser = commands.add_parser("up", help="leave it running, to play with")
    up_parser.add_argument("--port", type=int, default=0, help="of the emulator (default: a free one)")
    up_parser.add_argument("--pace", type=float, default=0.1, help="share of real time (default: %(default)s)")
    commands.add_parser("down", help="end what `up` started")
    arguments = parser.parse_args()
    match arguments.command:
        case "demo":
            if arguments.photo and not arguments.photo.is_file():
                parser.error(f"there is no photo {arguments.photo}")
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
        stack = bring_up(_FOLDER, pace=pace, emulator_port=port, tell=print)
        preset = json.dumps(demo.PRESET).encode()
        uploads = stack.outputs["UploadsBucketName"]
        stack.client("s3").put_object(Bucket=uploads, Key="presets/white-background.json", Body=preset)
        _STATE.write_text(json.dumps(asdict(stack)))
        _STATE.chmod(0o600)
    write_variables(stack, _VARIABLES)
    print(_manual(stack))


def write_variables(stack: Stack, path: Path) -> None:
    """Writes what every example of the documentation reads from its environment, for `. .local/env`."""
    values = {"API": stack.api_url, "KEY": stack.api_key, "IMAGES_URL": stack.images_url}
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))


def _down() -> None:
    stack = _running()
    if stack is None:
        print("Nothing is up.")
        return
    bring_down(stack)
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _VARIABLES.unlink(missing_ok=True)
    print("Ended.")


def _running() -> Stack | None:
    """What `up` left running; `None` if it has ended since."""
    try:
        fields = json.loads(_STATE.read_text())
        stack = Stack(**{**fields, "pids": tuple(fields["pids"])})
        for pid in stack.pids:
            os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stack


def _manual(stack: Stack) -> str:
    link = stack.client("s3").generate_presigned_url(
        "put_object",
        Params={"Bucket": stack.outputs["UploadsBucketName"], "Key": "uploads/white-background/photo.jpg"},
        ExpiresIn=_LINK_SECONDS,
    )
    credentials = " ".join(f"{name}={value}" for name, value in CREDENTIALS.items())
    authorization = f"-H 'Authorization: Bearer {stack.api_key}'"
    return f"""
Heliograph is up. AWS and the image vendor are simulated, on this machine only; nothing is charged.

  AWS endpoint   {stack.endpoint}   (any AWS tool: AWS_ENDPOINT_URL, region us-east-1, keys test / test)
  playground     {stack.api_url}/playground   (in a browser, with the key below)
  API            {stack.api_url}
  OpenAI's shape {stack.images_url}/v1   (base_url of its client)
  API key        {stack.api_key}
  vendor         {stack.upstream}/_sim/   (its books, its faults)
  uploads        s3://{stack.outputs["UploadsBucketName"]}
  results        s3://{stack.outputs["ResultsBucketName"]}

  variables      {_VARIABLES}   (what the examples of the documentation read: run `. .local/env`)

A job by the API, and how it is doing (put its id in):

  curl -s {stack.api_url}/v1/jobs {authorization} -d '{{"prompt": "a fox in the snow"}}'
  curl -s {stack.api_url}/v1/jobs/JOB_ID {authorization}

A photo of yours under the preset white-background:

  curl -T photo.jpg '{link}'

The routes and the money, as an operator sees them (also: ledger, keys, disable, enable, pause-spending, preflight):

  AWS_ENDPOINT_URL={stack.endpoint} AWS_DEFAULT_REGION={REGION} {credentials} make routes

make down ends it."""


if __name__ == "__main__":
    main()
