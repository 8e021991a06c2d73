"""Histories of `workflows/webhook_delivery.asl.json`: every state, and every way out of each."""

from __future__ import annotations

from typing import Any

from tests.histories.scripts import Answers, At, ForGood, History, Raises, Refused, TimesOut, at, error_name

TURN = {"delivery_id": "dlv_dze5jmukxhcic47dc5avvl67mh", "series": 1}
AGAIN = {
    "outcome": "again",
    **TURN,
    "tries": 1,
    "wait_seconds": 5,
    "reason": "answered 503",
    "attempt": {"accepted": False, "age_seconds": 1.25},
}
DONE = {"outcome": "done", **TURN, "status": "delivered", "attempt": {"accepted": True, "age_seconds": 6.5}}
STRANGE = {"outcome": "puzzled", **TURN}
PATIENT: list[Raises | Refused | TimesOut] = [
    Refused("ServiceException"),
    Refused("TooManyRequestsException"),
    Raises("Lambda.AWSLambdaException"),
    Raises("Lambda.SdkClientException"),
    Raises("Lambda.ClientExecutionTimeoutException"),
    Raises("StorageFailed"),
    Raises("PublishFailed"),
    Raises("StaleRecord"),
]
CRASHES: list[Raises | Refused | TimesOut] = [Raises("Runtime.ExitError"), TimesOut()]


def history(name: str, *steps: At, error: str | None = None, cause: str | None = None) -> History:
    return History(name, steps, TURN, error, cause)


def attempt(answer: Any) -> At:
    return at("SendWebhook", Answers(answer))


HISTORIES = (
    history("taken at once", attempt(DONE), at("SendOutcome"), at("Done")),
    history(
        "taken at the third attempt",
        attempt(AGAIN),
        at("SendOutcome"),
        at("WaitToRetrySend"),
        attempt({**AGAIN, "tries": 2, "wait_seconds": 300}),
        at("SendOutcome"),
        at("WaitToRetrySend"),
        attempt(DONE),
        at("SendOutcome"),
        at("Done"),
    ),
    history(
        "the function answers something else",
        attempt(STRANGE),
        at("SendOutcome"),
        at("OutcomeUnknown"),
        error="UnknownOutcome",
        cause="unknown outcome: puzzled",
    ),
    history(
        "the function answers nothing",
        attempt({}),
        at("SendOutcome"),
        at("OutcomeUnknown"),
        error="UnknownOutcome",
        cause="unknown outcome: ",
    ),
    *(
        history(
            f"the function fails for good: {error_name(failure)}",
            at("SendWebhook", ForGood(failure)),
            error=error_name(failure),
        )
        for failure in (Raises("StorageFailed"), Refused("TooManyRequestsException"), TimesOut())
    ),
    *(
        history(
            f"{error_name(failure)} is retried {times} times",
            at("SendWebhook", *[failure] * times, Answers(DONE)),
            at("SendOutcome"),
            at("Done"),
        )
        for times, failures in ((8, PATIENT), (2, CRASHES))
        for failure in failures
    ),
)
