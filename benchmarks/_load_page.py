"""What docs/performance.md says of throughput and cost, from the figures; and docs/capacity.md beside it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks import _at_rest, _capacity, _prices
from benchmarks._bill import GOAL, JOBS, Use, bill, downloads, gb_seconds, share_of_picture, total
from benchmarks._prices import Architecture
from benchmarks._waits import in_words, wait_seconds, waited_seconds

_SETTINGS = {"callbacks": "callbacks", "polling": "polling only"}
_KINDS = {"api": "A job of the API", "upload": "A job of an upload"}
_AS_DEPLOYED = ("callbacks", Architecture.ARM64)
_CLIENT_READS = "one `POST` and one `GET`"
# Of a webhook that is taken at once (workflows/webhook_delivery.asl.json).
WEBHOOK_TRANSITIONS = 3


def tell(figures: dict[str, Any], plots: Path) -> str:
    """The page's part; writes docs/capacity.md as well."""
    (plots.parent / "capacity.md").write_text(_capacity.page(figures))
    _plot(figures, plots / "load.svg")
    return text(figures)


def text(figures: dict[str, Any]) -> str:
    """The page's part."""
    return "\n\n".join(
        (
            _headline(figures),
            "![The bill of a thousand jobs, and what is sustained](performance/load.svg)",
            _counts(figures),
            *(_bills(figures, kind) for kind in _KINDS),
            _notes(figures),
            _sustained(figures),
            _time(figures),
            "Which limit is reached at which rate: [capacity](capacity.md).",
        )
    )


def use_of(figures: Mapping[str, Any], setting: str, kind: str, *, cold: bool = False, waiting: float = 1) -> Use:
    """What a job uses. `cold`: every call finds no warm function. `waiting`: times as long as is assumed."""
    about, functions = figures["settings"][setting][kind], figures["functions"]
    # What was too seldom called to be timed (the authorizer's answer is kept for a minute) counts as the slowest.
    slowest = max(functions.values(), key=lambda each: each["billed_ms"] * each["memory_mb"])
    seconds = 0.0
    for name, told in about["functions"].items():
        timed = functions.get(name, slowest)
        milliseconds = timed["billed_ms"] + (timed["init_ms"] if cold else 0.0) + 1000 * waiting * wait_seconds(name)
        seconds += told["invocations"] * gb_seconds(milliseconds, timed["memory_mb"])
    units = about["units"]
    written = sum(count for name, count in units.items() if name.endswith(" write"))
    return Use(
        transitions=about["transitions"],
        invocations=sum(told["invocations"] for told in about["functions"].values()),
        gb_seconds=seconds,
        write_units=written + about["workflow_writes"] * _capacity.TOKEN_WRITE_UNITS,
        read_units=sum(count for name, count in units.items() if name.endswith(" read")),
        **{
            name: about[name]
            for name in (
                *("api_calls", "events", "queue_requests", "s3_writes", "s3_reads"),
                *("log_bytes", "secret_calls", "egress_bytes"),
            )
        },
    )


def bills(figures: Mapping[str, Any], kind: str) -> dict[tuple[str, Architecture], dict[str, Decimal]]:
    """By setting and architecture."""
    return {
        (setting, architecture): bill(use_of(figures, setting, kind), architecture)
        for setting in _SETTINGS
        for architecture in Architecture
    }


def _headline(figures: Mapping[str, Any]) -> str:
    own = {kind: total(bills(figures, kind)[_AS_DEPLOYED]) for kind in _KINDS}
    worst = max(total(told) for kind in _KINDS for told in bills(figures, kind).values())
    picture = _prices.IMAGE_USD * JOBS
    met = all(share_of_picture(usd) <= GOAL for usd in own.values())
    also = (
        "in the most expensive setting, too"
        if share_of_picture(worst) <= GOAL
        else (f"**missed** without callbacks, with up to ${worst:.2f} ({_percent(worst)})")
    )
    return (
        f"For {JOBS:,} images, which cost ${picture:.0f} at the provider, AWS charges **${own['api']:.2f}** for jobs "
        f"of the API and **${own['upload']:.2f}** for uploads, as deployed (callbacks, arm64): "
        f"{_percent(own['api'])} and {_percent(own['upload'])} of the price of the images. "
        f"The goal is under {GOAL:.0%}: {'met' if met else '**missed**'}; {also}. "
        f"Downloading each result once over the internet costs **${downloads():.2f}** more for {JOBS:,} of "
        f"{_megabytes(_prices.RESULT_BYTES)} MB; the first 100 GB of a month, {_free_downloads():,} such results, are "
        "free."
    )


