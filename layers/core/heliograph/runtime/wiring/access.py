"""Wiring of API keys."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.environment import read_settings
from heliograph.runtime.wiring.adapters import key_store

if TYPE_CHECKING:
    from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses
    from heliograph.access.keys import Caller
    from heliograph.access.manage_keys import Allowance, KeyService
    from heliograph.access.open_waits import WaitCap
    from heliograph.runtime.settings.api_keys import CallsTableSettings, KeysTableSettings, RecogniserSettings
    from heliograph.runtime.settings.waits import WaitsSettings


def recogniser(settings: RecogniserSettings) -> Callable[[str], Caller | None]:
    """What `authorize` does with a key. The deployment's own is read anew at most once a minute."""
    from heliograph.access.manage_keys import KeyBook
    from heliograph.platform.secrets import read_secret

    return KeyBook(
        own_key=partial(read_secret, settings.api_key_secret),
        keys=key_store(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        requests_per_minute=settings.calls_per_minute or None,
    ).recognise


def caller_again(settings: KeysTableSettings) -> Callable[[Caller], Caller]:
    """What the API's functions do before a privileged act: the gateway remembers for a minute what a key opens."""
    from heliograph.access.manage_keys import look_up_again

    return partial(look_up_again, keys=key_store(settings.keys_table), clock=SystemClock())


def call_counter(settings: CallsTableSettings) -> Callable[..., Allowance | None]:
    """What the API's functions do with every caller, before anything else."""
    from heliograph.access.manage_keys import count_call

    return partial(count_call, uses=_key_uses(settings.calls_table), clock=SystemClock())


def wait_cap(settings: WaitsSettings, table: str) -> WaitCap:
    """What keeps the calls of one key that wait from being too many. `table`: where they are counted."""
    from heliograph.access.adapters.dynamodb_open_waits import DynamoDBOpenWaits
    from heliograph.access.open_waits import WaitCap

    return WaitCap(waits=DynamoDBOpenWaits(aws.dynamodb(), table), clock=SystemClock(), most=settings.waits_per_caller)


def key_desk(settings: KeysTableSettings | None = None) -> KeyService:
    """What `keys` does; `operations` too, with the settings that are in its environment."""
    from heliograph.access.manage_keys import KeyService
    from heliograph.runtime.settings.api_keys import KeysTableSettings

    settings = settings or read_settings(KeysTableSettings)
    return KeyService(
        keys=key_store(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        new_secret=partial(secrets.token_urlsafe, 32),
    )


def _key_uses(table: str) -> DynamoDBKeyUses:
    from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses

    return DynamoDBKeyUses(aws.dynamodb(), table)
