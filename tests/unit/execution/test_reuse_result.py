"""Reuse: the same bytes, key and recipe are one job; elsewhere the tenant's equal result is reused; loops stop."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliograph.budgets.ledger import Booking
from heliograph.execution.outcomes import NotYet, Over
from heliograph.intake.create_job import Submission
from heliograph.intake.preset_events import PresetRejected
from heliograph.intake.result_rules import USUAL_JOBS_PER_SOURCE
from heliograph.intake.submit_upload import Ignored, Upload
from heliograph.jobs.accounting import accounting_of
from heliograph.jobs.job import Job, JobStatus
from heliograph.jobs.provenance import MARKER
from heliograph.kernel.errors import StorageFailed
from heliograph.kernel.failures import Charged, FailureCode
from heliograph.kernel.tenants import Tenant, Tenants
from heliograph.providers.protocol import TaskFailed
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.event_catalogue import JobSucceeded, PresetStopped, UploadRejected

from tests.examples import BLOCKED
from tests.fakes.deployment import RESULTS, UPLOADS, InMemoryDeployment
from tests.pictures import JPEG, PNG, jpeg

SHOE = "uploads/white/shoe.jpg"
RECIPE: dict[str, Any] = {"prompt": "a white background", "aspect_ratio": "1:1"}
OTHER = jpeg(4, 4)


@pytest.fixture
def shop(here: InMemoryDeployment) -> Shop:
    return Shop(here)


class Shop:
    """Somebody who uploads; each write of a key has a sequencer of its own."""

    def __init__(self, here: InMemoryDeployment) -> None:
        self.here = here
        self.written = 9
        self.preset(RECIPE)

    def preset(self, recipe: dict[str, Any] | bytes, name: str = "white") -> None:
        body = recipe if isinstance(recipe, bytes) else json.dumps(recipe).encode()
        self.here.objects.drop(UPLOADS, f"presets/{name}.json", body)

    def put(self, key: str = SHOE, body: bytes = JPEG, *, reason: str = "PutObject", **how: Any) -> Upload:
        version = self.here.objects.drop(UPLOADS, key, body, **how)
        self.written += 1
        return Upload(UPLOADS, key, version, "e", f"{self.written:X}", reason)

    def announced(self, upload: Upload) -> Submission | UploadRejected | PresetRejected | Ignored:
        return self.here.announce_upload(upload)

    def uploads(self, key: str = SHOE, body: bytes = JPEG, **how: Any) -> Job:
        outcome = self.announced(self.put(key, body, **how))
        assert isinstance(outcome, Submission), outcome
        return outcome.job

    def gets(self, key: str = SHOE, body: bytes = JPEG, **how: Any) -> Job:
        """The end of the upload's job."""
        return self.here.run(self.uploads(key, body, **how).job_id)

    def is_refused(self, key: str = SHOE, body: bytes = JPEG, **how: Any) -> UploadRejected:
        outcome = self.announced(self.put(key, body, **how))
        assert isinstance(outcome, UploadRejected)
        assert outcome.data.failure.charged is Charged.NO
        return outcome

    @property
    def calls(self) -> int:
        """How many images were paid."""
        return len(self.here.provider.requests)

    def stored(self, job: Job) -> bytes:
        [result] = job.results
        found = self.here.objects.peek(ObjectLocation(result.bucket, result.key, result.version_id))
        assert found
        return found.body


# ---- The same upload


@pytest.mark.parametrize("reason", ["PutObject", "CopyObject", "CompleteMultipartUpload", ""])
@pytest.mark.parametrize("checksum", ["sha256", "crc", "none"])
@pytest.mark.parametrize("is_over", [True, False])
def test_the_same_bytes_under_the_same_key_and_recipe_are_the_same_job(
    shop: Shop, checksum: str, reason: str, is_over: bool
) -> None:
    first = shop.gets() if is_over else shop.uploads()

    again = [shop.uploads(reason=reason, checksum=checksum).job_id for _ in range(3)]

    assert set(again) == {first.job_id}
    assert len(shop.here.jobs) == 1
    assert shop.calls == int(is_over)


@pytest.mark.parametrize("checksum", ["sha256", "crc"])
def test_a_copy_in_place_is_not_read(shop: Shop, checksum: str) -> None:
    first = shop.uploads(checksum=checksum)
    for method in ("head", "rest"):
        shop.here.objects.on(method, StorageFailed("not to be read"))

    assert shop.uploads(reason="CopyObject", checksum=checksum) == first


