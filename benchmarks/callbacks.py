"""Callbacks: the whole application on this machine, in real time, with and without them."""

from __future__ import annotations

import json
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

import httpx
from heliograph.routes.adapters.dynamodb import DynamoDBRouteStates
from heliograph.routes.config import Route, Routes
from heliograph.routes.poll_schedule import Latencies

from local.stack import Pace, Stack, running

TITLE = "Callbacks"

_JOBS = 40
_JOBS_A_SECOND = 4.0
_PATIENCE_SECONDS = 150
_SEED = 20261122
# What both routes know from before; the simulated vendor's tasks take 15-40 s as well.
_KNOWN_TASKS = 60
_PACE = {"creates_per_minute": 6000, "fastest_per_minute": 6000, "slowest_per_minute": 600, "max_in_flight": 500}
# The same vendor, at the same speed; of the tasks of the second nobody tells.
_TOLD, _SILENT = "gpt-image-2-beta", "gpt-image-2"
_ROUTES = [
    {"provider": "apimodels", "model": model, "price_usd": "0.05", "max_references": 10, **_PACE}
    for model in (_TOLD, _SILENT)
]
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class _Job:
    """How long its finished task waited to be asked about, until the job was over, and how often it was asked about."""

    lag_seconds: float
    over_seconds: float
    questions: int
    was_called: bool


def measure() -> dict[str, Any]:
    """As many jobs of each, side by side; about two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        pace = Pace(latency_scale=1, wait_scale=1, image_px=256)
        with running(Path(folder), pace=pace, parameters={"Routes": json.dumps(_ROUTES)}) as stack:
            jobs = _measured(stack)
    return {"jobs_of_each": _JOBS, **{name: _figures(jobs[model]) for name, model in _NAMES.items()}}


_NAMES = {"with": _TOLD, "without": _SILENT}


def _measured(stack: Stack) -> dict[str, list[_Job]]:
    control = httpx.Client(base_url=f"{stack.provider_url}/_sim", timeout=30)
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with control, httpx.Client(base_url=stack.api_url, headers=headers, timeout=60) as api:
        fault = {"on": "callback", "kind": "never", "match": _prompt(_SILENT), "times": None}
        control.post("/faults", json=fault).raise_for_status()
        # The first calls wait for environments of functions to start.
        _finished(api, [_posted(api, model) for model in (_TOLD, _SILENT)] * 2)
        _teach(stack)
        posted: dict[str, list[str]] = {_TOLD: [], _SILENT: []}
        for _ in range(_JOBS):
            for model, ids in posted.items():
                ids.append(_posted(api, model))
                time.sleep(1 / (2 * _JOBS_A_SECOND))
        _finished(api, [job_id for ids in posted.values() for job_id in ids])
        ended_at = {
            task["task_id"]: task["due_at"] / 1000
            for task in control.get("/tasks", params={"match": "a lighthouse"}).json()["tasks"]
        }
        return {model: [_job(api, job_id, ended_at) for job_id in ids] for model, ids in posted.items()}


def _prompt(model: str) -> str:
    return f"a lighthouse by {model}."


def _posted(api: httpx.Client, model: str) -> str:
    answer = api.post("/v1/jobs", json={"prompt": _prompt(model), "model": model})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _finished(api: httpx.Client, job_ids: list[str]) -> None:
    limit = time.monotonic() + _PATIENCE_SECONDS
    waiting = set(job_ids)
    while waiting and time.monotonic() < limit:
        # Seldom: this machine has other things to do.
        time.sleep(3)
        waiting -= {job_id for job_id in waiting if api.get(f"/v1/jobs/{job_id}").json()["finished_at"]}
    if waiting:
        raise TimeoutError(f"not over after {_PATIENCE_SECONDS} s: {sorted(waiting)}")


def _teach(stack: Stack) -> None:
    """What the routes would know after a day: how long tasks take, and whether the vendor calls back."""
    chance = random.Random(_SEED)
    known = Latencies(seconds=tuple(round(chance.uniform(15, 40), 1) for _ in range(_KNOWN_TASKS)))
    told = silent = known
    for _ in range(_KNOWN_TASKS):
        told, silent = told.with_callback(), silent.without_callback(2)
    states = DynamoDBRouteStates(stack.client("dynamodb"), stack.outputs["RoutesTableName"])
    for document, latencies in zip(_ROUTES, (told, silent), strict=True):
        route = Route.model_validate(document)
        while True:
            state = states.snapshot(Routes((route,))).routes[route.name]
            if states.save(state, state.with_latencies(latencies)):
                break


def _job(api: httpx.Client, job_id: str, ended_at: dict[str, float]) -> _Job:
    job = api.get(f"/v1/jobs/{job_id}").json()
    moments = api.get(f"/v1/jobs/{job_id}/events").json()["data"]
    asked = [moment for moment in moments if moment["kind"] == "asked"]
    waits = [moment["detail"] for moment in moments if moment["kind"] == "waiting"]
    ended = ended_at[job["attempts"][-1]["task_id"]]
    return _Job(
        lag_seconds=_seconds(asked[-1]["at"]) - ended,
        over_seconds=_seconds(job["finished_at"]) - ended,
        questions=len(asked),
        was_called=any("called back" in detail for detail in waits),
    )


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _figures(jobs: list[_Job]) -> dict[str, float]:
    lags = sorted(job.lag_seconds for job in jobs)
    return {
        "lag_median_s": round(median(lags), 2),
        "lag_mean_s": round(fmean(lags), 2),
        "lag_p95_s": round(lags[int(len(lags) * 0.95)], 2),
        "over_median_s": round(median(job.over_seconds for job in jobs), 2),
        "questions_mean": round(fmean(job.questions for job in jobs), 2),
        "questions_most": max(job.questions for job in jobs),
        "called_back": round(fmean(job.was_called for job in jobs), 2),
    }


def tell(figures: Any, plots: Path) -> str:
    """The page's part: one table."""
    del plots
    told, silent = figures["with"], figures["without"]
    rows = [
        "| | median lag s (mean, p95) | polls (most) | from the task's end to the job's, median s |",
        "|---|---|---|---|",
        *(
            f"| {name} | {way['lag_median_s']:.2f} ({way['lag_mean_s']:.2f}, {way['lag_p95_s']:.2f}) | "
            f"{way['questions_mean']:.2f} ({way['questions_most']}) | {way['over_median_s']:.2f} |"
            for name, way in (
                (f"with callbacks ({told['called_back']:.0%} of jobs received one)", told),
                ("without callbacks", silent),
            )
        ),
        f"| ratio | {told['lag_median_s'] / silent['lag_median_s']:.2f} {_TIMES} | "
        f"{told['questions_mean'] / silent['questions_mean']:.2f} {_TIMES} | "
        f"{told['over_median_s'] / silent['over_median_s']:.2f} {_TIMES} |",
    ]
    table = "\n".join(rows)
    return f"""
The whole application runs on the local stack, in real time: {figures["jobs_of_each"]} jobs with callbacks and as many
without, side by side. Tasks take 15-40 s, and both routes know how long sixty earlier tasks took and whether the
provider called back. The lag is the time from the end of a task until the last poll starts. [When to
poll](#when-to-poll-the-provider) computes it for more distributions and jobs. Reasons: [decision
29](decisions/0029-callbacks.md).

{table}
"""
