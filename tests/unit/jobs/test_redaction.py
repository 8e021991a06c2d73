"""No record, event or view holds what would let its reader in: queries of URLs, and links to images at the provider."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from heliograph.api.representations.jobs import JobResource, QuoteResource
from heliograph.api.representations.webhooks import DeliveryResource, DeliverySummaryResource
from heliograph.intake.quote_job import Quote
from heliograph.jobs.events import job_event, settled_event
from heliograph.jobs.job import Job
from heliograph.jobs.provenance import record_of
from heliograph.jobs.redaction import masked_url
from heliograph.jobs.results import Settlement
from heliograph.kernel.errors import InvalidRequest
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.routes.circuit_breaker import Circuit
from heliograph.storage.references import HttpsUrl
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import (
    after,
    canceled_job,
    failed_job,
    processing_job,
    published_examples,
    queued_job,
    settled_job,
    succeeded_job,
)
from tests.fakes.deployment import RESULTS, ROUTES, InMemoryDeployment
from tests.unit.webhooks.deliveries import delivery

SECRET = "Sig7e1c"
# What can stand between a host and its end, with the secret where a token or a signature is.
QUERIES = [
    f"?token={SECRET}",
    f"/a/b.png?X-Amz-Signature={SECRET}&X-Amz-Date=1",
    f"/?a=b?c={SECRET}#x",
    f"?{SECRET}",
    f"/a?x=%3F{SECRET}",
    f"/hook;v=1?/{SECRET}/@x",
    f"#{SECRET}",
]
HOSTS = ["https://hooks.example.com", "https://cdn.example.com:8443", "https://xn--bcher-kva.example.com"]
URLS = st.builds(str.__add__, st.sampled_from(HOSTS), st.sampled_from(QUERIES))
ENDS = [queued_job, processing_job, succeeded_job, failed_job, canceled_job, settled_job]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h.test/hook", "https://h.test/hook"),
        ("https://h.test", "https://h.test"),
        ("https://h.test/hook?token=x", "https://h.test/hook?…"),
        ("https://h.test?x", "https://h.test?…"),
        ("https://h.test/a#x?y", "https://h.test/a#…"),
        ("https://h.test/?a=b\nc", "https://h.test/?…"),
        ("https://user:word@h.test/a@b?x", "https://…@h.test/a@b?…"),
        ("http://127.0.0.1:9/?t=1", "http://127.0.0.1:9/?…"),
        ("s3://uploads/a?b.png?versionId=v1", "s3://uploads/a?b.png?versionId=v1"),
    ],
)
def test_a_url_is_shown_without_what_lets_anybody_in(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    assert masked_url(shown) == shown


@pytest.mark.parametrize("make", ENDS)
@given(webhook=URLS, references=st.lists(URLS, max_size=3))
def test_no_record_event_or_view_of_a_job_holds_a_query_of_its_request(
    make: Callable[[], Job], webhook: str, references: list[str]
) -> None:
    job = make()
    request = job.request.model_copy(update={"webhook_url": webhook, "references": tuple(map(HttpsUrl, references))})
    job = job.model_copy(update={"request": request})
    here = InMemoryDeployment()

    texts = [
        record_of(job).decode(),
        JobResource.of(here.reader.viewer.view(job)).model_dump_json(),
        QuoteResource.of(Quote(request, dict.fromkeys(ROUTES, Circuit.CLOSED))).model_dump_json(),
        *(job_event(job, results_bucket=RESULTS).model_dump_json() for _ in [1] if job.is_over),
        *(settled_event(job, one, results_bucket=RESULTS).model_dump_json() for one in job.settlements),
    ]

    assert [text for text in texts if SECRET in text] == []


def test_a_record_does_not_say_where_its_owner_is_told() -> None:
    job = succeeded_job()
    request = job.request.model_copy(update={"webhook_url": f"https://hooks.example.com/services/{SECRET}"})
    record = record_of(job.model_copy(update={"request": request})).decode()
    assert "hooks.example.com" not in record
    assert json.loads(record)["request"]["prompt"] == job.request.prompt


def test_a_retry_fetches_and_tells_by_the_whole_urls(here: InMemoryDeployment) -> None:
    urls = {
        "references": [f"https://cdn.example.com/a.png?s={SECRET}"],
        "webhook_url": f"https://h.example.com/?{SECRET}",
    }
    first = here.job_id(**urls)
    here.cancel(first)
    again = here.retry(first)
    assert again
    assert list(again.job.request.reference_uris) == urls["references"]
    assert again.job.request.webhook_url == urls["webhook_url"]


def test_a_masked_link_that_is_sent_again_is_refused(here: InMemoryDeployment) -> None:
    masked = masked_url(f"https://cdn.example.com/a.png?s={SECRET}")
    with pytest.raises(InvalidRequest, match=r"references\[0\]"):
        here.post({"prompt": "x", "references": [masked]})


def test_a_delivery_is_shown_without_the_query_of_its_url() -> None:
    sent = delivery(url=f"https://hooks.example.com/a?token={SECRET}")
    for view in (DeliverySummaryResource.of(sent), DeliveryResource.whole(sent)):
        assert view.url == "https://hooks.example.com/a?…"


LINKS = st.lists(st.from_regex(r"https://r2\.apimodels\.app/[a-z0-9]{12}\.png", fullmatch=True), min_size=1, max_size=3)


@given(LINKS)
def test_where_the_provider_keeps_images_is_in_the_jobs_view_and_in_no_event(links: list[str]) -> None:
    failure = Failure(code=FailureCode.RESULT_UNUSABLE, message="x", retryable=False, charged=Charged.YES)
    failed = processing_job().failed(failure, after(9), provider_urls=links)
    canceled = processing_job().with_cancel_requested(after(8)).canceled(after(9), provider_urls=links)
    late = settled_job()
    attempt_id = late.settlements[0].attempt_id
    settlement = Settlement(
        attempt_id=attempt_id, at=after(99), charged=Charged.YES, message="x", provider_urls=tuple(links)
    )
    settled = late.model_copy(update={"settlements": (settlement,)})
    events = [
        settled_event(settled, settlement, results_bucket=RESULTS),
        job_event(failed, results_bucket=RESULTS),
        job_event(canceled, results_bucket=RESULTS),
    ]

    here = InMemoryDeployment()
    for event in events:
        assert not any(link in event.model_dump_json() for link in links)
    for job in (failed, canceled, settled):
        view = JobResource.of(here.reader.viewer.view(job))
        assert list(view.provider_urls) == links


@pytest.mark.parametrize("name", published_examples())
def test_no_published_event_holds_a_link(name: str) -> None:
    text = published_examples()[name].model_dump_json()
    assert "https://" not in text
    assert "http://" not in text
    assert "provider_urls" not in text