def test_metadata_that_means_nothing_here_makes_no_new_job(shop: Shop) -> None:
    first = shop.uploads()

    assert shop.uploads(metadata={"mtime": "1700000000.5", "camera": "an old one"}) == first


def test_other_bytes_are_another_job(shop: Shop) -> None:
    assert shop.gets().job_id != shop.gets(body=OTHER).job_id
    assert shop.calls == 2


@pytest.mark.parametrize(
    "recipe",
    [
        b'{"aspect_ratio":"1:1","prompt":"a white background"}',
        b'{\n "prompt":  "a white background",\n "aspect_ratio": "1:1"\n}\n',
        b'{"prompt": "a \\u0077hite background", "aspect_ratio": "1:1"}',
        json.dumps({**RECIPE, "nsfw_checker": False, "tags": [], "accept_results": False}).encode(),
    ],
)
def test_a_preset_that_is_written_otherwise_and_says_the_same_is_the_same_recipe(shop: Shop, recipe: bytes) -> None:
    first = shop.uploads()
    shop.preset(recipe)

    assert shop.uploads() == first


@pytest.mark.parametrize(
    "change", [{"prompt": "black"}, {"aspect_ratio": "16:9"}, {"nsfw_checker": True}, {"policy": "cheapest"}]
)
def test_a_changed_preset_is_a_new_recipe_and_a_new_image(shop: Shop, change: dict[str, Any]) -> None:
    first = shop.gets()
    shop.preset({**RECIPE, **change})

    second = shop.gets()

    assert second.job_id != first.job_id
    assert (second.reused_from, shop.calls) == (None, 2)


def test_a_prompt_in_the_metadata_is_another_recipe(shop: Shop) -> None:
    shop.gets()

    assert shop.gets(metadata={"prompt": "black"}).reused_from is None
    assert shop.calls == 2


@pytest.mark.parametrize("change", [{"output_key": "cdn/{name}.{ext}"}, {"tags": ["a"]}, {"metadata": {"a": "b"}}])
def test_what_does_not_change_the_image_makes_a_new_job_that_is_free(shop: Shop, change: dict[str, Any]) -> None:
    first = shop.gets()
    shop.preset({**RECIPE, **change})

    second = shop.gets()

    assert second.job_id != first.job_id
    assert (second.reused_from, shop.calls) == (first.job_id, 1)


def test_a_reference_of_the_preset_that_has_other_bytes_is_a_new_job(shop: Shop) -> None:
    logo = f"s3://{UPLOADS}/logos/logo.png"
    shop.preset({**RECIPE, "references": [logo]})
    shop.here.objects.drop(UPLOADS, "logos/logo.png", PNG)
    first = shop.gets()
    shop.here.objects.drop(UPLOADS, "logos/logo.png", PNG, metadata={"touched": "yes"})
    assert shop.uploads() == first

    shop.here.objects.drop(UPLOADS, "logos/logo.png", OTHER)

    assert shop.gets().job_id != first.job_id
    assert shop.calls == 2


def test_a_failed_upload_that_cost_nothing_is_made_again_and_a_redelivery_is_not(shop: Shop) -> None:
    upload = shop.put()
    first = shop.announced(upload)
    assert isinstance(first, Submission)
    shop.here.provider.will_say(TaskFailed(BLOCKED))
    assert shop.here.run(first.job.job_id).status is JobStatus.FAILED

    again = shop.announced(upload)
    assert isinstance(again, Submission)
    assert again.job.job_id == first.job.job_id
    assert shop.gets().status is JobStatus.SUCCEEDED


def test_a_job_that_was_charged_without_an_image_is_not_paid_again_by_uploading_again(shop: Shop) -> None:
    first = shop.uploads()
    charged = BLOCKED.model_copy(update={"charged": Charged.UNKNOWN, "retryable": False})
    shop.here.provider.will_say(TaskFailed(charged))
    assert shop.here.run(first.job_id).charged is Charged.UNKNOWN

    assert shop.uploads().job_id == first.job_id

    # Nor after others lay there meanwhile.
    shop.gets(body=OTHER)
    back = shop.gets()
    assert (back.status, back.charged, shop.calls) == (JobStatus.FAILED, Charged.NO, 2)
    assert back.failure
    assert first.job_id in back.failure.message


