"""`python -m operations.upstream_key`: put the vendor's API key where a deployment looks for it.

The key goes from the terminal (or standard input) into Secrets Manager and nowhere else: no parameter, no
environment variable, no template, no shell history.
"""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_QUESTION = "The vendor's API key (sk_…; it is not shown): "
KEY = re.compile(r"sk_[A-Za-z0-9]{16,}")


def put(secrets_manager: Any, secret_id: str, key: str) -> None:
    """Stores the key. Raises `ValueError` for what is no key of the vendor's form; the message does not repeat it."""
    if not KEY.fullmatch(key):
        raise ValueError("that is no key of the vendor's: they are sk_ and at least 16 letters or digits")
    secrets_manager.put_secret_value(SecretId=secret_id, SecretString=key)


def main() -> None:
    """Asks, and stores the answer in the named stack's secret."""
    parser = argparse.ArgumentParser(prog="python -m operations.upstream_key", description=__doc__)
    parser.add_argument("--stack", default="heliograph", help="the deployed stack (default: %(default)s)")
    stack = parser.parse_args().stack
    try:
        described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"The stack {stack} can't be found ({error}). Is it another STACK=… or AWS_REGION?")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    secrets_manager = boto3.client("secretsmanager")
    while True:
        key = getpass.getpass(_QUESTION) if sys.stdin.isatty() else sys.stdin.readline()
        try:
            put(secrets_manager, outputs["UpstreamKeySecret"], key.strip())
            break
        except ValueError as error:
            if not sys.stdin.isatty():
                sys.exit(str(error))
            print(error)
    print(f"The key is in Secrets Manager. The API is at {outputs['ApiUrl']}; its own key is in the secret")
    print(f"  {outputs['ApiKeySecret']}")


if __name__ == "__main__":
    main()
