"""The environment of the programs that tests start."""

from __future__ import annotations

import os


def without_make() -> dict[str, str]:
    """The environment, without what the make above the tests tells its children (MAKEFLAGS, MAKELEVEL): a make that a
    test starts would count as a part of it and print so.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
