"""Histories of `workflows/image_job.asl.json`: every state, and every way out of each."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.cfn_template import ROOT
from tests.histories.scripts import Answers, At, Call, ForGood, History, News, Raises, Refused, TimesOut, at, error_name

_EXAMPLES = ROOT / "events" / "states"


def _example(name: str, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((_EXAMPLES / f"{name}.json").read_text())
    return {**document, **changes}


TURN = _example("turn")
WATCH: dict[str, Any] = _example("processing")["watch"]
PROCESSING = _example("processing")
# A list of one element must not become that element on its way through JSONata.
LAST_POLL = _example("processing", wait_seconds=9, watch={**WATCH, "questions": 17, "poll_at_seconds": [57]})
UNHEARD = _example("processing", wait_seconds=20, watch={**WATCH, "callbacks_left": 0})
QUEUED = _example("not_yet")
UNCERTAIN = _example(
    "not_yet", wait_seconds=600, attempt_id="att_pozkjhqfko3j7irshi7s73eore", asked_at_ms=WATCH["asked_at_ms"]
)
FINISHED = _example("finished")
FAILED = _example("failed")
EXPIRED = _example("expired")
CANCELED = _example("canceled")
AGAIN = _example("again")
OVER = _example("over")
ORPHANED = _example("orphaned")
STRANGE = {"outcome": "puzzled", "job_id": TURN["job_id"]}


def called_back(outcome: dict[str, Any]) -> dict[str, Any]:
    """The same, after a callback ended its wait."""
    return {**outcome, "watch": {**outcome["watch"], "called_back": True}}


def crashed(error: str, **watch: Any) -> dict[str, Any]:
    """What `close` is told."""
    return {"outcome": "crashed", "job_id": TURN["job_id"], "error": error, **watch}


def creates(*happens: Call | ForGood, then: Any = None) -> tuple[At, ...]:
    return at("DispatchJob", *happens, then=then), at("DispatchOutcome")


def polls(*happens: Call) -> tuple[At, ...]:
    return at("PollTask", *happens), at("PollOutcome")


def delivers(*happens: Call) -> tuple[At, ...]:
    return at("FinalizeJob", *happens), at("FinalizeOutcome")


def closes(*happens: Call) -> tuple[At, ...]:
    return at("RecoverJob", *happens), at("RecoverOutcome")


def history(name: str, *steps: At | tuple[At, ...], error: str | None = None, cause: str | None = None) -> History:
    flat = [step for part in steps for step in (part if isinstance(part, tuple) else (part,))]
    return History(name, tuple(flat), TURN, error, cause)


DONE = at("Done")
FOR_GOOD = Raises("Runtime.ExitError")
DELIVERED = (*delivers(Answers(OVER)), DONE)
CREATED = creates(Answers(PROCESSING))
UNKNOWN = {"error": "UnknownOutcome", "cause": "unknown outcome: puzzled"}

Failure = Raises | Refused | TimesOut
# What each state's retriers name. Lambda's own errors come from its API, ours from the functions.
_OF_LAMBDA: list[Failure] = [
    Refused("ServiceException"),
    Refused("TooManyRequestsException"),
    Raises("Lambda.AWSLambdaException"),
    Raises("Lambda.SdkClientException"),
    Raises("Lambda.ClientExecutionTimeoutException"),
]
_CRASHES: list[Failure] = [FOR_GOOD, TimesOut()]
PATIENT: dict[str, list[Failure]] = {
    "DispatchJob": [*_OF_LAMBDA, Raises("StorageFailed"), Raises("StaleJob")],
    "PollTask": [*_OF_LAMBDA, *_CRASHES],
    "FinalizeJob": [*_OF_LAMBDA, Raises("StorageFailed"), Raises("PublishFailed"), Raises("StaleJob")],
    "FinalizeWithoutImage": [*_OF_LAMBDA, *_CRASHES],
    "RecoverJob": [*_OF_LAMBDA, *_CRASHES],
}
# Where a crash is something else: the function's own mistake, more likely than not.
IMPATIENT = {"DispatchJob": _CRASHES, "FinalizeJob": _CRASHES}


def _retried(state: str, failure: Failure, times: int) -> History:
    """The state's function fails so many times, and does its work at the next attempt."""
    name = f"{state}: {error_name(failure)} is retried {times} times"
    fails = (failure,) * times
    match state:
        case "DispatchJob":
            return history(name, creates(*fails, Answers(OVER)), DONE)
        case "PollTask":
            wait = at("WaitForCallback", News.NONE)
            return history(name, CREATED, wait, polls(*fails, Answers(FINISHED)), DELIVERED)
        case "FinalizeJob":
            return history(name, creates(Answers(FINISHED)), delivers(*fails, Answers(OVER)), DONE)
        case "FinalizeWithoutImage":
            return history(name, creates(Answers(EXPIRED)), at("FinalizeWithoutImage", *fails, Answers(OVER)), DONE)
        case _:
            crash = at("DispatchJob", ForGood(FOR_GOOD), then=crashed("dispatch_job: Runtime.ExitError"))
            return history(name, crash, closes(*fails, Answers(OVER)), DONE)


