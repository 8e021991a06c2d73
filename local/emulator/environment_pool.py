"""Replaces how `ministack` hands out execution environments: bounded, with a queue of callers.

**Stock** starts one new process for every invocation that finds all others busy, without a limit: fifty
wait loops in parallel became 166 processes and 7 GB. Its own ceiling (`_LOCAL_MAX_WORKERS`) answers a
busy caller with a throttle error, which AWS would not send at these numbers.

**Here** a function version has at most `max_environments` processes; a caller that finds all of
them busy waits, first come, first served, on the invocation's own thread. A caller on the server's event loop
may not block it, so it gets one environment more instead.

**Not suited for** a function that synchronously invokes itself: the callers could occupy every
environment that their callees need. They would be throttled after `LONGEST_WAIT_SECONDS`.

**Needed** until ministack can bound a pool and queue for it.
"""

import asyncio
import threading
import time
from collections import deque
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

LONGEST_WAIT_SECONDS = 900.0
"""Lambda's own longest invocation; nothing that waits longer is going to be served."""

_RECHECK_SECONDS = 0.5
"""Covers what wakes nobody: an update of the code drops a whole pool without a release."""


def install(max_environments: int) -> None:
    pool = EnvironmentPool(max_environments)
    for module in (lambda_runtime, lambda_svc):
        module.acquire_worker = pool.acquire
        module.release_worker = pool.release


class EnvironmentPool:
    """A pool whose state is in ministack's own tables, so that reaping and invalidation keep working."""

    def __init__(self, max_environments: int) -> None:
        self._max_environments = max_environments
        self._lines: dict[str, deque[threading.Condition]] = {}

    def acquire(
        self,
        func_name: str,
        config: dict[str, Any],
        code_zip: bytes,
        qualifier: str = "$LATEST",
        max_concurrency: int | None = None,
    ) -> tuple[Any, str]:
        """Lease an environment: `(worker, "reused" | "spawn")`, or `(None, "func_cap")` for a throttle."""
        key = lambda_runtime._worker_key(func_name, config, qualifier)
        limit = max_concurrency or self._max_environments
        may_wait = not _is_event_loop_thread()
        give_up_at = time.monotonic() + LONGEST_WAIT_SECONDS
        turn = threading.Condition(lambda_runtime._lock)
        with lambda_runtime._lock:
            line = self._lines.setdefault(key, deque())
            line.append(turn)
            try:
                while True:
                    idle = self._idle_worker(key)
                    is_first = line[0] is turn
                    if idle is not None and (is_first or not may_wait):
                        return self._lease(idle, key), "reused"
                    if not may_wait or (is_first and self._size(key) < limit):
                        worker = lambda_runtime._worker_class_for(config)(func_name, config, code_zip)
                        lambda_runtime._workers.setdefault(key, []).append(worker)
                        return self._lease(worker, key), "spawn"
                    if time.monotonic() >= give_up_at:
                        return None, "func_cap"
                    turn.wait(_RECHECK_SECONDS)
            finally:
                line.remove(turn)
                self._call_next(key)

    def release(self, worker: Any) -> None:
        if worker is None:
            return
        with lambda_runtime._lock:
            worker.in_use = False
            self._call_next(worker.pool_key)

    def _lease(self, worker: Any, key: str) -> Any:
        worker.in_use = True
        worker.last_used = time.time()
        worker.pool_key = key
        return worker

    def _idle_worker(self, key: str) -> Any:
        return next((worker for worker in lambda_runtime._workers.get(key, ()) if not worker.in_use), None)

    def _size(self, key: str) -> int:
        return len(lambda_runtime._workers.get(key, ()))

    def _call_next(self, key: str) -> None:
        line = self._lines.get(key)
        if line:
            line[0].notify()
        elif line is not None:
            del self._lines[key]


def _is_event_loop_thread() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
