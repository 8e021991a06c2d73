"""How long whatever is throttled waits: an account with few concurrent executions makes jobs late, and ends none."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from heliograph.execution.failover import TASKS_PER_ROUTE
from heliograph.execution.outcomes import MAX_EARLY_CALLBACKS, NotYet
from heliograph.jobs.retry_policy import MAX_ATTEMPTS, MAX_DELIVERIES
from heliograph.webhooks.delivery import MAX_ATTEMPTS as MOST_SENDS

from tests.contract.asl_retries import (
    DELAYS_BELOW_SECONDS,
    MOST_ATTEMPTS,
    MOST_EVENTS,
    QUICK_ROUNDS,
    THROTTLED,
    Retrier,
    events_between,
    events_of,
    most_events,
    output_of,
    retriers_of,
    throttled_retrier,
)
from tests.contract.asl_workflow import DELIVERY_WORKFLOW, STATES, TASKS, WORKFLOW
from tests.contract.cfn_template import FUNCTIONS, RESOURCES, ROOT, TEMPLATE, resources_of
from tests.contract.function_settings import FOLDERS
from tests.fakes import deployment
from tests.fakes.deployment import InMemoryDeployment
from tests.fakes.jobs import InMemoryJobStore

ATTEMPT = DELIVERY_WORKFLOW["States"]["SendWebhook"]
CALLING = {**TASKS, "SendWebhook": ATTEMPT}
PARAMETERS = TEMPLATE["Parameters"]
LONGEST_DEADLINE = max(int(PARAMETERS[name]["MaxValue"]) for name in ("JobDeadlineSeconds", "UploadDeadlineSeconds"))
# What a new account has for all of its functions: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
NEW_ACCOUNT = 10
MAPPINGS = resources_of("AWS::Lambda::EventSourceMapping")
QUEUES = resources_of("AWS::SQS::Queue")
# Lambda's longest: https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
LONGEST_EVENT_AGE = 6 * 3600


@pytest.mark.parametrize("name", CALLING)
def test_a_throttled_task_has_a_retrier_of_its_own(name: str) -> None:
    assert throttled_retrier(CALLING[name])["ErrorEquals"] == [THROTTLED]
    assert [THROTTLED in retrier["ErrorEquals"] for retrier in CALLING[name]["Retry"]].count(True) == 1
    assert throttled_retrier(CALLING[name])["JitterStrategy"] == "FULL"


@pytest.mark.parametrize("name", TASKS)
def test_a_job_outlasts_any_throttling_that_is_over_within_its_deadline(name: str) -> None:
    patience = Retrier.of(throttled_retrier(TASKS[name])).surely_seconds()
    assert patience > LONGEST_DEADLINE
    # A picture may be paid by then: the state machine's own limit ends the wait, and nothing sooner.
    assert patience > WORKFLOW["TimeoutSeconds"]


def test_a_delivery_outlasts_as_much() -> None:
    assert Retrier.of(throttled_retrier(ATTEMPT)).surely_seconds() > LONGEST_DEADLINE


@pytest.mark.parametrize("name", CALLING)
def test_a_retrier_is_one_that_step_functions_takes(name: str) -> None:
    for retrier in CALLING[name]["Retry"]:
        assert 1 <= retrier["IntervalSeconds"] <= 99_999_999
        assert 1 <= retrier["MaxAttempts"] <= MOST_ATTEMPTS
        assert retrier["BackoffRate"] >= 1
        assert retrier["IntervalSeconds"] < retrier.get("MaxDelaySeconds", DELAYS_BELOW_SECONDS) <= DELAYS_BELOW_SECONDS


def test_the_history_of_a_job_fits_however_often_its_functions_are_throttled_or_fail() -> None:
    # A failed task is followed by another call at once, and a callback ends a wait.
    routes = len(json.loads(PARAMETERS["Routes"]["Default"]))
    callbacks = MAX_EARLY_CALLBACKS * TASKS_PER_ROUTE * routes
    without_wait = MAX_ATTEMPTS + MAX_DELIVERIES + callbacks + len({"FinalizeWithoutImage", "RecoverJob"})
    worst = most_events(WORKFLOW["TimeoutSeconds"], rounds_without_wait=without_wait)
    # Jitter is counted at its mean; the rest is for chance.
    assert worst < 0.95 * MOST_EVENTS


def test_the_history_of_a_delivery_fits_if_every_retry_is_used() -> None:
    retries = sum(retrier.attempts for retrier in retriers_of(ATTEMPT))
    a_send = events_of(ATTEMPT) + 3 * retries + 2 * events_of({"Type": "Choice"})
    assert MOST_SENDS * a_send < MOST_EVENTS


def test_six_hours_before_a_full_route_fit_into_a_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "DEADLINE", timedelta(seconds=LONGEST_DEADLINE))
    here = InMemoryDeployment()
    here.jobs = InMemoryJobStore(here.ledger, {route.name: 0 for route in deployment.ROUTES})
    began, job_id = here.clock.now(), here.job_id()
    state: dict[str, Any] = {"job_id": job_id}
    outcome = here.dispatch(job_id)
    while isinstance(outcome, NotYet):
        state = output_of(TASKS["DispatchJob"], state, outcome.model_dump(mode="json"))
        here.clock.step(state["wait_seconds"])
        outcome = here.dispatch(NotYet.model_validate(state))

    assert outcome.outcome == "expired"
    assert here.clock.now() - began >= timedelta(seconds=LONGEST_DEADLINE)
    assert state["rounds"] > QUICK_ROUNDS
    a_round = events_of(STATES["DispatchJob"]) + events_between("DispatchJob")
    assert state["rounds"] * a_round < MOST_EVENTS / 2


@pytest.mark.parametrize("queue", ["UploadQueue", "WebhookQueue"])
def test_receives_that_are_throttled_put_no_message_aside_within_the_longest_deadline(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    patience = redrive["maxReceiveCount"] * QUEUES[queue]["VisibilityTimeout"]
    # What can't be taken is put aside, long before it would be forgotten.
    assert LONGEST_DEADLINE < patience < QUEUES[queue]["MessageRetentionPeriod"] / 2


@pytest.mark.parametrize(
    ("mapping", "queue", "function", "parameter"),
    [
        ("UploadQueueMapping", "UploadQueue", "SubmitUpload", "UploadConcurrency"),
        ("WebhookQueueMapping", "WebhookQueue", "FanOutWebhooks", "FanOutConcurrency"),
    ],
)
def test_a_queue_is_read_as_fast_as_its_parameter_says(mapping: str, queue: str, function: str, parameter: str) -> None:
    assert MAPPINGS[mapping] == {
        "EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]},
        "FunctionName": {"Ref": function},
        "BatchSize": 10,
        "ScalingConfig": {"MaximumConcurrency": {"Ref": parameter}},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    # Lambda's own bounds.
    assert (PARAMETERS[parameter]["MinValue"], PARAMETERS[parameter]["MaxValue"]) == (2, 1000)


def test_the_queues_leave_a_new_account_some_executions_for_everything_else() -> None:
    assert sum(PARAMETERS[name]["Default"] for name in ("UploadConcurrency", "FanOutConcurrency")) < NEW_ACCOUNT


@pytest.mark.parametrize("function", ["RecoverJob", "SendWebhook"])
def test_a_rules_call_waits_as_long_as_lambda_lets_it(function: str) -> None:
    assert FUNCTIONS[function]["EventInvokeConfig"]["MaximumEventAgeInSeconds"] == LONGEST_EVENT_AGE


@pytest.mark.parametrize("function", ["SweepJobs", "SweepWebhookDeliveries"])
def test_sweeps_that_are_throttled_do_not_pile_up(function: str) -> None:
    sweep = FUNCTIONS[function]
    [schedule] = sweep["Events"].values()
    found = re.fullmatch(r"rate\((\d+) minutes\)", schedule["Properties"]["Schedule"])
    assert found
    assert sweep["EventInvokeConfig"]["MaximumEventAgeInSeconds"] <= int(found[1]) * 60


@pytest.mark.parametrize(
    ("function", "parameter"),
    [("CreateOpenAiImages", "OpenAiImagesConcurrency"), ("SendWebhook", "WebhookConcurrency")],
)
def test_a_reservation_is_made_only_if_somebody_asks_for_one(function: str, parameter: str) -> None:
    # Lambda refuses one in an account that would have fewer than a hundred left.
    assert FUNCTIONS[function]["ReservedConcurrentExecutions"] == {
        "Fn::If": [f"Has{parameter}", {"Ref": parameter}, {"Ref": "AWS::NoValue"}]
    }
    assert PARAMETERS[parameter]["Default"] == ""
    pattern = re.compile(PARAMETERS[parameter]["AllowedPattern"])
    # With 0, the function takes no calls.
    assert [text for text in ("", "0", "25", "-1", "x") if pattern.fullmatch(text)] == ["", "0", "25"]


def test_whatever_anybody_can_make_last_can_be_given_a_limit_of_its_own() -> None:
    # Who calls a function's URL decides how long it waits; so do the hosts that webhooks are sent to.
    public = {name for name, function in FUNCTIONS.items() if "FunctionUrlConfig" in function}
    waits_for_strangers = {
        FOLDERS[path.parent.name]
        for path in (ROOT / "functions").glob("*/app.py")
        if re.search(r"webhooks\.delivery_sender\(", path.read_text())
    }
    assert (public, waits_for_strangers) == ({"CreateOpenAiImages"}, {"SendWebhook"})
    for name in public | waits_for_strangers:
        assert "ReservedConcurrentExecutions" in FUNCTIONS[name]


def test_nothing_else_is_reserved() -> None:
    reserving = {name for name, function in FUNCTIONS.items() if "ReservedConcurrentExecutions" in function}
    assert reserving == {"CreateOpenAiImages", "SendWebhook"}
    concurrency: dict[str, Any] = RESOURCES["AuthorizeCallLive"]["Properties"]
    assert "ProvisionedConcurrencyConfig" not in concurrency
