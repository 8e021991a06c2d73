"""What `make up` writes for the examples of the documentation."""

from __future__ import annotations

import subprocess
from pathlib import Path

from heliograph.api.openapi.operations import OPERATIONS
from heliograph.api.openapi.samples import samples

from local.__main__ import write_variables


class Up:
    """A stack, as far as its variables go."""

    api_url = "http://127.0.0.1:1/_aws/execute-api/x/live"
    api_key = "it's a $KEY"
    images_url = "http://images.test:1"


def test_a_shell_that_reads_the_file_has_the_variables_of_every_example(tmp_path: Path) -> None:
    path = tmp_path / "env"
    write_variables(Up(), path)  # type: ignore[arg-type]
    told = subprocess.run(
        ["/bin/sh", "-c", f'. "{path}"; printenv API KEY IMAGES_URL'], capture_output=True, text=True, check=True
    ).stdout
    assert told.splitlines() == [Up.api_url, Up.api_key, Up.images_url]
    # A secret is in it.
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(
        '"$API/' in samples(operation)[0].source and "$KEY" in samples(operation)[0].source for operation in OPERATIONS
    )
