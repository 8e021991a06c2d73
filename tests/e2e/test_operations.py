"""What an operator can do: disable and enable routes, pause spending, compare the money, and check the deployment."""

from __future__ import annotations

import json
import re
import uuid

from tests.e2e.conftest import KIE
from tests.e2e.deployed import environment, function, invoke, log_lines
from tests.e2e.receiver import receiving
from tests.e2e.world import Event, World, wait_until

BETA, SECOND = "gpt-image-2-beta", "gpt-image-2"


def switched(world: World, detail_type: str, route: str) -> Event:
    def look() -> Event | None:
        found = world.events(lambda event: event["detail-type"] == detail_type)
        return next((event for event in found if event["detail"]["data"]["route"] == route), None)

    return wait_until(look, seconds=30, what=f"{detail_type} of {route}")


def test_a_route_can_be_disabled_and_enabled(world: World, mark: str) -> None:
    disabled = world.operate("disable-route", BETA, "--reason", f"drill {mark}")
    away = world.finished(world.post(prompt=f"{mark} away")["id"])
    shown = world.operate("routes")
    enabled = world.operate("enable-route", BETA)
    back = world.finished(world.post(prompt=f"{mark} back")["id"])

    assert (disabled.returncode, enabled.returncode) == (0, 0), disabled.stderr + enabled.stderr
    assert "disabled by an operator since" in shown.stdout
    assert f"drill {mark}" in shown.stdout
    assert [attempt["route"] for attempt in away["attempts"]] == [SECOND]
    assert [attempt["route"] for attempt in back["attempts"]] == [BETA]
    assert switched(world, "image.route.opened", BETA)["detail"]["data"]["cause"] == "an operator disabled the route"
    assert switched(world, "image.route.closed", BETA)


def has_waited(world: World, job_id: str, why: str) -> bool:
    """Whether the job was told to wait for that reason."""
    return any(why in line for line in log_lines(world, job_id))


def test_a_spending_pause_holds_every_create_call_until_it_is_resumed(world: World, mark: str) -> None:
    paused = world.operate("pause-spending", "--reason", "the bill looks odd")
    job_id = world.post(prompt=mark)["id"]
    table = world.stack.outputs["JobsTableName"]

    wait_until(lambda: has_waited(world, job_id, "spending is paused"), seconds=60, what="the job to be told to wait")
    item = world.stack.client("dynamodb").get_item(TableName=table, Key={"job_id": {"S": job_id}})["Item"]
    made = world.tasks(mark)
    told = world.call("GET", "/v1/models").json()
    resumed = world.operate("resume-spending")

    assert (paused.returncode, resumed.returncode) == (0, 0)
    assert not made
    assert item["status"]["S"] == "queued"
    assert told["spending_paused"] is True
    assert world.finished(job_id)["status"] == "succeeded"
    assert world.call("GET", "/v1/models").json()["spending_paused"] is False