def test_an_announcement_that_comes_again_is_the_same_job_whatever_became_of_preset_and_object(shop: Shop) -> None:
    upload = shop.put()
    first = shop.announced(upload)
    shop.here.objects.lose(ObjectLocation(UPLOADS, "presets/white.json"))
    shop.here.objects.lose(ObjectLocation(UPLOADS, SHOE))

    again = shop.announced(upload)

    assert isinstance(first, Submission)
    assert isinstance(again, Submission)
    assert again.job == first.job


def test_a_version_that_is_restored_has_its_own_image_again_for_nothing(shop: Shop) -> None:
    shop.preset({**RECIPE, "output_key": "cdn/{name}.{ext}"})
    first, second = shop.gets(), shop.gets(body=OTHER)

    third = shop.gets(reason="CopyObject")

    assert third.job_id not in {first.job_id, second.job_id}
    assert (third.reused_from, shop.calls) == (first.job_id, 2)
    newest = shop.here.result("cdn/shoe.png")
    assert newest
    assert newest.body == shop.stored(first)


def test_an_older_upload_that_is_announced_late_does_not_become_the_newest(shop: Shop) -> None:
    older, newer = shop.put(body=OTHER), shop.put()
    first = shop.announced(newer)
    shop.announced(older)

    assert isinstance(first, Submission)
    assert shop.uploads() == first.job


def test_a_job_document_that_is_only_touched_is_the_same_job(shop: Shop) -> None:
    key = "jobs/sale.json"
    first = shop.uploads(key, json.dumps(RECIPE).encode())

    assert shop.uploads(key, json.dumps(RECIPE, indent=4).encode()) == first
    assert shop.uploads(key, json.dumps({**RECIPE, "prompt": "black"}).encode()) != first


@pytest.mark.parametrize(("reason", "calls"), [("PutObject", 2), ("CopyObject", 1)])
def test_refresh_makes_a_new_image_of_an_upload_but_not_of_a_copy_in_place(shop: Shop, reason: str, calls: int) -> None:
    shop.preset({**RECIPE, "refresh": True})
    shop.gets()

    again = shop.gets(reason=reason) if calls == 2 else shop.uploads(reason=reason)

    assert (again.reused_from, shop.calls, len(shop.here.jobs)) == (None, calls, calls)


# ---- Elsewhere


def test_the_same_bytes_under_another_key_are_reused_for_nothing(shop: Shop) -> None:
    shop.here.ledger.tenants = Tenants(named={"default": Tenant(daily_budget_usd="0.06")})
    first = shop.gets()

    second = shop.gets("uploads/white/boot.jpg")

    assert (second.status, second.reused_from) == (JobStatus.SUCCEEDED, first.job_id)
    assert (second.price_usd, second.charged, second.attempts) == ("0.00", Charged.NO, ())
    assert second.results[0].key == f"white/boot/{second.job_id}/1.png"
    assert shop.stored(second) == shop.stored(first)
    assert shop.calls == 1
    assert {page.committed for page in shop.here.ledger.pages.values()} == {60_000}
    stored = shop.here.result(second.results[0].key)
    assert stored
    assert (stored.metadata[MARKER], stored.metadata["heliograph-reused-from"]) == (second.job_id, first.job_id)


def test_a_reused_result_has_a_record_and_an_event_of_its_own(shop: Shop) -> None:
    first = shop.gets()
    second = shop.gets("uploads/white/boot.jpg")

    [event] = [
        event for event in shop.here.bus if isinstance(event, JobSucceeded) and event.data.job_id == second.job_id
    ]

    assert (event.data.reused_from, event.data.price_usd, event.data.provider) == (first.job_id, "0.00", "apimodels")
    record = shop.here.result(event.data.record.key)
    assert record
    assert json.loads(record.body)["reused_from"] == first.job_id
    assert second.announced


def test_an_equal_job_waits_for_the_first(shop: Shop) -> None:
    first, second = shop.uploads(), shop.uploads("uploads/white/boot.jpg")
    watch = shop.here.watched(first.job_id)
    assert second.quote_microusd in {0, 60_000}

    waiting = shop.here.dispatch(second.job_id)
    assert isinstance(waiting, NotYet)
    shop.here.finalize(shop.here.poll(first.job_id, watch))  # type: ignore[arg-type]

    assert isinstance(shop.here.dispatch(waiting), Over)
    assert shop.here.jobs.peek(second.job_id).reused_from == first.job_id
    assert shop.calls == 1


