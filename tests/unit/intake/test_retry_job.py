"""`POST /v1/jobs/{id}/retry`: a job without a picture is done again, once, as a job of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.intake.create_job import Submission
from heliograph.intake.submit_upload import Upload
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.job import Job, JobStatus, KeyBudget
from heliograph.jobs.request import Policy
from heliograph.kernel.errors import BudgetExceeded, Conflict, InvalidRequest, StorageFailed, WorkflowFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import Limits, Tenants
from heliograph.providers.protocol import TaskFailed
from heliograph.routes.config import Routes
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import event_type

from tests.fakes.deployment import BETA, OWNER, RESULTS, ROUTES, RULES, SECOND, UPLOADS, InMemoryDeployment
from tests.pictures import PNG

BLOCKED = Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO)
WHOLE: dict[str, Any] = {
    "prompt": "a lighthouse",
    "model": BETA,
    "aspect_ratio": "16:9",
    "output_key": "shop/{name}.{ext}",
    "metadata": {"order": "17"},
    "tags": ["autumn", "shoes"],
    "deadline_seconds": 600,
    "on_uncertain": "resubmit",
}


def failed(here: InMemoryDeployment, *, tenant: str = "default", **document: Any) -> Job:
    """A job whose task failed."""
    job_id = here.post({"prompt": "a lighthouse", **document}, tenant=tenant).job.job_id
    here.provider.will_say(TaskFailed(BLOCKED))
    job = here.run(job_id)
    assert job.status is JobStatus.FAILED
    return job


def again(here: InMemoryDeployment, job: Job, **named: Any) -> Submission:
    submission = here.retry(job.job_id, **named)
    assert submission
    return submission


def test_the_same_is_done_again_as_a_new_job_that_names_the_first(here: InMemoryDeployment) -> None:
    first = failed(here, **WHOLE)
    here.clock.step(60)

    submission = again(here, first)

    job = submission.job
    assert submission.created
    assert (job.retry_of, job.status, job.attempts) == (first.job_id, JobStatus.QUEUED, ())
    assert (job.request, job.source, job.output_key_template) == (
        first.request,
        first.source,
        first.output_key_template,
    )
    assert (job.created_at, job.deadline_at - job.created_at) == (
        here.clock.now(),
        first.deadline_at - first.created_at,
    )
    assert here.run(job.job_id).status is JobStatus.SUCCEEDED
    # What it writes, it writes under its own name.
    assert job.output_stem == job.job_id


def test_a_job_has_one_retry_however_often_it_is_asked_for(here: InMemoryDeployment) -> None:
    first = failed(here)

    one, two = again(here, first), again(here, first)
    here.run(one.job.job_id)
    three = again(here, first)

    assert {one.job.job_id, two.job.job_id, three.job.job_id} == {one.job.job_id}
    assert (one.created, two.created, three.created) == (True, False, False)
    assert len(here.jobs) == 2
    assert here.workflow.executions.count(one.job.job_id) == 1


def test_two_at_once_get_the_same_one(here: InMemoryDeployment) -> None:
    first = failed(here)
    others: list[Submission | None] = []
    here.jobs.on("add", lambda: others.append(here.retry(first.job_id)))

    mine = again(here, first)

    assert others[0]
    assert (others[0].created, mine.created) == (True, False)
    assert others[0].job.job_id == mine.job.job_id


def test_a_retry_can_be_retried(here: InMemoryDeployment) -> None:
    first = failed(here)
    here.provider.will_say(TaskFailed(BLOCKED))
    second = here.run(again(here, first).job.job_id)

    third = again(here, second).job

    assert third.retry_of == second.job_id
    assert len({first.job_id, second.job_id, third.job_id}) == 3


@pytest.mark.parametrize("end", ["canceled", "expired"])
def test_whatever_ended_without_a_picture_can_be_done_again(here: InMemoryDeployment, end: str) -> None:
    job_id = here.job_id()
    if end == "canceled":
        here.cancel(job_id)
    else:
        here.clock.step(3600)
    first = here.run(job_id)

    assert first.status == end
    assert again(here, first).created


@pytest.mark.parametrize("is_over", [False, True])
def test_a_job_that_may_yet_have_or_has_its_picture_is_not_done_again(here: InMemoryDeployment, is_over: bool) -> None:
    job_id = here.job_id()
    if is_over:
        here.run(job_id)

    with pytest.raises(Conflict) as refusal:
        here.retry(job_id)

    assert refusal.value.code == "not_retryable"
    assert len(here.jobs) == 1


def test_a_job_that_waits_for_its_end_after_a_cancel_is_not_done_again_yet(here: InMemoryDeployment) -> None:
    job_id = here.job_id()
    here.watched(job_id)
    here.cancel(job_id)

    with pytest.raises(Conflict, match="processing"):
        here.retry(job_id)


def test_another_tenants_job_is_as_absent_as_none_at_all(here: InMemoryDeployment) -> None:
    first = failed(here, tenant="theirs")

    assert here.retry(first.job_id) is None
    assert here.retry("job_" + "a" * 26) is None
    assert here.retry("../x") is None
    assert len(here.jobs) == 1


def test_a_tenants_retry_stays_in_its_folder(here: InMemoryDeployment) -> None:
    first = failed(here, tenant="shop")

    job = again(here, first, caller=Caller(tenant="shop", scopes=OWNER.scopes)).job

    assert (job.tenant, job.output_key_template) == ("shop", first.output_key_template)
    assert here.run(job.job_id).results[0].key == f"tenants/shop/api/{job.job_id}/1.png"


def test_the_callers_key_pays_not_that_of_the_first(here: InMemoryDeployment) -> None:
    theirs = Caller(tenant="default", scopes=OWNER.scopes, key_id="key_" + "a" * 26, daily_budget_microusd=60_000)
    mine = Caller(tenant="default", scopes=frozenset({Scope.JOBS_WRITE}), key_id="key_" + "b" * 26)
    first = here.post(caller=theirs).job
    here.provider.will_say(TaskFailed(BLOCKED))
    here.run(first.job_id)

    assert first.key_budget
    assert again(here, first, caller=mine).job.key_budget is None


def test_a_retry_needs_room_in_the_budget_of_the_callers_key(here: InMemoryDeployment) -> None:
    first = failed(here)
    poor = Caller(tenant="default", scopes=OWNER.scopes, key_id="key_" + "b" * 26, daily_budget_microusd=59_999)

    with pytest.raises(BudgetExceeded):
        here.retry(first.job_id, caller=poor)
    assert len(here.jobs) == 1

    rich = poor.model_copy(update={"daily_budget_microusd": 60_000})
    assert again(here, first, caller=rich).job.key_budget == KeyBudget(key_id=poor.key_id or "", daily_microusd=60_000)


def test_a_retry_that_fits_no_budget_is_announced_and_may_be_asked_for_again(here: InMemoryDeployment) -> None:
    first = failed(here)
    here.ledger.tenants = Tenants(together=Limits(daily_budget_usd="0.01"))

    with pytest.raises(BudgetExceeded):
        here.retry(first.job_id)

    assert len(here.jobs) == 1
    assert [event_type(event) for event in here.bus][-1] == "image.budget.exhausted"
    here.ledger.tenants = Tenants()
    assert again(here, first).created


def test_a_job_whose_model_is_configured_no_more_is_told_so(here: InMemoryDeployment) -> None:
    first = failed(here, model=BETA)
    today = replace(RULES, routes=Routes(tuple(route for route in ROUTES if route.model == SECOND)))

    with pytest.raises(InvalidRequest, match="no such model"):
        here.retry(first.job_id, rules=today)

    assert len(here.jobs) == 1


def test_a_job_that_left_the_choice_to_a_policy_gets_todays_choice(here: InMemoryDeployment) -> None:
    first = failed(here, policy="beta-first")
    assert first.request.model == BETA
    today = replace(RULES, routes=Routes(tuple(route for route in ROUTES if route.model == SECOND)))

    request = again(here, first, rules=today).job.request

    assert (request.policy, request.model) == (Policy.BETA_FIRST, SECOND)


def uploaded(here: InMemoryDeployment, recipe: bytes = b'{"prompt": "x", "output_key": "shop/{name}.{ext}"}') -> Job:
    """An upload's job, without a picture; its results are written over those of the last one of that name."""
    here.objects.drop(UPLOADS, "presets/p.json", recipe)
    version = here.objects.drop(UPLOADS, "uploads/p/shoe.png", PNG)
    submission = here.announce_upload(Upload(UPLOADS, "uploads/p/shoe.png", version, "etag", "1"))
    assert isinstance(submission, Submission)
    here.provider.will_say(TaskFailed(BLOCKED))
    return here.run(submission.job.job_id)


