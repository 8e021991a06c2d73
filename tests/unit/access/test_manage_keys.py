"""Creating, revoking and authenticating keys; counting their calls; and the budget that a key may have of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from heliograph.access.authenticate import Authenticator, CallerRefresher
from heliograph.access.count_calls import Allowance, CallCounter
from heliograph.access.keys import ApiKey, Caller, Scope, has_key_format, key_id_of, read_key_change, read_key_request
from heliograph.access.manage_keys import KeyService
from heliograph.budgets.ledger import Booking, BudgetAccount
from heliograph.jobs.audit_ledger import check_ledger
from heliograph.jobs.job import Job, JobStatus
from heliograph.kernel.errors import BudgetExceeded, Conflict, InvalidRequest, KeyRevoked, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.tenants import EVERYBODY, Tenants
from heliograph.providers.protocol import Refused, Uncertain
from heliograph.webhooks.event_catalogue import BudgetExhausted

from tests.fakes.clock import SteppingClock
from tests.fakes.deployment import BETA, SECOND, InMemoryDeployment
from tests.fakes.keys import InMemoryKeyStore, InMemoryKeyUses
from tests.fakes.script import Afterwards

OWN = "an-api-key"
STRANGER = "hg_" + "s" * 43
OPERATOR = Caller(tenant="default", scopes=frozenset(Scope))


class Office:
    """Creates keys, and authenticates their callers."""

    def __init__(self) -> None:
        self.keys, self.uses = InMemoryKeyStore(), InMemoryKeyUses()
        self.clock = SteppingClock()
        numbers = count(1)
        self.service = KeyService(
            keys=self.keys, uses=self.uses, clock=self.clock, new_secret=lambda: f"{next(numbers):043}"
        )
        self.own_key = OWN
        self.authenticator = Authenticator(
            own_key=lambda: self.own_key, keys=self.keys, uses=self.uses, clock=self.clock
        )
        self.counter = CallCounter(uses=self.uses, clock=self.clock)
        self.refresher = CallerRefresher(keys=self.keys, clock=self.clock)

    def make(self, *, by: Caller | None = OPERATOR, **request: Any) -> tuple[str, ApiKey]:
        return self.service.create(read_key_request({"name": "a key", **request}), by=by)

    def revoke(self, key_id: str, *, by: Caller | None = OPERATOR) -> ApiKey | None:
        revoked = self.service.revoke(key_id, by=by)
        return revoked.key if revoked else None

    def authenticate(self, key: str, *, own_key: str = OWN) -> Caller | None:
        self.own_key = own_key
        return self.authenticator.authenticate(key)

    def count(self, caller: Caller) -> Allowance | None:
        return self.counter.count(caller)

    def record(self, key_id: str) -> ApiKey:
        [found] = [key for key in self.service.list(by=None) if key.key_id == key_id]
        return found


@pytest.fixture
def office() -> Office:
    """With no key but the deployment's own."""
    return Office()


# ---- Creating


def test_the_record_of_a_key_does_not_contain_the_key(office: Office) -> None:
    key, record = office.make(tenant="shop")
    assert has_key_format(key)
    assert (record.key_id, record.tenant, record.created_at) == (key_id_of(key), "shop", office.clock.now())
    assert list(office.keys.scan()) == [record]
    assert key.removeprefix("hg_") not in repr(vars(office.keys))


def test_every_key_is_different(office: Office) -> None:
    (one, first), (other, second) = office.make(), office.make()
    assert one != other
    assert first.key_id != second.key_id


