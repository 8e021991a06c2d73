"""Wiring of API keys."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.environment import read_settings
from heliograph.runtime.wiring.adapters import key_store

if TYPE_CHECKING:
    from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses
    from heliograph.access.authenticate import Authenticator, CallerRefresher
    from heliograph.access.count_calls import CallCounter
    from heliograph.access.manage_keys import KeyService
    from heliograph.access.open_waits import WaitCap
    from heliograph.runtime.settings.api_keys import AuthenticatorSettings, CallsTableSettings, KeysTableSettings
    from heliograph.runtime.settings.waits import WaitsSettings


def authenticator(settings: AuthenticatorSettings) -> Authenticator:
    """For the authorizer, and for functions behind a URL. The deployment's own key is cached for a minute."""
    from heliograph.access.authenticate import Authenticator
    from heliograph.platform.secrets import read_secret

    return Authenticator(
        own_key=lambda: read_secret(settings.api_key_secret),
        keys=key_store(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        requests_per_minute=settings.calls_per_minute or None,
    )


def caller_refresher(settings: KeysTableSettings) -> CallerRefresher:
    """For privileged calls: API Gateway caches for a minute what a key opens."""
    from heliograph.access.authenticate import CallerRefresher

    return CallerRefresher(keys=key_store(settings.keys_table), clock=SystemClock())


def call_counter(settings: CallsTableSettings) -> CallCounter:
    """For every API call, before anything else."""
    from heliograph.access.count_calls import CallCounter

    return CallCounter(uses=_key_uses(settings.calls_table), clock=SystemClock())


def wait_cap(settings: WaitsSettings, table: str) -> WaitCap:
    """For calls that wait for jobs, which are counted in `table`."""
    from heliograph.access.adapters.dynamodb_open_waits import DynamoDBOpenWaits
    from heliograph.access.open_waits import WaitCap

    return WaitCap(
        waits=DynamoDBOpenWaits(aws.dynamodb(), table), clock=SystemClock(), max_waits=settings.waits_per_caller
    )


def key_service(settings: KeysTableSettings | None = None) -> KeyService:
    """For `/v1/keys`, and for operations, which take the settings from their environment."""
    from heliograph.access.manage_keys import KeyService
    from heliograph.runtime.settings.api_keys import KeysTableSettings

    settings = settings or read_settings(KeysTableSettings)
    return KeyService(
        keys=key_store(settings.keys_table),
        uses=_key_uses(settings.calls_table),
        clock=SystemClock(),
        new_secret=lambda: secrets.token_urlsafe(32),
    )


def _key_uses(table: str) -> DynamoDBKeyUses:
    from heliograph.access.adapters.dynamodb_key_uses import DynamoDBKeyUses

    return DynamoDBKeyUses(aws.dynamodb(), table)
