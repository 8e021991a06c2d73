"""Waiting on a caller's behalf: until the end of the job, or of the caller's patience."""

from __future__ import annotations

from collections.abc import Callable

from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.wait_for_end import READ_EVERY_SECONDS, JobWaiter
from heliograph.kernel.errors import StorageFailed

from tests.fakes.deployment import InMemoryDeployment


class Waiter:
    """Lets time pass on the deployment's clock; something may happen meanwhile."""

    def __init__(self, here: InMemoryDeployment) -> None:
        self._here = here
        self.slept: list[float] = []
        self.meanwhile: dict[int, Callable[[], object]] = {}

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._here.clock.step(seconds)
        self.meanwhile.get(len(self.slept), lambda: None)()

    def wait_for(self, *job_ids: str, seconds: float) -> tuple[Job, ...]:
        here = self._here
        jobs = [here.jobs.peek(job_id) for job_id in job_ids]
        return JobWaiter(jobs=here.jobs, clock=here.clock, sleep=self).wait(jobs, seconds=seconds)


def test_a_job_that_ends_meanwhile_is_told_at_once(here: InMemoryDeployment) -> None:
    waiter, job_id = Waiter(here), here.job_id()
    waiter.meanwhile = {3: lambda: here.run(job_id)}

    (job,) = waiter.wait_for(job_id, seconds=600)

    assert job.status is JobStatus.SUCCEEDED
    assert waiter.slept == [READ_EVERY_SECONDS] * 3


def test_patience_ends_to_the_moment(here: InMemoryDeployment) -> None:
    waiter = Waiter(here)

    (job,) = waiter.wait_for(here.job_id(), seconds=1.2)

    assert job.status is JobStatus.QUEUED
    assert sum(waiter.slept) == 1.2


def test_of_several_the_last_one_is_waited_for(here: InMemoryDeployment) -> None:
    waiter = Waiter(here)
    first, second = here.post(key="first").job.job_id, here.post(key="second").job.job_id
    waiter.meanwhile = {1: lambda: here.run(second), 4: lambda: here.run(first)}

    jobs = waiter.wait_for(first, second, seconds=600)

    assert [job.job_id for job in jobs] == [first, second]
    assert all(job.is_over for job in jobs)
    assert len(waiter.slept) == 4


def test_what_is_over_already_is_not_waited_for(here: InMemoryDeployment) -> None:
    waiter, job_id = Waiter(here), here.job_id()
    here.run(job_id)

    (job,) = waiter.wait_for(job_id, seconds=25)

    assert job.is_over
    assert waiter.slept == []


def test_a_store_that_is_away_only_makes_the_wait_longer(here: InMemoryDeployment) -> None:
    waiter, job_id = Waiter(here), here.job_id()

    def ends_unseen() -> None:
        here.run(job_id)
        here.jobs.on("get", StorageFailed("away"), StorageFailed("away"))

    waiter.meanwhile = {1: ends_unseen}

    (job,) = waiter.wait_for(job_id, seconds=600)

    assert job.is_over
    assert len(waiter.slept) == 3
