"""The composition root: one simulator from its parts, with a clock that tests can turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from local.upstream import app, kie, kie_orders, orders
from local.upstream.books import Books
from local.upstream.call_log import CallLog
from local.upstream.callbacks import Callbacks
from local.upstream.catalogue import APIMODELS, KIE, VENDORS
from local.upstream.control import ControlPlane
from local.upstream.desk import Desk, Manner, PromptOf, ReadOrder
from local.upstream.faults import FaultRules
from local.upstream.rate_limit import RateLimit
from local.upstream.references import References, Resolve, resolve_by_dns
from local.upstream.results_host import result_host
from local.upstream.settings import Settings, micro_usd
from local.upstream.shelf import Shelf
from local.upstream.workshop import Workshop

_TICK_SECONDS = 0.05


class Simulator:
    """Two ASGI applications, ``api`` and ``results``, that belong on two origins; both vendors share them.

    Nothing moves by itself: ``run`` pumps in real time, tests turn the clock and call ``pump``.
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
        self.api_bases = tuple(f"{api_origin}{base}" for base in app.BASES)
        self.kie_base = f"{api_origin}{kie.BASE}"
        self.control_base = f"{api_origin}/_sim"
        self.results_base = results_origin
        self.settings = settings
        self.rules = FaultRules()
        self.books = Books(lambda: micro_usd(settings.balance_usd))
        self.shelf = Shelf(settings, clock)
        self.calls = CallLog(clock)
        references = References(settings, results_origin, transport=reference_transport, resolve=resolve)
        self._callbacks = Callbacks(settings, self.rules, clock, transport=callback_transport)
        self._workshop = Workshop(
            settings=settings,
            rules=self.rules,
            clock=clock,
            books=self.books,
            shelf=self.shelf,
            references=references,
            callbacks=self._callbacks,
            results_base=results_origin,
        )
        rate_limits = {vendor: RateLimit(settings, clock) for vendor in VENDORS}

        def desk(vendor: str, manner: Manner, read_order: ReadOrder, prompt_of: PromptOf) -> Desk:
            return Desk(
                vendor=vendor,
                manner=manner,
                read_order=read_order,
                prompt_of=prompt_of,
                rules=self.rules,
                references=references,
                callbacks=self._callbacks,
                workshop=self._workshop,
                rate_limit=rate_limits[vendor],
                query_patience_seconds=query_patience_seconds,
            )

        vendor_api = app.VendorApi(
            settings=settings,
            clock=clock,
            books=self.books,
            shelf=self.shelf,
            workshop=self._workshop,
            desk=desk(APIMODELS, app.MANNER, orders.read_order, orders.prompt_of),
            results_base=results_origin,
        )
        kie_api = kie.KieApi(
            settings=settings,
            clock=clock,
            desk=desk(KIE, kie.MANNER, kie_orders.read_order, kie_orders.prompt_of),
        )
        control = ControlPlane(
            settings=settings,
            rules=self.rules,
            books=self.books,
            shelf=self.shelf,
            callbacks=self._callbacks,
            workshop=self._workshop,
            rate_limits=tuple(rate_limits.values()),
            calls=self.calls,
        )
        api = Starlette(
            routes=[*vendor_api.routes(), *kie_api.routes(), *control.routes()],
            exception_handlers={app.Refused: app.answer_refused, HTTPException: app.answer_refused},
        )
        self.api: ASGIApp = self.calls.recording(api, "api")
        self.results: ASGIApp = self.calls.recording(result_host(self.shelf, self.rules), "results")

    async def pump(self, *, wait: bool = False) -> None:
        """Do what is due now; with ``wait``, come back when the work and the callbacks that are due are done."""
        await self._workshop.settle_due(patience_seconds=None if wait else 0)
        await self._callbacks.deliver_due(wait=wait)
        self.shelf.clear_expired()

    async def run(self) -> None:
        """Pump until cancelled."""
        while True:
            await self.pump()
            await asyncio.sleep(_TICK_SECONDS)

    def close(self) -> None:
        """Stop the work and remove the results."""
        self._callbacks.forget()
        self._workshop.close()
        self.shelf.close()
