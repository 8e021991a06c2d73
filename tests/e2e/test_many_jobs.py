"""Two hundred jobs, three in ten with something going wrong: the vendor's books against our ledger."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.conftest import JOB_DEADLINE_SECONDS, SlowJobs
from tests.e2e.world import World

# While nobody else uses the ledger.
pytestmark = pytest.mark.order(1)

JOBS = 200
FAULTY = 0.3
FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("create", "cut_after", {}),
    ("create", "cut_after_with_header", {}),
    ("create", "error_with_header", {}),
    ("create", "html_524", {"task_made": True}),
    ("create", "5xx", {"task_made": True}),
    ("create", "429", {}),
    ("create", "402", {}),
    ("create", "200_with_code", {"code": 402, "msg": "Insufficient balance"}),
    ("create", "refused_content_policy", {}),
    ("create", "completed_at_once", {}),
    ("task", "fail", {"failCode": "UPSTREAM_BUSY"}),
    ("task", "fail", {"failCode": "TIMEOUT"}),
    ("task", "fail", {"failCode": "CONTENT_MODERATION"}),
    ("task", "fail", {}),
    ("task", "empty_result", {"seconds": 3}),
    ("task", "unknown_state", {}),
    ("query", "5xx", {}),
    ("query", "html", {}),
    ("query", "cut", {}),
    ("result", "404", {}),
    ("result", "truncated", {}),
    ("result", "5xx", {}),
    ("callback", "duplicate", {}),
    ("callback", "early", {}),
    ("callback", "forged", {}),
    ("callback", "never", {}),
)


def test_the_ledger_is_the_vendors_books_after_two_hundred_jobs_with_faults(
    world: World, slow_jobs: SlowJobs, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # The ledger is everybody's: nobody else's job may end meanwhile.
    for job_id in (slow_jobs.never_ends, *slow_jobs.lost.values(), slow_jobs.resubmitted):
        world.finished(job_id, seconds=2 * JOB_DEADLINE_SECONDS)
    chance = random.Random(20261122)
    prompts = [f"{mark}-{number:03}" for number in range(JOBS)]
    faulty = {prompt: chance.choice(FAULTS) for prompt in prompts if chance.random() < FAULTY}
    for prompt, (on, kind, parameters) in faulty.items():
        world.fault(on, kind, prompt, **parameters)
    before = world.ledger()

    with ThreadPoolExecutor(4) as callers:
        ids = list(callers.map(lambda prompt: world.post(prompt=prompt)["id"], prompts))
    jobs = [world.finished(job_id, seconds=2 * JOB_DEADLINE_SECONDS) for job_id in ids]

    after = world.ledger()
    booked = {column: after[column] - before[column] for column in after}
    tasks = world.tasks(mark)
    charged_of_job = {
        job["id"]: sum(task["charged_micro_usd"] for task in tasks if task["prompt"] == prompt)
        for job, prompt in zip(jobs, prompts, strict=True)
    }
    paid_for = Counter(task["prompt"] for task in tasks if task["charged_micro_usd"])
    certain = sum(charged_of_job[job["id"]] for job in jobs if job["charged"] != "unknown")
    untold = sum(charged_of_job[job["id"]] for job in jobs if job["charged"] == "unknown")
    with capsys.disabled():
        _print(jobs, faulty, booked, certain, untold, len(tasks))

    assert len(faulty) >= JOBS / 4
    assert not [prompt for prompt, times in paid_for.items() if times > 1]
    assert booked["reserved"] == 0
    assert booked["spent"] == certain
    assert untold <= booked["unknown"]
    assert all(charged_of_job[job["id"]] == 0 for job in jobs if job["charged"] == "no")
    assert all(job["results"] for job in jobs if job["status"] == "succeeded")
    assert sum(job["status"] == "succeeded" for job in jobs) > JOBS * (1 - FAULTY)


def _print(
    jobs: list[dict[str, Any]],
    faulty: dict[str, Any],
    booked: dict[str, int],
    certain: int,
    untold: int,
    tasks: int,
) -> None:
    ends = Counter(
        job["status"] if not job["failure"] else f"{job['status']}: {job['failure']['code']}" for job in jobs
    )
    print(f"\n{len(jobs)} jobs, {len(faulty)} of them with a fault; {tasks} tasks at the vendor")
    for end, count in ends.most_common():
        print(f"  {count:4} {end}")
    print(f"  {'':16}{'certain':>12}{'nobody knows':>14}   micro-USD")
    print(f"  {'vendor charged':<16}{certain:>12}{untold:>14}")
    print(f"  {'ledger':<16}{booked['spent']:>12}{booked['unknown']:>14}   and {booked['reserved']} reserved")
