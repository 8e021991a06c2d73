"""When to ask: our schedule against the vendor clients', on the same seeded latencies of many shapes."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat
from math import exp, log
from pathlib import Path
from statistics import fmean
from typing import Any

from heliograph.routes.poll_schedule import POLL_PRICE_SECONDS, Latencies, poll_times, task_seconds, wait_before_poll

from benchmarks import _prices

TITLE = "When to poll the provider"

JOBS = 600
SEED = 20261122
# A job begins that often: several are under way, and none of them knows yet what the others will take.
_SECONDS_BETWEEN_JOBS = 8.0
# What a turn of the loop adds to its wait, and what a question alone takes.
_TURN_SECONDS = 0.15
_QUESTION_SECONDS = 0.08
_EXPRESS_TURN_SECONDS = 0.12
_PRICES = (0.02, 0.04, 0.07, POLL_PRICE_SECONDS, 0.2, 0.4, 0.8)
_DEAR_PRICE = 0.4
# A callback takes a fraction of a second [measured on the simulator of the vendor, assumed of the vendor itself].
_CALLBACK_SECONDS = (0.2, 1.0)
_CALLBACK_SHARES = (0.0, 0.5, 0.95, 1.0)
_TIMES = "\N{MULTIPLICATION SIGN}"

_TRANSITION = float(_prices.TRANSITION.usd)
_EXPRESS, _EXPRESS_GB_SECOND = float(_prices.EXPRESS_REQUEST.usd), float(_prices.EXPRESS_GB_SECOND.usd)
_INVOCATION = float(_prices.INVOCATION.usd)
_LAMBDA_GB_SECOND = float(_prices.GB_SECOND[_prices.Architecture.ARM64].usd)
_POLL_GB, _SLEEPER_GB, _EXPRESS_GB = 0.25, 0.125, 0.0625
_QUESTION_USD = _INVOCATION + _LAMBDA_GB_SECOND * _POLL_GB * _QUESTION_SECONDS
# A wait for a callback writes; a callback is a call of the gateway and of a function, a read and a write.
_WRITE, _READ = float(_prices.WRITE_UNIT.usd), float(_prices.READ_UNIT.usd)
_GATEWAY_CALL = float(_prices.API_CALL.usd)
_CALLBACK_GB, _CALLBACK_FUNCTION_SECONDS = 0.5, 0.06
_CALLBACK_USD = (
    _GATEWAY_CALL + _INVOCATION + _LAMBDA_GB_SECOND * _CALLBACK_GB * _CALLBACK_FUNCTION_SECONDS + _READ + _WRITE
)


@dataclass(frozen=True, slots=True)
class Watched:
    """How one task was watched: the lag of its last question, how many there were, and the wait before the first."""

    lag_seconds: float
    questions: int
    first_seconds: float
    latency_seconds: float


Chance = random.Random
Policy = Callable[[Sequence[float]], list[Watched]]


def _lognormal(chance: Chance, middle: float, spread: float) -> float:
    return middle * exp(chance.gauss(0, spread))


SHAPES: dict[str, Callable[[Chance, float], float]] = {
    # Of a job: its latency, by chance and by how much of all jobs is behind it.
    "15-40 s, uniform": lambda chance, _: chance.uniform(15, 40),
    "narrow: 22 ± 1 s": lambda chance, _: chance.gauss(22, 1),
    "two kinds: 18 and 45 s": lambda chance, _: chance.gauss(18, 2) if chance.random() < 0.7 else chance.gauss(45, 4),
    "heavy tail: median 25 s": lambda chance, _: _lognormal(chance, 25, 0.6),
    "the fleet: half 48 s, a tenth over 83 s": lambda chance, _: _lognormal(chance, 48, 0.427),
    "10 s and exponential": lambda chance, _: 10 + chance.expovariate(1 / 12),
    "stragglers: 3 in 100 take minutes": lambda chance, _: (
        chance.uniform(120, 600) if chance.random() < 0.03 else chance.uniform(15, 40)
    ),
    "fast: 3-6 s": lambda chance, _: chance.uniform(3, 6),
    "slow: 2-4 minutes": lambda chance, _: chance.uniform(120, 240),
    "halves midway": lambda chance, done: chance.uniform(15, 40) / (1 if done < 0.5 else 2),
    "doubles midway": lambda chance, done: chance.uniform(15, 40) * (1 if done < 0.5 else 2),
    "two speeds, by load": lambda chance, done: (
        chance.uniform(15, 25) if int(done * 14) % 2 == 0 else chance.uniform(40, 60)
    ),
    "drifts: 20 to 60 s and back": lambda chance, done: _lognormal(chance, 60 - 80 * abs(done - 0.5), 0.2),
}


def latencies_of(shape: str, *, jobs: int = JOBS, seed: int = SEED) -> list[float]:
    """The same for every policy."""
    chance = Chance(f"{seed} {shape}")
    return [max(0.5, SHAPES[shape](chance, job / jobs)) for job in range(jobs)]


def by_schedule(waits: Callable[[], Iterable[float]], *, turn_seconds: float = _TURN_SECONDS) -> Policy:
    """Asks after these waits, whatever it knows."""

    def watch(latencies: Sequence[float]) -> list[Watched]:
        return [_watched(latency, (wait + turn_seconds for wait in waits())) for latency in latencies]

    return watch


def _watched(latency: float, gaps: Iterator[float]) -> Watched:
    at = first = next(gaps)
    questions = 1
    while at < latency:
        at += next(gaps)
        questions += 1
    return Watched(at - latency, questions, first, latency)


def ours(
    price: float, *, is_told: bool = True, turn_seconds: float = _TURN_SECONDS, callbacks: float | None = None
) -> Policy:
    """Learns from the tasks that are done when a job begins; `is_told`: the provider says what they took; `callbacks`:
    of which share of them it calls back, `None` if it does not know where.
    """

    def watch(latencies: Sequence[float]) -> list[Watched]:
        chance = Chance(SEED)
        start = datetime(2026, 1, 1, tzinfo=UTC)
        has_callback = callbacks is not None
        known, schedule = Latencies(), poll_times(Latencies(), price=price, has_callback=has_callback)
        under_way: list[tuple[datetime, int]] = []
        lessons: list[Callable[[Latencies], Latencies]] = []
        watched = []
        for job, latency in enumerate(latencies):
            began_at = start + timedelta(seconds=job * _SECONDS_BETWEEN_JOBS)
            is_news = False
            while under_way and under_way[0][0] <= began_at:
                known, is_news = lessons[heapq.heappop(under_way)[1]](known), True
            if is_news:
                schedule = poll_times(known, price=price, has_callback=has_callback)
            called_at = began_at + timedelta(seconds=latency + chance.uniform(*_CALLBACK_SECONDS))
            is_called = chance.random() < (callbacks or 0)
            now, running_at, questions, first = began_at, None, 0, 0.0
            while True:
                wait = wait_before_poll(schedule, began_at=began_at, now=now, deadline_at=began_at + timedelta(hours=2))
                is_woken = is_called and now < called_at <= now + timedelta(seconds=wait)
                now = (called_at if is_woken else now + timedelta(seconds=wait)) + timedelta(seconds=turn_seconds)
                questions += 1
                first = first or wait + turn_seconds
                lag = (now - began_at).total_seconds() - latency
                if lag >= 0:
                    break
                running_at = now
            watched.append(Watched(lag, questions, first, latency))
            said = latency if is_told else None
            took = task_seconds(said, began_at=began_at, running_at=running_at, done_at=now)
            lessons.append(partial(_learned, took, is_woken if has_callback else None, lag - turn_seconds))
            heapq.heappush(under_way, (now, job))
        return watched

    return watch


def _learned(took: float, is_woken: bool | None, lag_seconds: float, latencies: Latencies) -> Latencies:
    known = latencies.with_latency(took)
    if is_woken is None:
        return known
    return known.with_callback() if is_woken else known.without_callback(lag_seconds)


def _called_back_usd(job: Watched) -> float:
    """As in the Standard workflow; every wait leaves its token, and a callback comes, if late."""
    return _standard_usd(job) + job.questions * 2 * _WRITE + _CALLBACK_USD


def _standard_usd(job: Watched) -> float:
    """Wait, task and choice of the state machine for each question, and the function."""
    return job.questions * (3 * _TRANSITION + _QUESTION_USD)


def _inside_usd(job: Watched) -> float:
    """One turn of the state machine, and a small function that sleeps between its questions."""
    return 3 * _TRANSITION + _INVOCATION + _LAMBDA_GB_SECOND * _SLEEPER_GB * _awake(job)


def _express_usd(job: Watched) -> float:
    """A task and a choice around one Express execution, and the function for each question."""
    whole = job.latency_seconds + job.lag_seconds
    return 2 * _TRANSITION + _EXPRESS + _EXPRESS_GB_SECOND * _EXPRESS_GB * whole + job.questions * _QUESTION_USD


def _awake(job: Watched) -> float:
    return job.latency_seconds + job.lag_seconds - job.first_seconds + _QUESTION_SECONDS


def _asking(job: Watched) -> float:
    return job.questions * _QUESTION_SECONDS


@dataclass(frozen=True, slots=True)
class Way:
    """A policy, what it costs, and for how long it holds one of the account's concurrent executions."""

    policy: Policy
    usd: Callable[[Watched], float] = _standard_usd
    held: Callable[[Watched], float] = _asking


