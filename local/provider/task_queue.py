"""The task queue: it fetches references, renders images, settles holds and queues callbacks."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from local.provider.accounts import Accounts
from local.provider.callbacks import Callbacks
from local.provider.catalogue import APIMODELS, KIE
from local.provider.create_requests import CreateRequest
from local.provider.faults import FaultRules
from local.provider.references import ReferenceRefused, References
from local.provider.renderer import CONTENT_TYPES, ImageSpec, UnreadableReference, render
from local.provider.result_storage import ResultStorage
from local.provider.settings import OUTPUT_FORMATS, Settings
from local.provider.tasks import Outcome, Rendered, Task, TaskFailure, plan_schedule

MARKED_WORD = "nsfw-test"  # stands for a prompt that the provider's filter stops

_TASK_ID_PREFIXES = {APIMODELS: "clx", KIE: "task_gptimage_"}  # [doc]

_POLICY = TaskFailure("Content policy violation", "CONTENT_MODERATION", retryable=False)  # [doc]
_BROKEN = TaskFailure("Internal error", None, retryable=True)


@dataclass(kw_only=True, eq=False)
class TaskQueue:
    """All tasks of both providers. Methods run on one event loop; only rendering runs in threads."""

    settings: Settings
    rules: FaultRules
    clock: Callable[[], float]
    accounts: Accounts
    storage: ResultStorage
    references: References
    callbacks: Callbacks
    results_base: str

    def __post_init__(self) -> None:
        # Few, because rendering shares the interpreter with the event loop: more threads only slow responses down.
        renderers = max(1, (os.cpu_count() or 2) // 2)
        self._renderers = ThreadPoolExecutor(max_workers=renderers, thread_name_prefix="renderer")
        self._tasks: dict[str, Task] = {}
        self._open: dict[str, Task] = {}
        self._sequence = 0

    @property
    def tasks(self) -> list[Task]:
        """All tasks, oldest first."""
        return list(self._tasks.values())

    def find(self, provider: str, key: str, task_id: str) -> Task | None:
        """The key's task. Tasks of other keys, and of the other provider, are not found [inferred]."""
        task = self._tasks.get(task_id)
        return task if task is not None and (task.request.provider, task.key) == (provider, key) else None

    def add(self, key: str, request: CreateRequest) -> Task | None:
        """Adds a task and holds its price; None if the balance does not cover it. Not idempotent [provider]."""
        task_id = f"{_TASK_ID_PREFIXES[request.provider]}{uuid.uuid4().hex[:22]}"
        if not self.accounts.hold(
            key, task_id, self.settings.price_micro_usd(request.model), provider=request.provider
        ):
            return None
        self._sequence += 1
        fault = self.rules.take("task", request.prompt, provider=request.provider)
        schedule = plan_schedule(self.settings, self._sequence, self.clock(), fault)
        task = Task(task_id, key, request, schedule, fault)
        self._tasks[task_id] = self._open[task_id] = task
        return task

    async def finish_now(self, task: Task) -> None:
        """Ends a task now, whatever its latency."""
        now = self.clock()
        task.schedule = replace(task.schedule, processing_at=now, due_at=now)
        await self._step(task, patience_seconds=None)

    async def advance(self, task: Task, *, patience_seconds: float | None) -> None:
        """Advances one task to now; waits at most this long for unfinished work (None: until it is done)."""
        if task.outcome is None:
            await self._step(task, patience_seconds)

    async def advance_due(self, *, patience_seconds: float | None = 0.0) -> None:
        """Advances all tasks to now, side by side."""
        for task in list(self._open.values()):
            await self._step(task, patience_seconds=0)
        if patience_seconds != 0:
            for task in list(self._open.values()):
                await self._step(task, patience_seconds)

    def state(self, task: Task) -> str:
        """State of the task now."""
        return task.state(self.clock())

    def clear(self) -> None:
        """Removes every task and cancels its work."""
        for task in self._open.values():
            if task.work is not None:
                task.work.cancel()
        self._tasks.clear()
        self._open.clear()
        self._sequence = 0

    def close(self) -> None:
        """Stops the threads; an image that is being rendered is finished."""
        self.clear()
        self._renderers.shutdown(wait=False, cancel_futures=True)

    async def _step(self, task: Task, patience_seconds: float | None) -> None:
        phase = task.schedule.phase(self.clock())
        if phase == "pending":
            return
        if task.outcome is not None:
            return
        work = task.work = task.work or asyncio.create_task(self._work(task))
        if phase == "processing":
            self.callbacks.enqueue_forged(task)
            return
        if not work.done() and patience_seconds != 0:
            await asyncio.wait([work], timeout=patience_seconds)
        # Several callers may wait for the same work; only the first records the outcome.
        if work.done() and not work.cancelled() and task.outcome is None and task.task_id in self._open:
            self._conclude(task, work.result())

    def _conclude(self, task: Task, work: Rendered | TaskFailure) -> None:
        due_at = task.schedule.due_at if task.schedule.due_at is not None else self.clock()
        if isinstance(work, TaskFailure):
            self.accounts.release(task.task_id)
            task.outcome = Outcome(
                "failed",
                due_at,
                fail_msg=work.fail_msg,
                fail_code=work.fail_code,
                retryable=work.retryable,
            )
        else:
            empty = task.fault is not None and task.fault.kind == "empty_result"
            # [unknown] whether an empty result is billed; the default is the expensive case.
            if empty and task.fault is not None and not task.fault.flag("charged", True):
                self.accounts.release(task.task_id)
            else:
                self.accounts.charge(task.task_id)
            late = task.fault.number("seconds", -1) if empty and task.fault is not None else -1
            urls = () if empty and late < 0 else (self._store(task, work),)
            listed_at = due_at + late if late >= 0 else None
            task.outcome = Outcome("completed", due_at, result_urls=urls, listed_at=listed_at)
        task.work = None
        del self._open[task.task_id]
        self.callbacks.enqueue(task)

    def _store(self, task: Task, work: Rendered) -> str:
        name = self.storage.store(
            work.image,
            work.output_format,
            CONTENT_TYPES[work.output_format],
            prompt=task.request.prompt,
            provider=task.request.provider,
        )
        return f"{self.results_base}/{name}"

    async def _work(self, task: Task) -> Rendered | TaskFailure:
        request, fault = task.request, task.fault
        if fault is not None and fault.kind == "fail":
            code, retryable = fault.parameters.get("failCode"), fault.parameters.get("retryable")
            return TaskFailure(
                fault.text("failMsg", "Generation failed"),
                code if isinstance(code, str) else None,
                retryable if isinstance(retryable, bool) else None,
            )
        if request.nsfw_checker and MARKED_WORD in request.prompt.lower():
            return _POLICY
        try:
            fetched = [await self.references.fetch(url) for url in request.references]
            spec = ImageSpec(
                model=request.model,
                prompt=request.prompt,
                aspect_ratio=request.aspect_ratio,
                references=tuple(fetched),
                output_format=self._output_format(task),
                long_side_px=self.settings.long_side_px,
                resolution=request.resolution,
            )
            image = await asyncio.get_running_loop().run_in_executor(self._renderers, render, spec)
        except (ReferenceRefused, UnreadableReference) as wrong:
            # [unknown] which failCode the provider sends here; a client must handle a missing one anyway.
            return TaskFailure(str(wrong))
        except (OSError, ValueError, MemoryError) as wrong:
            return replace(_BROKEN, fail_msg=f"Internal error: {type(wrong).__name__}")
        return Rendered(image, spec.output_format)

    def _output_format(self, task: Task) -> str:
        wanted = self.settings.output_format
        if task.fault is not None and task.fault.kind == "output_format":
            wanted = task.fault.text("format", wanted)
        return wanted if wanted in OUTPUT_FORMATS else "jpeg"
