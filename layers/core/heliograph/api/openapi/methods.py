"""Which methods a path takes, for those who need the table of all operations in the rarest of their calls only."""

from __future__ import annotations


def methods_of(path: str) -> tuple[str, ...]:
    """As `operations.methods_of`, which is loaded when first asked: a start need not wait for it."""
    from heliograph.api.openapi import operations

    return operations.methods_of(path)
