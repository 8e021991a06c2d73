"""Links to a job's objects are tried before a call is paid with them."""

from __future__ import annotations

from heliograph.execution.outcomes import Failed, NotYet, Processing
from heliograph.kernel.failures import Charged, FailureCode

from tests.fakes.deployment import ROUTES, UPLOADS, InMemoryDeployment
from tests.fakes.provider import refusal
from tests.pictures import PNG

PUBLIC = "https://cdn.shoes.com/shoe.png"


def job_with_references(here: InMemoryDeployment) -> str:
    for name in ("a.png", "b.png"):
        here.objects.drop(UPLOADS, name, PNG)
    return here.job_id(references=[f"s3://{UPLOADS}/a.png", PUBLIC, f"s3://{UPLOADS}/b.png"])


def test_a_link_that_is_refused_ends_the_job_for_free_before_any_provider_is_called(here: InMemoryDeployment) -> None:
    job_id = job_with_references(here)
    here.links.refused["b.png"] = "HTTP 403"

    outcome = here.dispatch(job_id)

    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.charged) == (FailureCode.INVALID_INPUT, Charged.NO)
    assert outcome.failure.message.startswith("references[2] can't be fetched: its signed link was answered with HTTP")
    assert not here.provider.requests
    assert not here.jobs.peek(job_id).attempts
    # It says nothing of the route.
    route = ROUTES.root[0]
    assert here.states.snapshot([route]).routes[route.name].breaker.circuit(here.clock.now()).value == "closed"


def test_the_links_that_work_are_those_that_the_provider_gets(here: InMemoryDeployment) -> None:
    job_id = job_with_references(here)

    assert isinstance(here.dispatch(job_id), Processing)

    [request] = here.provider.requests
    assert here.links.tried == [link for link in request.reference_urls if link != PUBLIC]


def test_links_are_tried_once_and_not_before_every_call(here: InMemoryDeployment) -> None:
    job_id = job_with_references(here)
    here.provider.will_answer_create(refusal(FailureCode.RATE_LIMITED, again=True))
    refused = here.dispatch(job_id)
    assert isinstance(refused, NotYet)
    here.clock.step(refused.wait_seconds)

    here.dispatch(refused)

    assert len(here.links.tried) == 2