def test_an_operators_words_are_told_to_no_tenant(world: World, mark: str) -> None:
    words = f"suspected fraud, case {uuid.uuid4().hex}"
    routes = (BETA, SECOND, KIE)
    with receiving() as receiver:
        url = {"url": receiver.url("default")}
        endpoint = world.call("POST", "/v1/webhook-endpoints", json=url).json()
        for route in routes:
            world.operate("disable-route", route, "--reason", words)
        unroutable = world.post(prompt=f"{mark} without a route")["id"]
        wait_until(lambda: has_waited(world, unroutable, "no route is available"), seconds=60, what="a wait")
        world.operate("pause-spending", "--reason", words)
        paused = world.post(prompt=f"{mark} paused")["id"]
        wait_until(lambda: has_waited(world, paused, "spending is paused"), seconds=60, what="another wait")
        webhooks = wait_until(
            lambda: [message for message in receiver.got("default") if "image.route.opened" in message.body],
            seconds=60,
            what="the webhook of a disabled route",
        )
        sent = world.call("GET", "/v1/deliveries").json()["data"][0]["id"]
        templates = [
            path for path, methods in world.call("GET", "/v1/openapi.json").json()["paths"].items() if "get" in methods
        ]
        paths = {
            template.format(job_id=job_id, endpoint_id=endpoint["id"], delivery_id=sent)
            for template in templates
            for job_id in (unroutable, paused)
        }
        answers = {path: world.call("GET", path) for path in sorted(paths)}
        for route in routes:
            world.operate("enable-route", route)
        world.operate("resume-spending")
        world.call("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}")

    assert {answer.status_code for answer in answers.values()} == {200}
    assert [path for path, answer in answers.items() if words in answer.text] == []
    assert [message.body for message in webhooks if words in message.body] == []
    assert not world.events(lambda event: words in json.dumps(event))
    told = answers[f"/v1/jobs/{paused}/events"].text
    assert "spending is paused by the operator; the job checks once a minute whether it may go on" in told
    assert "no route is available; the job checks again once a minute" in answers[f"/v1/jobs/{unroutable}/events"].text
    assert {world.finished(job_id)["status"] for job_id in (unroutable, paused)} == {"succeeded"}


def test_the_whole_first_provider_may_fail(world: World, mark: str) -> None:
    world.fault("create", "402", mark, times=None, provider="apimodels")

    job = world.finished(world.post(prompt=mark)["id"])

    assert job["status"] == "succeeded"
    assert [attempt["route"] for attempt in job["attempts"]] == [BETA, SECOND, KIE]
    assert job["price_usd"] == "0.03"


def test_a_route_that_keeps_failing_opens_by_itself_and_says_so(world: World, mark: str) -> None:
    world.fault("create", "402", mark, times=None, provider="apimodels")

    jobs = [world.finished(world.post(prompt=f"{mark} {number}")["id"]) for number in range(7)]

    assert {job["status"] for job in jobs} == {"succeeded"}
    assert [attempt["route"] for attempt in jobs[-1]["attempts"]] == [KIE]
    for route in (BETA, SECOND):
        opened = switched(world, "image.route.opened", route)
        assert opened["detail"]["data"]["route"] == route


def test_a_budget_that_is_used_up_refuses_jobs_and_says_so_once(world: World, mark: str, photo: bytes) -> None:
    world.begin_a_day()
    preset = world.preset(prompt=mark)
    with (
        environment(world, function(world, "SubmitJob"), MONTHLY_BUDGET_USD="0.01"),
        environment(world, function(world, "SubmitUpload"), MONTHLY_BUDGET_USD="0.01"),
    ):
        answers = [world.call("POST", "/v1/jobs", json={"prompt": mark}) for _ in range(2)]
        world.upload(f"uploads/{preset}/{mark}.png", photo)
        rejected = world.event_about(f"uploads/{preset}/{mark}.png")

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(402, "budget_exceeded")] * 2
    assert answers[0].json()["charged"] == "no"
    assert rejected["detail-type"] == "image.upload.rejected"
    assert rejected["detail"]["data"]["failure"]["code"] == "budget_exceeded"
    assert not world.tasks(mark)
    exhausted = wait_until(
        lambda: [
            event
            for event in world.events(lambda event: event["detail-type"] == "image.budget.exhausted")
            if event["detail"]["data"]["account"] == "*"
        ],
        seconds=30,
        what="the budget's event",
    )
    assert len({event["detail"]["event_id"] for event in exhausted}) == 1
    assert exhausted[0]["detail"]["data"]["limit_usd"] == "0.01"