def test_a_job_that_waited_in_vain_makes_its_image_itself_within_its_budget(shop: Shop) -> None:
    first = shop.uploads()
    watch = shop.here.watched(first.job_id)
    second = shop.uploads("uploads/white/boot.jpg")
    assert accounting_of(second).booking == Booking()
    waiting = shop.here.dispatch(second.job_id)
    assert isinstance(waiting, NotYet)
    shop.here.provider.will_say(TaskFailed(BLOCKED))
    shop.here.finalize(shop.here.poll(first.job_id, watch))  # type: ignore[arg-type]
    shop.here.ledger.tenants = Tenants(named={"default": Tenant(daily_budget_usd="0.01")})

    outcome = shop.here.dispatch(waiting)

    assert outcome.outcome == "failed"
    assert outcome.failure.code is FailureCode.BUDGET_EXCEEDED
    shop.here.ledger.tenants = Tenants()
    assert shop.here.run(second.job_id).status is JobStatus.SUCCEEDED
    assert shop.calls == 2


@pytest.mark.parametrize("becomes_of_it", ["gone", "changed"])
def test_a_result_that_is_gone_is_made_again_and_paid(shop: Shop, becomes_of_it: str) -> None:
    first = shop.gets()
    place = ObjectLocation(RESULTS, first.results[0].key)
    shop.here.objects.lose(place)
    if becomes_of_it == "changed":
        shop.here.objects.drop(RESULTS, place.key, b"something else")

    second = shop.gets("uploads/white/boot.jpg")
    third = shop.gets("uploads/white/sandal.jpg")

    assert (second.reused_from, second.charged) == (None, Charged.YES)
    assert third.reused_from == second.job_id
    assert shop.calls == 2


def test_a_preset_that_says_never_takes_and_leaves_nothing_elsewhere(shop: Shop) -> None:
    shop.gets()
    shop.preset({**RECIPE, "reuse": "never"})

    second, third = shop.gets("uploads/white/boot.jpg"), shop.gets("uploads/white/sandal.jpg")

    assert second.reused_from is third.reused_from is None
    assert shop.calls == 3
    assert shop.uploads("uploads/white/boot.jpg").job_id == second.job_id


def test_with_a_public_link_results_are_reused_under_the_same_key_only(shop: Shop) -> None:
    shop.preset({**RECIPE, "references": ["https://images.example.com/logo.png"]})
    first = shop.gets()

    assert shop.uploads().job_id == first.job_id
    assert shop.gets("uploads/white/boot.jpg").reused_from is None


def test_a_refreshed_image_is_reused_from_then_on(shop: Shop) -> None:
    shop.gets()
    shop.preset({**RECIPE, "refresh": True})
    second = shop.gets()
    shop.preset(RECIPE)

    assert shop.gets("uploads/white/boot.jpg").reused_from == second.job_id
    assert shop.calls == 2


def test_calls_of_the_api_reuse_only_where_they_say_so(shop: Shop) -> None:
    document = {"prompt": "a fox", "reuse": "tenant"}
    first = shop.here.run(shop.here.post(document, call="1").job.job_id)

    assert shop.here.run(shop.here.post(document, call="2").job.job_id).reused_from == first.job_id
    assert shop.here.run(shop.here.post({"prompt": "a fox"}, call="3").job.job_id).reused_from is None
    assert shop.here.run(shop.here.post({**document, "refresh": True}, call="4").job.job_id).reused_from is None
    assert shop.calls == 3


def test_a_call_reuses_the_result_of_an_upload_with_the_same_bytes(shop: Shop) -> None:
    first = shop.gets()
    shop.here.objects.drop(UPLOADS, "references/same.jpg", JPEG)
    document = {**RECIPE, "references": [f"s3://{UPLOADS}/references/same.jpg"], "reuse": "tenant"}

    assert shop.here.run(shop.here.post(document).job.job_id).reused_from == first.job_id


def test_tenants_are_kept_apart(shop: Shop) -> None:
    document = {"prompt": "a fox", "reuse": "tenant"}
    shop.here.run(shop.here.post(document, tenant="one").job.job_id)

    assert shop.here.run(shop.here.post(document, tenant="two").job.job_id).reused_from is None
    assert shop.calls == 2