def _megabytes(size: int) -> int:
    return size // 1024**2


def _free_downloads() -> int:
    """How many results the free transfer of a month is enough for."""
    return _prices.FREE_EGRESS_BYTES // _prices.RESULT_BYTES


def _percent(usd: Decimal) -> str:
    return f"{share_of_picture(usd) * 100:.2f} %"


def _counts(figures: Mapping[str, Any]) -> str:
    columns = [(kind, setting) for kind in _KINDS for setting in _SETTINGS]
    lines = [
        "| used by one job | " + " | ".join(f"{kind}, {_SETTINGS[setting]}" for kind, setting in columns) + " |",
        "|---|" + "--:|" * len(columns),
    ]
    uses = [use_of(figures, setting, kind) for kind, setting in columns]
    abouts = [figures["settings"][setting][kind] for kind, setting in columns]
    asked = [about["functions"].get("PollTask", {}).get("invocations", 0.0) for about in abouts]
    rows = (
        ("state transitions", [use.transitions for use in uses], ".1f"),
        ("of which retries", [about["retries"] for about in abouts], ".2f"),
        ("polls of the provider", asked, ".1f"),
        ("Lambda calls", [use.invocations for use in uses], ".1f"),
        ("Lambda milliseconds of work", [_milliseconds(figures, about) for about in abouts], ",.0f"),
        ("Lambda milliseconds of waiting (assumed)", [1000 * waited_seconds(about) for about in abouts], ",.0f"),
        ("Lambda GB-seconds", [use.gb_seconds for use in uses], ".2f"),
        ("DynamoDB write units", [use.write_units for use in uses], ".1f"),
        ("DynamoDB read units", [use.read_units for use in uses], ".1f"),
        ("S3 writes · reads", [(use.s3_writes, use.s3_reads) for use in uses], ".1f"),
        ("API calls", [use.api_calls for use in uses], ".1f"),
        ("events", [use.events for use in uses], ".1f"),
        ("SQS requests", [use.queue_requests for use in uses], ".1f"),
        ("secrets read", [use.secret_calls for use in uses], ".2f"),
        ("KB of log", [use.log_bytes / 1024 for use in uses], ".1f"),
    )
    for name, values, form in rows:
        told = (
            " · ".join(format(each, form) for each in value) if isinstance(value, tuple) else format(value, form)
            for value in values
        )
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def _milliseconds(figures: Mapping[str, Any], about: Mapping[str, Any]) -> float:
    timed = figures["functions"]
    slowest = max(each["billed_ms"] for each in timed.values())
    return float(
        sum(
            told["invocations"] * (timed[name]["billed_ms"] if name in timed else slowest)
            for name, told in about["functions"].items()
        )
    )


def _bills(figures: Mapping[str, Any], kind: str) -> str:
    told = bills(figures, kind)
    names = [f"{_SETTINGS[setting]}, {architecture}" for setting, architecture in told]
    lines = [f"| {_KINDS[kind]}: $ for {JOBS:,} | " + " | ".join(names) + " |", "|---|" + "--:|" * len(told)]
    for service in next(iter(told.values())):
        values = [each[service] for each in told.values()]
        if any(values):
            lines.append(f"| {service} | " + " | ".join(f"{usd:.3f}" for usd in values) + " |")
    sums = [total(each) for each in told.values()]
    picture = f"{_prices.IMAGE_USD * JOBS:.2f}"
    each_once = f"the results ({_megabytes(_prices.RESULT_BYTES)} MB) downloaded once, over the internet"
    lines += [
        "| **total** | " + " | ".join(f"**{usd:.3f}**" for usd in sums) + " |",
        f"| {each_once} | " + " | ".join([f"{downloads():.3f}"] * len(told)) + " |",
        "| total with downloads | " + " | ".join(f"{usd + downloads():.3f}" for usd in sums) + " |",
        "| the images | " + " | ".join([picture] * len(told)) + " |",
        "| share of the price of the images | " + " | ".join(_percent(usd) for usd in sums) + " |",
        "| share with downloads | " + " | ".join(_percent(usd + downloads()) for usd in sums) + " |",
    ]
    return "\n".join(lines)


