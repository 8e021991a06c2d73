"""At which rate of jobs which limit ends: counts per job (`results/load.json`) against public quotas and our settings.

All of `docs/capacity.md` is written here, from the figures, the template and the routes' defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from heliograph.routes.config import Route

from benchmarks import _strangers
from benchmarks._template import TEMPLATE, Template, method_rate, queue_concurrency
from benchmarks._waits import in_words, wait_seconds

RATES = (1, 10, 100, 1000)
# [doc] 15-40 s.
_TASK_SECONDS = 27.5
# A transaction holds its items for about as long as it takes; nobody publishes how long that is.
_TRANSACTION_SECONDS = 0.02
_KINDS = ("api", "upload")
AS_DEPLOYED = "callbacks"
# What a workflow writes itself, past the meter, is a token, of a thousand characters or so, and where it belongs.
TOKEN_WRITE_UNITS = 2
_Jobs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that ends: how much there is (a second, or at once), how much of it a job takes, who moves it."""

    name: str
    amount: float
    per_job: float
    moved_by: str
    source: str
    is_ours: bool = False
    # Of accounts that are new, or small: not among what usually ends first.
    is_unusual: bool = False

    @property
    def ends_at(self) -> float:
        """Jobs a second."""
        return self.amount / self.per_job if self.per_job else float("inf")


_IN_TEMPLATE, _IN_ROUTES = "../template.yaml", "../layers/core/heliograph/routes/config.py"
_STATES = "https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"
_NEW_ACCOUNTS = "https://github.com/awslabs/fhir-works-on-aws-deployment/issues/691"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
_GATEWAY = "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"
_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html"
_PARTITION = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
_ON_DEMAND = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"
_EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html"
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"
_SECRETS = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"
_TRANSACTIONS = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html"


# The methods of the API that a job goes through, by the function behind each.
METHODS = {
    "SubmitJob": ("POST", "/v1/jobs"),
    "ReadJobs": ("GET", "/v1/jobs/{job_id}"),
    "ReceiveCallback": ("POST", "/v1/callbacks/{job_id}/{token}"),
}
# What a new account may run at once.
NEW_ACCOUNT = 10


def limits(figures: Mapping[str, Any], setting: str = AS_DEPLOYED, template: Template = TEMPLATE) -> list[Limit]:
    """Every limit, the first to end first. Of jobs of the API and of uploads, whichever takes more counts."""
    jobs, timed = [figures["settings"][setting][kind] for kind in _KINDS], figures["functions"]
    return sorted((*_ours(jobs, timed, template), *_of_aws(jobs, timed)), key=lambda limit: limit.ends_at)


def _most(jobs: _Jobs, of: Callable[[Mapping[str, Any]], float]) -> float:
    return max(of(job) for job in jobs)


