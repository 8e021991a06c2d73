"""`GET /v1/jobs/{id}`: a job as its owner sees it, and nobody else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from heliograph.api.representations.jobs import JobList, JobResource
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.read_jobs import RESULT_LINK_SECONDS, JobsQuery, JobView
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged
from heliograph.kernel.pagination import cursor_of
from heliograph.storage.references import ObjectLocation
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.examples import RESULT_URL, after, canceled_job, processing_job, queued_job, succeeded_job
from tests.fakes.deployment import RESULTS, InMemoryDeployment


def test_the_owner_sees_the_job_with_links_that_end(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.run(job_id)

    view = here.read(job_id)

    assert view
    (linked,) = view.results
    assert linked.url.startswith(f"https://signed.test/{RESULTS}/api/{job_id}/1.png")
    assert linked.expires_at == here.clock.now() + timedelta(seconds=RESULT_LINK_SECONDS)
    assert here.objects.presigned == [
        (ObjectLocation(RESULTS, f"api/{job_id}/1.png", "v1"), RESULT_LINK_SECONDS),
    ]


def test_a_link_leads_to_the_jobs_own_picture_even_after_a_later_job_wrote_over_it(here: InMemoryDeployment) -> None:
    job_id = here.job_id(output_key="shop/{preset}-{job_id}.{ext}")
    (result,) = here.run(job_id).results
    here.objects.drop(RESULTS, result.key, b"newer")

    view = here.read(job_id)

    assert view
    assert view.results[0].url.endswith(f"?version={result.version_id}")
    stored = here.objects.peek(ObjectLocation(RESULTS, result.key, result.version_id))
    assert stored
    assert stored.body != b"newer"


def test_an_open_job_has_no_links(here: InMemoryDeployment) -> None:
    view = here.read(here.job_id())

    assert view
    assert view.results == ()


def test_another_tenants_job_is_as_absent_as_none_at_all(here: InMemoryDeployment) -> None:
    job_id = here.post(tenant="theirs").job.job_id

    assert here.read(job_id, tenant="mine") is None
    assert here.read("job_" + "a" * 26, tenant="mine") is None
    assert here.read(job_id, tenant="theirs")


@pytest.mark.parametrize("job_id", ["", "job_", "JOB_" + "A" * 26, "job_" + "a" * 27, "job_" + "a" * 26 + "\n", "../x"])
def test_what_is_no_job_id_is_not_even_looked_up(here: InMemoryDeployment, job_id: str) -> None:
    here.jobs.on("get", StorageFailed("nobody should have asked"))

    assert here.read(job_id) is None


# ---- Lists


def listed(here: InMemoryDeployment, **query: Any) -> list[str]:
    return [view.job.job_id for view in here.listed(**query).items]


def some(here: InMemoryDeployment, count: int, **document: Any) -> list[str]:
    """So many jobs, newest first."""
    made = []
    for number in range(count):
        made.append(here.post({"prompt": f"wish {number}", **document}, key=f"{len(here.jobs)}").job.job_id)
        here.clock.step(1)
    return made[::-1]


@given(st.lists(st.integers(0, 3), max_size=25), st.integers(1, 7))
def test_paging_through_a_list_visits_each_job_once_and_in_order(gaps: list[int], limit: int) -> None:
    here = InMemoryDeployment()
    made = []
    for number, gap in enumerate(gaps):
        here.clock.step(gap)
        made.append(here.post({"prompt": "x"}, key=f"{number}").job)
    slices = []
    cursor = None
    while True:
        found = here.listed(limit=limit, cursor=cursor)
        slices.append([view.job for view in found.items])
        if found.end is None:
            break
        assert len(found.items) == limit
        cursor = cursor_of(found.end)
        # What is new is not seen twice, nor anything because of it.
        here.post({"prompt": "new"}, key=f"new-{len(slices)}")

    visited = [job for one in slices for job in one]

    old = {job.job_id for job in made}
    assert [job.job_id for job in visited if job.job_id in old] == [
        job.job_id for job in sorted(made, key=lambda job: (job.created_at, job.job_id), reverse=True)
    ]
    assert len({job.job_id for job in visited}) == len(visited)
    assert [job.created_at for job in visited] == sorted((job.created_at for job in visited), reverse=True)


def test_a_list_is_of_what_matches_everything_that_is_said(here: InMemoryDeployment) -> None:
    autumn = some(here, 2, tags=["autumn", "shoes"])
    shoes = some(here, 2, tags=["shoes"])
    some(here, 1)
    here.run(autumn[0])
    here.cancel(shoes[0])

    assert listed(here, tag="autumn") == autumn
    assert listed(here, tag="shoes") == shoes + autumn
    assert listed(here, tag="shoes", status="queued") == [shoes[1], autumn[1]]
    assert listed(here, status="canceled") == [shoes[0]]
    assert listed(here, tag="Autumn") == []
    assert listed(here, preset="autumn") == []
    first = here.jobs.peek(autumn[0]).created_at
    assert listed(here, tag="shoes", created_after=first.isoformat()) == shoes


def test_nobody_sees_anothers_jobs_not_even_with_anothers_cursor(here: InMemoryDeployment) -> None:
    theirs = [here.post(tenant="theirs", key=f"{number}").job for number in range(3)]
    mine = some(here, 2)
    theirs_end = here.listed(tenant="theirs", limit=1).end
    assert theirs_end

    assert listed(here) == mine
    assert set(listed(here, cursor=cursor_of(theirs_end))) <= set(mine)
    assert {view.job.job_id for view in here.listed(tenant="theirs").items} == {job.job_id for job in theirs}


def test_results_are_listed_with_their_links(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.run(job_id)

    (view,) = here.listed().items

    assert view.results[0].url.startswith("https://signed.test/")


@pytest.mark.parametrize("prompt", ["x" * 20_000, "灯" * 20_000, "\U0001f30a" * 20_000, '\\"' * 10_000])
def test_a_slice_is_no_larger_than_a_function_may_answer_whatever_the_script(
    here: InMemoryDeployment, prompt: str
) -> None:
    metadata = {f"{number:02}": prompt[:512] for number in range(32)}
    made = some(here, 100, prompt=prompt, metadata=metadata)
    told: list[str] = []
    cursor = None
    while True:
        found = here.listed(limit=100, cursor=cursor)
        told += [view.job.job_id for view in found.items]
        body = JobList.of(found).model_dump_json()
        # As the runtime sends it: a text in a JSON document.
        assert len(json.dumps({"body": body}, ensure_ascii=False).encode()) < 6_000_000
        if found.end is None:
            break
        cursor = cursor_of(found.end)
    assert told == made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("status", ""),
        ("tag", ""),
        ("tag", "x" * 65),
        ("preset", "../x"),
        ("preset", "a b"),
        ("created_after", "yesterday"),
        ("created_after", "2026-11-22T10:00:00"),
        ("created_after", "2026-11-22"),
        ("created_after", "0001-01-01T00:00:00+14:00"),
        ("created_after", "9999-12-31T23:59:59-14:00"),
        ("created_before", "2026-11-22T10:00:00Z"),
        ("tenant", "theirs"),
    ],
)
def test_a_query_that_nobody_understands_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        JobsQuery.model_validate({name: value})


@pytest.mark.parametrize("at", ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5+14:00", "0001-01-01T00:00:00Z"])
def test_a_moment_may_be_of_any_zone(here: InMemoryDeployment, at: str) -> None:
    made = some(here, 1)

    assert listed(here, created_after=at) in ([], made)


# ---- What is told


def told(job: Job) -> JobResource:
    return JobResource.of(JobView(job, ()))


@pytest.mark.parametrize(
    ("job", "notice"),
    [
        (queued_job(), None),
        (processing_job(), None),
        (processing_job().with_cancel_requested(after(9)), "can't be stopped at the provider, and may be charged"),
        (canceled_job(), "was not delivered"),
        (queued_job().canceled(after(9)), None),
        (succeeded_job(), None),
    ],
)
def test_the_owner_of_a_canceled_job_is_told_what_that_can_not_do(job: Job, notice: str | None) -> None:
    found = told(job).notice

    assert (notice in found) if notice and found else found is notice


def test_a_canceled_job_is_told_with_its_money_and_links_and_without_a_failure() -> None:
    document = told(canceled_job())

    assert (document.status, document.charged, document.price_usd) == (JobStatus.CANCELED, Charged.YES, "0.06")
    assert (document.provider_urls, document.results, document.failure) == ((RESULT_URL,), (), None)


def test_metadata_and_tags_are_echoed(here: InMemoryDeployment) -> None:
    job_id = here.job_id(metadata={"order": "17"}, tags=["autumn"])
    view = here.read(job_id)
    assert view

    document = JobResource.of(view)

    assert (document.metadata, document.tags) == ({"order": "17"}, ("autumn",))