def test_a_budget_that_is_nearly_used_up_is_warned_of_once_by_the_sweep(world: World, mark: str) -> None:
    world.begin_a_day()
    world.finished(world.post(prompt=mark)["id"])
    with environment(world, function(world, "SweepJobs"), TENANTS='{"default": {"monthly_budget_usd": "0.06"}}'):
        swept = [line for _ in range(2) for line in invoke(world, "SweepJobs", {}) if "budget" in line]

    warned = wait_until(
        lambda: [
            event["detail"]
            for event in world.events(lambda event: event["detail-type"] == "image.budget.warning")
            if event["detail"]["data"]["limit_usd"] == "0.06"
        ],
        seconds=30,
        what="the warnings",
    )
    period = warned[0]["data"]["period"]
    assert swept == [f"warned of the budget of default for {period}: {percent} %" for percent in (50, 80)]
    assert {event["data"]["threshold_percent"] for event in warned} == {50, 80}
    assert len({event["event_id"] for event in warned}) == 2
    assert {event["data"]["account"] for event in warned} == {"default"}


def test_the_makefiles_commands_do_what_they_say(world: World) -> None:
    disabled = world.make("disable-route", f"ROUTE={SECOND}", 'REASON=a drill, "as they say"')
    shown = world.make("routes", "REGION=us-east-1", "STACK=heliograph")
    enabled = world.make("enable-route", f"ROUTE={SECOND}")
    paused = world.make("pause-spending", "REASON=the bill looks odd")
    while_paused = world.make("routes")
    resumed = world.make("resume-spending")
    made = world.make("new-key", "NAME=web shop", "TENANT=shop", "SCOPES=jobs:read jobs:write", "DAILY_USD=25")
    key_id = next(iter(re.findall(r"key_[a-z2-7]{26}", made.stdout)), "")
    keys = world.make("keys")
    revoked = world.make("revoke-key", f"KEY={key_id}")

    ran = (disabled, shown, enabled, paused, while_paused, resumed, made, keys, revoked)
    assert [finished.returncode for finished in ran] == [0] * len(ran), [finished.stderr for finished in ran]
    assert "disabled by an operator since" in shown.stdout
    assert ': a drill, "as they say"' in shown.stdout
    assert "SPENDING IS PAUSED" in while_paused.stdout
    assert re.search(rf"{key_id}  web shop +shop +jobs:read jobs:write +25 USD +valid", keys.stdout)


def test_an_unknown_route_or_stack_is_named(world: World) -> None:
    unknown = world.operate("disable-route", "dall-e-3", "--reason", "why not")
    silent = world.operate("pause-spending", "--reason", " ")
    elsewhere = world.make("routes", "STACK=shop")

    assert unknown.returncode != 0
    assert "There is no route dall-e-3" in unknown.stderr
    assert silent.returncode != 0
    assert elsewhere.returncode != 0
    assert elsewhere.stderr.startswith("There is no stack shop in us-east-1.")


def test_a_deployment_is_checked_from_the_account_to_the_callbacks_and_makes_no_task(world: World) -> None:
    before = len(world.tasks(""))

    finished = world.make("preflight")

    lines = finished.stdout.splitlines()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert lines[-1] == "Nothing is in the way."
    for about in (
        "Account",
        "Region us-east-1",
        "Concurrency",
        "Stack heliograph",
        "Parameters",
        "The API's own key",
        "Key of apimodels.app",
        "Balance at apimodels.app",
        "Models of apimodels.app",
        "Key of kie.ai",
        "Callbacks",
    ):
        assert any(line.startswith(f"ok       {about}: ") for line in lines), finished.stdout
    assert "gpt-image-2-beta, gpt-image-2 supported today." in finished.stdout
    assert not re.search(r"sk_[A-Za-z0-9]", finished.stdout)
    assert len(world.tasks("")) == before


def test_another_stack_is_checked_before_it_is_deployed_with_a_key_that_nobody_sees(world: World) -> None:
    key = f"sk_{'before' * 4}"
    parameters = f"ProviderBaseUrl={world.stack.provider_url}/v1"

    finished = world.check_before_deploying("shop", parameters=parameters, key=key)

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "ok       Stack shop: not deployed yet." in finished.stdout
    assert "ok       Names: all that a stack shop needs are free." in finished.stdout
    assert "ok       Key of apimodels.app: the provider accepts it." in finished.stdout
    assert key not in finished.stdout + finished.stderr
