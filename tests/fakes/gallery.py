"""Calls in OpenAI's shape, on a deployment that lives in memory."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from heliograph.access.keys import Caller, Scope
from heliograph.access.open_waits import WaitCap
from heliograph.budgets.announce import BudgetChecker
from heliograph.intake.recent_calls import IncomingCall
from heliograph.jobs.wait_for_end import JobWaiter
from heliograph.openai_images.make_images import Images, ImagesCall, ImagesService
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import EditRequest, GenerationRequest, read_images_request

from tests.fakes.deployment import RULES, SECOND, InMemoryDeployment
from tests.fakes.open_waits import InMemoryOpenWaits
from tests.fakes.recent_calls import InMemoryRecentCalls

OWNER = Caller(tenant="default", scopes=frozenset(Scope))


class Gallery:
    """Where pictures are asked for. While somebody waits, the workflows run."""

    def __init__(self, here: InMemoryDeployment) -> None:
        self.here = here
        self.recent_calls = InMemoryRecentCalls()
        self.open_waits = InMemoryOpenWaits()
        self.works = True
        self._calls = count(1)

    @property
    def service(self) -> ImagesService:
        here = self.here
        return ImagesService(
            submitter=here.submitter(reuses=False),
            waiter=JobWaiter(jobs=here.jobs, clock=here.clock, sleep=self.pass_time),
            viewer=here.reader.viewer,
            budgets=BudgetChecker(tenants=here.ledger.tenants, announcer=here.budgets),
            aliases=ModelAliases({"dall-e-3": None, "fast": SECOND}),
            objects=here.objects,
            recent_calls=self.recent_calls,
            wait_cap=WaitCap(waits=self.open_waits, clock=here.clock, max_waits=2),
            clock=here.clock,
        )

    def pass_time(self, seconds: float) -> None:
        now = self.here.clock.now()
        if self.works:
            for job in self.here.jobs:
                if not job.is_over:
                    self.here.run(job.job_id)
        self.here.clock.go_to(now + timedelta(seconds=seconds))

    def call(
        self,
        *images: bytes,
        repeat: int = 0,
        key: str | None = None,
        caller: Caller = OWNER,
        call_id: str = "",
        **parameters: Any,
    ) -> ImagesCall:
        """A call as it arrives now."""
        self.here.clock.step(1)
        kind = EditRequest if images else GenerationRequest
        now = self.here.clock.now()
        return ImagesCall(
            request=read_images_request(kind, {"prompt": "a fox", **parameters}, RULES, self.service.aliases),
            images=images,
            caller=caller,
            arrival=IncomingCall(call_id=call_id or f"call-{next(self._calls)}", received_at=now, repeat=repeat),
            idempotency_key=key,
            started_at=now,
        )

    def make(self, *images: bytes, **options: Any) -> Images:
        return self.answer(self.call(*images, **options))

    def answer(self, call: ImagesCall) -> Images:
        checked = self.service.check(call)
        return self.service.make(checked, self.service.identify(checked))

    def idle(self) -> None:
        """From now on, nothing gets done."""
        self.works = False
