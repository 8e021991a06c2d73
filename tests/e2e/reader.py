"""Somebody who follows a page of the documentation: pastes its scripts into a shell, in a folder with its files."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.deployment import CREDENTIALS, REGION
from tests import aws_cli
from tests.contract.documents import blocks
from tests.e2e.world import World
from tests.environment import without_make

# Each `aws` is a process; some fifty of them take half a minute where nothing else runs.
_PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Shell:
    """A reader's shell. What a script sets is there for the next one."""

    page: Path
    folder: Path
    environment: dict[str, str]
    state: Path
    """A file with what earlier scripts have set."""

    def paste(self, *labels: str) -> str:
        """Runs blocks of the page in one shell after all that was pasted before; returns what they print."""
        shown = "".join(text for label in labels for text in blocks(self.page, label))
        assert all(blocks(self.page, label) for label in labels), f"{self.page.name} has not all of {labels}"
        now = self.state.with_suffix(".now")
        script = f"touch {self.state}; . {self.state}\nset -euo pipefail\n{shown}\ndeclare -p >{now}\n"
        with aws_cli.on_the_path() as commands:
            environment = {**self.environment, "PATH": f"{commands}:{self.environment['PATH']}"}
            finished = subprocess.run(
                ["bash", "-c", script],  # noqa: S607 - the reader's own
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE_SECONDS,
            )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        declared = now.read_text().splitlines(keepends=True)
        # Only what the page set: bash's own variables can't all be set again.
        self.state.write_text("".join(line for line in declared if re.match(r"declare -- [A-Z_]+=", line)))
        return finished.stdout

    def variable(self, name: str) -> str:
        """What the page's blocks left in a variable."""
        declared = dict(
            line.removeprefix("declare -- ").rstrip("\n").split("=", 1) for line in self.state.read_text().splitlines()
        )
        [value] = shlex.split(declared[name])
        return value


def reader(world: World, page: Path, folder: Path, *, state: Path, **variables: str) -> Shell:
    """A reader of that page in that folder; the local stack is AWS. Blocks that are named like files are files."""
    for name, text in re.findall(r"^```\w+ (\S+\.\w+)\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        (folder / name).write_text(text)
    aws = {"AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": world.stack.endpoint, "AWS_CONFIG_FILE": "/dev/null"}
    access = {"API": world.stack.api_url, "KEY": world.stack.api_key}
    return Shell(page, folder, {**without_make(), **CREDENTIALS, **aws, **access, **variables}, state)