def test_a_key_that_could_not_be_stored_is_not_returned(office: Office) -> None:
    office.keys.on("add", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        office.make()
    assert list(office.keys.scan()) == []


# ---- Authenticating


def test_the_deployments_own_key_opens_everything_and_costs_no_read(office: Office) -> None:
    caller = office.authenticate(OWN)
    assert caller == Caller(tenant="default", scopes=frozenset(Scope))
    assert (caller.key_id, office.keys.reads) == (None, 0)


def test_a_key_is_authenticated_with_its_scopes_and_limits(office: Office) -> None:
    key, record = office.make(tenant="shop", scopes=["jobs:read"], daily_budget_usd="5", requests_per_minute=9)
    caller = office.authenticate(key)
    assert caller == record.caller()
    assert (caller.tenant, caller.scopes) == ("shop", frozenset({Scope.JOBS_READ}))
    assert (caller.daily_budget_microusd, caller.requests_per_minute) == (5_000_000, 9)


def test_a_key_that_nobody_made_is_unknown(office: Office) -> None:
    office.make()
    assert office.authenticate(STRANGER) is None


def test_a_record_under_the_id_of_a_key_that_is_not_its_own_opens_nothing(office: Office) -> None:
    _, record = office.make()
    office.keys.save(record.model_copy(update={"key_id": key_id_of(STRANGER)}))
    assert office.authenticate(STRANGER) is None


def test_a_revoked_key_opens_nothing_and_its_use_is_not_noted(office: Office) -> None:
    key, record = office.make()
    office.revoke(record.key_id)
    assert office.authenticate(key) is None
    assert office.record(record.key_id).last_used_at is None


@pytest.mark.parametrize(
    "text", ["", " ", "x", "hg_", STRANGER[:-1], STRANGER + "s", STRANGER + "\n", "hg_" + "ä" * 43, "\ud800", "ä"]
)
def test_a_text_without_the_format_of_a_key_costs_no_read(office: Office, text: str) -> None:
    assert office.authenticate(text) is None
    assert office.keys.reads == 0


@pytest.mark.parametrize("text", ["", " ", "x", STRANGER])
def test_an_empty_own_key_opens_nothing(office: Office, text: str) -> None:
    assert office.authenticate(text, own_key="") is None


def test_neither_the_id_nor_the_digest_of_a_key_opens_anything(office: Office) -> None:
    _, record = office.make()
    for text in (record.key_id, record.digest, f"hg_{record.digest[:43]}"):
        assert office.authenticate(text) is None


def test_a_failed_read_raises_instead_of_denying_a_key(office: Office) -> None:
    key, _ = office.make()
    office.keys.on("get", StorageFailed("away"))
    with pytest.raises(StorageFailed):
        office.authenticate(key)


@pytest.mark.parametrize(("seconds", "recorded"), [(0, False), (59.9, False), (60, True), (3600, True)])
def test_a_use_is_recorded_once_a_minute_at_most(office: Office, seconds: float, recorded: bool) -> None:
    key, record = office.make()
    first = office.clock.now()
    office.authenticate(key)
    assert office.record(record.key_id).last_used_at == first
    office.clock.step(seconds)
    office.authenticate(key)
    assert (office.record(record.key_id).last_used_at == office.clock.now() > first) is recorded


@pytest.mark.parametrize("trouble", [StorageFailed("away"), Afterwards(StorageFailed("timed out"))])
def test_a_failed_record_of_a_use_locks_nobody_out(office: Office, trouble: StorageFailed | Afterwards) -> None:
    key, record = office.make()
    office.uses.on("record_use", trouble)
    assert office.authenticate(key) == record.caller()


def test_an_unknown_key_writes_nothing(office: Office) -> None:
    before = repr([vars(office.keys), vars(office.uses), office.authenticator.recorded])
    office.authenticate("x")
    assert repr([vars(office.keys), vars(office.uses), office.authenticator.recorded]) == before


# ---- Revoking


def test_a_revoked_key_stays_in_the_list(office: Office) -> None:
    _, record = office.make()
    revoked = office.revoke(record.key_id)
    assert revoked == record.model_copy(update={"revoked_at": office.clock.now(), "revision": 1})
    assert list(office.keys.scan()) == [revoked]


def test_revoking_a_key_twice_changes_nothing(office: Office) -> None:
    _, record = office.make()
    first = office.revoke(record.key_id)
    office.clock.step(60)
    office.keys.on("save", StorageFailed("nothing is written again"))
    assert office.revoke(record.key_id) == first


def test_a_revoked_key_keeps_its_last_use(office: Office) -> None:
    key, record = office.make()
    used = office.clock.now()
    office.authenticate(key)
    office.clock.step(60)
    office.revoke(record.key_id)
    assert office.record(record.key_id).last_used_at == used


def test_revoking_a_key_leaves_other_keys_valid(office: Office) -> None:
    (_, one), (key, other) = office.make(), office.make()
    office.revoke(one.key_id)
    assert office.authenticate(key) == other.caller()


def test_an_unknown_key_cannot_be_revoked(office: Office) -> None:
    assert office.revoke(key_id_of(STRANGER)) is None


@pytest.mark.parametrize("text", ["", "key_", "key_x", "KEY_" + "A" * 26, "key_" + "1" * 26, STRANGER, "calls#x"])
def test_a_malformed_id_costs_no_read(office: Office, text: str) -> None:
    assert office.revoke(text) is None
    assert office.keys.reads == 0


# ---- Who made a key, and who manages it


def test_the_record_names_the_maker_of_a_key(office: Office) -> None:
    _, admin = office.make(scopes=["admin"])
    made_by = [office.make(by=by)[1].made_by for by in (None, OPERATOR, admin.caller())]
    assert made_by == ["operator", "deployment", admin.key_id]


def test_a_key_revoked_after_its_authentication_creates_no_key(office: Office) -> None:
    _, admin = office.make(scopes=["admin"])
    office.revoke(admin.key_id)
    with pytest.raises(KeyRevoked):
        office.make(by=admin.caller())
    assert [key.key_id for key in office.keys.scan()] == [admin.key_id]


def test_a_refreshed_caller_has_the_scopes_of_the_current_record(office: Office) -> None:
    _, record = office.make(scopes=["admin"])
    before = record.caller()
    office.keys.save(record.model_copy(update={"scopes": frozenset({Scope.JOBS_READ})}))
    now = office.refresher.refresh(before)
    assert (before.may(Scope.ADMIN), now.may(Scope.ADMIN)) == (True, False)
    office.revoke(record.key_id)
    with pytest.raises(KeyRevoked):
        office.refresher.refresh(before)


def test_the_deployments_own_key_is_refreshed_without_a_read(office: Office) -> None:
    assert office.refresher.refresh(OPERATOR) == OPERATOR
    assert office.keys.reads == 0


def test_with_made_all_keys_that_a_key_made_are_revoked_too(office: Office) -> None:
    _, thief = office.make(scopes=["admin"])
    _, child = office.make(scopes=["admin"], by=thief.caller())
    _, grandchild = office.make(by=child.caller(), tenant="shop")
    _, gone = office.make(by=child.caller())
    _, other = office.make(scopes=["admin"])
    office.revoke(gone.key_id)
    revoked_at = office.clock.now()
    office.clock.step(60)
    revoked = office.service.revoke(thief.key_id, by=OPERATOR, with_made=True)
    assert revoked
    assert {key.key_id for key in revoked.made} == {child.key_id, grandchild.key_id, gone.key_id}
    valid = [key.key_id for key in office.keys.scan() if key.revoked_at is None]
    assert valid == [other.key_id]
    assert office.record(gone.key_id).revoked_at == revoked_at


def test_keys_that_a_revoked_key_made_can_be_revoked_later(office: Office) -> None:
    _, thief = office.make(scopes=["admin"])
    _, child = office.make(by=thief.caller())
    office.revoke(thief.key_id)
    assert office.record(child.key_id).revoked_at is None
    office.service.revoke(thief.key_id, by=OPERATOR, with_made=True)
    assert office.record(child.key_id).revoked_at


def admin_of(tenant: str) -> Caller:
    return Caller(tenant=tenant, scopes=frozenset({Scope.ADMIN}))


def test_an_admin_of_a_tenant_manages_that_tenants_keys_and_no_others(office: Office) -> None:
    _, theirs = office.make(tenant="shop-a")
    _, operators = office.make()
    mine = [office.make(tenant="shop-b")[1], office.make(tenant="shop-b", by=admin_of("shop-b"))[1]]
    assert [*office.service.list(by=admin_of("shop-b"))] == mine
    for key in (theirs, operators):
        assert office.revoke(key.key_id, by=admin_of("shop-b")) is None
        assert office.record(key.key_id).revoked_at is None
    assert office.revoke(mine[0].key_id, by=admin_of("shop-b"))
    assert len([*office.service.list(by=OPERATOR)]) == 4


@pytest.mark.parametrize("tenant", ["shop-a", "default", "shop-b.x"])
def test_an_admin_of_a_tenant_makes_no_key_of_another(office: Office, tenant: str) -> None:
    with pytest.raises(InvalidRequest, match=r"tenant.*shop-b"):
        office.make(tenant=tenant, scopes=["admin"], by=admin_of("shop-b"))
    assert list(office.keys.scan()) == []


def test_a_key_without_admin_manages_no_keys_even_of_the_default_tenant() -> None:
    jobs_only = Caller(tenant="default", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))
    assert not jobs_only.is_operator
    assert not jobs_only.governs("default")


