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
            "a route's pace, at the start",
            route["creates_per_minute"] / 60,
            1,
            "`creates_per_minute` in `Routes`; it rises by itself if the provider accepts more",
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
            "`UploadConcurrency`; uploads above it wait in the queue",
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
            "transactions on the ledger's accounts of all tenants, one after the other (estimated)",
            1 / _TRANSACTION_SECONDS,
            ledger["transactions"],
            "no setting: the accounts of all tenants would have to be split",
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
            "write units on an account of the ledger",
            1000,
            ledger["write_units"],
            "no setting: the accounts of all tenants would have to be split",
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
            moved_by += "; a task whose callback is refused is polled, as if there were none"
        calls = max(float(job["functions"].get(function, {"invocations": 0.0})["invocations"]) for job in jobs)
        rate = method_rate(verb, path, template)
        yield Limit(f"calls of `{verb} {path}`, a second", rate, calls, moved_by, _IN_TEMPLATE)


def _of_aws(jobs: _Jobs, timed: Mapping[str, Any]) -> list[Limit]:
    support = "Service Quotas"
    warm = "it grows with the table's use; or set warm throughput in advance"
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
            f"{support}; AWS raises it by itself with use",
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
            "more presets, because results are stored under the preset's name; S3 splits prefixes by itself over time",
            _S3,
        ),
        Limit(
            "GetSecretValue, a second",
            10_000,
            _most(jobs, lambda job: job["secret_calls"]),
            "no need: answers are cached",
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
        f"Without callbacks (`Callbacks=off`), the first AWS quota to be reached is {_named(first)}. The table below "
        "says how to raise each limit."
    )


def _new_account(found: Sequence[Limit]) -> str:
    new = next(limit for limit in found if limit.is_unusual)
    return (
        f"**A new account** often has {NEW_ACCOUNT} concurrent Lambda executions, not {_strangers.CONCURRENCY:,}. They "
        f"are used up at {_figure(new.ends_at)} jobs a second; calls above that are throttled and retried. Most of its "
        f"time, a call waits for the provider. Nobody publishes how long; the assumptions are {in_words()}, here and "
        "in [the bill](performance.md#throughput-and-cost). A caller who waits in the call (`Prefer: wait`, OpenAI's "
        "client) holds one more execution for all that time."
    )


_HEAD = """\
# Capacity

How many jobs a second one deployment can run, which limit is reached first, and how to raise it. The page is computed
from what a job uses ([performance](performance.md#throughput-and-cost)), AWS's public quotas (us-east-1, an account
with the usual ones) and the settings in this repository. It was never tried on AWS. `make bench TOPIC=load` writes
it, or, without measuring, `make bench TOPIC=--page`; don't edit it by hand."""

_WHAT_ENDS_FIRST = """\
**The first limits are the provider and the caution of the routes.** No provider publishes its limits. The channel
behind one of them was seen to accept 20 creates in 10 s, so a route starts with two creates a second and may have 100
running tasks. Jobs above that wait in a fair queue (uploads for up to six hours), which costs nothing but a few state
transitions. Raise the limits if you know that your provider allows it. At 100 jobs a second the images cost $21,600 an
hour: budgets are used up before quotas.

**The next limit is the ledger.** Every job is booked in four accounts (its tenant's and everybody's, day and month), in
the transaction that starts it and in the one that ends it, which is what makes budgets hard. Transactions on one item
can't overlap, so the accounts of all tenants form a queue. AWS does not publish how long DynamoDB locks an item; with
20 ms for a transaction (an estimate, marked in the table) the queue is full at the rate below. Conflicts are retried
with jitter (`platform/aws.py`). A transaction that still conflicts after a dozen tries fails like any storage error:
callers are asked to try again, workflows do so by themselves, and nothing is booked twice or lost. Beyond that rate,
everybody's accounts would have to be split into parts, each with its share of the budget."""

_WHAT_IS_NOT_HERE = """\
*Jobs a second* is the rate that would use the limit up completely, with callbacks, for the kind of job that uses more
of it (API or upload). Standard SQS queues have no limit that matters here. Lambda sends the log lines itself. S3 and
SQS encrypt with their own keys, so KMS is not called. Timelines (`GET /v1/jobs/{id}/events`) read execution histories,
and [Step Functions](https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html) allows 20 such reads a
second. A function gains at most 1,000 processes in [10
s](https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html), and an on-demand table at most doubles its
former peak in [30
minutes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html), so a burst from
nothing to 1,000 jobs a second is throttled and retried, whatever the quotas are. Smaller Regions and new accounts have
a fraction of these quotas."""

_STRANGERS = """\
## What strangers can cost

The most that callers without an API key can make a deployment spend in an hour. It assumes that every method is called
as often as its throttle allows, that every call takes as long as the slowest measured function and logs as much as the
most talkative one, that every page is the heaviest (`/docs` has some 430 KB), and that every made-up key costs a read
of a table."""

_STRANGERS_ALSO = """\
All three run under the account's quota of concurrent Lambda executions, so they don't add up beyond it. Throttles are
per method ([AWS](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html)).
API Gateway charges neither for calls that it throttles nor for calls that the authorizer refuses, according to [AWS's
staff](https://repost.aws/questions/QUY2x146iORPmsJHpff8u0eA/will-i-get-charged-for-these-invalid-api-key-quota-exceeded-or-throttled-request-errors),
though no documentation page says so. A call without any key never reaches the authorizer. None of these calls makes an
image or touches a budget. An AWS budget with an alarm notices them; a web ACL (AWS WAF) with a rate-based rule stops
one address."""


def _by_rate(found: Sequence[Limit]) -> str:
    lines = [
        "| jobs a second | AWS quotas that are reached | limits of Heliograph that are reached, besides those above |",
        "|--:|---|---|",
    ]
    aws = _usual_of_aws(found)
    below = 0.0
    for rate in RATES:
        over = [limit for limit in aws if limit.ends_at < rate]
        closest = f"none; the closest is {aws[0].name}, used to {100 * rate / aws[0].ends_at:.1f} %"
        own = [limit for limit in found if limit.is_ours and below <= limit.ends_at < rate]
        cells = ("<br>".join(map(_named, over)) or closest, "<br>".join(map(_named, own)) or "none")
        below = rate
        lines.append(f"| {rate:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _usual_of_aws(found: Sequence[Limit]) -> list[Limit]:
    return [limit for limit in found if not limit.is_ours and not limit.is_unusual]


def _named(limit: Limit) -> str:
    return f"{limit.name} (at {_figure(limit.ends_at)})"


def _table(found: Sequence[Limit]) -> str:
    lines = [
        "| jobs a second | limit | available | used by a job | whose limit | how to raise it |",
        "|--:|---|--:|--:|---|---|",
    ]
    for limit in found:
        if limit.per_job:
            whose = "Heliograph" if limit.is_ours else "AWS"
            lines.append(
                f"| {_figure(limit.ends_at)} | {limit.name} | {_figure(limit.amount)} | {_figure(limit.per_job)} "
                f"| [{whose}]({limit.source}) | {limit.moved_by} |"
            )
    return "\n".join(lines)


def _figure(value: float) -> str:
    if value >= 100:
        return f"{round(value, -1 if value >= 1000 else 0):,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