def test_an_uploads_job_is_done_again_from_the_very_bytes_and_to_the_same_name(here: InMemoryDeployment) -> None:
    first = uploaded(here)
    here.objects.drop(UPLOADS, "uploads/p/shoe.png", b"another picture by now")
    here.objects.drop(RESULTS, "shop/shoe.png", b"of a job in between")

    job = again(here, first).job
    done = here.run(job.job_id)

    assert (job.source, job.output_stem, job.request.reference_uris) == (
        first.source,
        "shoe",
        first.request.reference_uris,
    )
    assert done.results[0].key == "shop/shoe.png"
    older = here.objects.peek(ObjectLocation(RESULTS, "shop/shoe.png", "v1"))
    assert older
    assert older.body == b"of a job in between"


def test_a_job_whose_reference_is_gone_is_told_so(here: InMemoryDeployment) -> None:
    first = uploaded(here)
    # As after its bucket's rule took it away.
    here.objects.on("head", here.objects._versions.clear)

    with pytest.raises(InvalidRequest, match="there is no such object"):
        here.retry(first.job_id)


def test_a_retry_that_could_not_be_started_is_written_down_and_started_by_a_repeat(here: InMemoryDeployment) -> None:
    first = failed(here)
    here.workflow.on("start", WorkflowFailed("throttled"))

    one, two = again(here, first), again(here, first)

    assert (one.started, two.started) == (False, True)
    assert here.workflow.executions.count(one.job.job_id) == 1


def test_a_store_that_is_away_leaves_nothing_or_the_one_retry(here: InMemoryDeployment) -> None:
    first = failed(here)
    here.jobs.on("add", StorageFailed("away"))

    with pytest.raises(StorageFailed):
        here.retry(first.job_id)

    assert len(here.jobs) == 1
    assert again(here, first).created


def test_both_jobs_money_is_in_the_ledger_each_by_itself(here: InMemoryDeployment) -> None:
    first = failed(here)
    here.run(again(here, first).job.job_id)

    spent = [accounting_of(job).booking.spent for job in here.jobs]

    assert spent == [0, 60_000]
    assert {page.spent for page in here.ledger.pages.values()} == {60_000}