# ---- Counting


def limited(most: int | None = 2, key_id: str | None = "key_" + "a" * 26) -> Caller:
    return Caller(tenant="shop", scopes=frozenset(Scope), key_id=key_id, requests_per_minute=most)


def test_calls_beyond_the_limit_of_a_key_exceed_its_allowance(office: Office) -> None:
    found = [office.count(limited(2)) for _ in range(4)]
    assert [(allowance.remaining, allowance.is_exceeded) for allowance in found if allowance] == [
        (1, False),
        (0, False),
        (0, True),
        (0, True),
    ]
    assert {allowance.limit for allowance in found if allowance} == {2}


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC), 60),
        (datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC), 59),
        (datetime(2026, 11, 22, 12, 0, 59, 999_999, tzinfo=UTC), 1),
    ],
)
def test_the_allowance_resets_when_the_minute_of_the_clock_ends(office: Office, at: datetime, seconds: int) -> None:
    office.clock.go_to(at)
    found = office.count(limited(1))
    assert found
    assert found.reset_seconds == seconds
    used_up = office.count(limited(1))
    assert used_up
    assert used_up.is_exceeded
    # A client that waits for so long is let in.
    office.clock.step(found.reset_seconds)
    again = office.count(limited(1))
    assert again
    assert (again.is_exceeded, again.used) == (False, 1)


