"""Wiring of the execution of jobs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.adapters import (
    event_bus,
    job_store,
    job_workflow,
    object_store,
    reuse_index,
    route_control,
)
from heliograph.runtime.wiring.budgets import budget_announcer

if TYPE_CHECKING:
    from heliograph.execution.dispatch import Dispatcher
    from heliograph.execution.finalize import Finalizer
    from heliograph.execution.poll import Poller
    from heliograph.execution.receive_callback import CallbackReceiver
    from heliograph.execution.recover import Recoverer
    from heliograph.execution.sweep import Sweeper
    from heliograph.providers.ports import ImageProvider
    from heliograph.runtime.settings.dispatch_job import DispatchJobSettings
    from heliograph.runtime.settings.ending import EndingSettings
    from heliograph.runtime.settings.providers import ProviderSettings
    from heliograph.runtime.settings.receive_callback import ReceiveCallbackSettings
    from heliograph.runtime.settings.recover_job import RecoverJobSettings
    from heliograph.runtime.settings.sweep_jobs import SweepJobsSettings


# Results of a job that are copied at once, as far as all of them fit onto a function's disk.
_MAX_COPIES = 4
_DISK_BYTES = 500_000_000


def dispatcher(settings: DispatchJobSettings) -> Dispatcher:
    """Use case of `dispatch`."""
    from heliograph.execution.adapters.link_trial import HttpLinkTrial
    from heliograph.execution.create_task import CallbackAddress, TaskCreator
    from heliograph.execution.dispatch import Dispatcher
    from heliograph.execution.reference_links import ReferenceLinks
    from heliograph.execution.reuse_result import ResultReuser
    from heliograph.execution.store_result import ResultStore
    from heliograph.routes.reserve_slot import QueueSlots

    jobs, objects = job_store(settings), object_store()
    control, providers = route_control(settings), _providers(settings)
    references = ReferenceLinks(objects=objects, trial=HttpLinkTrial())
    callback_base_url = settings.callback_base_url
    return Dispatcher(
        jobs=jobs,
        budgets=budget_announcer(settings.ledger_table, settings.event_bus),
        providers=providers,
        routes=settings.usable_routes,
        control=control,
        slots=QueueSlots(states=control.states, weights=control.weights),
        references=references,
        creator=TaskCreator(
            jobs=jobs,
            references=references,
            providers=providers,
            routes=settings.usable_routes,
            control=control,
            callbacks=CallbackAddress(base_url=callback_base_url) if callback_base_url else None,
            new_secret=partial(secrets.token_urlsafe, 32),
        ),
        reuser=ResultReuser(
            index=reuse_index(settings.reuse_table, settings),
            jobs=jobs,
            store=ResultStore(objects=objects, bucket=settings.results_bucket),
            bus=control.bus,
            clock=SystemClock(),
        ),
    )


def poller(settings: ProviderSettings) -> Poller:
    """Use case of `poll`."""
    from heliograph.execution.poll import Poller

    return Poller(providers=_providers(settings), clock=SystemClock())


def finalizer(settings: EndingSettings) -> Finalizer:
    """Use case of `finalize`."""
    from heliograph.execution.copy_results import ResultCopier
    from heliograph.execution.end_job import JobEnder
    from heliograph.execution.finalize import Finalizer
    from heliograph.execution.store_result import ResultStore
    from heliograph.jobs.adapters.dynamodb_reuse import DynamoDBResultIndex
    from heliograph.platform.threads import Threads
    from heliograph.providers.adapters.result_host import ResultHost

    jobs, bus, clock = job_store(settings), event_bus(settings.event_bus), SystemClock()
    store = ResultStore(objects=object_store(), bucket=settings.results_bucket)
    return Finalizer(
        jobs=jobs,
        store=store,
        copier=ResultCopier(
            source=ResultHost(settings.result_origins, max_bytes=settings.max_result_bytes),
            store=store,
            index=DynamoDBResultIndex(
                aws.dynamodb(), settings.jobs_table, retention=settings.job_retention, clock=clock
            ),
            together=Threads(max(1, min(_MAX_COPIES, _DISK_BYTES // settings.max_result_bytes))),
        ),
        ender=JobEnder(jobs=jobs, bus=bus, clock=clock, results_bucket=settings.results_bucket),
        routes=settings.usable_routes,
        control=route_control(settings, bus),
        clock=clock,
    )


def recoverer(settings: RecoverJobSettings) -> Recoverer:
    """Use case of `close`."""
    return _recoverer(finalizer(settings), _providers(settings))


def sweeper(settings: SweepJobsSettings) -> Sweeper:
    """Use case of `sweep`."""
    from heliograph.budgets.announce import BudgetWatch
    from heliograph.execution.settle import LateSettler
    from heliograph.execution.sweep import Sweeper

    providers, ending = _providers(settings), finalizer(settings)
    jobs, bus, clock = ending.jobs, ending.ender.bus, ending.clock
    return Sweeper(
        jobs=jobs,
        workflow=job_workflow(settings.state_machine_arn),
        recoverer=_recoverer(ending, providers),
        settler=LateSettler(
            jobs=jobs, providers=providers, store=ending.store, copier=ending.copier, bus=bus, clock=clock
        ),
        ender=ending.ender,
        routes=tuple(settings.usable_routes),
        control=ending.control,
        budgets=BudgetWatch(
            tenants=settings.tenancy, announcer=budget_announcer(settings.ledger_table, settings.event_bus)
        ),
        bus=bus,
        clock=clock,
        results_bucket=settings.results_bucket,
    )


def callback_receiver(settings: ReceiveCallbackSettings) -> CallbackReceiver:
    """Use case of `callback`."""
    from heliograph.execution.adapters.task_tokens import TaskTokenWaits
    from heliograph.execution.receive_callback import CallbackReceiver

    waits = TaskTokenWaits(aws.dynamodb(), aws.step_functions(), settings.waits_table)
    return CallbackReceiver(jobs=job_store(settings), providers=_providers(settings), waits=waits, clock=SystemClock())


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


def _recoverer(finalizer: Finalizer, providers: Mapping[str, ImageProvider]) -> Recoverer:
    from heliograph.execution.recover import Recoverer

    return Recoverer(
        jobs=finalizer.jobs,
        providers=providers,
        finalizer=finalizer,
        ender=finalizer.ender,
        clock=finalizer.clock,
    )
