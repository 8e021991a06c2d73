"""The operator's programs: deploy Heliograph, check an account or a deployment, and operate a deployment.

They run from a checkout. This module puts the package that the functions share on the path, because it is installed
nowhere, and names missing packages if another Python than the project's runs the programs.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parent.parent
# One package of each part that `make` installs: the SDK, the models, the HTTP client.
_NEEDED = ("boto3", "pydantic", "httpx")


def _be_ready() -> None:
    if find_spec("heliograph") is None:
        sys.path.insert(0, str(_ROOT / "layers" / "core"))
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(
            f"{sys.executable} lacks {', '.join(missing)}. Use the project's own Python, .venv/bin/python, which the "
            "Makefile's targets set up and use (`make help`)."
        )


_be_ready()