PEER = "every 3 s: the provider's client"
BACKOFF = "3, 3, 5, 5, 5, 8, 8, 10, then 15 s: the provider's other client"
OURS = "**ours**"
_DEAR, _UNTOLD = "ours, a poll four times as expensive", "ours, if the provider does not report durations"
WAYS: dict[str, Way] = {
    PEER: Way(by_schedule(lambda: repeat(3.0))),
    BACKOFF: Way(by_schedule(lambda: chain((3, 3, 5, 5, 5, 8, 8, 10), repeat(15.0)))),
    "every 30 s: AWS's job poller sample": Way(by_schedule(lambda: repeat(30.0))),
    "1, 2, 4, 8, then 10 s": Way(by_schedule(lambda: chain((1, 2, 4, 8), repeat(10.0)))),
    "after 15 s every second, inside one invocation": Way(
        by_schedule(lambda: chain((15.0,), repeat(1.0)), turn_seconds=_QUESTION_SECONDS), _inside_usd, _awake
    ),
    "every second, nested Express loop": Way(
        by_schedule(lambda: repeat(1.0), turn_seconds=_EXPRESS_TURN_SECONDS), _express_usd
    ),
}


def _called_back(share: float) -> str:
    return f"ours, with a callback for {share:.0%}"


def measure() -> dict[str, Any]:
    """Everything, shape by shape; the same with every run."""
    return {
        "jobs": JOBS,
        "seed": SEED,
        "question_price_s": POLL_PRICE_SECONDS,
        "dear_price_s": _DEAR_PRICE,
        "shapes": {shape: _measure(latencies_of(shape)) for shape in SHAPES},
    }


