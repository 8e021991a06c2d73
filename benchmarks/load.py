"""Throughput and cost: the whole stack under load, what a job uses, and the bill that follows.

Two stacks, one with callbacks and one without, at real pace behind a meter: what is counted. Then one of them without
the meter and with time sped up, against a peer: what is sustained.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks import _load_peer
from benchmarks._bill import billed_ms
from benchmarks._load_meter import Counts, Meter
from benchmarks._load_page import tell
from benchmarks._load_stage import KINDS, Ended, Stage, stage

__all__ = ["TITLE", "measure", "tell"]

TITLE = "Throughput and cost"

SETTINGS = ("callbacks", "polling")
# Shares of real time: to get through, and under load (faster, and the questions alone would be a load of their own).
_FAST, _UNDER_LOAD = 0.02, 0.1
# Jobs of each kind that are counted in each setting, at real pace, and how far apart they come.
_COUNTED, _APART_SECONDS = 16, 0.6
# How many at once, and how many jobs then.
_LEVELS = {4: 8, 16: 32, 48: 72}
_ROUNDS = 3
_SETTLE_SECONDS = 3.0
# An upload's message and an event's are each sent, received and deleted.
_REQUESTS_A_MESSAGE = 3
_BEHIND_THE_API = ("SubmitJob", "ReadJobs", "ReceiveCallback")


def measure() -> dict[str, Any]:
    """About six minutes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder) / "on", {"Callbacks": "on"}) as with_callbacks,
        stage(Path(folder) / "off", {"Callbacks": "off"}) as without,
    ):
        # Both wait most of the time, so they count at the same time.
        with ThreadPoolExecutor(2) as both:
            counted = list(both.map(_count, (with_callbacks, without)))
        functions, load = _load(with_callbacks)
    return {
        "jobs": _COUNTED,
        "settings": {
            name: {kind: _with_sums(about) for kind, about in told.items()}
            for name, told in zip(SETTINGS, counted, strict=True)
        },
        "functions": functions,
        "load": load,
    }


# ---- What is counted


def _count(on: Stage) -> dict[str, dict[str, Any]]:
    with on.metered() as meter:
        on.run(KINDS * 4, in_flight=4)  # everything is made once: processes, items, what is cached
        on.learned()
        on.pace(1.0)
        told = {kind: _count_kind(on, meter, kind) for kind in KINDS}
        on.pace(_FAST)
    return told


def _count_kind(on: Stage, meter: Meter, kind: str) -> dict[str, Any]:
    time.sleep(_SETTLE_SECONDS)
    meter.reset()
    before = on.invocations()
    jobs = on.run([kind] * _COUNTED, in_flight=_COUNTED, apart_seconds=_APART_SECONDS)
    if kind == "api":
        for job in jobs:
            on.read(job.job_id)
    time.sleep(_SETTLE_SECONDS)
    calls, after = meter.reset(), on.invocations()
    functions = {
        name: {key: (after[name][key] - before[name][key]) / _COUNTED for key in ("invocations", "log_bytes")}
        for name in after
        if after[name]["invocations"] > before[name]["invocations"]
    }
    histories = [on.history(job.job_id) for job in jobs]
    return {
        "functions": functions,
        **_of_workflow(histories),
        **_of_calls(calls, {job.job_id for job in jobs}),
        "time": _shares(on, jobs, histories),
    }


