"""Webhook endpoints: what may be asked for, who gets what, how secrets follow from one, and when one is disabled."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from heliograph.jobs.request import Rules, read_request
from heliograph.kernel.errors import InvalidRequest
from heliograph.storage.references import MAX_URL_CHARACTERS, check_webhook_url
from heliograph.webhooks.adapters.http_sender import signed
from heliograph.webhooks.bus_event import ReceivedEvent
from heliograph.webhooks.endpoint import (
    DISABLE_AFTER,
    DISABLED_EVENT,
    ROTATION_OVERLAP,
    Endpoint,
    EndpointStatus,
    job_urls_endpoint,
    job_urls_id,
    read_endpoint_change,
    read_endpoint_request,
    signing_secret,
)
from heliograph.webhooks.event_catalogue import EVENT_TYPES
from standardwebhooks import WebhookVerificationError

from tests.fakes.deployment import ROUTES
from tests.receiving import verified

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URL = "https://hooks.example.com/heliograph?shop=1"
MASTER = "a" * 64


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint(endpoint_id="ep_x", tenant="shop", url=URL, created_at=NOW, **changes)


def happening(type_: str = "image.job.succeeded", **data: Any) -> ReceivedEvent:
    return ReceivedEvent(type=type_, version="1", event_id="evt_x", occurred_at="2026-11-22T12:00:00Z", data=data)


def faults(document: dict[str, Any], *, local: bool = False) -> set[str]:
    with pytest.raises(InvalidRequest) as caught:
        read_endpoint_request(document, local=local)
    return {fault.pointer for fault in caught.value.faults}


# ---- What may be asked for


def test_an_endpoint_gets_everything_unless_it_chose() -> None:
    assert read_endpoint_request({"url": URL}, local=False).events is None
    chosen = read_endpoint_request({"url": URL, "events": ["image.job.failed", "image.job.failed"]}, local=False)
    assert chosen.events == ("image.job.failed",)


def test_every_fault_is_named_at_once() -> None:
    document = {"url": "http://x.org/", "events": ["image.job.exploded"], "description": "\x1b[2J", "secret": "mine"}
    assert faults(document) == {"/url", "/events/0", "/description", "/secret"}
    assert faults({}) == {"/url"}
    assert faults({"url": URL, "events": []}) == {"/events"}
    mixed = ["job.succeeded", "image.job.failed", "image.*", 3]
    assert faults({"url": URL, "events": mixed}) == {"/events/0", "/events/2", "/events/3"}
    assert faults({"url": None, "events": "image.job.failed"}) == {"/url", "/events"}


REFUSED = [
    "",
    "hooks.example.com",
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://2130706433/",
    "https://metadata.google.internal/",
    "https://user:word@hooks.example.com/",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com/#top",
    "https://hooks.example.com/a b",
    "https://hooks.example.com/\r\nX-Injected: 1",
    "https://hooks.example.com/" + "a" * MAX_URL_CHARACTERS,
]


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_can_never_be_right_is_refused_wherever_it_is_given(url: str, local: bool) -> None:
    rules = Rules(ROUTES, frozenset(), "uploads", local_webhooks=local)
    assert faults({"url": url}, local=local) == {"/url"}
    with pytest.raises(InvalidRequest) as change:
        read_endpoint_change({"url": url}, local=local)
    with pytest.raises(InvalidRequest) as job:
        read_request({"prompt": "x", "webhook_url": url}, rules)
    assert [fault.pointer for caught in (change, job) for fault in caught.value.faults] == ["/url", "/webhook_url"]


@pytest.mark.parametrize(
    "url", [URL, "https://hooks.example.com", "https://hooks.example.com:8443/", "https://8.8.8.8/"]
)
def test_a_public_url_is_taken_as_it_is(url: str) -> None:
    assert check_webhook_url(url) == check_webhook_url(url, local=True) == url
    assert read_request({"prompt": "x", "webhook_url": url}, Rules(ROUTES, frozenset(), "uploads")).webhook_url == url


LOCAL = ["http://127.0.0.1:8080/hook?a=b", "http://[::1]:80", "http://localhost:65535/"]


@pytest.mark.parametrize("url", LOCAL)
def test_this_very_machine_is_a_receiver_in_the_local_stack_only(url: str) -> None:
    assert check_webhook_url(url, local=True) == url
    with pytest.raises(ValueError, match="https"):
        check_webhook_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.2:80/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:80@x.org/",
        "http://127.0.0.1:80#x",
        "http://user@localhost:80/",
        "http://localhost.example.com:80/",
        "http://10.0.0.1:80/",
        "http://0.0.0.0:80/",
        "http://169.254.169.254:80/",
        "HTTP://localhost:80/",
        "http://localhost:80\n",
        "https://127.0.0.1:80/",
    ],
)
def test_the_local_stack_opens_nothing_else(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each for a reason of its own
        check_webhook_url(url, local=True)


def test_what_is_left_out_of_a_change_stays() -> None:
    one = endpoint(events=("image.job.failed",), description="the shop's")
    change = read_endpoint_change({"description": "the shop's server"}, local=False)
    assert one.changed(change) == one.model_copy(update={"description": "the shop's server"})
    assert one.changed(read_endpoint_change({"events": None}, local=False)).events is None
    assert one.changed(read_endpoint_change({}, local=False)) == one


@pytest.mark.parametrize("status", ["disabled", "deleted", None, 1])
def test_nobody_can_ask_for_a_status_that_is_ours_to_give(status: Any) -> None:
    with pytest.raises(InvalidRequest):
        read_endpoint_change({"status": status}, local=False)


def test_another_url_or_being_enabled_begins_an_endpoints_health_anew() -> None:
    failing = endpoint(failing_since=NOW)
    assert failing.changed(read_endpoint_change({"url": "https://x.org/"}, local=False)).failing_since is None
    assert failing.changed(read_endpoint_change({"url": URL}, local=False)).failing_since == NOW
    assert failing.changed(read_endpoint_change({"description": "x"}, local=False)).failing_since == NOW
    disabled = failing.after_failure(NOW, gone=True)
    enabled = disabled.changed(read_endpoint_change({"status": "enabled"}, local=False))
    assert (enabled.status, enabled.reason, enabled.disabled_at, enabled.failing_since) == ("enabled", None, None, None)
    assert enabled.announced


# ---- Who gets what


@pytest.mark.parametrize(
    ("event", "tenant"),
    [
        (happening("image.job.succeeded", tenant="shop", job_id="job_x"), "shop"),
        (happening("image.batch.completed", tenant="shop"), "shop"),
        (happening("image.budget.exhausted", account="shop"), "shop"),
        (happening("image.budget.warning", account="shop"), "shop"),
        (happening("image.budget.warning", account="*"), "default"),
        (happening("image.budget.exhausted", account="*"), "default"),
        (happening("image.budget.exhausted", account="key_" + "a" * 26), "default"),
        (happening("image.upload.rejected", bucket="b", key="k"), "default"),
        (happening("image.preset.rejected", bucket="b", key="k"), "default"),
        (happening("image.route.opened", route="gpt-image-2"), "default"),
        (happening("image.route.closed", route="gpt-image-2"), "default"),
        (happening(DISABLED_EVENT, tenant="shop", endpoint_id="ep_x"), "shop"),
        (happening("something.new"), "default"),
    ],
)
def test_an_event_is_for_the_tenant_that_it_concerns(event: ReceivedEvent, tenant: str) -> None:
    assert event.tenant == tenant


@pytest.mark.parametrize("type_", [*EVENT_TYPES, "something.new"])
def test_who_chose_nothing_gets_everything(type_: str) -> None:
    assert endpoint().subscribes_to(happening(type_))


def test_who_chose_gets_what_it_chose() -> None:
    one = endpoint(events=("image.job.failed",))
    assert [one.subscribes_to(happening(type_)) for type_ in ("image.job.failed", "image.job.succeeded")] == [
        True,
        False,
    ]


def test_nobody_is_told_of_its_own_end() -> None:
    assert not endpoint().subscribes_to(happening(DISABLED_EVENT, endpoint_id="ep_x"))
    assert endpoint().subscribes_to(happening(DISABLED_EVENT, endpoint_id="ep_y"))


# ---- Secrets


def test_a_secret_is_what_the_standard_asks_for() -> None:
    secret = signing_secret(MASTER, "ep_x", 1)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


def test_each_endpoint_version_and_deployment_has_another_secret_and_always_the_same() -> None:
    names = [
        (MASTER, "ep_x", 1),
        (MASTER, "ep_x", 2),
        (MASTER, "ep_y", 1),
        (MASTER, "ep_x:1", 1),
        ("b" * 64, "ep_x", 1),
    ]
    assert len({signing_secret(*name) for name in names}) == len(names)
    assert signing_secret(MASTER, "ep_x", 1) == signing_secret(MASTER, "ep_x", 1)


def test_the_urls_of_jobs_have_a_secret_for_each_tenant() -> None:
    assert job_urls_id("shop") != job_urls_id("blog")
    assert job_urls_endpoint("shop", NOW).is_for_job_urls
    assert not endpoint().is_for_job_urls


def test_a_rotated_secret_signs_for_a_day_beside_the_new_one() -> None:
    rotated = endpoint().rotated(NOW)
    assert rotated.secret_version == 2
    assert rotated.signing_versions(NOW + ROTATION_OVERLAP - timedelta(seconds=1)) == (2, 1)
    assert rotated.signing_versions(NOW + ROTATION_OVERLAP) == (2,)


def test_a_second_rotation_ends_no_secret_before_its_time() -> None:
    twice = endpoint().rotated(NOW).rotated(NOW + timedelta(hours=1))
    assert twice.signing_versions(NOW + timedelta(hours=2)) == (3, 2, 1)
    assert twice.signing_versions(NOW + timedelta(hours=24)) == (3, 2)
    assert twice.signing_versions(NOW + timedelta(hours=25)) == (3,)


def test_rotating_without_end_makes_no_signature_without_end() -> None:
    one = endpoint()
    for _ in range(50):
        one = one.rotated(NOW)
    assert one.signing_versions(NOW) == (51, 50, 49, 48)


def test_both_secrets_verify_while_both_are_valid() -> None:
    rotated, at = endpoint().rotated(NOW), NOW + timedelta(hours=1)
    body = json.dumps({"type": "webhook.test", "名": "夕暮れ"}, ensure_ascii=False)
    old, new, never = (signing_secret(MASTER, "ep_x", version) for version in (1, 2, 3))
    secrets = [signing_secret(MASTER, "ep_x", version) for version in rotated.signing_versions(at)]
    headers = signed(body, event_id="evt_x", at=at, secrets=secrets)
    assert headers["webhook-signature"].count("v1,") == 2
    read = [verified(old, body, headers, at=at), verified(new, body.encode(), headers, at=at)]
    assert read == [json.loads(body)] * 2
    for secret, text, changed in (
        (never, body, {}),
        (new, body + " ", {}),
        (new, body, {"webhook-id": "evt_y"}),
        (new, body, {"webhook-timestamp": str(int(at.timestamp()) + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            verified(secret, text, headers | changed, at=at)


# ---- Health


def test_the_first_failure_since_the_last_success_is_remembered() -> None:
    one = endpoint().after_failure(NOW, gone=False).after_failure(NOW + timedelta(hours=9), gone=False)
    assert (one.failing_since, one.status) == (NOW, "enabled")
    assert one.after_success().failing_since is None


def test_five_days_of_nothing_but_failures_disable_it() -> None:
    failing = endpoint().after_failure(NOW, gone=False)
    almost = failing.after_failure(NOW + DISABLE_AFTER - timedelta(seconds=1), gone=False)
    assert almost.is_enabled
    disabled = almost.after_failure(NOW + DISABLE_AFTER, gone=False)
    assert (disabled.status, disabled.reason, disabled.disabled_at) == ("disabled", "failing", NOW + DISABLE_AFTER)
    assert disabled.failing_since == NOW
    assert not disabled.announced


def test_who_says_that_it_is_gone_is_disabled_at_once() -> None:
    gone = endpoint().after_failure(NOW, gone=True)
    assert (gone.status, gone.reason, gone.is_enabled) == (EndpointStatus.DISABLED, "gone", False)