def _measure(latencies: Sequence[float]) -> dict[str, Any]:
    ways = {name: _figures(way, way.policy(latencies)) for name, way in WAYS.items()}
    by_price = {price: ours(price)(latencies) for price in _PRICES}
    watched = by_price[POLL_PRICE_SECONDS]
    ways[OURS] = _figures(Way(ours(POLL_PRICE_SECONDS)), watched)
    ways[_DEAR] = _figures(Way(ours(_DEAR_PRICE)), by_price[_DEAR_PRICE])
    untold = Way(ours(POLL_PRICE_SECONDS, is_told=False))
    ways[_UNTOLD] = _figures(untold, untold.policy(latencies))
    # The same questions, asked from elsewhere: to the tenth of a second, their lag is the same.
    ways["ours, inside one invocation"] = _figures(Way(untold.policy, _inside_usd, _awake), watched)
    ways["ours, nested Express loop"] = _figures(Way(untold.policy, _express_usd), watched)
    for share in _CALLBACK_SHARES:
        way = Way(ours(POLL_PRICE_SECONDS, callbacks=share), _called_back_usd)
        ways[_called_back(share)] = _figures(way, way.policy(latencies))
    curve = [_point(price, watched) for price, watched in by_price.items()]
    peers = {name: compared(curve, ways[name]["lag_mean_s"], ways[name]["questions"]) for name in (PEER, BACKOFF)}
    return {"ways": ways, "curve": curve, "against": peers}


