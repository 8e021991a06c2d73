"""Where tasks are worked on: references are fetched, pictures painted, money settled, callbacks announced."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from local.upstream.books import Books
from local.upstream.callbacks import Callbacks
from local.upstream.catalogue import APIMODELS, KIE
from local.upstream.faults import FaultRules
from local.upstream.orders import Order
from local.upstream.painting import CONTENT_TYPES, Commission, UnreadableReference, paint
from local.upstream.references import ReferenceRefused, References
from local.upstream.settings import OUTPUT_FORMATS, Settings
from local.upstream.shelf import Shelf
from local.upstream.tasks import Ending, Painted, Spoilt, Task, plan_walk

MARKED_WORD = "nsfw-test"  # stands for what the real filter would stop

_TASK_ID_PREFIXES = {APIMODELS: "clx", KIE: "task_gptimage_"}  # [doc]

_POLICY = Spoilt("Content policy violation", "CONTENT_MODERATION", retryable=False)  # [doc]
_BROKEN = Spoilt("Internal error", None, retryable=True)


@dataclass(kw_only=True, eq=False)
class Workshop:
    """Holds every task of both vendors. All methods run on one event loop; only the painting leaves it."""

    settings: Settings
    rules: FaultRules
    clock: Callable[[], float]
    books: Books
    shelf: Shelf
    references: References
    callbacks: Callbacks
    results_base: str

    def __post_init__(self) -> None:
        # Few, because painting shares the interpreter with the event loop: more painters only make answers slower.
        painters = max(1, (os.cpu_count() or 2) // 2)
        self._painters = ThreadPoolExecutor(max_workers=painters, thread_name_prefix="painter")
        self._tasks: dict[str, Task] = {}
        self._open: dict[str, Task] = {}
        self._sequence = 0

    @property
    def tasks(self) -> list[Task]:
        """Every task, oldest first."""
        return list(self._tasks.values())

    def find(self, vendor: str, key: str, task_id: str) -> Task | None:
        """The key's task; the tasks of other keys, and of the other vendor, do not exist for it [inferred]."""
        task = self._tasks.get(task_id)
        return task if task is not None and (task.order.vendor, task.key) == (vendor, key) else None

    def accept(self, key: str, order: Order) -> Task | None:
        """Make a task and hold its price; None where the balance does not cover it. Not idempotent [vendor]."""
        task_id = f"{_TASK_ID_PREFIXES[order.vendor]}{uuid.uuid4().hex[:22]}"
        if not self.books.hold(key, task_id, self.settings.price_micro_usd(order.model), vendor=order.vendor):
            return None
        self._sequence += 1
        fault = self.rules.take("task", order.prompt, vendor=order.vendor)
        walk = plan_walk(self.settings, self._sequence, self.clock(), fault)
        task = Task(task_id, key, order, walk, fault)
        self._tasks[task_id] = self._open[task_id] = task
        return task

    async def hurry(self, task: Task) -> None:
        """Bring a task to its end now, whatever its latency."""
        now = self.clock()
        task.walk = replace(task.walk, processing_at=now, due_at=now)
        await self._step(task, patience_seconds=None)

    async def settle(self, task: Task, *, patience_seconds: float | None) -> None:
        """Bring one task to where the clock says it is; wait at most this long (None: to the end) for late
        work.
        """
        if task.ending is None:
            await self._step(task, patience_seconds)

    async def settle_due(self, *, patience_seconds: float | None = 0.0) -> None:
        """Bring every task to where the clock says it is; the work of all of them goes on side by side."""
        for task in list(self._open.values()):
            await self._step(task, patience_seconds=0)
        if patience_seconds != 0:
            for task in list(self._open.values()):
                await self._step(task, patience_seconds)

    def state(self, task: Task) -> str:
        """The task's state as of now, in the simulator's words."""
        return task.state(self.clock())

    def empty(self) -> None:
        """Forget every task, and stop work on it."""
        for task in self._open.values():
            if task.work is not None:
                task.work.cancel()
        self._tasks.clear()
        self._open.clear()
        self._sequence = 0

    def close(self) -> None:
        """Stop the painters; what they have begun they finish."""
        self.empty()
        self._painters.shutdown(wait=False, cancel_futures=True)

    async def _step(self, task: Task, patience_seconds: float | None) -> None:
        phase = task.walk.phase(self.clock())
        if phase == "pending":
            return
        if task.ending is not None:
            return
        work = task.work = task.work or asyncio.create_task(self._work(task))
        if phase == "processing":
            self.callbacks.forge(task)
            return
        if not work.done() and patience_seconds != 0:
            await asyncio.wait([work], timeout=patience_seconds)
        # Others may have waited for the same work meanwhile; only the first one writes the ending.
        if work.done() and not work.cancelled() and task.ending is None and task.task_id in self._open:
            self._conclude(task, work.result())

    def _conclude(self, task: Task, work: Painted | Spoilt) -> None:
        due_at = task.walk.due_at if task.walk.due_at is not None else self.clock()
        if isinstance(work, Spoilt):
            self.books.release(task.task_id)
            task.ending = Ending(
                "failed",
                due_at,
                fail_msg=work.fail_msg,
                fail_code=work.fail_code,
                retryable=work.retryable,
            )
        else:
            empty = task.fault is not None and task.fault.kind == "empty_result"
            # [unknown] whether an empty result is billed; the expensive reading is the one to survive.
            if empty and task.fault is not None and not task.fault.flag("charged", True):
                self.books.release(task.task_id)
            else:
                self.books.charge(task.task_id)
            late = task.fault.number("seconds", -1) if empty and task.fault is not None else -1
            urls = () if empty and late < 0 else (self._publish(task, work),)
            named_at = due_at + late if late >= 0 else None
            task.ending = Ending("completed", due_at, result_urls=urls, named_at=named_at)
        task.work = None
        del self._open[task.task_id]
        self.callbacks.announce(task)

    def _publish(self, task: Task, work: Painted) -> str:
        name = self.shelf.publish(
            work.image,
            work.output_format,
            CONTENT_TYPES[work.output_format],
            prompt=task.order.prompt,
            vendor=task.order.vendor,
        )
        return f"{self.results_base}/{name}"

    async def _work(self, task: Task) -> Painted | Spoilt:
        order, fault = task.order, task.fault
        if fault is not None and fault.kind == "fail":
            code, retryable = fault.parameters.get("failCode"), fault.parameters.get("retryable")
            return Spoilt(
                fault.text("failMsg", "Generation failed"),
                code if isinstance(code, str) else None,
                retryable if isinstance(retryable, bool) else None,
            )
        if order.nsfw_checker and MARKED_WORD in order.prompt.lower():
            return _POLICY
        try:
            fetched = [await self.references.fetch(url) for url in order.references]
            commission = Commission(
                model=order.model,
                prompt=order.prompt,
                aspect_ratio=order.aspect_ratio,
                references=tuple(fetched),
                output_format=self._output_format(task),
                long_side_px=self.settings.long_side_px,
                resolution=order.resolution,
            )
            image = await asyncio.get_running_loop().run_in_executor(self._painters, paint, commission)
        except (ReferenceRefused, UnreadableReference) as wrong:
            # [unknown] which failCode the vendor gives here; none is what a client must be able to read
            # anyway.
            return Spoilt(str(wrong))
        except (OSError, ValueError, MemoryError) as wrong:
            return replace(_BROKEN, fail_msg=f"Internal error: {type(wrong).__name__}")
        return Painted(image, commission.output_format)

    def _output_format(self, task: Task) -> str:
        wanted = self.settings.output_format
        if task.fault is not None and task.fault.kind == "output_format":
            wanted = task.fault.text("format", wanted)
        return wanted if wanted in OUTPUT_FORMATS else "jpeg"
