"""The composition root: a simulator made of its parts, with a clock that tests can replace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from local.provider import apimodels, create_requests, kie, kie_create_requests
from local.provider.accounts import Accounts
from local.provider.call_log import CallLog
from local.provider.callbacks import Callbacks
from local.provider.catalogue import APIMODELS, KIE, PROVIDERS
from local.provider.control import ControlPlane
from local.provider.faults import FaultRules
from local.provider.rate_limit import RateLimit
from local.provider.references import References, Resolve, resolve_by_dns
from local.provider.result_host import result_host
from local.provider.result_storage import ResultStorage
from local.provider.settings import Settings, micro_usd
from local.provider.task_api import ErrorStyle, PromptOf, ReadRequest, TaskApi
from local.provider.task_queue import TaskQueue

_TICK_SECONDS = 0.05


class Simulator:
    """Two ASGI applications for two origins, ``api`` and ``results``, shared by both providers.

    Tasks advance only in ``pump``: ``run`` calls it in real time; tests move the clock and call it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        api_origin: str,
        results_origin: str,
        clock: Callable[[], float] = time.time,
        reference_transport: httpx.AsyncBaseTransport | None = None,
        callback_transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve = resolve_by_dns,
        query_patience_seconds: float = 0.0,
    ) -> None:
        self.api_bases = tuple(f"{api_origin}{base}" for base in apimodels.BASES)
        self.kie_base = f"{api_origin}{kie.BASE}"
        self.control_base = f"{api_origin}/_sim"
        self.results_base = results_origin
        self.settings = settings
        self.rules = FaultRules()
        self.accounts = Accounts(lambda: micro_usd(settings.balance_usd))
        self.storage = ResultStorage(settings, clock)
        self.calls = CallLog(clock)
        references = References(settings, results_origin, transport=reference_transport, resolve=resolve)
        self._callbacks = Callbacks(settings, self.rules, clock, transport=callback_transport)
        self._queue = TaskQueue(
            settings=settings,
            rules=self.rules,
            clock=clock,
            accounts=self.accounts,
            storage=self.storage,
            references=references,
            callbacks=self._callbacks,
            results_base=results_origin,
        )
        rate_limits = {provider: RateLimit(settings, clock) for provider in PROVIDERS}

        def task_api(provider: str, errors: ErrorStyle, read_request: ReadRequest, prompt_of: PromptOf) -> TaskApi:
            return TaskApi(
                provider=provider,
                errors=errors,
                read_request=read_request,
                prompt_of=prompt_of,
                rules=self.rules,
                references=references,
                callbacks=self._callbacks,
                queue=self._queue,
                rate_limit=rate_limits[provider],
                query_patience_seconds=query_patience_seconds,
            )

        apimodels_api = apimodels.ApimodelsApi(
            settings=settings,
            clock=clock,
            accounts=self.accounts,
            storage=self.storage,
            queue=self._queue,
            task_api=task_api(APIMODELS, apimodels.ERRORS, create_requests.read_request, create_requests.prompt_of),
            results_base=results_origin,
        )
        kie_api = kie.KieApi(
            settings=settings,
            clock=clock,
            task_api=task_api(KIE, kie.ERRORS, kie_create_requests.read_request, kie_create_requests.prompt_of),
        )
        control = ControlPlane(
            settings=settings,
            rules=self.rules,
            accounts=self.accounts,
            storage=self.storage,
            callbacks=self._callbacks,
            queue=self._queue,
            rate_limits=tuple(rate_limits.values()),
            calls=self.calls,
        )
        api = Starlette(
            routes=[*apimodels_api.routes(), *kie_api.routes(), *control.routes()],
            exception_handlers={apimodels.ApiError: apimodels.error_response, HTTPException: apimodels.error_response},
        )
        self.api: ASGIApp = self.calls.recording(api, "api")
        self.results: ASGIApp = self.calls.recording(result_host(self.storage, self.rules), "results")

    async def pump(self, *, wait: bool = False) -> None:
        """Advances all that is due; with ``wait``, returns when the due tasks and callbacks are done."""
        await self._queue.advance_due(patience_seconds=None if wait else 0)
        await self._callbacks.send_due(wait=wait)
        self.storage.clear_expired()

    async def run(self) -> None:
        """Pumps until cancelled."""
        while True:
            await self.pump()
            await asyncio.sleep(_TICK_SECONDS)

    def close(self) -> None:
        """Stops all tasks and removes the results."""
        self._callbacks.clear()
        self._queue.close()
        self.storage.close()
