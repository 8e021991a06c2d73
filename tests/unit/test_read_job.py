"""`GET /v1/jobs/{id}`: a job as its owner sees it, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from heliograph.domain.errors import StorageFailed
from heliograph.domain.references import ObjectLocation
from heliograph.steps.read_job import RESULT_LINK_SECONDS

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