def test_each_key_is_counted_by_itself(office: Office) -> None:
    for letter in "ab":
        found = office.count(limited(1, "key_" + letter * 26))
        assert found
        assert not found.is_exceeded


@pytest.mark.parametrize("caller", [limited(None), limited(None, None)])
def test_a_caller_without_a_limit_is_not_counted(office: Office, caller: Caller) -> None:
    office.uses.on("count_call", StorageFailed("nobody asks"))
    assert office.count(caller) is None
    with pytest.raises(StorageFailed):
        office.uses.count_call("key_x", office.clock.now())


def test_the_deployments_own_key_is_counted_like_any_other(office: Office) -> None:
    found = office.count(limited(5, None))
    assert found
    assert found.used == 1


def test_a_call_may_count_as_several(office: Office) -> None:
    office.count(limited(5))
    found = office.counter.count(limited(5), times=9)
    assert found
    assert (found.used, found.is_exceeded) == (10, True)


def test_a_key_without_a_limit_has_that_of_the_deployment(office: Office) -> None:
    (plain, _), (strict, _) = office.make(), office.make(requests_per_minute=7)

    authenticator = replace(office.authenticator, requests_per_minute=600)

    def limit(key: str) -> int | None:
        caller = authenticator.authenticate(key)
        return caller.requests_per_minute if caller else None

    assert [limit(key) for key in (plain, strict, OWN)] == [600, 7, 600]


def test_a_failed_count_locks_nobody_out(office: Office) -> None:
    office.uses.on("count_call", StorageFailed("away"))
    assert office.count(limited(1)) is None
    found = office.count(limited(1))
    assert found
    assert found.used == 1


# ---- Changing, and expiring


def test_a_change_affects_only_the_given_fields(office: Office) -> None:
    _, record = office.make(daily_budget_usd="5", requests_per_minute=7)
    changed = office.service.change(
        record.key_id, read_key_change({"daily_budget_usd": None, "name": "b"}), by=OPERATOR
    )
    assert changed == office.record(record.key_id)
    assert changed == record.model_copy(update={"daily_budget_usd": None, "name": "b", "revision": 1})


def test_a_revoked_key_is_not_changed(office: Office) -> None:
    _, record = office.make()
    office.revoke(record.key_id)
    with pytest.raises(Conflict, match="revoked"):
        office.service.change(record.key_id, read_key_change({"name": "b"}), by=OPERATOR)
    assert office.record(record.key_id).name == record.name


def test_a_change_never_undoes_a_concurrent_revocation(office: Office) -> None:
    _, record = office.make()
    office.keys.on("replace", lambda: office.revoke(record.key_id))
    with pytest.raises(Conflict, match="revoked"):
        office.service.change(record.key_id, read_key_change({"name": "b"}), by=OPERATOR)
    assert office.record(record.key_id).revoked_at


def test_a_revocation_keeps_a_concurrent_change(office: Office) -> None:
    _, record = office.make()
    change = read_key_change({"name": "b"})
    office.keys.on("replace", lambda: office.service.change(record.key_id, change, by=OPERATOR))
    office.revoke(record.key_id)
    kept = office.record(record.key_id)
    assert (kept.name, kept.revoked_at is None) == ("b", False)


