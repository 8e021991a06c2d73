"""What all programs of this package are told alike: which stack, in which Region."""

from __future__ import annotations

import argparse

from operations.stacks import DEFAULT_STACK


def add_target(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """`--stack` and `--region`; `again`: of a sub-command, where they may also stand."""
    parser.add_argument(
        "--stack",
        default=argparse.SUPPRESS if again else DEFAULT_STACK,
        help=f"the deployed stack (default: {DEFAULT_STACK})",
    )
    parser.add_argument(
        "--region",
        default=argparse.SUPPRESS if again else None,
        type=lambda text: text or None,
        help="the AWS Region (default: AWS_DEFAULT_REGION, or the region of your AWS profile)",
    )