def _of_workflow(histories: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """State transitions as Step Functions counts them: every state entered, and every retry of a task."""
    states: Counter[str] = Counter()
    retries = writes = 0
    for history in histories:
        tasks = 0
        for event in history:
            if event["type"].endswith("StateEntered"):
                states[event["stateEnteredEventDetails"]["name"]] += 1
                tasks += event["type"] == "TaskStateEntered"
            elif event["type"] == "TaskScheduled":
                tasks -= 1
                # What the workflow itself writes; the meter does not see it.
                writes += ":dynamodb:" in event["taskScheduledEventDetails"]["resource"]
        retries += max(0, -tasks)
    jobs = len(histories)
    return {
        "transitions": (sum(states.values()) + retries) / jobs,
        "states": {name: count / jobs for name, count in states.items()},
        "retries": retries / jobs,
        "workflow_writes": writes / jobs,
    }


def _of_calls(counts: Counts, jobs: set[str]) -> dict[str, Any]:
    requests: Counter[str] = Counter()
    for (_, operation), calls in counts.calls.items():
        requests[operation] += calls
    items: Counter[str] = Counter()
    for (place, key), units in counts.partitions.items():
        # Of many jobs, not of one.
        if key not in jobs and "/open-jobs" not in place:
            items[f"{place} {key}"] = units
    writes = [
        {
            "item": item,
            "write_units": units / _COUNTED,
            "transactions": counts.transactions[_place(item)] / _COUNTED,
        }
        for item, units in items.most_common()
        if units >= _COUNTED / 2
    ]
    return {
        "requests": {operation: calls / _COUNTED for operation, calls in sorted(requests.items())},
        "units": {f"{where} {kind}": float(units) / _COUNTED for (where, kind), units in sorted(counts.units.items())},
        "egress_bytes": counts.bytes_out["S3.GetByLink"] / _COUNTED,
        "shared_items": writes,
    }


def _place(item: str) -> tuple[str, str]:
    table, _, key = item.partition(" ")
    return table, key


def _shares(on: Stage, jobs: Sequence[Ended], histories: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Where a job's time goes, at real pace on an idle machine, as shares of the whole."""
    tasks = {each["task_id"]: each for each in on.tasks()}
    parts: Counter[str] = Counter()
    for job, history in zip(jobs, histories, strict=True):
        document = json.loads(on.record(job.job_id)["document"]["S"])
        task = tasks[document["attempts"][-1]["task_id"]]
        made_at, done_at = task["created_at"] / 1000, task["due_at"] / 1000
        asked_at = next(
            event["timestamp"].timestamp()
            for event in history
            if event.get("stateEnteredEventDetails", {}).get("name") == "FinalizeJob"
        )
        parts["until the provider accepts it"] += made_at - job.sent_at
        parts["the provider works"] += done_at - made_at
        parts["from the task's end until it is noticed"] += asked_at - done_at
        parts["until it is stored and published"] += job.ended_at - asked_at
    whole = sum(parts.values())
    return {name: round(seconds / whole, 4) for name, seconds in parts.items()}


# ---- What is sustained


def _load(on: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of each function, what a call takes; and ours against the peer, more and more at once, in turn."""
    old, known = on.processes(), on.invocations()
    for job in on.run(KINDS * 4, in_flight=4):
        on.read(job.job_id)
    time.sleep(_SETTLE_SECONDS)
    young, invoked = on.processes(), on.invocations()
    first = {
        name: _first(processes, old.get(name, {}), invoked[name]["invocations"] - known[name]["invocations"])
        for name, processes in young.items()
        if name in invoked
    }
    before, cpu_before = on.invocations(), on.cpu_ms()
    jobs = on.run(KINDS * 8, in_flight=1)
    for job in jobs:
        on.read(job.job_id)
    time.sleep(_SETTLE_SECONDS)
    after, cpu_after = on.invocations(), on.cpu_ms()
    functions = {}
    for name, told in after.items():
        calls = told["invocations"] - before[name]["invocations"]
        if calls:
            memory = on.functions[name]["MemorySize"]
            cpu = (cpu_after.get(name, 0) - cpu_before.get(name, 0)) / calls
            wall = (told["wall_ms"] - before[name]["wall_ms"]) / calls
            functions[name] = {
                "memory_mb": memory,
                "cpu_ms": round(cpu, 2),
                "wall_ms": round(wall, 2),
                "billed_ms": billed_ms(cpu_ms=cpu, wall_ms=wall, memory_mb=memory),
                "init_ms": round(max(0.0, first[name][0] - cpu * first[name][1]), 1),
            }
    on.learned()
    on.pace(_UNDER_LOAD)
    peers = _peers(on, on.run(KINDS * 8, in_flight=16), before, after, len(jobs))
    levels = [_level(on, in_flight, count, peers) for in_flight, count in _LEVELS.items()]
    return functions, {"rounds": _ROUNDS, "levels": levels}


def _first(processes: Mapping[int, float], old: Mapping[int, float], calls: float) -> tuple[float, float]:
    """Of the processes that are new: CPU of each until now, and how many calls it has had."""
    new = [cpu for pid, cpu in processes.items() if pid not in old]
    return (fmean(new), calls / len(new)) if new else (0.0, 0.0)


def _peers(on: Stage, jobs: Sequence[Ended], before: Any, after: Any, timed_jobs: int) -> list[str]:
    """A peer for each kind of job: the one with the most usual number of states."""
    outside = [
        name
        for name, told in after.items()
        if name not in {"DispatchJob", "PollTask", "FinalizeJob", "RecoverJob", "ReadJobs"}
        for _ in range(round((told["invocations"] - before[name]["invocations"]) / timed_jobs))
    ]
    made = []
    for kind in KINDS:
        histories = sorted((on.history(job.job_id) for job in jobs if job.kind == kind), key=len)
        own = "SubmitUpload" if kind == "upload" else "SubmitJob"
        also = [own, *(name for name in outside if not name.startswith("Submit"))]
        made.append(_load_peer.prepare(on, f"peer-{kind}", histories[len(histories) // 2], also, _UNDER_LOAD))
    on.run(made * 8, in_flight=16)
    return made


def _level(on: Stage, in_flight: int, count: int, peers: Sequence[str]) -> dict[str, Any]:
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    spent: Counter[str] = Counter()
    for _ in range(_ROUNDS):
        for name, wanted in (("ours", kinds), ("peer", [peers[KINDS.index(kind)] for kind in kinds])):
            cpu_before, began = on.cpu_ms(), time.perf_counter()
            on.run(wanted, in_flight=in_flight)
            rates[name].append(count / (time.perf_counter() - began))
            if name == "ours":
                spent.update({who: max(0.0, cpu - cpu_before.get(who, 0.0)) for who, cpu in on.cpu_ms().items() if cpu})
            time.sleep(0.5)
    own = {who: cpu for who, cpu in spent.items() if not who.startswith("empty-") and cpu > 0}
    whole = sum(own.values())
    return {
        "in_flight": in_flight,
        "jobs": count,
        "jobs_per_second": {name: round(median(each), 3) for name, each in rates.items()},
        "ratio": round(median(ours / peer for ours, peer in zip(rates["ours"], rates["peer"], strict=True)), 3),
        "cpu_shares": {who: round(cpu / whole, 4) for who, cpu in Counter(own).most_common()},
    }


# ---- What is paid for


def _with_sums(about: dict[str, Any]) -> dict[str, Any]:
    requests, calls = about["requests"], about["functions"]
    events = requests.get("Events.PutEvents", 0.0)
    uploads = 1.0 if "SubmitUpload" in calls else 0.0
    told = {
        **about,
        "api_calls": sum(calls.get(name, {}).get("invocations", 0.0) for name in _BEHIND_THE_API),
        # What S3 says of an upload is an event, too.
        "events": events + uploads,
        "queue_requests": _REQUESTS_A_MESSAGE * (events + uploads),
        # The upload itself is a PUT, too.
        "s3_writes": uploads + sum(calls for name, calls in requests.items() if name.startswith("S3.Put")),
        "s3_reads": sum(calls for name, calls in requests.items() if name.startswith(("S3.Get", "S3.Head"))),
        "secret_calls": requests.get("Secrets.GetSecretValue", 0.0),
        "log_bytes": sum(each["log_bytes"] for each in calls.values()),
    }
    rounded: dict[str, Any] = json.loads(json.dumps(told), parse_float=lambda text: round(float(text), 4))
    return rounded
