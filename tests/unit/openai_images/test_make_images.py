"""A call for pictures in OpenAI's shape: a job for each, waited for; repeated, paid once."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from heliograph.access.keys import Caller, Scope
from heliograph.jobs.job import JobStatus
from heliograph.kernel.errors import BudgetExceeded, Interrupted, InvalidRequest, StorageFailed, TooManyWaits
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import Tenants
from heliograph.openai_images import make_images as making
from heliograph.openai_images.make_images import (
    WAIT,
    ImagesCall,
)
from heliograph.providers.protocol import Refused, StillRunning, TaskFailed
from heliograph.storage.references import ObjectLocation

from tests.fakes.deployment import BETA, RESULTS, SECOND, UPLOADS, InMemoryDeployment
from tests.fakes.gallery import OWNER, Gallery
from tests.fakes.script import Afterwards, Crash
from tests.pictures import JPEG, PNG

SHOP = Caller(tenant="shop", scopes=frozenset(Scope), key_id="key_" + "a" * 26)
BLOCKED = Refused(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO))


@pytest.fixture
def gallery(here: InMemoryDeployment) -> Gallery:
    return Gallery(here)


def limit(here: InMemoryDeployment, usd: str) -> None:
    here.ledger.tenants = Tenants.model_validate({"named": {}, "together": {"daily_budget_usd": usd}})


# ---- What comes back


def test_a_picture_comes_with_its_link_and_its_bytes(gallery: Gallery) -> None:
    images = gallery.make()
    [picture] = images.images
    result = picture.linked.result
    stored = gallery.here.objects.peek(ObjectLocation(RESULTS, result.key))
    assert stored
    assert picture.base64 == base64.b64encode(stored.body).decode()
    assert result.key in picture.linked.url
    assert picture.job.status is JobStatus.SUCCEEDED
    assert images.missing == ()


def test_each_picture_is_a_job_of_its_own(gallery: Gallery) -> None:
    images = gallery.make(n=10)
    assert len({picture.job.job_id for picture in images.images}) == 10
    assert len(gallery.here.provider.tasks) == 10


def test_all_jobs_are_submitted_before_any_is_waited_for(gallery: Gallery) -> None:
    gallery.idle()
    images = gallery.make(n=3)
    assert len(images.jobs) == len(gallery.here.workflow.executions) == 3


def test_no_bytes_are_read_where_only_links_are_asked_for(gallery: Gallery) -> None:
    gallery.here.objects.on("read", StorageFailed("not to be read"))
    [picture] = gallery.make(response_format="url").images
    assert picture.base64 is None


def test_what_has_no_room_in_the_answer_is_a_link(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    [one] = gallery.make().images
    monkeypatch.setattr(making, "MOST_BASE64_CHARACTERS", 2 * len(one.base64 or "") + 1)
    pictures = gallery.make(n=3).images
    assert [picture.base64 is not None for picture in pictures] == [True, True, False]
    assert all(picture.linked.url for picture in pictures)


def test_a_picture_that_can_not_be_read_at_the_moment_is_a_link(gallery: Gallery) -> None:
    gallery.here.objects.on("read", StorageFailed("away"))
    [picture] = gallery.make().images
    assert picture.base64 is None


# ---- What does not


def test_of_pictures_that_fail_the_others_are_kept(gallery: Gallery) -> None:
    gallery.here.provider.will_answer_create(BLOCKED)
    images = gallery.make(n=3)
    assert len(images.images) == 2
    [missing] = images.missing
    assert missing.failure
    assert missing.failure.code is FailureCode.CONTENT_BLOCKED
    assert missing.job
    assert missing.job.job_id in {job.job_id for job in images.jobs}


def test_a_budget_that_ends_midway_leaves_the_jobs_before_it(gallery: Gallery) -> None:
    limit(gallery.here, "0.13")
    images = gallery.make(n=4)
    assert len(images.images) == 2
    assert [missing.failure.code for missing in images.missing if missing.failure] == ["budget_exceeded"] * 2
    assert all(missing.job is None for missing in images.missing)
    assert len(gallery.here.provider.tasks) == 2


def test_a_budget_that_is_used_up_makes_nothing(gallery: Gallery) -> None:
    limit(gallery.here, "0.01")
    with pytest.raises(BudgetExceeded):
        gallery.make(n=2)
    assert len(gallery.here.jobs) == 0


def test_patience_ends_while_the_job_goes_on(gallery: Gallery) -> None:
    gallery.idle()
    began_at = gallery.here.clock.now()
    images = gallery.make()
    assert images.images == ()
    assert [missing.job is not None and not missing.job.is_over for missing in images.missing] == [True]
    assert WAIT <= gallery.here.clock.now() - began_at <= WAIT + timedelta(seconds=2)


def test_a_call_that_was_long_on_its_way_here_is_waited_for_the_less(gallery: Gallery) -> None:
    gallery.idle()
    call = replace(gallery.call(), started_at=gallery.here.clock.now() - WAIT)
    before = gallery.here.clock.now()
    gallery.answer(call)
    assert gallery.here.clock.now() == before


def test_a_store_that_gives_way_between_two_jobs_says_which_were_made(gallery: Gallery) -> None:
    gallery.here.jobs.on("add", None, StorageFailed("away"))
    with pytest.raises(Interrupted) as raised:
        gallery.make(n=3)
    assert len(raised.value.job_ids) == len(gallery.here.jobs) == 1
    images = gallery.make(n=3, repeat=1)
    assert raised.value.job_ids[0] in {job.job_id for job in images.jobs}
    assert len(gallery.here.provider.tasks) == 3


# ---- Nobody pays twice


def test_a_repeat_joins_the_jobs_of_its_call(gallery: Gallery) -> None:
    first = gallery.make(n=2)
    again = gallery.make(n=2, repeat=1)
    assert [job.job_id for job in again.jobs] == [job.job_id for job in first.jobs]
    assert len(gallery.here.provider.tasks) == 2


def test_a_repeat_waits_for_what_its_call_began(gallery: Gallery) -> None:
    gallery.idle()
    gallery.make()
    gallery.works = True
    assert len(gallery.make(repeat=1).images) == 1
    assert len(gallery.here.jobs) == 1


@pytest.mark.parametrize("lost", ["add", "get"])
def test_a_repeat_of_a_call_that_died_finds_what_it_had_made(gallery: Gallery, lost: str) -> None:
    gallery.here.jobs.on(lost, Afterwards(Crash()))
    with pytest.raises(Crash):
        gallery.make()
    gallery.make(repeat=1)
    assert len(gallery.here.jobs) == len(gallery.here.provider.tasks) == 1


def test_the_same_asked_for_twice_is_made_twice(gallery: Gallery) -> None:
    first, second = gallery.make(), gallery.make()
    assert first.jobs[0].job_id != second.jobs[0].job_id
    assert len(gallery.here.provider.tasks) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "a wolf"},
        {"n": 2},
        {"size": "1024x1024"},
        {"caller": SHOP},
        {"caller": SHOP.model_copy(update={"tenant": "default"})},
    ],
)
def test_a_repeat_of_something_else_is_no_repeat_of_this(gallery: Gallery, other: dict[str, Any]) -> None:
    first = gallery.make()
    second = gallery.make(repeat=1, **other)
    assert first.jobs[0].job_id not in {job.job_id for job in second.jobs}


def test_other_pictures_with_the_same_words_are_another_call(gallery: Gallery) -> None:
    first, second = gallery.make(PNG), gallery.make(JPEG, repeat=1)
    assert first.jobs[0].job_id != second.jobs[0].job_id
    third = gallery.make(PNG, repeat=1)
    assert third.jobs[0].job_id == first.jobs[0].job_id


def test_an_idempotency_key_names_the_jobs_whatever_the_repeat_says(gallery: Gallery) -> None:
    first, second = gallery.make(key="order-7", n=2), gallery.make(key="order-7", n=2)
    assert [job.job_id for job in first.jobs] == [job.job_id for job in second.jobs]
    assert len(gallery.here.provider.tasks) == 2
    other = gallery.make(key="order-8", repeat=1)
    assert other.jobs[0].job_id not in {job.job_id for job in first.jobs}


def test_an_idempotency_key_is_not_used_for_something_else(gallery: Gallery) -> None:
    gallery.make(key="order-7")
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        gallery.make(key="order-7", prompt="a wolf")


def test_an_idempotency_key_of_another_tenant_is_another(gallery: Gallery) -> None:
    first, second = gallery.make(key="order-7"), gallery.make(key="order-7", caller=SHOP)
    assert first.jobs[0].job_id != second.jobs[0].job_id


def test_a_call_that_can_not_be_remembered_makes_nothing(gallery: Gallery) -> None:
    gallery.recent_calls.on("save", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        gallery.make()
    assert len(gallery.here.jobs) == 0


def test_what_only_helps_to_tell_calls_apart_may_fail(gallery: Gallery) -> None:
    gallery.recent_calls.on("save", None, StorageFailed("away"), StorageFailed("away"))
    assert len(gallery.make().images) == 1


def named(gallery: Gallery, call: ImagesCall) -> str:
    return gallery.service.identify(gallery.service.check(call)).call_id


def test_equal_calls_at_the_same_moment_are_one(gallery: Gallery) -> None:
    call, other = gallery.call(), gallery.call()
    gallery.recent_calls.on("save", lambda: named(gallery, other))
    assert named(gallery, call) == other.arrival.call_id
    assert len(gallery.recent_calls.look(call.digest)) == 1


@pytest.mark.parametrize("headers_say", [0, 1])
def test_a_call_that_comes_while_an_equal_one_waits_has_its_jobs(gallery: Gallery, headers_say: int) -> None:
    gallery.idle()
    first = gallery.make(n=2)
    gallery.works = True
    again = gallery.make(n=2, repeat=headers_say)
    assert [job.job_id for job in again.jobs] == [job.job_id for job in first.jobs]
    assert (first.joined, again.joined) == (False, True)
    assert len(gallery.here.provider.tasks) == 2


def test_behind_a_gateway_three_calls_of_a_client_that_numbers_none_make_one_job(gallery: Gallery) -> None:
    # The AI SDK: a 524 after 100 s, then again after 2 s, and after 4 s more.
    gallery.idle()
    answers = [gallery.make()]
    gallery.here.clock.step(-198)
    gallery.works = True
    answers += [gallery.make()]
    gallery.here.clock.step(4)
    answers += [gallery.make()]
    assert len({job.job_id for images in answers for job in images.jobs}) == 1
    assert len(gallery.here.provider.tasks) == 1


def test_with_idempotency_keys_equal_calls_at_once_are_calls_of_their_own(gallery: Gallery) -> None:
    gallery.idle()
    jobs = {gallery.make(key=f"variation-{number}").jobs[0].job_id for number in range(3)}
    assert len(jobs) == 3


@pytest.mark.parametrize("other", [{"user": "u2"}, {"quality": "high"}, {"response_format": "url"}, {"size": "1:1"}])
def test_a_call_that_differs_in_anything_is_not_joined(gallery: Gallery, other: dict[str, Any]) -> None:
    gallery.idle()
    first, second = gallery.make(user="u1"), gallery.make(**{"user": "u1", **other})
    assert first.jobs[0].job_id != second.jobs[0].job_id


@pytest.mark.parametrize(
    ("charged", "jobs"), [(Charged.NO, 2), (Charged.UNKNOWN, 1), (Charged.YES, 1)], ids=["free", "unknown", "charged"]
)
def test_a_failure_that_may_have_cost_is_answered_again_and_one_that_did_not_is_tried_again(
    gallery: Gallery, charged: Charged, jobs: int
) -> None:
    failure = Failure(code=FailureCode.PROVIDER_FAILED, message="no", retryable=charged is Charged.NO, charged=charged)
    gallery.here.provider.will_say(TaskFailed(failure), TaskFailed(failure))
    gallery.make()
    gallery.make()
    assert len(gallery.here.jobs) == jobs


def test_a_call_that_was_refused_for_its_budget_can_be_made_again_at_once(gallery: Gallery) -> None:
    limit(gallery.here, "0.01")
    with pytest.raises(BudgetExceeded):
        gallery.make()
    limit(gallery.here, "10")
    first, second = gallery.make(), gallery.make()
    assert first.jobs[0].job_id != second.jobs[0].job_id


# ---- Other names of models


def test_another_name_of_a_model_leads_to_it_or_to_the_default_policy(gallery: Gallery) -> None:
    assert gallery.make(model="fast").jobs[0].request.model == SECOND
    job = gallery.make(model="dall-e-3").jobs[0]
    assert (job.request.model, job.request.policy) == (BETA, "beta-first")


# ---- What is refused costs nothing


def stored_references(gallery: Gallery) -> int:
    return len([place for place in gallery.here.objects.puts if place.bucket == UPLOADS])


def test_a_picture_is_not_stored_for_a_job_that_no_budget_has_room_for(gallery: Gallery) -> None:
    limit(gallery.here, "0.05")
    with pytest.raises(BudgetExceeded):
        gallery.make(PNG)
    assert gallery.here.objects.puts == []
    assert [event.event_type for event in gallery.here.bus] == ["image.budget.exhausted"]


def test_a_key_with_a_used_up_budget_stores_nothing(gallery: Gallery) -> None:
    poor = SHOP.model_copy(update={"daily_budget_microusd": 60_000})
    gallery.make(PNG, caller=poor)
    with pytest.raises(BudgetExceeded):
        gallery.make(JPEG, caller=poor)
    assert stored_references(gallery) == 1


def test_a_repeat_that_joins_needs_no_room_in_a_budget(gallery: Gallery) -> None:
    limit(gallery.here, "0.06")
    first = gallery.make(PNG)
    assert gallery.make(PNG, repeat=1).jobs == first.jobs


def test_a_picture_that_no_job_came_to_name_is_left_to_be_deleted(gallery: Gallery) -> None:
    gallery.here.objects.on("copy", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        gallery.make(PNG)
    name = f"references/{hashlib.sha256(PNG).hexdigest()}.png"
    assert gallery.here.objects.keys(UPLOADS) == {f"pending/{name}"}
    [job] = gallery.make(PNG).jobs
    assert job.request.reference_uris == (f"s3://{UPLOADS}/{name}?versionId=v1",)


def test_a_prompt_that_no_model_takes_stores_no_picture_and_remembers_no_call(gallery: Gallery) -> None:
    call = gallery.call(PNG, prompt="x" * 20_001)
    with pytest.raises(InvalidRequest):
        gallery.answer(call)
    assert gallery.here.objects.puts == []
    assert gallery.recent_calls.look(call.digest) == ()


# ---- Waits


def test_of_one_keys_waits_no_more_than_so_many_are_open(gallery: Gallery) -> None:
    cap = gallery.service.wait_cap
    with cap.wait(SHOP, "a", seconds=300), cap.wait(SHOP, "b", seconds=300):
        with pytest.raises(TooManyWaits), cap.wait(SHOP, "c", seconds=300):
            pytest.fail("it waits")
        with cap.wait(OWNER, "d", seconds=300):
            pass
    with cap.wait(SHOP, "e", seconds=300):
        pass


def test_a_wait_whose_function_died_ends_by_itself(gallery: Gallery) -> None:
    cap = gallery.service.wait_cap
    for name in "ab":
        gallery.open_waits.on("end", StorageFailed("away"))
        with cap.wait(SHOP, name, seconds=300):
            pass
    with pytest.raises(TooManyWaits), cap.wait(SHOP, "c", seconds=300):
        pass
    gallery.here.clock.step(361)
    with cap.wait(SHOP, "d", seconds=300):
        pass


def test_a_wait_ends_with_what_it_was_for_however_that_ends(gallery: Gallery) -> None:
    cap = gallery.service.wait_cap
    for number in range(3):
        with pytest.raises(KeyError), cap.wait(SHOP, f"{number}", seconds=300):
            raise KeyError


def test_a_store_that_is_away_shuts_nobody_out(gallery: Gallery) -> None:
    cap = gallery.service.wait_cap
    for number in range(3):
        gallery.open_waits.on("begin", StorageFailed("away"))
        with cap.wait(SHOP, f"{number}", seconds=300):
            pass


# ---- Editing


def test_images_are_kept_in_the_tenants_folder_by_their_content(gallery: Gallery) -> None:
    images = gallery.make(PNG, JPEG, caller=SHOP, n=2)
    names = [f"{hashlib.sha256(PNG).hexdigest()}.png", f"{hashlib.sha256(JPEG).hexdigest()}.jpg"]
    kept = {f"tenants/shop/references/{name}" for name in names}
    assert gallery.here.objects.keys(UPLOADS) == kept | {f"pending/{key}" for key in kept}
    for job in images.jobs:
        assert job.request.reference_uris == tuple(
            f"s3://{UPLOADS}/tenants/shop/references/{name}?versionId=v1" for name in names
        )
    assert images.jobs[0].request.task == "fusion"


def test_an_image_that_is_kept_already_is_not_stored_again(gallery: Gallery) -> None:
    gallery.make(PNG)
    gallery.make(PNG, JPEG)
    kept = [place.key for place in gallery.here.objects.puts if place.bucket == UPLOADS]
    assert len(kept) == len(set(kept)) == 2


@pytest.mark.parametrize(
    ("images", "pointers"),
    [
        ((PNG, b"GIF89a", JPEG, b""), ["/image/1", "/image/3"]),
        ((PNG,) * 17, ["/image"]),
    ],
)
def test_what_is_no_usable_image_is_refused_before_anything_is_kept(
    gallery: Gallery, images: tuple[bytes, ...], pointers: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        gallery.make(*images)
    assert [fault.pointer for fault in raised.value.faults] == pointers
    assert gallery.here.objects.keys(UPLOADS) == set()
    assert len(gallery.here.jobs) == 0


def test_an_edit_without_an_image_is_refused(gallery: Gallery) -> None:
    call = replace(gallery.call(PNG), images=())
    with pytest.raises(InvalidRequest, match="required"):
        gallery.answer(call)


def test_a_task_that_takes_its_time_is_waited_for(gallery: Gallery) -> None:
    gallery.here.provider.will_say(StillRunning(), StillRunning())
    assert len(gallery.make().images) == 1