def _notes(figures: Mapping[str, Any]) -> str:
    api, upload = (figures["settings"]["callbacks"][kind] for kind in _KINDS)
    arm = Architecture.ARM64
    cold = total(bill(use_of(figures, "callbacks", "api", cold=True), arm))
    cold -= total(bill(use_of(figures, "callbacks", "api"), arm))
    longer = bill(use_of(figures, "callbacks", "api", waiting=2), arm)["Lambda"]
    longer -= bill(use_of(figures, "callbacks", "api"), arm)["Lambda"]
    photo_kb = upload["egress_bytes"] / 1024
    return (
        f"**Counted** in real runs at real pace (15-40 s a task, {figures['jobs']} jobs of each kind in each setting, "
        "some at once): states entered and retries, from the histories of the executions; every call of AWS by every "
        "function, from a meter between them; DynamoDB units, from the items before and after each write, by its "
        "rules. "
        f"A job of the API is {_CLIENT_READS}; a webhook comes on top. The results of the authorizer and the secrets "
        "are cached for a minute, so a busier stack needs fewer calls. The number of polls is chance over so few jobs; "
        "it is computed for many [below](#when-to-poll-the-provider). The route starts with what it would have learned "
        "in a day.\n\n"
        "**Estimated**: Lambda's milliseconds. The CPU of each function's process is measured, one job at a time, and "
        "scaled to its memory's share of a CPU; the remaining time is added, as if AWS answered as fast as the "
        f"emulator. **Assumed**: how long functions wait for the provider, which nobody publishes: {in_words()}. "
        f"If they waited twice as long, {JOBS:,} jobs would cost ${longer:.2f} more. Both architectures are assumed to "
        f"be equally fast. If every call of every job were a cold start (whose init is charged), it would cost "
        f"${cold:.2f} more, provided that init runs at the speed of a whole CPU whatever the memory: many have seen "
        "that, but AWS does not document it. "
        f"References are sent to the provider at $0.09 a GB: the photo here has {photo_kb:.0f} KB, and each MB costs $"
        f"{_prices.EGRESS_BYTE.usd * 1024 * 1024 * JOBS:.2f} for {JOBS:,} uploads. The same applies to results that "
        "are downloaded over the internet; they have 1 to 8 MB. Transfer within the Region is free.\n\n"
        f"**Not included**: the cost of a deployment at rest ([{_at_rest_in_words()}](operations.md#what-it-costs)), "
        "and other metrics; storage (buckets, tables and their backups, logs); webhooks, mostly their "
        f"{WEBHOOK_TRANSITIONS} state transitions, ${_webhooks_usd():.2f} for {JOBS:,} that are delivered at once; "
        f"callers who wait in the call (`Prefer: wait`, OpenAI's client), ${_held_usd(10):.2f} for {JOBS:,} such calls "
        "and each 10 s; retries, attempts on other routes, dry runs, lists and pages; free tiers. "
        f"Prices: us-east-1, as of {_prices.READ_ON}, in [`_prices.py`](../benchmarks/_prices.py)."
        f"{'' if api['retries'] else ' No task was retried.'}"
    )


def _at_rest_in_words() -> str:
    return (
        f"${_at_rest.watching():.2f} a month for alarms, dashboard and metrics, ${_at_rest.secrets():.2f} for secrets, "
        f"about ${_at_rest.idle_queues():.2f} for Lambda's long polls of idle queues and ${_at_rest.sweeps():.2f} for "
        "sweeps"
    )


