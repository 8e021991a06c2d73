"""DynamoDBJobStore against moto's DynamoDB, with the template's own table."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from heliograph.execution.create_task import uncertain_call
from heliograph.jobs.accounting import with_accounting
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.jobs.deadlines import END_GRACE, ORPHAN_GRACE, START_GRACE, attention_at
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.job_filter import JobFilter
from heliograph.jobs.request import MAX_BODY_BYTES, JobRequest, Rules, read_request
from heliograph.jobs.retry_policy import MAX_ATTEMPTS
from heliograph.kernel.errors import StaleJob, StorageFailed
from heliograph.kernel.ids import derived_id
from heliograph.kernel.media_types import MediaType
from heliograph.kernel.pagination import Cursor
from heliograph.platform import aws
from heliograph.routes.config import Routes

from tests.examples import (
    BLOCKED,
    JOB_ID,
    LATE,
    ROUTE,
    RUN_ID,
    START,
    after,
    attempting_job,
    expired_job,
    failed_job,
    orphaned_job,
    processing_job,
    queued_job,
    succeeded_job,
)
from tests.integration.conftest import RETENTION, job_store, table

LARGEST_ITEM_BYTES = 400 * 1024


@pytest.fixture
def store(cloud: None) -> DynamoDBJobStore:
    for name in ("jobs", "ledger", "routes"):
        table(name)
    return job_store()


def item(job_id: str = JOB_ID) -> dict[str, dict[str, str]]:
    """As it lies in the table."""
    found = aws.dynamodb().get_item(TableName="jobs", Key={"job_id": {"S": job_id}})
    return {name: {kind: str(text) for kind, text in value.items()} for name, value in found["Item"].items()}


def attributes(job: Job, store: DynamoDBJobStore) -> set[str]:
    store.add(job)
    return set(item(job.job_id))


def test_a_job_is_added_once(store: DynamoDBJobStore) -> None:
    assert store.add(queued_job()) == queued_job()
    assert store.add(queued_job(tenant="another")) is None
    assert store.get(JOB_ID) == queued_job()


def test_a_job_that_is_over_keeps_its_id(store: DynamoDBJobStore) -> None:
    store.add(failed_job())
    assert store.add(queued_job()) is None


def test_a_job_that_nobody_wrote_is_nothing(store: DynamoDBJobStore) -> None:
    assert store.get("job_nobody") is None


@pytest.mark.parametrize(
    "job",
    [
        queued_job(),
        attempting_job(),
        processing_job(),
        orphaned_job(),
        succeeded_job(),
        succeeded_job().as_announced(),
        failed_job(),
        expired_job(),
    ],
)
def test_a_job_is_read_as_it_was_written(store: DynamoDBJobStore, job: Job) -> None:
    assert store.add(job) == with_accounting(job)
    assert store.get(job.job_id) == with_accounting(job)


@pytest.mark.parametrize(
    "prompt",
    [
        "ein Leuchtturm im Nebel",
        "夕暮れの灯台",
        "منارة عند الغروب",
        "мая́к",
        "👩‍🚀 on 🌊",
        'a "quoted" \\ back\nslash',
        "न",
    ],
)
def test_a_prompt_in_any_script_survives_with_its_references(store: DynamoDBJobStore, prompt: str) -> None:
    references = tuple(f"https://images.acme.com/{index}.jpg?size=large&n={index}" for index in range(16))
    job = queued_job(request=JobRequest(model="gpt-image-2-beta", prompt=prompt, references=references))
    store.add(job)
    read = store.get(JOB_ID)
    assert read
    assert (read.request.prompt, read.request.reference_uris) == (prompt, references)


def test_a_saved_job_has_a_new_revision(store: DynamoDBJobStore) -> None:
    store.add(queued_job())
    saved = store.save(processing_job())
    assert saved.revision == 1
    assert store.get(JOB_ID) == saved


def test_of_two_savers_of_one_revision_the_second_is_told_and_changes_nothing(store: DynamoDBJobStore) -> None:
    store.add(queued_job())
    first = store.save(processing_job())
    with pytest.raises(StaleJob, match=JOB_ID):
        store.save(queued_job().expired(LATE, after(9)))
    assert store.get(JOB_ID) == first


def test_a_job_that_was_never_added_can_not_be_saved(store: DynamoDBJobStore) -> None:
    with pytest.raises(StaleJob):
        store.save(queued_job())
    assert store.get(JOB_ID) is None


def test_savers_one_after_the_other_all_succeed(store: DynamoDBJobStore) -> None:
    store.add(queued_job())
    saved = store.save(store.save(processing_job()).failed(LATE, after(9)))
    assert (saved.revision, store.get(JOB_ID)) == (2, saved)


@pytest.mark.parametrize("job", [queued_job(), attempting_job(), processing_job(), orphaned_job()])
def test_an_open_job_is_in_the_index_and_never_deleted(store: DynamoDBJobStore, job: Job) -> None:
    found = attributes(job, store)
    assert {"open_shard", "attention_at"} <= found
    assert "expires_at" not in found


@pytest.mark.parametrize("job", [succeeded_job(), failed_job(), expired_job()])
@pytest.mark.parametrize("announced", [True, False])
def test_a_job_that_is_over_leaves_the_index_once_announced_and_is_deleted_in_time(
    store: DynamoDBJobStore, job: Job, announced: bool
) -> None:
    found = attributes(job.as_announced() if announced else job, store)
    assert {"open_shard", "attention_at"} & found == (set() if announced else {"open_shard", "attention_at"})
    assert job.finished_at
    assert item()["expires_at"] == {"N": str(int((job.finished_at + RETENTION).timestamp()))}


def test_a_job_that_ends_is_found_until_it_is_announced(store: DynamoDBJobStore) -> None:
    store.add(queued_job())
    ended = store.save(failed_job())
    assert store.needing_attention(after(10**6), limit=10) == [ended.job_id]
    store.save(ended.as_announced())
    assert "open_shard" not in item()
    assert store.needing_attention(after(10**6), limit=10) == []


def test_a_person_in_the_console_sees_status_tenant_and_time(store: DynamoDBJobStore) -> None:
    store.add(processing_job())
    shown = item()
    assert (shown["status"], shown["tenant"]) == ({"S": "processing"}, {"S": "default"})
    assert shown["created_at"] == {"S": "2026-11-22T10:00:00.000000+00:00"}


def numbered(count: int) -> list[Job]:
    """Jobs that came a second apart."""
    return [
        queued_job(derived_id("job", str(number)), created_at=after(number), deadline_at=after(number + 1200))
        for number in range(count)
    ]


def test_jobs_that_should_have_moved_are_found_longest_overdue_first(store: DynamoDBJobStore) -> None:
    jobs = numbered(40)
    for job in reversed(jobs):
        store.add(job)
    assert store.needing_attention(START + START_GRACE + timedelta(seconds=39), limit=100) == [
        job.job_id for job in jobs
    ]


@pytest.mark.parametrize("limit", [1, 3, 40])
def test_no_more_are_found_than_asked_for(store: DynamoDBJobStore, limit: int) -> None:
    jobs = numbered(40)
    for job in jobs:
        store.add(job)
    assert store.needing_attention(after(10**6), limit=limit) == [job.job_id for job in jobs[:limit]]


@pytest.mark.parametrize(
    ("job", "due"),
    [
        (queued_job(), START + START_GRACE),
        (attempting_job(), after(1.2 + 1200) + END_GRACE),
        (processing_job(), after(2.5 + 1200) + END_GRACE),
        (orphaned_job(), after(60) + ORPHAN_GRACE),
        (succeeded_job(), after(31.4) + START_GRACE),
        (failed_job(), after(24.9) + START_GRACE),
        (expired_job(), after(1201) + START_GRACE),
    ],
)
def test_a_job_needs_attention_from_its_time_on_and_not_before(
    store: DynamoDBJobStore, job: Job, due: datetime
) -> None:
    store.add(job)
    assert attention_at(job) == due
    assert store.needing_attention(due - timedelta(seconds=1), limit=10) == []
    assert store.needing_attention(due, limit=10) == [job.job_id]


def test_a_record_that_can_not_be_read_is_named_and_is_in_nobodys_way(store: DynamoDBJobStore) -> None:
    store.add(queued_job())
    document = {**json.loads(item()["document"]["S"]), "of": "another release"}
    aws.dynamodb().put_item(TableName="jobs", Item={**item(), "document": {"S": json.dumps(document)}})

    assert store.needing_attention(after(10**6), limit=10) == [JOB_ID]
    with pytest.raises(StorageFailed, match=JOB_ID):
        store.get(JOB_ID)


WAVE = "🌊"  # four bytes in JSON: no other letter that is let in takes more


def largest_request(letter: str) -> JobRequest:
    """Everything at its limit at once, as far as a body may be that long; what a link may hold, JSON may escape."""
    document: dict[str, Any] = {
        "prompt": letter * ROUTE.max_prompt_characters,
        "references": [],
        "tags": [f"{index:02}" + letter * 62 for index in range(16)],
        "deadline_seconds": 21_600,
        "output_key": "{name}/" + "x" * 499 + ".{ext}",
        "webhook_url": "https://hooks.acme.com/".ljust(2048, "x"),
        "metadata": {f"{index:02}" + letter * 62: letter * 512 for index in range(32)},
    }
    for index in range(16):
        left = MAX_BODY_BYTES - len(json.dumps(document, ensure_ascii=False).encode())
        if left > 100:
            document["references"].append(f"https://images.acme.com/{index:02}/".ljust(min(2048, left // 2 - 4), "x"))
    if len(json.dumps(document, ensure_ascii=False).encode()) > MAX_BODY_BYTES:
        raise ValueError("no such body would be taken")
    return read_request(document, Rules(Routes((ROUTE,)), frozenset(), "uploads"))


def largest_job(letter: str) -> Job:
    """Every create call lost in a different long-winded way; two tasks found again and failed on each of three routes.

    In the end some of sixteen pictures could be stored and some not. Texts as long as the adapters let them be.
    """
    said = letter * 300
    lost = f"the provider failed with 99999: {said}"
    name = letter * ((1024 - len("jobs/.json")) // len(letter.encode()))
    source = queued_job().source.model_copy(update={"kind": "document", "key": f"jobs/{name}.json"})
    job = queued_job(request=largest_request(letter), source=source, output_stem=name, fingerprint="f" * 64)
    route = ROUTE.model_copy(update={"name": "r" * 64})
    for number in range(MAX_ATTEMPTS):
        attempt_id, at = derived_id("att", JOB_ID, str(number)), after(number + 0.123456)
        job = job.attempting(attempt_id, RUN_ID, route, at, callback_sha256="f" * 64).mark_uncertain(attempt_id, lost)
        failure = uncertain_call(lost)
        if number < 6:
            job = job.accepted(attempt_id, '"' * 256, at)
            failure = LATE.model_copy(update={"message": f"the provider's task failed: {said} ({said})"})
        job = job.attempt_failed(attempt_id, failure, at, retry_after_seconds=99_999)
    stored = succeeded_job().results[0]
    results = [stored.model_copy(update={"key": job.output_keys.result_key(n, MediaType.JPEG)}) for n in range(1, 16)]
    urls = ["https://r2.apimodels.app/".ljust(2048, "x")] * 16
    return job.failed(BLOCKED, after(99), results=results, provider_urls=urls)


def test_the_largest_request_with_every_attempt_lost_fits_an_item(store: DynamoDBJobStore) -> None:
    job = largest_job(WAVE)
    assert store.add(job)
    texts = {name: "".join(kinds.values()) for name, kinds in item().items()}
    size = sum(len(name) + len(text.encode()) for name, text in texts.items())
    assert size < LARGEST_ITEM_BYTES
    assert store.get(JOB_ID) == with_accounting(job)


def test_the_document_is_json_that_a_person_can_read(store: DynamoDBJobStore) -> None:
    store.add(queued_job(request=JobRequest(model="m", prompt="夕暮れ")))
    assert "夕暮れ" in item()["document"]["S"]
    assert json.loads(item()["document"]["S"])["job_id"] == JOB_ID


@pytest.mark.parametrize(
    "code",
    ["ProvisionedThroughputExceededException", "InternalServerError", "AccessDeniedException", "ValidationException"],
)
def test_whatever_else_dynamodb_says_is_a_failed_storage_that_names_it(cloud: None, code: str) -> None:
    client = aws.dynamodb()
    store = job_store()
    with Stubber(client) as stub:
        for operation in ("put_item", "put_item", "get_item", "query"):
            stub.add_client_error(operation, code, http_status_code=400)
        with pytest.raises(StorageFailed, match=f"{JOB_ID}: {code}"):
            store.add(queued_job())
        with pytest.raises(StorageFailed, match=f"{JOB_ID}: {code}"):
            store.save(queued_job())
        with pytest.raises(StorageFailed, match=f"{JOB_ID}: {code}"):
            store.get(JOB_ID)
        with pytest.raises(StorageFailed, match=f"open jobs: {code}"):
            store.needing_attention(START, limit=1)


def test_a_job_is_read_consistently(cloud: None) -> None:
    client = aws.dynamodb()
    expected = {"TableName": "jobs", "Key": {"job_id": {"S": JOB_ID}}, "ConsistentRead": True}
    with Stubber(client) as stub:
        stub.add_response("get_item", {}, expected)
        assert job_store().get(JOB_ID) is None


# ---- Lists


def jobs_of_one_tenant(store: DynamoDBJobStore, count: int, **changes: Any) -> list[Job]:
    """Newest first."""
    made = []
    for number in range(count):
        job = queued_job(derived_id("job", f"{changes}{number}"), created_at=after(number), **changes)
        assert store.add(job)
        made.append(with_accounting(job))
    return made[::-1]


@pytest.fixture
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look is at three jobs, not at a thousand."""
    monkeypatch.setattr("heliograph.jobs.adapters.dynamodb._LOOKED_AT", 3)


