"""A whole deployment in memory: every use case wired to fakes, as the composition root wires it to AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from heliograph.access.keys import Caller, Scope
from heliograph.budgets.announce import BudgetAnnouncer, BudgetWatch
from heliograph.execution.copy_results import ResultCopier
from heliograph.execution.create_task import CallbackAddress, TaskCreator
from heliograph.execution.dispatch import Dispatcher
from heliograph.execution.end_job import JobEnder
from heliograph.execution.finalize import Finalizer
from heliograph.execution.outcomes import (
    Canceled,
    DispatchInput,
    DispatchOutcome,
    Expired,
    Failed,
    FinalizeInput,
    FinalizeOutcome,
    Finished,
    NotYet,
    Orphaned,
    Over,
    PollOutcome,
    Processing,
    RecoverOutcome,
    RetryFinalize,
    Watch,
)
from heliograph.execution.poll import Poller
from heliograph.execution.receive_callback import CallbackReceiver, CallbackResult
from heliograph.execution.recover import Recoverer
from heliograph.execution.reference_links import ReferenceLinks
from heliograph.execution.reuse_result import ResultReuser
from heliograph.execution.settle import LateSettler
from heliograph.execution.store_result import ResultStore
from heliograph.execution.sweep import Sweeper
from heliograph.intake.check_preset import PresetChecker
from heliograph.intake.create_job import JobCreator, Submission
from heliograph.intake.quote_job import JobQuoter, Quote
from heliograph.intake.reject_upload import RejectionPublisher
from heliograph.intake.retry_job import JobRetrier
from heliograph.intake.stored_references import StoredReferences
from heliograph.intake.submit_job import JobCall, JobSubmitter
from heliograph.intake.submit_upload import MAX_DOCUMENT_BYTES, UPLOADS_TENANT, Ignored, Upload, UploadSubmitter
from heliograph.intake.trip_wire import TripWire
from heliograph.jobs.cancel import JobCanceler
from heliograph.jobs.job import Job
from heliograph.jobs.read_jobs import JobsQuery, JobsReader, JobView, JobViewer
from heliograph.jobs.request import Rules
from heliograph.kernel.pagination import Page
from heliograph.platform.threads import in_order
from heliograph.providers.ports import ImageProvider
from heliograph.routes.config import Route, Routes
from heliograph.routes.control import RouteControl
from heliograph.routes.reserve_slot import QueueSlots
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import PresetRejected, UploadRejected

from tests.fakes.bus import RecordingBus
from tests.fakes.clock import SteppingClock
from tests.fakes.jobs import InMemoryJobStore
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.links import StubbedLinkTrial
from tests.fakes.objects import InMemoryObjectStore, StoredObject
from tests.fakes.provider import ScriptedProvider
from tests.fakes.rejections import InMemoryRejectionStore
from tests.fakes.results import ScriptedResultSource
from tests.fakes.reuse_index import InMemoryReuseIndex
from tests.fakes.route_states import InMemoryRouteStates
from tests.fakes.waits import RecordingWaits
from tests.fakes.workflow import InMemoryWorkflow

BETA = "gpt-image-2-beta"
SECOND = "gpt-image-2"
UPLOADS = "the-uploads"
RESULTS = "the-results"
CALLBACKS = "https://api.test/live"
DEADLINE = timedelta(minutes=30)
ROUTES = Routes(
    (
        Route(provider="apimodels", model=BETA, price_usd="0.06", max_references=16),
        Route(provider="apimodels", model=SECOND, price_usd="0.05", max_references=10),
    )
)
OWNER = Caller(tenant="default", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))
RULES = Rules(ROUTES, frozenset({UPLOADS, RESULTS}), UPLOADS)


class InMemoryDeployment:
    """One of everything. The methods are the functions of the deployment."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        self.states = InMemoryRouteStates()
        self.jobs = InMemoryJobStore(
            self.ledger,
            {route.name: route.max_in_flight for route in ROUTES},
            {route.name: route.most_of for route in ROUTES},
        )
        self.objects = InMemoryObjectStore()
        self.links = StubbedLinkTrial()
        self.index = InMemoryReuseIndex()
        self.rejections = InMemoryRejectionStore()
        self.bus = RecordingBus()
        self.workflow = InMemoryWorkflow()
        self.waits = RecordingWaits()
        self.provider = ScriptedProvider()
        self.source = ScriptedResultSource()
        self.clock = SteppingClock()
        self.callback_base: str | None = CALLBACKS
        self._runs = count(1)
        self._tokens = count(1)

    @property
    def control(self) -> RouteControl:
        return RouteControl(states=self.states, bus=self.bus, clock=self.clock, weights=self.ledger.tenants.weight)

    @property
    def store(self) -> ResultStore:
        return ResultStore(objects=self.objects, bucket=RESULTS)

    @property
    def copier(self) -> ResultCopier:
        return ResultCopier(source=self.source, store=self.store, index=self.index, together=in_order)

    @property
    def ender(self) -> JobEnder:
        return JobEnder(jobs=self.jobs, bus=self.bus, clock=self.clock, results_bucket=RESULTS)

    @property
    def finalizer(self) -> Finalizer:
        return Finalizer(
            jobs=self.jobs,
            store=self.store,
            copier=self.copier,
            ender=self.ender,
            routes=ROUTES,
            control=self.control,
            clock=self.clock,
        )

    @property
    def recoverer(self) -> Recoverer:
        return Recoverer(
            jobs=self.jobs, providers=self.providers, finalizer=self.finalizer, ender=self.ender, clock=self.clock
        )

    @property
    def settler(self) -> LateSettler:
        return LateSettler(
            jobs=self.jobs,
            providers=self.providers,
            store=self.store,
            copier=self.copier,
            bus=self.bus,
            clock=self.clock,
        )

    def dispatcher(self, routes: Routes = ROUTES) -> Dispatcher:
        references = ReferenceLinks(objects=self.objects, trial=self.links)
        return Dispatcher(
            jobs=self.jobs,
            budgets=self.budgets,
            providers=self.providers,
            routes=routes,
            control=self.control,
            slots=QueueSlots(states=self.states, weights=self.ledger.tenants.weight),
            references=references,
            creator=TaskCreator(
                jobs=self.jobs,
                references=references,
                providers=self.providers,
                routes=routes,
                control=self.control,
                callbacks=CallbackAddress(base_url=self.callback_base) if self.callback_base else None,
                new_secret=lambda: f"token-{next(self._tokens)}",
            ),
            reuser=ResultReuser(index=self.index, jobs=self.jobs, store=self.store, bus=self.bus, clock=self.clock),
        )

    def post(
        self,
        document: dict[str, Any] | bytes | None = None,
        *,
        key: str | None = None,
        call: str = "call-1",
        tenant: str = "default",
        caller: Caller | None = None,
        rules: Rules = RULES,
    ) -> Submission:
        """`POST /v1/jobs`; without a document, a plain and valid one."""
        if document is None:
            document = {"prompt": "a lighthouse at dawn"}
        caller = caller or Caller(tenant=tenant, scopes=frozenset({Scope.JOBS_WRITE}))
        wanted = self._read(document, key=key, call=call, caller=caller, rules=rules)
        assert not wanted.dry_run
        return self.submitter(rules).submit(wanted)

    def quote(self, document: dict[str, Any], *, caller: Caller = OWNER) -> Quote:
        """`POST /v1/jobs` with `dry_run`."""
        quoter = JobQuoter(
            rules=RULES,
            references=self.references,
            tenants=self.ledger.tenants,
            ledger=self.ledger,
            states=self.states,
            clock=self.clock,
        )
        wanted = self._read({**document, "dry_run": True}, caller=caller)
        assert wanted.dry_run
        return quoter.quote(wanted)

    @staticmethod
    def _read(
        document: dict[str, Any] | bytes,
        *,
        key: str | None = None,
        call: str = "call-1",
        caller: Caller,
        rules: Rules = RULES,
    ) -> JobCall:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return JobCall.read(body, caller=caller, call_id=call, idempotency_key=key, rules=rules)

    def submitter(self, rules: Rules = RULES, *, reuses: bool = True) -> JobSubmitter:
        return JobSubmitter(
            rules=rules,
            references=self.references,
            creator=self.creator,
            index=self.index if reuses else None,
            deadline=DEADLINE,
        )

    @property
    def references(self) -> StoredReferences:
        return StoredReferences(objects=self.objects)

    @property
    def budgets(self) -> BudgetAnnouncer:
        return BudgetAnnouncer(ledger=self.ledger, bus=self.bus, clock=self.clock)

    @property
    def creator(self) -> JobCreator:
        return JobCreator(
            jobs=self.jobs, objects=self.objects, workflow=self.workflow, budgets=self.budgets, clock=self.clock
        )

    @property
    def reader(self) -> JobsReader:
        return JobsReader(jobs=self.jobs, viewer=JobViewer(objects=self.objects, clock=self.clock))

    def job_id(self, **document: Any) -> str:
        """The id of a job that was just posted."""
        return self.post({"prompt": "a lighthouse at dawn", **document}).job.job_id

    def announce_upload(self, upload: Upload) -> Submission | UploadRejected | PresetRejected | Ignored:
        rejections = RejectionPublisher(rejections=self.rejections, bus=self.bus)
        submitter = UploadSubmitter(
            rules=RULES,
            references=self.references,
            creator=self.creator,
            index=self.index,
            rejections=rejections,
            presets=PresetChecker(
                rules=RULES,
                references=self.references,
                rejections=rejections,
                clock=self.clock,
                tenant=UPLOADS_TENANT,
                max_bytes=MAX_DOCUMENT_BYTES,
            ),
            trip_wire=TripWire(index=self.index, bus=self.bus, clock=self.clock),
            clock=self.clock,
            deadline=DEADLINE,
        )
        return submitter.submit(upload)

    def dispatch(
        self, turn: str | NotYet | Failed | DispatchInput, *, run_id: str | None = None, routes: Routes = ROUTES
    ) -> DispatchOutcome:
        """A run with its own id, unless one is given: of a job, or after the workflow's last outcome."""
        return self.dispatcher(routes).dispatch(
            DispatchInput(job_id=turn) if isinstance(turn, str) else DispatchInput.model_validate(turn.model_dump()),
            run_id=run_id or f"run-{next(self._runs)}",
        )

    @property
    def providers(self) -> dict[str, ImageProvider]:
        return {"apimodels": self.provider}

    def hear(self, job_id: str, callback_secret: str, task_id: str | None) -> CallbackResult:
        """`POST /v1/callbacks/{id}/{secret}`."""
        receiver = CallbackReceiver(jobs=self.jobs, providers=self.providers, waits=self.waits, clock=self.clock)
        return receiver.receive(job_id, callback_secret, task_id)

    def cancel(self, job_id: str, *, tenant: str = "default") -> Job | None:
        """`POST /v1/jobs/{id}/cancel`."""
        canceler = JobCanceler(jobs=self.jobs, bus=self.bus, clock=self.clock, results_bucket=RESULTS)
        return canceler.cancel(job_id, tenant=tenant)

    def retry(self, job_id: str, *, caller: Caller = OWNER, rules: Rules = RULES) -> Submission | None:
        """`POST /v1/jobs/{id}/retry`."""
        retrier = JobRetrier(rules=rules, references=self.references, creator=self.creator)
        return retrier.retry(job_id, caller=caller)

    def listed(self, *, tenant: str = "default", **query: Any) -> Page[JobView]:
        """`GET /v1/jobs`."""
        return self.reader.list(JobsQuery.model_validate(query), tenant=tenant)

    def poll(self, job_id: str, watch: Watch) -> PollOutcome:
        return Poller(providers=self.providers, clock=self.clock).poll(job_id, watch)

    def finalize(self, outcome: FinalizeInput) -> FinalizeOutcome:
        return self.finalizer.finalize(outcome)

    def close(self, job_id: str, error: str = "States.Timeout", *, watch: Watch | None = None) -> RecoverOutcome:
        return self.recoverer.recover(job_id, error, watch=watch)

    def sweep(
        self, *, limit: int = 1000, time_left: Callable[[], timedelta] = lambda: timedelta(minutes=15)
    ) -> list[str]:
        sweeper = Sweeper(
            jobs=self.jobs,
            workflow=self.workflow,
            recoverer=self.recoverer,
            settler=self.settler,
            ender=self.ender,
            routes=tuple(ROUTES),
            control=self.control,
            budgets=BudgetWatch(tenants=self.ledger.tenants, announcer=self.budgets),
            bus=self.bus,
            clock=self.clock,
            results_bucket=RESULTS,
        )
        return sweeper.sweep(time_left=time_left, limit=limit)

    def read(self, job_id: str, *, tenant: str = "default") -> JobView | None:
        return self.reader.read(job_id, tenant=tenant)

    def watched(self, job_id: str) -> Watch:
        """Dispatches a job to a provider that accepts it."""
        outcome = self.dispatch(job_id)
        assert isinstance(outcome, Processing)
        return outcome.watch

    def finished(self, job_id: str) -> Finished:
        """Brings a job to the point where its pictures wait to be delivered."""
        outcome = self.poll(job_id, self.watched(job_id))
        assert isinstance(outcome, Finished)
        return outcome

    def run(self, job_id: str) -> Job:
        """What the state machine does, wait by wait, until the job is over or left to `sweep`."""
        outcome: DispatchOutcome | PollOutcome | FinalizeOutcome = self.dispatch(job_id)
        asked = False
        while not isinstance(outcome, Over):
            match outcome:
                case NotYet():
                    self.clock.step(outcome.wait_seconds)
                    outcome, asked = self.dispatch(outcome), False
                case Processing():
                    self.clock.step(outcome.wait_seconds)
                    outcome, asked = self.poll(job_id, outcome.watch), True
                case RetryFinalize():
                    self.clock.step(outcome.wait_seconds)
                    outcome = self.finalize(outcome)
                case Failed() if asked:
                    outcome, asked = self.dispatch(outcome), False
                case Finished() | Failed() | Expired() | Canceled():
                    outcome = self.finalize(outcome)
                case Orphaned():
                    break
        return self.jobs.peek(job_id)

    def result(self, key: str) -> StoredObject | None:
        """What lies in the results bucket."""
        return self.objects.peek(ObjectLocation(RESULTS, key))
