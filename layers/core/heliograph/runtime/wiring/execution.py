"""Wiring of the work on a job."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import (
    event_bus,
    job_store,
    job_workflow,
    ledger_store,
    object_store,
    reuse_index,
    route_control,
)
from heliograph.runtime.wiring.budgets import budget_announcer

if TYPE_CHECKING:
    from heliograph.execution.finalize import Ending
    from heliograph.execution.outcomes import (
        CloseOutcome,
        DispatchOutcome,
        FinalizeInput,
        FinalizeOutcome,
        PollOutcome,
        Watch,
    )
    from heliograph.execution.provider_callback import CallbackResult
    from heliograph.providers.ports import ImageProvider
    from heliograph.runtime.settings.dispatch_job import DispatchJobSettings
    from heliograph.runtime.settings.ending import EndingSettings
    from heliograph.runtime.settings.providers import ProviderSettings
    from heliograph.runtime.settings.receive_callback import ReceiveCallbackSettings
    from heliograph.runtime.settings.recover_job import RecoverJobSettings
    from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings


# How many results of a job are copied at once, as far as all of them fit onto a function's disk.
_MOST_COPIES = 4
_DISK_BYTES = 500_000_000


def dispatcher(settings: DispatchJobSettings) -> Callable[..., DispatchOutcome]:
    """What `dispatch` does with `(turn, run_id=)`."""
    from heliograph.execution.adapters.link_trial import HttpLinkTrial
    from heliograph.execution.create_task import Creating
    from heliograph.execution.dispatch import dispatch
    from heliograph.execution.reuse_result import Reusing

    jobs, objects, control = job_store(settings), object_store(), route_control(settings)
    creating = Creating(
        jobs=jobs,
        ledger=ledger_store(settings.ledger_table),
        objects=objects,
        links=HttpLinkTrial(),
        providers=_providers(settings),
        routes=settings.usable_routes,
        control=control,
        callback_base=settings.callback_base_url,
        new_token=partial(secrets.token_urlsafe, 32),
        reusing=Reusing(
            index=reuse_index(settings.reuse_table, settings),
            jobs=jobs,
            objects=objects,
            bus=control.bus,
            clock=SystemClock(),
            results_bucket=settings.results_bucket,
        ),
    )
    return partial(dispatch, creating=creating)


def poller(settings: ProviderSettings) -> Callable[[str, Watch], PollOutcome]:
    """What `poll` does with a job id and the task it waits for."""
    from heliograph.execution.poll import poll

    return partial(poll, providers=_providers(settings), clock=SystemClock())


def finalizer(settings: EndingSettings) -> Callable[[FinalizeInput], FinalizeOutcome]:
    """What `finalize` does with the outcome of a task."""
    from heliograph.execution.finalize import finalize

    return partial(finalize, ending=_ending(settings))


def closer(settings: RecoverJobSettings) -> Callable[..., CloseOutcome]:
    """What `close` does with `(job_id, error, watch=)`."""
    from heliograph.execution import recover as closing

    return partial(closing.close, providers=_providers(settings), ending=_ending(settings))


def sweeper(settings: SweepJobsSettings) -> Callable[..., list[str]]:
    """What `sweep` does with `(time_left=)`."""
    from heliograph.budgets.announce import BudgetWatch
    from heliograph.execution import recover as closing

    return partial(
        closing.sweep,
        workflow=job_workflow(settings.state_machine_arn),
        providers=_providers(settings),
        ending=_ending(settings),
        routes=tuple(settings.usable_routes),
        control=route_control(settings),
        budgets=BudgetWatch(
            tenants=settings.tenancy, announcer=budget_announcer(settings.ledger_table, settings.event_bus)
        ),
    )


def callback_hearer(settings: ReceiveCallbackSettings) -> Callable[[str, str, str | None], CallbackResult]:
    """What `callback` does with `(job_id, token, task_id)`."""
    from heliograph.execution.adapters.task_tokens import TaskTokenWaits
    from heliograph.execution.provider_callback import Hearing, receive_callback

    waits = TaskTokenWaits(aws.dynamodb(), aws.step_functions(), settings.waits_table)
    hearing = Hearing(jobs=job_store(settings), providers=_providers(settings), waits=waits, clock=SystemClock())
    return partial(receive_callback, hearing=hearing)


def _providers(settings: ProviderSettings) -> Mapping[str, ImageProvider]:
    from heliograph.platform.secrets import read_secret
    from heliograph.providers.adapters.apimodels import ApiModels

    made: dict[str, ImageProvider] = {
        "apimodels": ApiModels(settings.provider_base_url, partial(read_secret, settings.provider_key_secret))
    }
    if settings.kie_key_secret:
        from heliograph.providers.adapters.kie import Kie

        made["kie"] = Kie(settings.kie_base_url, partial(read_secret, settings.kie_key_secret))
    return made


def _ending(settings: EndingSettings) -> Ending:
    from heliograph.execution.finalize import Ending
    from heliograph.jobs.adapters.dynamodb_reuse import DynamoDBResultIndex
    from heliograph.platform.threads import Threads
    from heliograph.providers.adapters.result_host import ResultHost

    return Ending(
        jobs=job_store(settings),
        objects=object_store(),
        source=ResultHost(settings.result_origins, max_bytes=settings.max_result_bytes),
        together=Threads(max(1, min(_MOST_COPIES, _DISK_BYTES // settings.max_result_bytes))),
        bus=event_bus(settings.event_bus),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
        routes=settings.usable_routes,
        control=route_control(settings),
        index=DynamoDBResultIndex(
            aws.dynamodb(), settings.jobs_table, retention=settings.job_retention, clock=SystemClock()
        ),
    )