def _ours(jobs: _Jobs, timed: Mapping[str, Any], template: Template) -> list[Limit]:
    route = {
        name: Route.model_fields[name].default for name in ("creates_per_minute", "fastest_per_minute", "max_in_flight")
    }
    ledger = _shared(jobs, lambda item: item.startswith("LedgerTable */"))
    running = _shared(jobs, lambda item: item.endswith("#running"))
    own = [
        Limit(
            "a route's pace, to begin with",
            route["creates_per_minute"] / 60,
            1,
            "`creates_per_minute` in `Routes`; it rises by itself, if the provider lets it",
            _IN_ROUTES,
        ),
        Limit(
            "a route's pace, at its fastest",
            route["fastest_per_minute"] / 60,
            1,
            "`fastest_per_minute` in `Routes`; more routes",
            _IN_ROUTES,
        ),
        Limit(
            "tasks at once on a route",
            route["max_in_flight"],
            _TASK_SECONDS,
            "`max_in_flight` in `Routes`; more routes",
            _IN_ROUTES,
        ),
        *_throttles(jobs, template),
        Limit(
            "`submit_upload` at once",
            queue_concurrency("SubmitUpload", template),
            _seconds(timed, "SubmitUpload"),
            "`UploadConcurrency`; what is above waits in the queue",
            _IN_TEMPLATE,
        ),
        Limit(
            "`fan_out_webhooks` at once",
            queue_concurrency("FanOutWebhooks", template),
            _seconds(timed, "FanOutWebhooks"),
            "`FanOutConcurrency`; webhooks come later, jobs do not wait",
            _IN_TEMPLATE,
        ),
        Limit(
            "transactions on the ledger's pages of all tenants, one after the other (estimated)",
            1 / _TRANSACTION_SECONDS,
            ledger["transactions"],
            "no setting: everybody's pages would have to be split",
            _TRANSACTIONS,
        ),
        Limit(
            "transactions on a route's count of tasks, one after the other (estimated)",
            1 / _TRANSACTION_SECONDS,
            running["transactions"],
            "more routes",
            _TRANSACTIONS,
        ),
        Limit(
            "write units on a page of the ledger",
            1000,
            ledger["write_units"],
            "no setting: everybody's pages would have to be split",
            _PARTITION,
        ),
        Limit(
            "write units on a route's item",
            1000,
            _shared(jobs, _is_a_route)["write_units"],
            "more routes",
            _PARTITION,
        ),
        Limit(
            "write units on one tenant's part of the index `by-tenant`",
            1000,
            _shared(jobs, lambda item: item.startswith("JobsTable/by-tenant"))["write_units"],
            "more tenants",
            _PARTITION,
        ),
    ]
    return [replace(each, is_ours=True) for each in own]


def _throttles(jobs: _Jobs, template: Template) -> Iterator[Limit]:
    """Each method has its own: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html"""
    for function, (verb, path) in METHODS.items():
        moved_by = "its `ThrottlingRateLimit` in template.yaml"
        if function == "ReceiveCallback":
            moved_by += "; a task whose callback is refused is asked about, as if there were none"
        calls = max(float(job["functions"].get(function, {"invocations": 0.0})["invocations"]) for job in jobs)
        rate = method_rate(verb, path, template)
        yield Limit(f"calls of `{verb} {path}`, a second", rate, calls, moved_by, _IN_TEMPLATE)


def _of_aws(jobs: _Jobs, timed: Mapping[str, Any]) -> list[Limit]:
    support = "Service Quotas"
    warm = "write units that the table has seen before, or warm throughput set ahead"
    told = [
        Limit("StartExecution, a second", 300, 1, f"{support} (1,300 in a burst)", _STATES),
        Limit("state transitions, a second", 5000, _most(jobs, lambda job: job["transitions"]), support, _STATES),
        Limit("open executions", 1_000_000, _TASK_SECONDS, support, _STATES),
        Limit(
            "SendTaskSuccess, a second",
            500,
            _most(jobs, lambda job: job["requests"].get("States.SendTaskSuccess", 0)),
            f"{support} (3,000 in a burst)",
            _STATES,
        ),
        Limit("Lambda calls at once", _strangers.CONCURRENCY, _concurrency(jobs, timed), support, _LAMBDA),
        Limit(
            "Lambda calls at once, in a new account",
            NEW_ACCOUNT,
            _concurrency(jobs, timed),
            f"{support}; AWS raises it by itself, with use",
            _NEW_ACCOUNTS,
            is_unusual=True,
        ),
        Limit("API Gateway calls, a second", 10_000, _most(jobs, lambda job: job["api_calls"]), support, _GATEWAY),
        Limit(
            "PutEvents, a second",
            10_000,
            _most(jobs, lambda job: job["requests"].get("Events.PutEvents", 0)),
            support,
            _EVENTS,
        ),
        Limit("targets of rules called, a second", 18_750, _most(jobs, lambda job: job["events"]), support, _EVENTS),
        Limit(
            "PUTs under one prefix, a second",
            3500,
            _most(jobs, lambda job: job["s3_writes"]),
            "more presets: results lie under the preset's name; S3 splits prefixes by itself, in time",
            _S3,
        ),
        Limit(
            "GetSecretValue, a second",
            10_000,
            _most(jobs, lambda job: job["secret_calls"]),
            "nobody; answers are kept",
            _SECRETS,
        ),
    ]
    for table in ("JobsTable", "LedgerTable", "RoutesTable", "WaitsTable"):
        units = max(_write_units(job, table) for job in jobs)
        told.append(Limit(f"write units of a new {table}", 4000, units, warm, _ON_DEMAND))
        told.append(Limit(f"write units of {table}", 40_000, units, support, _DYNAMODB))
    return told


