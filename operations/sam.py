"""The SAM CLI: builds the template, and deploys it without questions.

`python -m operations.sam` builds; `make build` calls it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tomlkit

from operations.places import ROOT
from operations.refusals import Refused, one_sentence
from operations.samconfig import SAMCONFIG, Environment

_BUILT = ROOT / ".aws-sam" / "build"
_CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
_NO_BYTECODE = (
    "The layer has no bytecode, because this machine has no Python of the functions' version: cold starts will take "
    "three times as long. See layers/core/Makefile."
)


def build(architecture: str) -> Path:
    """`sam build` for that architecture, from any machine; the built template. Raises `Refused`."""
    pip = {"PIP": f"{sys.executable} -m pip", "LAMBDA_ARCHITECTURE": architecture}
    if _sam("build", "--parameter-overrides", f"Architecture={architecture}", environment=pip):
        raise Refused("sam build failed, see above; nothing was deployed.")
    if not (_BUILT / "CoreLayer" / "python" / "heliograph" / "__pycache__").is_dir():
        print(_NO_BYTECODE)
    return _BUILT / "template.yaml"


def deploy(
    template: Path, *, stack: str, region: str, parameters: Mapping[str, str], environment: Environment | None
) -> bool:
    """`sam deploy`; whether it succeeded. Of an existing stack, parameters that are not given stay as they are.

    The stack's other parameters are sent as `UsePreviousValue` (samcli/commands/deploy/deploy_context.py,
    `merge_parameters`). Never guided: that asks for every parameter, offers the template's defaults instead of what is
    deployed, and writes the answers into samconfig.toml.
    """
    with tempfile.TemporaryDirectory() as folder:
        # In a file, because on a command line some values can't be written at all: sam keeps the backslash of `\\`.
        file = Path(folder) / "parameters.toml"
        # sam unquotes values of a file two times (samcli/cli/types.py, `convert` within `convert`).
        quoted = {name: _quoted(_quoted(value)) for name, value in parameters.items()}
        file.write_text(tomlkit.dumps(quoted), encoding="utf-8")
        return not _sam(
            "deploy",
            *("--config-file", str(SAMCONFIG)),
            *(("--config-env", environment.name) if environment else ()),
            *(("--profile", environment.profile) if environment and environment.profile else ()),
            *("--template-file", str(template), "--stack-name", stack, "--region", region),
            *(() if environment and environment.has_bucket else ("--resolve-s3",)),
            *("--capabilities", *_CAPABILITIES),
            *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
            *("--parameter-overrides", f"file://{file}"),
        )


def _quoted(value: str) -> str:
    r"""Text that sam unquotes to the value: it removes outer quotes, and the backslash of `\ `, `\"`, `\'`."""
    for character in (" ", '"', "'"):
        value = value.replace(f"\\{character}", f"\\\\{character}")
    is_quoted = value[:1] in {'"', "'"} and value[:1] == value[-1:]
    return f'"{value}"' if is_quoted else value


def _sam(command: str, *arguments: str, environment: Mapping[str, str] | None = None) -> int:
    finished = subprocess.run(
        [str(Path(sys.executable).with_name("sam")), command, *arguments],
        cwd=ROOT,
        env={**os.environ, "SAM_CLI_TELEMETRY": "0", **(environment or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return finished.returncode


def main() -> None:
    """Builds."""
    parser = argparse.ArgumentParser(prog="python -m operations.sam", description="Build template.yaml for AWS.")
    parser.add_argument(
        "--architecture",
        choices=["arm64", "x86_64"],
        default="arm64",
        help="what the functions run on (default: %(default)s)",
    )
    with one_sentence():
        build(parser.parse_args().architecture)


if __name__ == "__main__":
    main()