def test_the_keys_of_another_tenant_are_not_changed(office: Office) -> None:
    _, record = office.make(tenant="shop-a")
    assert office.service.change(record.key_id, read_key_change({"name": "b"}), by=admin_of("shop-b")) is None
    assert office.record(record.key_id) == record


def test_an_expired_key_opens_nothing_and_makes_nothing(office: Office) -> None:
    key, record = office.make(expires_at=(office.clock.now() + timedelta(hours=1)).isoformat(), scopes=["admin"])
    caller = office.authenticator.authenticate(key)
    assert caller
    office.clock.step(3600)
    assert office.authenticator.authenticate(key) is None
    with pytest.raises(KeyRevoked):
        office.refresher.refresh(caller)
    office.service.change(record.key_id, read_key_change({"expires_at": None}), by=OPERATOR)
    assert office.authenticator.authenticate(key)


@pytest.mark.parametrize("seconds", [-1, 0])
def test_an_expiry_in_the_past_is_refused(office: Office, seconds: int) -> None:
    over = (office.clock.now() + timedelta(seconds=seconds)).isoformat()
    _, record = office.make()
    with pytest.raises(InvalidRequest, match="expires_at must be in the future"):
        office.make(expires_at=over)
    with pytest.raises(InvalidRequest, match="expires_at must be in the future"):
        office.service.change(record.key_id, read_key_change({"expires_at": over}), by=OPERATOR)


# ---- A budget of its own

DAY = "2026-11-22"
KEY_ID = "key_" + "b" * 26
SIX = 60_000
DOWN = Refused(Failure(code=FailureCode.ROUTE_UNAVAILABLE, message="402", retryable=False, charged=Charged.NO))
FREE = Refused(Failure(code=FailureCode.CONTENT_BLOCKED, message="no", retryable=False, charged=Charged.NO))


def holder(daily: int | None = 2 * SIX, key_id: str | None = KEY_ID, tenant: str = "shop") -> Caller:
    return Caller(tenant=tenant, scopes=frozenset({Scope.JOBS_WRITE}), key_id=key_id, daily_budget_microusd=daily)


def post(here: InMemoryDeployment, number: int = 0, *, caller: Caller | None = None, **document: Any) -> Job:
    return here.post({"prompt": "x", **document}, call=f"call-{number}", caller=caller or holder()).job


def page(here: InMemoryDeployment, account: str = KEY_ID, period: str = DAY) -> Booking:
    return here.ledger.read(BudgetAccount(account, period))


def agrees(here: InMemoryDeployment) -> bool:
    """Whether the ledger and the jobs' records say the same of every page."""
    lines = check_ledger(here.jobs, here.ledger.every(), complete_since=here.clock.now() - timedelta(days=40))
    assert lines
    return all(line.agrees for line in lines)


def test_a_job_is_booked_on_the_page_of_its_key_too(here: InMemoryDeployment) -> None:
    post(here)
    assert [page(here, account) for account in (KEY_ID, "shop", EVERYBODY)] == [Booking(reserved=SIX)] * 3
    # A key's budget is for days.
    assert page(here, KEY_ID, "2026-11") == Booking()
    assert agrees(here)


@pytest.mark.parametrize("caller", [holder(None), holder(5, None), holder(None, None)])
def test_a_job_of_a_key_without_a_budget_is_on_no_page_of_a_key(here: InMemoryDeployment, caller: Caller) -> None:
    assert post(here, caller=caller).key_budget is None
    assert {found.account for found, _ in here.ledger.every()} == {"shop", EVERYBODY}
    assert agrees(here)


def test_what_does_not_fit_the_keys_budget_is_refused_in_the_name_of_the_key(here: InMemoryDeployment) -> None:
    post(here, 1)
    post(here, 2)
    before = dict(here.ledger.every())
    with pytest.raises(BudgetExceeded) as refused:
        post(here, 3)
    assert str(refused.value) == f"the budget of {KEY_ID} for {DAY}, 0.12 USD, is used up"
    assert (refused.value.account, refused.value.period) == (KEY_ID, DAY)
    assert (len(here.jobs), len(here.workflow.executions), dict(here.ledger.every())) == (2, 2, before)


