"""`python -m operations.provider_key`: store the provider's API key where a deployment reads it. `make key` calls it.

The key goes from the terminal (or standard input) into Secrets Manager and nowhere else: no parameter, no
environment variable, no template, no shell history.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any

from operations.command_line import add_target, place_of
from operations.provider import KEY, KEYS_COME_FROM, NAME
from operations.refusals import Refused, one_sentence
from operations.stacks import Account, Stack
from operations.terminal import OwnTerminal, Terminal

_QUESTION = f"The API key of {NAME} (sk_…, from {KEYS_COME_FROM}; it is not shown)"
_NO_KEY = f"that is no key of {NAME}: they are sk_ and at least 16 letters or digits"


def put(secrets_manager: Any, secret_id: str, key: str) -> None:
    """Stores the key. Raises `ValueError` for what is no key of the provider's form; the message does not repeat it."""
    if not KEY.fullmatch(key):
        raise ValueError(_NO_KEY)
    secrets_manager.put_secret_value(SecretId=secret_id, SecretString=key)


def stored_since(secrets_manager: Any, secret_id: str) -> datetime | None:
    """When the key that is there was stored; `None` if there is none. The key itself is not read."""
    versions = secrets_manager.list_secret_version_ids(SecretId=secret_id).get("Versions", [])
    current = (one for one in versions if "AWSCURRENT" in one.get("VersionStages", []))
    return next((one["CreatedDate"] for one in current), None)


def ask_for_key(terminal: Terminal, question: str) -> str | None:
    """A key of the provider's form, asked for until it is one; `None` for Enter. Raises what the terminal raises."""
    while True:
        key = terminal.ask_secretly(question)
        if not key or KEY.fullmatch(key):
            return key or None
        print(f"{_NO_KEY[0].upper()}{_NO_KEY[1:]}.")


def enter_key(account: Account, stack: Stack, terminal: Terminal) -> None:
    """Asks for the key, and stores it; Enter and Ctrl-C keep what is there.

    Where nobody can be asked, the key is read from standard input. Raises `Refused` if that is none.
    """
    secret, secrets_manager = stack.output("ProviderKeySecret"), account.client("secretsmanager")
    if not terminal.is_attended:
        try:
            put(secrets_manager, secret, sys.stdin.readline().strip())
        except ValueError as error:
            raise Refused(f"On standard input, {error}.") from error
        print(f"The key of {NAME} is stored in Secrets Manager.")
        return
    since = stored_since(secrets_manager, secret)
    if since:
        print(f"A key of {NAME} is there since {since:%Y-%m-%d %H:%M} UTC.")
    try:
        key = ask_for_key(terminal, f"{_QUESTION[:-1]}; Enter {'keeps the one that is there' if since else 'skips'})")
    except (KeyboardInterrupt, EOFError):
        print()
        key = None
    if key:
        put(secrets_manager, secret, key)
        print(f"The key of {NAME} is stored in Secrets Manager.")
    elif since:
        print("Nothing was changed.")
    else:
        print(how_to_enter_later(account, stack))


def how_to_enter_later(account: Account, stack: Stack) -> str:
    """What is missing without a key, and the way out."""
    target = f"STACK={stack.name} REGION={account.region}"
    return f"There is no key of {NAME} yet, and without one every job waits or fails. Enter it with: make key {target}"


def main() -> None:
    """Asks, and stores the answer in the named stack's secret."""
    parser = argparse.ArgumentParser(prog="python -m operations.provider_key", description=__doc__)
    add_target(parser)
    with one_sentence():
        place = place_of(parser.parse_args())
        account = Account.here(place.region)
    with one_sentence(region=account.region):
        enter_key(account, account.usable_stack(place.stack), OwnTerminal())


if __name__ == "__main__":
    main()