def _write_units(job: Mapping[str, Any], table: str) -> float:
    by_workflow = job["workflow_writes"] * TOKEN_WRITE_UNITS if table == "WaitsTable" else 0.0
    return float(job["units"].get(f"{table} write", 0.0) + by_workflow)


def _is_a_route(item: str) -> bool:
    return item.startswith("RoutesTable ") and not item.endswith("#running")


def _shared(jobs: _Jobs, wanted: Callable[[str], bool]) -> dict[str, float]:
    """What a job does to an item that all jobs share."""
    found = [each for job in jobs for each in job["shared_items"] if wanted(each["item"])]
    return {what: float(max((each[what] for each in found), default=0.0)) for what in ("write_units", "transactions")}


def _seconds(timed: Mapping[str, Any], function: str) -> float:
    return float(timed[function]["billed_ms"]) / 1000


def _concurrency(jobs: _Jobs, timed: Mapping[str, Any]) -> float:
    """Little's law: calls at once, for each job a second. Calls that wait for others run, too."""
    usual = fmean(each["billed_ms"] for each in timed.values())

    def seconds(job: Mapping[str, Any]) -> float:
        calls = {name: float(told["invocations"]) for name, told in job["functions"].items()}
        return sum(
            each * (float(timed.get(name, {"billed_ms": usual})["billed_ms"]) / 1000 + wait_seconds(name))
            for name, each in calls.items()
        )

    return _most(jobs, seconds)


# ---- The page


def page(figures: Mapping[str, Any], template: Template = TEMPLATE) -> str:
    """All of docs/capacity.md."""
    found = limits(figures, template=template)
    parts = (
        _HEAD,
        _by_rate(found),
        _without_callbacks(figures),
        _new_account(found),
        _WHAT_ENDS_FIRST,
        _table(found),
        _WHAT_IS_NOT_HERE,
        _STRANGERS,
        _strangers.table(figures, template),
        _STRANGERS_ALSO,
    )
    return "\n\n".join(parts) + "\n"


def _without_callbacks(figures: Mapping[str, Any]) -> str:
    first = _usual_of_aws(limits(figures, "polling"))[0]
    return (
        f"Where providers can't call back (`Callbacks=off`), the first of AWS's quotas to end is {_named(first)}. The "
        "table below says what moves each of ours."
    )


def _new_account(found: Sequence[Limit]) -> str:
    new = next(limit for limit in found if limit.is_unusual)
    return (
        f"**A new account** often runs {NEW_ACCOUNT} Lambda calls at once, not {_strangers.CONCURRENCY:,}, and is used "
        f"up at {_figure(new.ends_at)} jobs a second; what is above is throttled, and tried again. Most of the time a "
        f"call waits for the provider, and counts meanwhile. Nobody publishes how long; assumed are {in_words()}, here "
        "and in [the bill](performance.md#throughput-and-cost). A caller who waits in the call (`Prefer: wait`, "
        "OpenAI's client) holds one more for all that time."
    )


_HEAD = """\
# Capacity

How many jobs a second one deployment takes, what ends first, and what moves it. Computed from what a job was counted
to use ([performance](performance.md#throughput-and-cost)), AWS's public quotas (us-east-1, an account that has its
usual ones) and our own settings as they are in the repository; never tried on AWS. Written by `make bench
TOPIC=load`, or without measuring by `make bench TOPIC=--page`; not edited by hand."""