@pytest.mark.parametrize("method", ["holder", "hold"])
def test_no_call_leaves_while_it_is_unknown_whether_an_equal_job_runs(shop: Shop, method: str) -> None:
    job = shop.uploads()
    shop.here.index.on(method, StorageFailed("away"))

    with pytest.raises(StorageFailed):
        shop.here.dispatch(job.job_id)

    assert shop.calls == 0


# ---- Loops


@pytest.mark.parametrize("marked", [True, False])
def test_a_result_that_is_copied_back_is_not_edited_again(shop: Shop, marked: bool) -> None:
    image = shop.stored(first := shop.gets())
    metadata = {MARKER: first.job_id} if marked else {}

    rejection = shop.is_refused("uploads/white/copy.png", image, metadata=metadata)

    assert rejection.data.failure.code is FailureCode.INVALID_INPUT
    assert "a result of this deployment" in rejection.data.failure.message
    assert "accept_results" in rejection.data.failure.message
    assert first.job_id not in rejection.data.failure.message


def test_a_copy_is_a_result_too_when_the_first_one_is_forgotten(shop: Shop) -> None:
    shop.gets()
    shop.here.index.results.clear()
    image = shop.stored(shop.gets("uploads/white/boot.jpg"))

    assert "a result of this deployment" in shop.is_refused("uploads/white/copy.png", image).data.failure.message


@pytest.mark.parametrize("marked", [True, False])
def test_a_preset_may_accept_results(shop: Shop, marked: bool) -> None:
    image = shop.stored(first := shop.gets())
    shop.preset({**RECIPE, "accept_results": True}, "again")
    metadata = {MARKER: first.job_id} if marked else {}

    assert shop.gets("uploads/again/copy.png", image, metadata=metadata).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("rules", [{"accept_results": "yes"}, {"accept_results": 1}, {"max_jobs_per_source": 0}])
def test_a_faulty_rule_is_named_with_the_presets_other_faults(shop: Shop, rules: dict[str, Any]) -> None:
    shop.preset({**RECIPE, **rules, "aspect_ratio": "7:5"})

    faults = shop.is_refused().data.errors

    assert {fault.pointer for fault in faults} == {f"/{next(iter(rules))}", "/aspect_ratio"}


def looped(shop: Shop, rounds: int) -> UploadRejected | None:
    """Copies each result back, until that is refused."""
    image = JPEG
    for number in range(rounds):
        outcome = shop.announced(shop.put(f"uploads/white/{number}.jpg", image))
        if isinstance(outcome, UploadRejected):
            return outcome
        assert isinstance(outcome, Submission)
        image = shop.stored(shop.here.run(outcome.job.job_id))
    return None


def test_a_loop_trips_the_wire_and_writing_the_preset_anew_resumes_it(shop: Shop) -> None:
    recipe = {**RECIPE, "accept_results": True}
    shop.preset(recipe)

    rejection = looped(shop, 100)

    assert rejection
    assert rejection.data.failure.code is FailureCode.PRESET_STOPPED
    assert "presets/white.json anew" in rejection.data.failure.message
    assert shop.calls == USUAL_JOBS_PER_SOURCE
    [stop] = [event for event in shop.here.bus if isinstance(event, PresetStopped)]
    assert (stop.data.preset, stop.data.jobs) == ("white", USUAL_JOBS_PER_SOURCE + 1)
    # Whatever comes under it is refused, and it is told once; others go on.
    assert shop.is_refused("uploads/white/other.jpg", OTHER).data.failure.code is FailureCode.PRESET_STOPPED
    assert len([event for event in shop.here.bus if isinstance(event, PresetStopped)]) == 1
    shop.preset(RECIPE, "black")
    shop.uploads("uploads/black/other.jpg", jpeg(5, 5))
    shop.preset(recipe)
    shop.uploads("uploads/white/other.jpg", OTHER)


def test_a_preset_says_how_many_jobs_a_source_may_come_to(shop: Shop) -> None:
    shop.preset({**RECIPE, "accept_results": True, "max_jobs_per_source": 3})

    assert looped(shop, 100)
    assert shop.calls == 3


def test_many_sources_and_many_copies_of_one_trip_no_wire(shop: Shop) -> None:
    shop.preset({**RECIPE, "max_jobs_per_source": 2})

    for number in range(12):
        shop.gets(f"uploads/white/{number}.jpg", jpeg(number + 1, 3))
        shop.gets(f"uploads/white/copy-{number}.jpg")

    assert shop.calls == 13
