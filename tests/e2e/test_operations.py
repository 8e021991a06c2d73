"""What an operator can do: open and close routes, stop everything, and compare the money."""

from __future__ import annotations

from tests.e2e.conftest import KIE
from tests.e2e.deployed import environment, function, invoke
from tests.e2e.world import Event, World, wait_until

BETA, SECOND = "gpt-image-2-beta", "gpt-image-2"


def switched(world: World, detail_type: str, route: str) -> Event:
    def look() -> Event | None:
        found = world.events(lambda event: event["detail-type"] == detail_type)
        return next((event for event in found if event["detail"]["data"]["route"] == route), None)

    return wait_until(look, seconds=30, what=f"{detail_type} of {route}")


def test_a_route_can_be_taken_out_of_service_and_put_back(world: World, mark: str) -> None:
    opened = world.operate("open", BETA, "--reason", f"drill {mark}")
    away = world.finished(world.post(prompt=f"{mark} away")["id"])
    shown = world.operate("routes")
    closed = world.operate("close", BETA)
    back = world.finished(world.post(prompt=f"{mark} back")["id"])

    assert (opened.returncode, closed.returncode) == (0, 0), opened.stderr + closed.stderr
    assert f"drill {mark}" in shown.stdout
    assert [attempt["route"] for attempt in away["attempts"]] == [SECOND]
    assert [attempt["route"] for attempt in back["attempts"]] == [BETA]
    assert switched(world, "image.route.opened", BETA)["detail"]["data"]["cause"] == f"drill {mark}"
    assert switched(world, "image.route.closed", BETA)


def test_the_kill_switch_stops_every_create_call_until_it_is_released(world: World, mark: str) -> None:
    stopped = world.operate("stop", "--reason", "too dear")
    job_id = world.post(prompt=mark)["id"]
    table = world.stack.outputs["JobsTableName"]

    def has_waited() -> bool:
        logs = world.stack.client("logs")
        groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
        pages = (logs.filter_log_events(logGroupName=group, filterPattern=f'"{job_id}"') for group in groups)
        return any("too dear" in event["message"] for page in pages for event in page["events"])

    wait_until(has_waited, seconds=60, what="the job to be told to wait")
    item = world.stack.client("dynamodb").get_item(TableName=table, Key={"job_id": {"S": job_id}})["Item"]
    made = world.tasks(mark)
    released = world.operate("resume")

    assert (stopped.returncode, released.returncode) == (0, 0)
    assert not made
    assert item["status"]["S"] == "queued"
    assert world.finished(job_id)["status"] == "succeeded"


def test_the_whole_first_provider_may_fail(world: World, mark: str) -> None:
    world.fault("create", "402", mark, times=None, vendor="apimodels")

    job = world.finished(world.post(prompt=mark)["id"])

    assert job["status"] == "succeeded"
    assert [attempt["route"] for attempt in job["attempts"]] == [BETA, SECOND, KIE]
    assert job["price_usd"] == "0.03"


def test_a_route_that_keeps_failing_opens_by_itself_and_says_so(world: World, mark: str) -> None:
    world.fault("create", "402", mark, times=None, vendor="apimodels")

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
        environment(world, function(world, "SubmitRequest"), MONTHLY_BUDGET_USD="0.01"),
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
    with environment(world, function(world, "Sweep"), TENANTS='{"default": {"monthly_budget_usd": "0.06"}}'):
        swept = [line for _ in range(2) for line in invoke(world, "Sweep", {}) if "budget" in line]

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


def test_the_readmes_commands_do_what_it_says(world: World) -> None:
    opened = world.make("open", f"ROUTE={SECOND}", "REASON=drill")
    shown = world.make("routes")
    closed = world.make("close", f"ROUTE={SECOND}")
    stopped = world.make("stop", "REASON=too dear")
    halted = world.make("routes")
    resumed = world.make("resume")
    keys = world.make("keys")

    ran = (opened, shown, closed, stopped, halted, resumed, keys)
    assert [finished.returncode for finished in ran] == [0] * len(ran), [finished.stderr for finished in ran]
    assert "until a person closes it: drill" in shown.stdout
    assert "ALL CREATE CALLS ARE STOPPED" in halted.stdout


def test_an_unknown_route_or_stack_is_named(world: World) -> None:
    unknown = world.operate("open", "dall-e-3", "--reason", "why not")
    silent = world.operate("stop", "--reason", " ")

    assert unknown.returncode != 0
    assert "There is no route dall-e-3" in unknown.stderr
    assert silent.returncode != 0