def curve_of(latencies: Sequence[float], prices: Sequence[float] = _PRICES) -> list[dict[str, float]]:
    """What ours does at several prices of a question: from many questions to few."""
    return [_point(price, ours(price)(latencies)) for price in prices]


def _point(price: float, watched: Sequence[Watched]) -> dict[str, float]:
    lag, questions = fmean(job.lag_seconds for job in watched), fmean(job.questions for job in watched)
    return {"price_s": price, "lag_mean_s": round(lag, 3), "questions": round(questions, 3)}


def compared(curve: Sequence[dict[str, float]], lag: float, questions: float) -> dict[str, float]:
    """Ours against a peer: the lag at its number of questions, and the questions at its lag, as shares of its own.

    Between two prices, what the line between them says, on logarithmic scales. Where even our cheapest question is not
    asked as often as the peer asks, what we reach with fewer; where we ask more at every price, the curve goes on as
    if lag times questions were the same.
    """
    by_questions = sorted((point["questions"], point["lag_mean_s"]) for point in curve)
    by_lag = sorted((point["lag_mean_s"], point["questions"]) for point in curve)
    return {
        "lag_at_its_questions": round(_at(by_questions, questions) / lag, 3),
        "questions_at_its_lag": round(_at(by_lag, lag) / questions, 3),
    }


def _at(points: Sequence[tuple[float, float]], where: float) -> float:
    below = [point for point in points if point[0] <= where]
    above = [point for point in points if point[0] > where]
    if not below:
        return above[0][1] * above[0][0] / where
    if not above:
        return min(value for _, value in below)
    (x0, y0), (x1, y1) = below[-1], above[0]
    share = (log(where) - log(x0)) / (log(x1) - log(x0))
    return exp(log(y0) + share * (log(y1) - log(y0)))


def _figures(way: Way, watched: Sequence[Watched]) -> dict[str, float]:
    lags = sorted(job.lag_seconds for job in watched)
    return {
        "lag_mean_s": round(fmean(lags), 3),
        "lag_p95_s": round(lags[int(len(lags) * 0.95)], 2),
        "lag_p99_s": round(lags[int(len(lags) * 0.99)], 2),
        "questions": round(fmean(job.questions for job in watched), 2),
        "usd_per_1000_jobs": round(1000 * fmean(way.usd(job) for job in watched), 3),
        # Little's law: at a job a second, that many of the account's concurrent executions are busy.
        "lambda_seconds_per_job": round(fmean(way.held(job) for job in watched), 2),
    }


def tell(figures: Any, plots: Path) -> str:
    """The page's part: a table of ways on the documented shape, one of shapes, and the plot of both."""
    shapes = figures["shapes"]
    first = next(iter(shapes))
    _plot(shapes, plots / "polling.svg")
    return f"""
How long a finished image waits for the next poll (lag), and how many polls that takes. Each policy gets the same
{figures["jobs"]:,} seeded latencies of each of {len(shapes)} distributions. A job starts every
{_SECONDS_BETWEEN_JOBS:g} s, and our policy learns only from jobs that are done (it starts with the documented 15-40 s).
A loop of the state machine adds {_TURN_SECONDS} s to its wait. Our policy trades a poll for
{figures["question_price_s"]} s of lag. The figures are computed, not timed, so they are the same on every machine.
Reasons: [decision 25](decisions/0025-when-to-ask.md).

With callbacks (the setting `Callbacks`), a callback ends the wait {_CALLBACK_SECONDS[0]} to {_CALLBACK_SECONDS[1]:g} s
after the end of the task, for the given share of tasks; our policy learns that share as well. Reasons: [decision
29](decisions/0029-callbacks.md).

Latencies of {first}:

{_table_of_ways(shapes[first]["ways"])}

Dollars are the public prices of us-east-1 for polling alone, without the free tier (1,000 images cost 50 or 60).
Lambda-seconds are the concurrent executions that are in use at one job a second.

For each distribution, as a share of the provider's client that polls every 3 s. The first two columns compare at equal
cost: our policy with the price of a poll at which it polls as often, or lags as much. The others are our policy as
deployed.

{_table_of_shapes(shapes)}

![Lag against polls, for each distribution]({plots.name}/polling.svg)
"""


