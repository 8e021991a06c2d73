"""A call for pictures in OpenAI's shape: a job for each, waited for; repeated, paid once."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from heliograph.domain.errors import BudgetExceeded, Interrupted, InvalidRequest, StorageFailed
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.jobs import JobStatus
from heliograph.domain.keys import Caller, Scope
from heliograph.domain.openai_shape import EditRequest, GenerationRequest, read_images_request
from heliograph.domain.provider import Refused, StillRunning
from heliograph.domain.recent_calls import Arrival
from heliograph.domain.references import ObjectLocation
from heliograph.domain.tenants import Tenants
from heliograph.steps import make_images as making
from heliograph.steps.await_end import await_end
from heliograph.steps.make_images import WAIT, Images, ImagesCall, Studio, make_images, name_images
from heliograph.steps.read_job import view_of
from heliograph.steps.submit_request import submit_request

from tests.fakes.deployment import DEADLINE, RESULTS, RULES, UPLOADS, InMemoryDeployment
from tests.fakes.recent_calls import InMemoryRecentCalls
from tests.fakes.script import Afterwards, Crash
from tests.pictures import JPEG, PNG

OWNER = Caller(tenant="default", scopes=frozenset(Scope))
SHOP = Caller(tenant="shop", scopes=frozenset(Scope), key_id="key_" + "a" * 26)
BLOCKED = Refused(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO))


class Gallery:
    """Where pictures are asked for. While somebody waits, the workflows run."""

    def __init__(self, here: InMemoryDeployment) -> None:
        self.here = here
        self.recent_calls = InMemoryRecentCalls()
        self.works = True
        self._calls = count(1)

    @property
    def studio(self) -> Studio:
        here = self.here
        submit = partial(
            submit_request,
            rules=RULES,
            objects=here.objects,
            jobs=here.jobs,
            ledger=here.ledger,
            bus=here.bus,
            workflow=here.workflow,
            clock=here.clock,
            deadline=DEADLINE,
        )
        return Studio(
            submit=submit,
            await_end=partial(await_end, jobs=here.jobs, clock=here.clock, sleep=self.pass_time),
            view=partial(view_of, objects=here.objects, clock=here.clock),
            rules=RULES,
            objects=here.objects,
            recent_calls=self.recent_calls,
            clock=here.clock,
        )

    def pass_time(self, seconds: float) -> None:
        now = self.here.clock.now()
        if self.works:
            for job in self.here.jobs:
                if not job.is_over:
                    self.here.run(job.job_id)
        self.here.clock.go_to(now + timedelta(seconds=seconds))

    def call(
        self,
        *images: bytes,
        repeat: int = 0,
        key: str | None = None,
        caller: Caller = OWNER,
        call_id: str = "",
        **parameters: Any,
    ) -> ImagesCall:
        """A call as it arrives now."""
        self.here.clock.step(1)
        kind = EditRequest if images else GenerationRequest
        now = self.here.clock.now()
        return ImagesCall(
            wish=read_images_request(kind, {"prompt": "a fox", **parameters}, RULES),
            images=images,
            caller=caller,
            arrival=Arrival(call_id=call_id or f"call-{next(self._calls)}", received_at=now, repeat=repeat),
            idempotency_key=key,
            started_at=now,
        )

    def make(self, *images: bytes, **options: Any) -> Images:
        call = self.call(*images, **options)
        return make_images(call, name_images(call, studio=self.studio), studio=self.studio)

    def idle(self) -> None:
        """From now on, nothing gets done."""
        self.works = False


@pytest.fixture
def gallery(here: InMemoryDeployment) -> Gallery:
    return Gallery(here)


def limit(here: InMemoryDeployment, usd: str) -> None:
    here.ledger.tenants = Tenants.model_validate({"named": {}, "together": {"daily_budget_usd": usd}})


# ---- What comes back


def test_a_picture_comes_with_its_link_and_its_bytes(gallery: Gallery) -> None:
    images = gallery.make()
    [picture] = images.pictures
    result = picture.linked.result
    stored = gallery.here.objects.peek(ObjectLocation(RESULTS, result.key))
    assert stored
    assert picture.base64 == base64.b64encode(stored.body).decode()
    assert result.key in picture.linked.url
    assert picture.job.status is JobStatus.SUCCEEDED
    assert images.missing == ()


def test_each_picture_is_a_job_of_its_own(gallery: Gallery) -> None:
    images = gallery.make(n=10)
    assert len({picture.job.job_id for picture in images.pictures}) == 10
    assert len(gallery.here.provider.tasks) == 10


def test_all_jobs_are_submitted_before_any_is_waited_for(gallery: Gallery) -> None:
    gallery.idle()
    images = gallery.make(n=3)
    assert len(images.jobs) == len(gallery.here.workflow.executions) == 3


def test_no_bytes_are_read_where_only_links_are_asked_for(gallery: Gallery) -> None:
    gallery.here.objects.on("read", StorageFailed("not to be read"))
    [picture] = gallery.make(response_format="url").pictures
    assert picture.base64 is None


def test_what_has_no_room_in_the_answer_is_a_link(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    [one] = gallery.make().pictures
    monkeypatch.setattr(making, "MOST_BASE64_CHARACTERS", 2 * len(one.base64 or "") + 1)
    pictures = gallery.make(n=3).pictures
    assert [picture.base64 is not None for picture in pictures] == [True, True, False]
    assert all(picture.linked.url for picture in pictures)


def test_a_picture_that_can_not_be_read_at_the_moment_is_a_link(gallery: Gallery) -> None:
    gallery.here.objects.on("read", StorageFailed("away"))
    [picture] = gallery.make().pictures
    assert picture.base64 is None


# ---- What does not


def test_of_pictures_that_fail_the_others_are_kept(gallery: Gallery) -> None:
    gallery.here.provider.will_answer_create(BLOCKED)
    images = gallery.make(n=3)
    assert len(images.pictures) == 2
    [missing] = images.missing
    assert missing.failure
    assert missing.failure.code is FailureCode.CONTENT_BLOCKED
    assert missing.job
    assert missing.job.job_id in {job.job_id for job in images.jobs}


def test_a_budget_that_ends_midway_leaves_the_jobs_before_it(gallery: Gallery) -> None:
    limit(gallery.here, "0.13")
    images = gallery.make(n=4)
    assert len(images.pictures) == 2
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
    assert images.pictures == ()
    assert [missing.job is not None and not missing.job.is_over for missing in images.missing] == [True]
    assert WAIT <= gallery.here.clock.now() - began_at <= WAIT + timedelta(seconds=2)


def test_a_call_that_was_long_on_its_way_here_is_waited_for_the_less(gallery: Gallery) -> None:
    gallery.idle()
    call = replace(gallery.call(), started_at=gallery.here.clock.now() - WAIT)
    before = gallery.here.clock.now()
    make_images(call, name_images(call, studio=gallery.studio), studio=gallery.studio)
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
    assert len(gallery.make(repeat=1).pictures) == 1
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
    assert len(gallery.make().pictures) == 1


def test_equal_calls_at_the_same_moment_are_all_remembered(gallery: Gallery) -> None:
    def meanwhile() -> None:
        name_images(gallery.call(), studio=gallery.studio)

    gallery.recent_calls.on("save", meanwhile)
    call = gallery.call()
    name = name_images(call, studio=gallery.studio)
    assert len(gallery.recent_calls.look(call.digest)) == 2
    assert name == call.arrival.call_id


# ---- Editing


def test_images_are_kept_in_the_tenants_folder_by_their_content(gallery: Gallery) -> None:
    images = gallery.make(PNG, JPEG, caller=SHOP, n=2)
    names = [f"{hashlib.sha256(PNG).hexdigest()}.png", f"{hashlib.sha256(JPEG).hexdigest()}.jpg"]
    assert gallery.here.objects.keys(UPLOADS) == {f"tenants/shop/references/{name}" for name in names}
    assert images.jobs[0].request.references == tuple(
        f"s3://{UPLOADS}/tenants/shop/references/{name}" for name in names
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
        make_images(call, name_images(call, studio=gallery.studio), studio=gallery.studio)


def test_a_task_that_takes_its_time_is_waited_for(gallery: Gallery) -> None:
    gallery.here.provider.will_say(StillRunning(), StillRunning())
    assert len(gallery.make().pictures) == 1