def _webhooks_usd() -> Decimal:
    """Of a thousand."""
    return total(bill(Use(transitions=WEBHOOK_TRANSITIONS), Architecture.ARM64))


def _held_usd(seconds: int) -> Decimal:
    """Of a thousand calls during which a function with 512 MB waits for so long."""
    return bill(Use(gb_seconds=gb_seconds(1000 * seconds, 512)), Architecture.ARM64)["Lambda"]


def _sustained(figures: Mapping[str, Any]) -> str:
    lines = [
        "| jobs at once | jobs a run | jobs a second, times the peer's | CPU: ours | the emulator | the simulator |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for level in figures["load"]["levels"]:
        shares = level["cpu_shares"]
        own = 1 - shares["emulator"] - shares["simulator"]
        lines.append(
            f"| {level['in_flight']} | {level['jobs']} | **{level['ratio']:.2f}** | {own:.0%} "
            f"| {shares['emulator']:.0%} | {shares['simulator']:.0%} |"
        )
    top = figures["load"]["levels"][-1]
    named = {who: cpu for who, cpu in top["cpu_shares"].items() if who not in {"emulator", "simulator"}}
    whole = sum(named.values())
    each = ", ".join(f"{who} {cpu / whole:.0%}" for who, cpu in named.items() if cpu / whole >= 0.02)
    return (
        "\n".join(lines)
        + "\n\nFrom the submission until the event of the end is on the bus; half uploads, half calls of the API, at "
        "ten times the speed. The peer goes through the same states and calls as many functions that do nothing, on "
        "the same emulator: its rate is what the emulator sustains. The difference is our own work (and the answers of "
        "AWS and the provider to it, which run on the same two cores). Medians of "
        f"{figures['load']['rounds']} interleaved runs. Of our CPU, with {top['in_flight']} jobs at once: {each}."
    )


def _time(figures: Mapping[str, Any]) -> str:
    names = list(figures["settings"]["callbacks"]["api"]["time"])
    lines = ["| where a job's time goes, at real pace | " + " | ".join(names) + " |", "|---|" + "--:|" * len(names)]
    for setting, label in _SETTINGS.items():
        for kind, title in _KINDS.items():
            shares = figures["settings"][setting][kind]["time"]
            told = " | ".join(f"{shares[name]:.1%}" for name in names)
            lines.append(f"| {title[0].lower()}{title[1:]}, {label} | {told} |")
    return "\n".join(lines)


def _plot(figures: Mapping[str, Any], path: Path) -> None:
    figure = Figure(figsize=(10, 4), layout="constrained")
    money, rates = figure.subplots(1, 2, width_ratios=[3, 2])
    labels, left = [], []
    stacks: dict[str, list[float]] = {}
    for kind in _KINDS:
        for (setting, architecture), told in bills(figures, kind).items():
            labels.append(f"{kind}, {_SETTINGS[setting]}, {architecture}")
            for service, usd in told.items():
                stacks.setdefault(service, []).append(float(usd))
    left = [0.0] * len(labels)
    for service, values in stacks.items():
        money.barh(labels, values, left=left, label=service)
        left = [sofar + value for sofar, value in zip(left, values, strict=True)]
    goal = float(GOAL * _prices.IMAGE_USD * JOBS)
    money.axvline(goal, color="#334155", linestyle=":", linewidth=1)
    money.invert_yaxis()
    money.set_xlabel(f"$ for {JOBS:,} jobs (dotted: {GOAL:.0%} of the price of the images)")
    figure.legend(*money.get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=5)
    money.tick_params(labelsize=8)
    levels = figures["load"]["levels"]
    rates.bar([str(level["in_flight"]) for level in levels], [level["ratio"] for level in levels], color="#c2410c")
    rates.axhline(1, color="#334155", linestyle=":", linewidth=1)
    rates.set_xlabel("jobs at once")
    rates.set_ylabel("jobs a second, times the peer's")
    with rc_context({"svg.hashsalt": path.name}):  # the same figures, the same file
        figure.savefig(path, metadata={"Date": None})