_WHAT_ENDS_FIRST = """\
**What ends first is the provider, and our own restraint.** No provider publishes its limits. On the channel behind
one of them, 20 creates in 10 s were seen to be taken, so a route begins with two a second, and may have 100 tasks at
once; whatever comes faster waits for its turn (uploads up to six hours), is shared fairly, and costs nothing but a
few state transitions. Raise it where you know more. At 100 jobs a second the pictures cost $21,600 an hour: budgets
end before quotas.

**Next comes our ledger.** Every job is booked on four pages (its tenant's and everybody's, day and month) in the
transaction that begins it and in the one that ends it: that is what makes budgets hard. Transactions on one item
can't overlap, so everybody's pages are one queue. How long DynamoDB holds an item is not published; with 20 ms for a
transaction (an estimate; the row says so) the queue is full at the rate below. Conflicts are repeated with a jitter
(`platform/aws.py`); what still meets another after a dozen tries fails as storage does: callers are told to try again,
workflows do so by themselves, and nothing is booked twice or lost. Beyond that rate everybody's pages would have to be
split into parts, each with its share of the budget."""

_WHAT_IS_NOT_HERE = """\
*At* is the rate at which the limit would be used up wholly, with callbacks; the job that takes more of it counts,
API or upload. Standard queues of SQS have no limit that matters here; log lines are sent by Lambda itself;
encryption is by S3's and SQS's own keys, so KMS is not asked. Timelines (`GET /v1/jobs/{id}/events`) read execution
histories, of which [Step Functions](https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html) gives
20 a second. A function gains at most 1,000 processes in [10
s](https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html), and an on-demand table at most twice its
former peak in [30
minutes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html): a burst from
nothing to 1,000 jobs a second is throttled, and retried, whatever the quotas say. Smaller regions have a fraction of
these quotas, and new accounts too."""

_STRANGERS = """\
## What strangers can cost

What callers without a key of ours can make a deployment spend in an hour, at most: every method called as often as its
limit allows, every call as long as the slowest function that was timed and with as much log as the most talkative, the
heaviest page each time (`/docs` has some 430 KB), a read of a table for what was made up."""

_STRANGERS_ALSO = """\
All three run under the account's quota of Lambda calls at once, so they are not added up there. Limits are for each
method ([AWS](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html)); API
Gateway charges neither calls that it throttles nor those that the authorizer refuses, as [AWS's
staff](https://repost.aws/questions/QUY2x146iORPmsJHpff8u0eA/will-i-get-charged-for-these-invalid-api-key-quota-exceeded-or-throttled-request-errors)
says, though no page does. A call without any key never reaches the authorizer. No image is made, and no budget is
touched, by any of them. An AWS budget with an alarm tells of it; a web ACL (AWS WAF) with a rate rule stops one
address."""


def _by_rate(found: Sequence[Limit]) -> str:
    lines = [
        "| jobs a second | AWS's quota that ends first | what moves it | AWS's that end as well | ours that end |",
        "|--:|---|---|---|---|",
    ]
    aws = _usual_of_aws(found)
    for rate in RATES:
        over = [limit for limit in aws if limit.ends_at < rate]
        first = _named(aws[0]) if over else f"none: of {aws[0].name}, {100 * rate / aws[0].ends_at:.1f} % would be used"
        own = [limit for limit in found if limit.is_ours and limit.ends_at < rate]
        cells = (
            first,
            aws[0].moved_by,
            "; ".join(map(_named, over[1:])) or "none",
            "; ".join(map(_named, own)) or "none",
        )
        lines.append(f"| {rate:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _usual_of_aws(found: Sequence[Limit]) -> list[Limit]:
    return [limit for limit in found if not limit.is_ours and not limit.is_unusual]


def _named(limit: Limit) -> str:
    return f"{limit.name} (at {_figure(limit.ends_at)})"


def _table(found: Sequence[Limit]) -> str:
    lines = [
        "| at, jobs a second | limit | there is | a job takes | whose | what moves it |",
        "|--:|---|--:|--:|---|---|",
    ]
    for limit in found:
        if limit.per_job:
            whose = "ours" if limit.is_ours else "AWS"
            lines.append(
                f"| {_figure(limit.ends_at)} | {limit.name} | {_figure(limit.amount)} | {_figure(limit.per_job)} "
                f"| [{whose}]({limit.source}) | {limit.moved_by} |"
            )
    return "\n".join(lines)


def _figure(value: float) -> str:
    if value >= 100:
        return f"{round(value, -1 if value >= 1000 else 0):,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
