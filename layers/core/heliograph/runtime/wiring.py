"""The composition root: which adapter plays which role in which use case. Nothing else sees both.

Each function of this module makes one use case ready to call. A function of ours calls it once, at start, so that a
wrong deployment fails before any work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

from heliograph.adapters import aws
from heliograph.adapters.apimodels import ApiModels
from heliograph.adapters.clock import SystemClock
from heliograph.adapters.dynamodb import DynamoDBJobStore
from heliograph.adapters.eventbridge import EventBridgeBus
from heliograph.adapters.result_host import ResultHost
from heliograph.adapters.s3 import S3ObjectStore
from heliograph.adapters.secrets import read_secret
from heliograph.adapters.step_functions import StepFunctionsWorkflow
from heliograph.domain.events import UploadRejected
from heliograph.domain.outcomes import CloseOutcome, DispatchOutcome, FinalizeInput, FinalizeOutcome, PollOutcome, Watch
from heliograph.domain.requests import Rules
from heliograph.ports import ImageProvider
from heliograph.runtime.settings import Settings, read_settings
from heliograph.steps import close as closing
from heliograph.steps.dispatch import dispatch
from heliograph.steps.finalize import Ending, finalize
from heliograph.steps.poll import poll
from heliograph.steps.read_job import JobView, read_job
from heliograph.steps.submission import Submission
from heliograph.steps.submit_request import Quote, submit_request
from heliograph.steps.submit_upload import Ignored, Upload, submit_upload


def upload_submitter() -> Callable[[Upload], Submission | UploadRejected | Ignored]:
    """What `submit_upload` does with one announced object."""
    return partial(
        submit_upload,
        rules=_rules(),
        objects=_objects(),
        jobs=_jobs(),
        bus=_bus(),
        workflow=_workflow(),
        clock=SystemClock(),
        deadline=_settings().job_deadline,
    )


def request_submitter() -> Callable[..., Submission | Quote]:
    """What `submit_request` does with `(body, idempotency_key=, request_id=, tenant=)`."""
    return partial(
        submit_request,
        rules=_rules(),
        objects=_objects(),
        jobs=_jobs(),
        workflow=_workflow(),
        clock=SystemClock(),
        deadline=_settings().job_deadline,
    )


def job_reader() -> Callable[..., JobView | None]:
    """What `api` does with `(job_id, tenant=)`."""
    return partial(read_job, jobs=_jobs(), objects=_objects(), clock=SystemClock())


def dispatcher() -> Callable[..., DispatchOutcome]:
    """What `dispatch` does with `(turn, run_id=)`."""
    return partial(
        dispatch,
        jobs=_jobs(),
        objects=_objects(),
        providers=_providers(),
        routes=_settings().routes,
        clock=SystemClock(),
    )


def poller() -> Callable[[str, Watch], PollOutcome]:
    """What `poll` does with a job id and the task it waits for."""
    return partial(poll, providers=_providers(), clock=SystemClock())


def finalizer() -> Callable[[FinalizeInput], FinalizeOutcome]:
    """What `finalize` does with the outcome of a task."""
    return partial(finalize, ending=_ending())


def closer() -> Callable[..., CloseOutcome]:
    """What `close` does with `(job_id, error, watch=)`."""
    return partial(closing.close, providers=_providers(), ending=_ending())


def sweeper() -> Callable[..., list[str]]:
    """What `sweep` does with `(time_left=)`."""
    return partial(closing.sweep, workflow=_workflow(), providers=_providers(), ending=_ending())


def api_key() -> Callable[[], str]:
    """The key that opens the API, read anew at most once a minute."""
    return partial(read_secret, _settings().only_here("api_key_secret"))


@cache
def _settings() -> Settings:
    return read_settings()


def _rules() -> Rules:
    return Rules(_settings().routes, _settings().reference_buckets)


def _jobs() -> DynamoDBJobStore:
    return DynamoDBJobStore(aws.dynamodb(), _settings().jobs_table, retention=_settings().job_retention)


def _objects() -> S3ObjectStore:
    return S3ObjectStore(aws.s3())


def _bus() -> EventBridgeBus:
    return EventBridgeBus(aws.events(), _settings().event_bus)


def _workflow() -> StepFunctionsWorkflow:
    return StepFunctionsWorkflow(aws.step_functions(), _settings().only_here("state_machine_arn"))


@cache
def _providers() -> Mapping[str, ImageProvider]:
    settings = _settings()
    return {"apimodels": ApiModels(settings.upstream_base_url, partial(read_secret, settings.upstream_key_secret))}


def _ending() -> Ending:
    settings = _settings()
    return Ending(
        jobs=_jobs(),
        objects=_objects(),
        source=ResultHost(settings.result_origins, max_bytes=settings.max_result_bytes),
        bus=_bus(),
        clock=SystemClock(),
        results_bucket=settings.results_bucket,
    )