def test_that_a_keys_budget_is_used_up_is_told_once(here: InMemoryDeployment) -> None:
    for number in range(3):
        with pytest.raises(BudgetExceeded):
            post(here, number, caller=holder(SIX - 1))
    [told] = [event.data for event in here.bus if isinstance(event, BudgetExhausted)]
    assert (told.account, told.period, told.limit_usd) == (KEY_ID, DAY, "0.059999")


def test_another_key_of_the_tenant_has_its_own_money(here: InMemoryDeployment) -> None:
    post(here, 1, caller=holder(SIX))
    with pytest.raises(BudgetExceeded):
        post(here, 2, caller=holder(SIX))
    post(here, 3, caller=holder(SIX, "key_" + "c" * 26))
    post(here, 4, caller=holder(None))
    assert page(here, "shop") == Booking(reserved=3 * SIX)


def test_a_keys_budget_is_no_more_than_its_tenants(here: InMemoryDeployment) -> None:
    here.ledger.tenants = Tenants.model_validate({"named": {"shop": {"daily_budget_usd": "0.06"}}})
    post(here, 1, caller=holder(100 * SIX))
    with pytest.raises(BudgetExceeded, match="of tenant shop"):
        post(here, 2, caller=holder(100 * SIX))
    assert page(here) == Booking(reserved=SIX)


def test_a_new_day_has_new_money(here: InMemoryDeployment) -> None:
    here.clock.go_to(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    post(here, 1, caller=holder(SIX))
    with pytest.raises(BudgetExceeded):
        post(here, 2, caller=holder(SIX))
    here.clock.step(1)
    post(here, 3, caller=holder(SIX))
    assert [page(here, period=day) for day in (DAY, "2026-11-23")] == [Booking(reserved=SIX)] * 2


def test_what_a_job_costs_is_spent_of_its_keys_budget(here: InMemoryDeployment) -> None:
    job = here.run(post(here, caller=holder(SIX)).job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert page(here) == Booking(spent=SIX)
    assert agrees(here)
    with pytest.raises(BudgetExceeded):
        post(here, 2, caller=holder(SIX))


def test_what_a_job_did_not_cost_is_released(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(FREE)
    assert here.run(post(here, caller=holder(SIX)).job_id).status is JobStatus.FAILED
    assert page(here) == Booking()
    assert agrees(here)
    post(here, 2, caller=holder(SIX))


def test_what_a_job_may_have_cost_is_not_released(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(Uncertain("cut"))
    here.run(post(here, caller=holder(SIX)).job_id)
    assert page(here) == Booking(unknown=SIX)
    assert agrees(here)


def test_a_dearer_route_is_called_within_the_keys_budget_only(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(DOWN)
    job = here.run(post(here, policy="cheapest", caller=holder(SIX - 1)).job_id)
    assert [attempt.model for attempt in job.attempts] == [SECOND]
    assert job.failure
    assert (job.failure.code, job.failure.charged) == (FailureCode.BUDGET_EXCEEDED, Charged.NO)
    assert job.failure.message == f"the budget of {KEY_ID} for {DAY}, 0.059999 USD, is used up"
    assert page(here) == Booking()
    assert agrees(here)


def test_a_dearer_route_is_booked_on_the_keys_page(here: InMemoryDeployment) -> None:
    here.provider.will_answer_create(DOWN)
    job = here.run(post(here, policy="cheapest", caller=holder(SIX)).job_id)
    assert [attempt.model for attempt in job.attempts] == [SECOND, BETA]
    assert page(here) == Booking(spent=SIX)
    assert agrees(here)


def test_a_job_keeps_the_budget_of_the_key_that_it_was_submitted_with(here: InMemoryDeployment) -> None:
    wish = {"prompt": "x"}
    first = here.post(wish, key="order-17", caller=holder())
    other = here.post(wish, key="order-17", caller=holder(1, "key_" + "c" * 26))
    assert (other.created, other.job) == (False, first.job)
    assert page(here, "key_" + "c" * 26) == Booking()
    assert page(here) == Booking(reserved=SIX)


def test_who_repeats_a_job_needs_no_money_for_it(here: InMemoryDeployment) -> None:
    first = here.post({"prompt": "x"}, key="order-17", caller=holder(SIX))
    assert here.post({"prompt": "x"}, key="order-17", caller=holder(SIX)).job == first.job


def test_a_page_that_does_not_agree_is_found(here: InMemoryDeployment) -> None:
    post(here)
    here.ledger.pages[BudgetAccount(KEY_ID, DAY)] = Booking()
    assert not agrees(here)