def test_where_few_jobs_match_a_call_looks_at_so_many_and_says_where_it_stopped(
    store: DynamoDBJobStore, few_at_a_time: None
) -> None:
    jobs = jobs_of_one_tenant(store, 17)
    wanted = JobFilter(status=JobStatus.SUCCEEDED)
    found = store.list("default", wanted, after=None, limit=5)
    # Five looks at three each.
    assert (found.items, found.end) == ((), Cursor(jobs[14].created_at, jobs[14].job_id))
    rest = store.list("default", wanted, after=found.end, limit=5)
    assert (rest.items, rest.end) == ((), None)


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_matches_that_are_far_apart_are_all_found_once_and_in_order(
    store: DynamoDBJobStore, few_at_a_time: None, limit: int
) -> None:
    made = jobs_of_one_tenant(store, 40)
    matching = [store.save(job.canceled(after(99))) for job in made if int(job.created_at.timestamp()) % 7 == 0]
    found: list[Job] = []
    end: Cursor | None = None
    for _ in range(40):
        part = store.list("default", JobFilter(status=JobStatus.CANCELED), after=end, limit=limit)
        found += part.items
        end = part.end
        if end is None:
            break
    assert end is None
    assert found == matching


def test_a_list_without_a_filter_costs_one_query(store: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs_of_one_tenant(store, 9)
    queries: list[Any] = []
    real = aws.dynamodb().query

    def counted(**asked: Any) -> Any:
        queries.append(asked)
        return real(**asked)

    monkeypatch.setattr(aws.dynamodb(), "query", counted)
    assert len(store.list("default", JobFilter(), after=None, limit=5).items) == 5
    assert len(queries) == 1


def test_no_query_starts_outside_the_range_that_is_asked_for(cloud: None) -> None:
    """DynamoDB refuses such a start; moto does not."""
    wanted, start = JobFilter(created_after=after(9)), Cursor(after(9), JOB_ID)
    with Stubber(aws.dynamodb()):
        found = job_store().list("default", wanted, after=start, limit=5)
    assert (found.items, found.end) == ((), None)


def test_what_throttling_left_out_of_a_list_is_asked_for_again(
    store: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_of_one_tenant(store, 5)
    real: Any = aws.dynamodb().batch_get_item

    def cut(**asked: Any) -> Any:
        [(name, wanted)] = asked["RequestItems"].items()
        first, *rest = wanted["Keys"]
        answer = real(RequestItems={name: {**wanted, "Keys": [first]}})
        return {**answer, "UnprocessedKeys": {name: {**wanted, "Keys": rest}} if rest else {}}

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", cut)
    assert list(store.list("default", JobFilter(), after=None, limit=5).items) == jobs


def test_a_list_that_can_not_be_read_whole_is_a_failed_storage(
    store: DynamoDBJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs_of_one_tenant(store, 2)

    def throttled(**asked: Any) -> Any:
        return {"Responses": {}, "UnprocessedKeys": asked["RequestItems"]}

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", throttled)
    with pytest.raises(StorageFailed, match="could not be read"):
        store.list("default", JobFilter(), after=None, limit=5)
