"""Methods of a path, for the 405 of a function that needs the table of operations in no other call."""

from __future__ import annotations


def methods_of(path: str) -> tuple[str, ...]:
    """Methods of the path. Loads the table of operations at the first call, not at the start."""
    from heliograph.api.openapi import operations

    return operations.methods_of(path)
