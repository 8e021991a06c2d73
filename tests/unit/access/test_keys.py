"""API keys: what one looks like, what is kept of it, who may ask for which; and what lies in whose folder."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from heliograph.access.keys import (
    KEY_ID,
    ApiKey,
    Caller,
    KeyRequest,
    Scope,
    digest_of,
    has_key_format,
    key_id_of,
    read_key_change,
    read_key_request,
)
from heliograph.budgets.ledger import Booking, BudgetAccount
from heliograph.intake.submit_upload import Upload
from heliograph.kernel.errors import BudgetExceeded, InvalidRequest
from heliograph.kernel.tenants import KEY_ACCOUNT, Tenants
from heliograph.storage.layout import check_output_key, folder_of
from heliograph.storage.references import check_reference
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import after
from tests.fakes.deployment import RESULTS, UPLOADS, InMemoryDeployment
from tests.pictures import PNG

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "hg_" + "x9Zk3_vQ-7bT1cLw5rNfYp2HsJdKgMaEuVoXiBqWzRt"
LEAST = {"name": "the shop's server"}
BUCKETS = frozenset({UPLOADS, RESULTS})


def faults(document: dict[str, Any]) -> dict[str, str]:
    """Each place that is wrong, and what is wrong with it."""
    with pytest.raises(InvalidRequest) as refused:
        read_key_request(document)
    return {fault.pointer: fault.detail for fault in refused.value.faults}


def record(**request: Any) -> ApiKey:
    return ApiKey.of(KEY, read_key_request(LEAST | request), NOW)


# ---- The key itself


@given(st.binary(min_size=32, max_size=32))
def test_32_bytes_in_base64_for_urls_make_a_key(seed: bytes) -> None:
    assert has_key_format("hg_" + urlsafe_b64encode(seed).rstrip(b"=").decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hg_",
        KEY[:-1],
        KEY + "x",
        KEY + "\n",
        " " + KEY,
        KEY.removeprefix("hg_"),
        KEY.replace("hg_", "HG_"),
        KEY[:-1] + "=",
        KEY[:-1] + "+",
        KEY[:-1] + "ä",
        KEY[:-1] + "\ud800",
        "an-api-key",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not has_key_format(text)


def test_a_key_has_an_id_of_its_own_that_tells_nothing_of_it() -> None:
    key_id = key_id_of(KEY)
    assert KEY_ID.fullmatch(key_id)
    assert key_id == key_id_of(KEY) != key_id_of(KEY[:-1] + "u")


def test_only_the_hash_of_a_key_is_kept() -> None:
    kept = record(daily_budget_usd="5", requests_per_minute=60)
    assert kept.digest == digest_of(KEY)
    for text in (
        repr(kept),
        str(kept),
        kept.model_dump_json(),
        repr(kept.model_dump()),
        repr(kept.caller()),
        kept.caller().model_dump_json(),
    ):
        assert KEY not in text
        assert KEY.removeprefix("hg_") not in text


def test_not_even_the_hash_goes_to_the_functions_behind_the_authorizer() -> None:
    assert digest_of(KEY) not in record().caller().model_dump_json()


def test_a_record_opens_for_its_own_key_until_it_is_revoked() -> None:
    kept = record()
    assert kept.matches(KEY, NOW)
    assert not kept.matches(KEY[:-1] + "u", NOW)
    assert not kept.matches("", NOW)
    assert not kept.matches(kept.digest, NOW)
    assert not kept.matches(kept.key_id, NOW)
    assert not kept.model_copy(update={"revoked_at": NOW}).matches(KEY, NOW)


def test_a_record_opens_until_it_expires() -> None:
    kept = record().model_copy(update={"expires_at": after(60)})
    assert kept.matches(KEY, after(59))
    assert not kept.matches(KEY, after(60))


@pytest.mark.parametrize(
    "document",
    [
        {"tenant": "shop"},
        {"scopes": ["admin"]},
        {"name": ""},
        {"name": None},
        {"daily_budget_usd": "-1"},
        {"expires_at": "soon"},
        {"expires_at": 4102444800},
        {"expires_at": "4102444800"},
        {"expires_at": "2100-01-01"},
        {"expires_at": "2100-01-01T00:00:00"},
        {"expires_at": "9999-12-31T23:59:59-05:00"},
    ],
)
def test_what_can_not_be_changed_of_a_key_is_refused_by_name(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_key_change(document)
    assert [fault.pointer for fault in refused.value.faults] == [f"/{next(iter(document))}"]


def test_a_change_holds_what_was_said_and_null_is_something() -> None:
    assert read_key_change({"daily_budget_usd": None, "name": "x"}).changed_fields == {
        "daily_budget_usd": None,
        "name": "x",
    }
    assert read_key_change({}).changed_fields == {}


def test_a_record_says_what_was_asked_for() -> None:
    kept = record(tenant="shop", scopes=["jobs:read"], daily_budget_usd="1.50", requests_per_minute=60)
    assert (kept.key_id, kept.name, kept.created_at) == (key_id_of(KEY), "the shop's server", NOW)
    assert (kept.last_used_at, kept.revoked_at) == (None, None)
    assert kept.caller() == Caller(
        tenant="shop",
        scopes=frozenset({Scope.JOBS_READ}),
        key_id=key_id_of(KEY),
        daily_budget_microusd=1_500_000,
        requests_per_minute=60,
    )
    assert ApiKey.model_validate_json(kept.model_dump_json()) == kept


# ---- Who may ask for which


def test_who_asks_for_no_more_than_a_key_gets_one_for_jobs_without_limits() -> None:
    assert read_key_request(LEAST) == KeyRequest(
        name="the shop's server",
        tenant="default",
        scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}),
        daily_budget_usd=None,
        requests_per_minute=None,
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "x"},
        {"name": "x" * 64},
        {"name": "夕暮れ ☂ shop no. 5"},
        {"tenant": "shop"},
        {"tenant": "0"},
        {"tenant": "a.b-c9"},
        {"tenant": "x" * 64},
        {"scopes": ["admin"]},
        {"scopes": ["jobs:read", "jobs:write", "admin"]},
        {"scopes": ["jobs:read", "jobs:read"]},
        {"daily_budget_usd": "0.000001"},
        {"daily_budget_usd": None},
        {"requests_per_minute": 1},
        {"requests_per_minute": 60_000},
        {"requests_per_minute": None},
    ],
)
def test_what_may_be_asked_for(asked: dict[str, Any]) -> None:
    assert read_key_request(LEAST | asked)


WRONG: dict[str, list[Any]] = {
    "name": ["", "x" * 65, "a\nb", "a\x00", "\x1b[2J", "\x7f", "tab\t", "x\n", None, 5, ["x"]],
    "tenant": ["", "Shop", "a b", "-a", "a/b", "../x", "*", "a_b", "_", "key_a", "x" * 65, "ä", "shop\n", None, 5],
    "scopes": [
        *([], ["jobs:delete"], ["ADMIN"], ["admin", "x"], ["*"], [""], [None], [["admin"]]),
        *("admin", "jobs:read jobs:write", {"admin": True}, None, 5, True),
    ],
    "daily_budget_usd": ["0", "0.00", "-1", "1e3", "$5", "", "1,5", "0.0000001", "NaN", 5, 1.5, True, []],
    "requests_per_minute": [0, -1, 60_001, True, False, 1.5, "60", []],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_what_can_not_be_is_refused_with_its_place(field: str, value: Any) -> None:
    assert {pointer.split("/")[1] for pointer in faults(LEAST | {field: value})} == {field}


def test_a_key_without_a_name_is_refused() -> None:
    assert faults({}) == {"/name": "is required"}


def test_an_unknown_scope_is_answered_with_those_there_are() -> None:
    assert faults(LEAST | {"scopes": ["jobs:delete"]}) == {"/scopes/0": "must be one of jobs:write, jobs:read, admin"}


@pytest.mark.parametrize(
    "field", ["key", "digest", "key_id", "created_at", "revoked_at", "last_used_at", "monthly_budget_usd", "scope"]
)
def test_what_there_is_no_field_for_is_refused_rather_than_left_out(field: str) -> None:
    assert faults(LEAST | {field: "x"}) == {f"/{field}": "there is no such field"}


def test_every_fault_is_named_at_once() -> None:
    wrong = {
        "name": "a\nb",
        "tenant": "a_b",
        "scopes": ["everything"],
        "daily_budget_usd": "0",
        "requests_per_minute": True,
        "colour": "red",
    }
    assert faults(wrong).keys() == {f"/{field}" for field in wrong} - {"/scopes"} | {"/scopes/0"}


def test_a_refusal_repeats_no_value() -> None:
    assert "s3cret" not in str(faults({"name": "s3cret\n", "tenant": "s3cret_", "scopes": ["s3cret"], "x": "s3cret"}))


# ---- What a key opens


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        ({Scope.JOBS_READ}, {Scope.JOBS_READ}),
        ({Scope.JOBS_WRITE}, {Scope.JOBS_WRITE}),
        ({Scope.JOBS_READ, Scope.JOBS_WRITE}, {Scope.JOBS_READ, Scope.JOBS_WRITE}),
        ({Scope.ADMIN}, set(Scope)),
        (set(), set()),
    ],
)
def test_a_scope_opens_itself_and_admin_everything(scopes: set[Scope], opened: set[Scope]) -> None:
    caller = Caller(tenant="shop", scopes=frozenset(scopes))
    assert {scope for scope in Scope if caller.may(scope)} == opened


# ---- Its money


def test_no_tenant_has_the_name_of_a_keys_account() -> None:
    account = key_id_of(KEY)
    assert KEY_ACCOUNT.fullmatch(account)
    assert "/tenant" in faults(LEAST | {"tenant": account})
    with pytest.raises(ValueError, match="named"):
        Tenants.model_validate({"named": {account: {}}})


def test_a_refusal_names_the_key_whose_budget_is_used_up_and_not_a_tenant() -> None:
    account = key_id_of(KEY)
    assert str(BudgetExceeded(account, "2026-11-22", 60_000)) == (
        f"the budget of {account} for 2026-11-22, 0.06 USD, is used up"
    )
    assert str(BudgetExceeded("*", "2026-11-22", 60_000)) == (
        "the budget of all tenants together for 2026-11-22 is used up"
    )
    assert "of tenant shop for" in str(BudgetExceeded("shop", "2026-11-22", 60_000))
    assert "of tenant key for" in str(BudgetExceeded("key", "2026-11-22", 60_000))


# ---- Its folder


def test_each_tenant_has_a_folder_and_the_owner_of_the_deployment_the_rest() -> None:
    assert folder_of("shop") == "tenants/shop/"
    assert folder_of("default") == ""


NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,63}", fullmatch=True)


@given(NAMES, NAMES)
def test_no_tenants_folder_is_in_anothers(one: str, other: str) -> None:
    if one != other and "default" not in (one, other):
        assert not folder_of(one).startswith(folder_of(other))


@pytest.mark.parametrize("pattern", ["tenants/shop/{job_id}.{ext}", "tenants/{name}.{ext}", "tenants/{job_id}/1.{ext}"])
def test_nobody_names_a_tenants_folder_as_the_place_of_its_results(pattern: str) -> None:
    with pytest.raises(ValueError, match="must not begin with tenants/"):
        check_output_key(pattern)


@pytest.mark.parametrize("pattern", ["tenants.{job_id}.{ext}", "tenantsx/{job_id}.{ext}", "a/tenants/{job_id}.{ext}"])
def test_other_folders_may_be_called_alike(pattern: str) -> None:
    assert check_output_key(pattern) == pattern


@pytest.mark.parametrize("tenant", ["default", "shop"])
def test_an_output_key_in_a_tenants_folder_is_refused_whosever_it_is(here: InMemoryDeployment, tenant: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        here.post({"prompt": "x", "output_key": "tenants/shop/{job_id}.{ext}"}, tenant=tenant)
    assert [fault.pointer for fault in refused.value.faults] == ["/output_key"]


@pytest.mark.parametrize(
    ("wish", "folder"),
    [
        ({}, "tenants/shop/api/{job_id}/"),
        ({"output_key": "shoes/{job_id}/{index}.{ext}"}, "tenants/shop/shoes/{job_id}/"),
        ({"output_key": "{job_id}.{ext}"}, "tenants/shop/{job_id}."),
        ({"output_key": "default/{name}-{index}.{ext}"}, "tenants/shop/default/{job_id}-1."),
    ],
)
def test_results_and_their_record_lie_in_the_folder_of_their_tenant(
    here: InMemoryDeployment, wish: dict[str, str], folder: str
) -> None:
    job_id = here.post({"prompt": "x", **wish}, tenant="shop").job.job_id
    here.run(job_id)
    keys = here.objects.keys(RESULTS)
    assert len(keys) == 2
    record = f"records/tenants/shop/{job_id}.json"
    assert record in keys
    assert all(key.startswith(folder.format(job_id=job_id)) for key in keys - {record})


def test_results_of_the_owner_lie_where_they_always_lay(here: InMemoryDeployment) -> None:
    job_id = here.post().job.job_id
    here.run(job_id)
    assert here.objects.keys(RESULTS) == {f"api/{job_id}/1.png", f"records/{job_id}.json"}


def test_two_tenants_who_name_the_same_place_do_not_meet(here: InMemoryDeployment) -> None:
    for tenant in ("shop", "blog", "default"):
        wish = {"prompt": "x", "output_key": "hero/{name}.{ext}"}
        here.run(here.post(wish, key="hero", tenant=tenant).job.job_id)
    folders = {key.rpartition("hero/")[0] for key in here.objects.keys(RESULTS)}
    assert folders == {"tenants/shop/", "tenants/blog/", ""}


def test_an_upload_into_a_tenants_folder_starts_nothing(here: InMemoryDeployment) -> None:
    key = "tenants/shop/uploads/white/a.png"
    here.announce_upload(Upload(UPLOADS, key, here.objects.drop(UPLOADS, key, PNG), "e", "1"))
    assert (len(here.jobs), len(list(here.bus))) == (0, 0)


@pytest.mark.parametrize(
    ("upload", "recipe"),
    [
        ("uploads/tenants/shop/shoe.png", {}),
        ("uploads/white/tenants/shop/shoe.png", {"output_key": "{name}.{ext}"}),
        ("uploads/white/s/shop/shoe.png", {"output_key": "tenant{name}.{ext}"}),
    ],
)
def test_no_upload_of_the_owner_ends_in_a_tenants_folder(
    here: InMemoryDeployment, upload: str, recipe: dict[str, str]
) -> None:
    preset = upload.split("/")[1]
    here.objects.drop(UPLOADS, f"presets/{preset}.json", json.dumps({"prompt": "x", **recipe}).encode())
    here.announce_upload(Upload(UPLOADS, upload, here.objects.drop(UPLOADS, upload, PNG), "e", "1"))
    for job in list(here.jobs):
        here.run(job.job_id)
    assert not [key for key in here.objects.keys(RESULTS) if key.startswith("tenants/")]


# ---- Its references


@pytest.mark.parametrize("bucket", sorted(BUCKETS))
@pytest.mark.parametrize(
    ("tenant", "key"),
    [
        ("shop", "tenants/shop/a.png"),
        ("shop", "tenants/shop/api/job_x/1.png"),
        ("shop", "tenants/shop/a.png?versionId=v1"),
        ("default", "a.png"),
        ("default", "uploads/white/a.png"),
        ("default", "tenants.png"),
        ("default", "a/tenants/b.png"),
    ],
)
def test_a_tenant_may_reference_its_own_objects_in_both_buckets(bucket: str, tenant: str, key: str) -> None:
    uri = f"s3://{bucket}/{key}"
    assert check_reference(uri, buckets=BUCKETS, tenant=tenant) == uri


@pytest.mark.parametrize("bucket", sorted(BUCKETS))
@pytest.mark.parametrize(
    ("tenant", "key", "reason"),
    [
        ("shop", "a.png", "must lie under tenants/shop/"),
        ("shop", "api/job_x/1.png", "must lie under tenants/shop/"),
        ("shop", "tenants/blog/a.png", "must lie under tenants/shop/"),
        ("shop", "tenants/shop2/a.png", "must lie under tenants/shop/"),
        ("shop", "tenants/shop", "must lie under tenants/shop/"),
        ("shop", "tenants/shop?versionId=/a.png", "must lie under tenants/shop/"),
        ("shop", "Tenants/shop/a.png", "must lie under tenants/shop/"),
        ("shop", "/tenants/shop/a.png", "must lie under tenants/shop/"),
        ("shop", "x/tenants/shop/a.png", "must lie under tenants/shop/"),
        ("default", "tenants/shop/a.png", "belongs to another tenant"),
        ("default", "tenants/default/a.png", "belongs to another tenant"),
        ("default", "tenants/a.png?versionId=v1", "belongs to another tenant"),
    ],
)
def test_and_nobody_elses(bucket: str, tenant: str, key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_reference(f"s3://{bucket}/{key}", buckets=BUCKETS, tenant=tenant)


@pytest.mark.parametrize("tenant", ["default", "shop"])
def test_a_link_is_anybodys(tenant: str) -> None:
    url = "https://images.example.com/tenants/blog/a.png"
    assert check_reference(url, buckets=BUCKETS, tenant=tenant) == url


def test_a_call_is_measured_by_the_folder_of_its_caller(here: InMemoryDeployment) -> None:
    own, others = "tenants/shop/a.png", "tenants/blog/a.png"
    for key in (own, others):
        here.objects.drop(UPLOADS, key, PNG)
    wish = {"prompt": "x", "references": [f"s3://{UPLOADS}/{own}", f"s3://{UPLOADS}/{others}"]}
    for tenant, refused in (("shop", {"/references/1"}), ("default", {"/references/0", "/references/1"})):
        with pytest.raises(InvalidRequest) as error:
            here.post(wish, tenant=tenant)
        assert {fault.pointer for fault in error.value.faults} == refused
    assert here.post({"prompt": "x", "references": [f"s3://{UPLOADS}/{own}"]}, tenant="shop").created


def test_an_upload_references_nothing_of_a_tenant(here: InMemoryDeployment) -> None:
    here.objects.drop(UPLOADS, "tenants/shop/a.png", PNG)
    body = json.dumps({"prompt": "x", "references": [f"s3://{UPLOADS}/tenants/shop/a.png"]}).encode()
    version = here.objects.drop(UPLOADS, "jobs/a.json", body)
    here.announce_upload(Upload(UPLOADS, "jobs/a.json", version, "e", "1"))
    assert len(here.jobs) == 0


def test_a_tenants_results_may_be_its_next_references(here: InMemoryDeployment) -> None:
    [result] = here.run(here.post(tenant="shop").job.job_id).results
    wish = {"prompt": "again", "references": [f"s3://{result.bucket}/{result.key}"]}
    assert here.post(wish, call="call-2", tenant="shop").created
    with pytest.raises(InvalidRequest):
        here.post(wish, call="call-3", tenant="blog")


def test_the_money_of_a_tenant_is_on_its_own_page(here: InMemoryDeployment) -> None:
    here.run(here.post(tenant="shop").job.job_id)
    assert here.ledger.read(BudgetAccount("shop", "2026-11-22")) == Booking(spent=60_000)
    assert here.ledger.read(BudgetAccount("default", "2026-11-22")) == Booking()