def _table_of_ways(ways: dict[str, dict[str, float]]) -> str:
    peer = ways[PEER]
    rows = [
        "| | mean lag s (p95, p99) | polls | lag | polls | $ per 1,000 jobs | Lambda-s per job |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, way in ways.items():
        lag = f"{way['lag_mean_s']:.2f} ({way['lag_p95_s']:.1f}, {way['lag_p99_s']:.1f})"
        shares = (way["lag_mean_s"] / peer["lag_mean_s"], way["questions"] / peer["questions"])
        ratios = " | ".join(f"{share:.2f} {_TIMES}" for share in shares)
        costs = f"{way['usd_per_1000_jobs']:.2f} | {way['lambda_seconds_per_job']:.1f}"
        rows.append(f"| {name} | {lag} | {way['questions']:.1f} | {ratios} | {costs} |")
    return "\n".join(rows)


def _table_of_shapes(shapes: dict[str, Any]) -> str:
    rows = [
        "| | lag, with as many polls | polls, with as much lag | lag | p99 | polls | lag, with as many polls as its "
        "other client |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape, told in shapes.items():
        peer, own, against = told["ways"][PEER], told["ways"][OURS], told["against"]
        shares = (
            against[PEER]["lag_at_its_questions"],
            against[PEER]["questions_at_its_lag"],
            own["lag_mean_s"] / peer["lag_mean_s"],
            own["lag_p99_s"] / peer["lag_p99_s"],
            own["questions"] / peer["questions"],
            against[BACKOFF]["lag_at_its_questions"],
        )
        rows.append(f"| {shape} | " + " | ".join(f"{share:.2f} {_TIMES}" for share in shares) + " |")
    return "\n".join(rows)


def _plot(shapes: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only who writes the page needs it

    mpl.use("Agg")
    # The same figures make the same file.
    mpl.rcParams["svg.hashsalt"] = "heliograph"
    from matplotlib import pyplot, ticker  # noqa: PLC0415

    columns = 4
    lines = len(shapes) // columns + 1
    figure, axes = pyplot.subplots(lines, columns, figsize=(14, 3 * lines), layout="constrained")
    for place in axes.flat[len(shapes) :]:
        place.axis("off")
    for place, (shape, told) in zip(axes.flat, shapes.items(), strict=False):
        curve, ways = told["curve"], told["ways"]
        questions, lags = [point["questions"] for point in curve], [point["lag_mean_s"] for point in curve]
        place.plot(questions, lags, "-", color="tab:blue", label="ours, at other prices")
        for name, mark, label in (
            (OURS, "o", "ours"),
            (PEER, "s", "every 3 s"),
            (BACKOFF, "^", "3, 3, 5, 5, 5, 8, 8, 10, 15 s"),
            ("every 30 s: AWS's job poller sample", "v", "every 30 s"),
            ("1, 2, 4, 8, then 10 s", "D", "1, 2, 4, 8, 10 s"),
        ):
            place.plot(ways[name]["questions"], ways[name]["lag_mean_s"], mark, label=label)
        place.set_title(shape, fontsize=9)
        for axis, scale in ((place.xaxis, place.set_xscale), (place.yaxis, place.set_yscale)):
            scale("log")
            axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
            axis.set_minor_formatter(ticker.NullFormatter())
    figure.supxlabel("questions for a job")
    figure.supylabel("mean lag, s")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    # In the last panel's place, which the shapes leave empty.
    axes.flat[-1].legend(handles, labels, loc="center")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