HISTORIES = (
    history(
        "nobody calls back: the job polls when its last poll said",
        CREATED,
        at("WaitForCallback", News.NONE),
        polls(Answers(LAST_POLL)),
        at("WaitForCallback", News.NONE),
        polls(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "a callback ends the wait",
        CREATED,
        at("WaitForCallback", News.COMES, then=called_back(PROCESSING)),
        polls(Answers(LAST_POLL)),
        at("WaitForCallback", News.COMES, then=called_back(LAST_POLL)),
        polls(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "a callback came before the wait began",
        CREATED,
        at("WaitForCallback", News.CAME, then=called_back(PROCESSING)),
        polls(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "the table of waits is gone: the job waits as if nobody could call back",
        CREATED,
        at("WaitForCallback", News.NO_TABLE),
        at("WaitToPoll"),
        polls(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "the provider can't call back",
        creates(Answers(UNHEARD)),
        at("WaitToPoll"),
        polls(Answers(UNHEARD)),
        at("WaitToPoll"),
        polls(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "its turn on the route comes later",
        creates(Answers(QUEUED)),
        at("WaitForSlot"),
        creates(Answers(QUEUED)),
        at("WaitForSlot"),
        creates(Answers(OVER)),
        DONE,
    ),
    history(
        "a lost create call is not announced",
        creates(Answers(UNCERTAIN)),
        at("WaitForLostCall", News.NONE),
        creates(Answers(FAILED)),
        at("FinalizeWithoutImage", Answers(OVER)),
        DONE,
    ),
    history(
        "a lost create call is announced by its callback",
        creates(Answers(UNCERTAIN)),
        at("WaitForLostCall", News.COMES),
        CREATED,
        at("WaitForCallback", News.COMES, then=called_back(PROCESSING)),
        polls(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "a lost create call was announced before the wait began",
        creates(Answers(UNCERTAIN)),
        at("WaitForLostCall", News.CAME),
        creates(Answers(FINISHED)),
        DELIVERED,
    ),
    history(
        "a lost create call, and the table of waits is gone",
        creates(Answers(UNCERTAIN)),
        at("WaitForLostCall", News.NO_TABLE),
        at("WaitForSlot"),
        creates(Answers(FINISHED)),
        DELIVERED,
    ),
    history("the job expired", creates(Answers(EXPIRED)), at("FinalizeWithoutImage", Answers(OVER)), DONE),
    history("its owner canceled it", creates(Answers(CANCELED)), at("FinalizeWithoutImage", Answers(OVER)), DONE),
    history("every route refused", creates(Answers(FAILED)), at("FinalizeWithoutImage", Answers(OVER)), DONE),
    history("the job is over already", creates(Answers(OVER)), DONE),
    history(
        "a task fails: dispatch decides whether there is another",
        CREATED,
        at("WaitForCallback", News.NONE),
        polls(Answers(FAILED)),
        creates(Answers(UNHEARD)),
        at("WaitToPoll"),
        polls(Answers(FAILED)),
        creates(Answers(FAILED)),
        at("FinalizeWithoutImage", Answers(OVER)),
        DONE,
    ),
    history(
        "the host of the result is slow",
        creates(Answers(FINISHED)),
        delivers(Answers(AGAIN)),
        at("WaitToRetryFinalize"),
        delivers(Answers(AGAIN)),
        at("WaitToRetryFinalize"),
        DELIVERED,
    ),
    history(
        "the host of the result hands nothing over: the sweep goes on",
        creates(Answers(FINISHED)),
        delivers(Answers(ORPHANED)),
        DONE,
    ),
    *(
        history(
            f"dispatch fails for good: {error_name(failure)}",
            at("DispatchJob", ForGood(failure), then=crashed(f"dispatch_job: {error_name(failure)}")),
            closes(Answers(OVER)),
            DONE,
        )
        for failure in (Raises("StorageFailed"), Refused("TooManyRequestsException"), TimesOut())
    ),
    history(
        "poll fails for good: close is told of the task",
        CREATED,
        at("WaitForCallback", News.COMES, then=called_back(PROCESSING)),
        at(
            "PollTask",
            ForGood(FOR_GOOD),
            then=crashed("poll_task: Runtime.ExitError", watch=called_back(PROCESSING)["watch"]),
        ),
        closes(Answers(ORPHANED)),
        DONE,
    ),
    history(
        "finalize fails for good: close is told of the task",
        creates(Answers(FINISHED)),
        at("FinalizeJob", ForGood(TimesOut()), then=crashed("finalize_job: States.Timeout", watch=FINISHED["watch"])),
        closes(Answers(OVER)),
        DONE,
    ),
    history(
        "a failure can't be reported",
        creates(Answers(EXPIRED)),
        at("FinalizeWithoutImage", ForGood(Raises("PublishFailed")), then=crashed("finalize_job: PublishFailed")),
        closes(Answers(OVER)),
        DONE,
    ),
    history(
        "close fails for good as well: the execution fails",
        at("DispatchJob", ForGood(FOR_GOOD), then=crashed("dispatch_job: Runtime.ExitError")),
        at("RecoverJob", ForGood(Raises("StorageFailed"))),
        error="StorageFailed",
    ),
    history("dispatch answers something else", creates(Answers(STRANGE)), at("OutcomeUnknown"), **UNKNOWN),
    history(
        "dispatch answers nothing",
        creates(Answers({})),
        at("OutcomeUnknown"),
        error="UnknownOutcome",
        cause="unknown outcome: ",
    ),
    history(
        "poll answers something else",
        CREATED,
        at("WaitForCallback", News.NONE),
        polls(Answers(STRANGE)),
        at("OutcomeUnknown"),
        **UNKNOWN,
    ),
    history(
        "finalize answers something else",
        creates(Answers(FINISHED)),
        delivers(Answers(STRANGE)),
        at("OutcomeUnknown"),
        **UNKNOWN,
    ),
    history(
        "close answers something else",
        at("DispatchJob", ForGood(FOR_GOOD), then=crashed("dispatch_job: Runtime.ExitError")),
        closes(Answers(STRANGE)),
        at("OutcomeUnknown"),
        **UNKNOWN,
    ),
    *(_retried(state, failure, 8) for state, failures in PATIENT.items() for failure in failures),
    *(_retried(state, failure, 2) for state, failures in IMPATIENT.items() for failure in failures),
)
