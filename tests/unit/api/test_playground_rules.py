"""The playground's rules, as Node.js runs the page's own modules: wording, advice, phases and files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "functions" / "serve_pages" / "playground"
NODE = Path(sys.executable).parent / "node"
TOKYO = {"timeZone": "Asia/Tokyo"}
BEFORE_MIDNIGHT = "2026-11-28T13:30:00Z"


# Answers one call a line: starting Node.js anew for each takes longer than all of them together.
_PROGRAM = """
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const { module, call, given } = JSON.parse(line);
  try {
    const exported = await import(module);
    const value = await new Function("m", ...Object.keys(given), `return m.${call}`)(exported, ...Object.values(given));
    console.log(JSON.stringify({ value: value ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.stack }));
  }
}
"""
_running: list[subprocess.Popen[str]] = []


@pytest.fixture(scope="module", autouse=True)
def node() -> Iterator[None]:
    command = [str(NODE), "--input-type=module", "--no-warnings", "--eval", _PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        _running.append(process)
        yield
        _running.clear()
        process.communicate(timeout=60)


def rule(module: str, call: str, **given: Any) -> Any:
    """What `call` comes to, a call of what `module` exports with the names that are `given`."""
    [process] = _running
    assert process.stdin
    assert process.stdout
    request = {"module": (FOLDER / module).as_uri(), "call": call, "given": given}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert "error" not in answer, answer
    return answer["value"]


# ---- Keys

BOTH = "scopes jobs:write and jobs:read"


@pytest.mark.parametrize(
    ("access", "mark", "told", "obstacle"),
    [
        ({"status": "none"}, "", "", "Paste your API key"),
        ({"status": "checking"}, "Checking…", "", "Checking"),
        ({"status": "known", "canRead": True, "canWrite": True}, "Accepted", "", ""),
        ({"status": "known", "canRead": True, "canWrite": False}, "Read only", BOTH, "jobs:write"),
        ({"status": "known", "canRead": False, "canWrite": True}, "Write only", BOTH, "jobs:read"),
        ({"status": "known", "canRead": False, "canWrite": False}, "No access", BOTH, "jobs:write"),
        ({"status": "refused", "problem": {"code": "forbidden"}}, "", "expired or revoked", "not accepted"),
        ({"status": "refused", "problem": {"code": "unauthenticated"}}, "", "expired or revoked", "not accepted"),
        ({"status": "refused", "problem": {"code": "unusable_key"}}, "", "contains spaces", "not accepted"),
        (
            {"status": "unreachable", "problem": {"status": 0, "isUnanswered": True, "isOffline": True}},
            *("", "You are offline", "be checked at the moment"),
        ),
        (
            {"status": "unreachable", "problem": {"status": 503, "message": "busy", "retryable": True}},
            *("", "Trying again in 5 s", "be checked at the moment"),
        ),
    ],
)
def test_every_kind_of_key_says_what_it_can_not_do_and_what_to_do(
    access: dict[str, Any], mark: str, told: str, obstacle: str
) -> None:
    notice = rule("access.js", "keyNotice(access)", access=access)
    assert notice["mark"] == mark
    assert told in notice["text"]
    assert bool(notice["text"]) == bool(told)
    found = rule("access.js", "keyObstacle(access)", access=access)
    assert obstacle in found
    assert bool(found) == bool(obstacle)


@pytest.mark.parametrize(
    "pasted", ["hg_x", "  hg_x\n", '"hg_x"', "'hg_x'", "Bearer hg_x", "bearer  hg_x", "Authorization: Bearer hg_x"]
)
def test_a_key_is_taken_as_people_paste_it(pasted: str) -> None:
    assert rule("access.js", "pastedKey(pasted)", pasted=pasted) == "hg_x"


# ---- Budgets


def budget_advice(message: str, **problem: Any) -> dict[str, Any]:
    told = {"status": 402, "code": "budget_exceeded", "message": message, "retryable": True, "charged": "no", **problem}
    options = "{ now: new Date(now), canRepeat: true, place }"
    advice: dict[str, Any] = rule(
        "advice.js", f"adviceOnCall(problem, {options})", problem=told, now=BEFORE_MIDNIGHT, place=TOKYO
    )
    return advice


@pytest.mark.parametrize(
    ("message", "renews"),
    [
        ("the budget of key_a for 2026-11-28, 0.05 USD, is used up", "Sunday"),
        ("the budget of tenant shop for 2026-11, 10.00 USD, is used up", "Tuesday"),
        ("the monthly budget of all tenants together has $0.01 left", "Tuesday"),
        ("does not fit", "Sunday"),
    ],
)
def test_an_exhausted_budget_says_when_it_renews_and_never_offers_the_same_again(message: str, renews: str) -> None:
    advice = budget_advice(f"{message}; nothing was done and nothing charged")
    assert advice["lines"][1] == f"The budget renews {renews} at 09:00 your time (midnight UTC)."
    assert advice["acts"] == [{"act": "edit", "label": "Edit the request", "isPrimary": False}]


def test_that_nothing_was_charged_is_said_once() -> None:
    advice = budget_advice(
        "the budget of key_a for 2026-11-28, 0.05 USD, is used up; nothing was done and nothing charged"
    )
    told = " ".join([*advice["lines"], advice["money"]])
    assert told.lower().count("nothing") == 1
    assert told.count("charged") == 1


RENEWS = "The budget renews today at 20:30 your time (midnight UTC)."
MONTH = "The budget renews Monday at 20:30 your time (midnight UTC)."


@pytest.mark.parametrize(
    ("quote", "told", "is_refusal"),
    [
        (
            {"left_usd": "0.05", "reason": None},
            f"The price of $0.06 does not fit into what is left of your budget. $0.05 is left. {RENEWS}",
            True,
        ),
        (
            {
                "left_usd": "0.05",
                "reason": "it would be refused: the budget of this key for 2026-11-28 has no room for 0.06 USD",
            },
            f"The budget of this key for 2026-11-28 has no room for 0.06 USD. $0.05 is left. {RENEWS}",
            True,
        ),
        (
            {
                "left_usd": None,
                "reason": "it would be refused: the budget of the tenant for 2026-11 has no room for 0.06 USD",
            },
            f"The budget of the tenant for 2026-11 has no room for 0.06 USD. {MONTH}",
            True,
        ),
        (
            {"left_usd": "9.00", "reason": "it would wait: none of its routes is in service at the moment (a)"},
            "None of its routes is in service at the moment (a). The job would wait.",
            False,
        ),
        (
            {"reason": "spending is paused: it would wait until an operator resumes it"},
            "Spending is paused: it would wait until an operator resumes it.",
            False,
        ),
        ({"left_usd": "9.00", "reason": "no such tenant any more"}, "No such tenant any more.", True),
        ({}, "This job would be refused at the moment.", True),
    ],
)
def test_a_price_that_does_not_fit_says_why_and_until_when_and_what_only_waits_is_no_refusal(
    quote: dict[str, Any], told: str, is_refusal: bool
) -> None:
    # Three and a half hours behind UTC, in November: midnight UTC is in the evening.
    place = {"timeZone": "America/St_Johns"}
    quote = {"price_usd": "0.06", "fits": False, **quote}
    found = rule("advice.js", "misfit(quote, new Date(now), place)", quote=quote, now=BEFORE_MIDNIGHT, place=place)
    assert found == {"text": told, "isRefusal": is_refusal}


@pytest.mark.parametrize("fits", [{}, {"fits": True, "left_usd": "0.05"}, {"fits": None}])
def test_what_the_api_says_nothing_of_fits(fits: dict[str, Any]) -> None:
    assert rule("advice.js", "misfit(quote, new Date())", quote={"price_usd": "0.06", **fits}) is None


# ---- Failures


def job_advice(**job: Any) -> dict[str, Any]:
    options = "{ now: new Date(now), status: 'Failed', price: '0.06' }"
    advice: dict[str, Any] = rule("advice.js", f"adviceOnJob(job, {options})", job=job, now=BEFORE_MIDNIGHT)
    return advice


NOT_HELPED = ("invalid_input", "unsupported_media", "content_blocked")
CODES = (*NOT_HELPED, "rate_limited", "route_unavailable", "provider_timeout", "provider_failed", "budget_exceeded",
         "submission_uncertain", "result_unusable", "internal")  # fmt: skip


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(("retryable", "charged"), [(True, "no"), (False, "no"), (False, "yes"), (False, "unknown")])
def test_the_same_again_is_offered_first_only_where_it_can_help_and_with_its_price(
    code: str, retryable: bool, charged: str
) -> None:
    failure = {"code": code, "message": "why", "retryable": retryable, "charged": charged}
    advice = job_advice(status="failed", charged=charged, price_usd="0.06", failure=failure)
    first, rerun = advice["acts"][0], [act for act in advice["acts"] if act["act"] == "rerun"]

    assert sum(act["isPrimary"] for act in advice["acts"]) <= 1
    if first["act"] == "rerun":
        assert retryable
        assert charged == "no"
    if code in (*NOT_HELPED, "budget_exceeded"):
        assert not rerun
    assert all("$0.06" in act["label"] for act in rerun)
    if charged != "no" and code not in (*NOT_HELPED, "budget_exceeded"):
        assert [act["label"] for act in advice["acts"]] == ["Edit and try again", "Run again for another $0.06"]
    assert {"no": "Nothing was charged.", "yes": "$0.06 was charged."}.get(charged, "not known") in advice["money"]


def test_a_call_without_an_answer_can_be_repeated_and_one_for_a_wrong_key_can_not() -> None:
    options = "{ now: new Date(), canRepeat: true }"
    lost = {"isUnanswered": True, "status": 0, "message": "no answer", "retryable": True, "charged": "unknown"}
    assert rule("advice.js", f"adviceOnCall(p, {options})", p=lost)["acts"][0]["act"] == "again"
    wrong = {"isAboutTheKey": True, "status": 401, "code": "unauthenticated", "message": "no", "charged": "no"}
    assert [act["act"] for act in rule("advice.js", f"adviceOnCall(p, {options})", p=wrong)["acts"]] == ["key"]
    faulty = {
        "status": 422,
        "message": "x",
        "charged": "no",
        "errors": [{"pointer": "/prompt", "detail": "must say more"}],
    }
    advice = rule("advice.js", f"adviceOnCall(p, {options})", p=faulty)
    assert advice["lines"] == ["Prompt: must say more."]
    assert [act["act"] for act in advice["acts"]] == ["edit"]


# ---- Phases


def attempt(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-image-2", "accepted_at": None, "uncertainty": None, "ended_at": None, **fields}


@pytest.mark.parametrize(
    ("status", "attempts", "name", "cancel"),
    [
        ("queued", [], "Queued", "costs nothing"),
        ("queued", [attempt(ended_at="t")], "Queued", ""),
        ("queued", [attempt()], "Sending", "may still be charged"),
        ("queued", [attempt(uncertainty="timeout")], "Checking", "may still be charged"),
        ("processing", [attempt(accepted_at="t")], "Working", "may still be charged"),
        ("processing", [attempt(accepted_at="t", uncertainty="timeout")], "Working", "may still be charged"),
        ("queued", [attempt(ended_at="t"), attempt(uncertainty="timeout")], "Checking", "may still be charged"),
    ],
)
def test_the_status_and_what_is_said_below_it_come_from_the_same_fact(
    status: str, attempts: list[dict[str, Any]], name: str, cancel: str
) -> None:
    job = {"status": status, "attempts": attempts, "cancel_requested_at": None, "finished_at": None}
    phase = rule("phases.js", "phaseOf(job)", job=job)
    assert phase["name"] == name
    assert cancel in phase["cancelHint"]
    canceling = rule("phases.js", "phaseOf(job)", job={**job, "cancel_requested_at": "t"})
    assert (canceling["name"], canceling["cancelHint"]) == ("Canceling", "")
    over = rule("phases.js", "phaseOf(job)", job={**job, "status": "expired", "finished_at": "t"})
    assert (over["name"], over["hint"]) == ("Expired", "")


def test_how_long_images_take_is_learned_from_jobs_and_guessed_from_few() -> None:
    def made(seconds: float, **fields: Any) -> dict[str, Any]:
        return {"status": "succeeded", "timings": {"total_seconds": seconds}, **fields}

    few = [made(2)] * 4
    assert rule("phases.js", "usualSeconds(jobs)", jobs=few) == [15, 40]
    many = [made(seconds) for seconds in (20, 21.5, 22, 24, 25, 26, 28, 30, 31, 200)]
    assert rule("phases.js", "usualSeconds(jobs)", jobs=many) == [21, 200]
    # Failures and reused results say nothing of how long an image takes.
    others = [made(0.1, reused_from="job_a"), {**made(900), "status": "failed"}]
    assert rule("phases.js", "usualSeconds(jobs)", jobs=[*many, *others]) == [21, 200]


@pytest.mark.parametrize(
    ("elapsed", "told"),
    [
        (3, "Usually 15\N{EN DASH}40 s"),
        (59, "Usually 15\N{EN DASH}40 s"),
        (61, "Longer than usual (15\N{EN DASH}40 s). It ends by 12:30 at the latest."),
    ],
)
def test_what_to_expect_changes_when_it_takes_too_long(elapsed: int, told: str) -> None:
    assert rule("phases.js", "expectation([15, 40], elapsed, '12:30')", elapsed=elapsed) == told


def test_the_own_jobs_ahead_are_counted() -> None:
    job = {"id": "job_b", "created_at": "2026-11-28T12:00:02Z"}
    queued = [{"id": f"job_{at}", "created_at": f"2026-11-28T12:00:0{at}Z"} for at in (3, 1, 0)]
    assert rule("phases.js", "placeInQueue(seen)", seen={"job": job, "queued": [job, *queued]}) == (
        "2 of your jobs are ahead of it."
    )
    assert rule("phases.js", "placeInQueue(seen)", seen={"job": job, "queued": [job, queued[0]]}) == ""


def test_the_story_of_a_job_keeps_its_turns_and_counts_its_polls() -> None:
    kinds = [
        "submitted",
        "waiting",
        "attempt",
        "accepted",
        *["waiting", "asked"] * 40,
        "attempt_failed",
        "attempt",
        "finished",
    ]
    steps = [{"at": "t", "kind": kind, "detail": kind} for kind in kinds]
    told = rule("phases.js", "story(steps)", steps=steps)
    assert [step["kind"] for step in told] == [
        *("submitted", "waiting", "attempt", "accepted", "waiting", "attempt_failed", "attempt", "finished")
    ]
    assert (told[4]["polls"], told[4]["steps"]) == (40, 80)


# ---- Files

HEADS: dict[str, tuple[bytes, str]] = {
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(20), "image/png"),
    "webp": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    "wav": (b"RIFF\x00\x00\x00\x00WAVEfmt ", ""),
    "gif": (b"GIF89a" + bytes(20), "image/gif"),
    "heic": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image/heic"),
    "heif sequence": (b"\x00\x00\x00\x18ftypmsf1\x00\x00\x00\x00msf1hevc", "image/heic"),
    "avif": (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1avif", "image/avif"),
    "mp4": (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", "video/mp4"),
    "tiff": (b"II*\x00" + bytes(20), "image/tiff"),
    "svg": (b'<?xml version="1.0"?><svg', "image/svg+xml"),
    "pdf": (b"%PDF-1.7\n", "application/pdf"),
    "text": (b"hello", ""),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_file_is_known_by_its_first_bytes(kind: str) -> None:
    head, told = HEADS[kind]
    assert rule("files.js", "sniffed(Uint8Array.from(head))", head=list(head)) == told


def admitted(files: list[tuple[str, bytes]], *, room: int = 16, most: int = 16) -> dict[str, Any]:
    made = "files.map(([name, bytes]) => new File([Uint8Array.from(bytes)], name))"
    then = ".then(({ taken, refusals }) => ({ taken: taken.map(({ file, type }) => [file.name, type]), refusals }))"
    given = [(name, list(body)) for name, body in files]
    found: dict[str, Any] = rule("files.js", f"admit({made}, room, most){then}", files=given, room=room, most=most)
    return found


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("IMG_0001.HEIC", HEADS["heic"][0], "HEIC photo"),
        ("renamed.jpg", HEADS["heic"][0], "HEIC photo"),
        ("unknown.heif", b"\0" * 40, "HEIC photo"),
        ("a.gif", HEADS["gif"][0], "is a GIF. Use JPEG, PNG or WEBP."),
        ("a.jpg", b"<html>", "is not a JPEG, PNG or WEBP image."),
        ("a.png", b"", "is empty."),
    ],
)
def test_what_can_be_no_reference_is_refused_with_its_name_and_its_reason(name: str, body: bytes, told: str) -> None:
    found = admitted([(name, body), ("good.png", HEADS["png"][0])])
    assert found["taken"] == [["good.png", "image/png"]]
    assert found["refusals"][0].startswith(name)
    assert told in found["refusals"][0]


def test_a_file_is_sent_as_what_it_is_whatever_its_name() -> None:
    assert admitted([("photo.png", HEADS["jpeg"][0])])["taken"] == [["photo.png", "image/jpeg"]]


@pytest.mark.parametrize(("given", "room", "taken"), [(17, 16, 16), (3, 1, 1), (2, 0, 0), (16, 16, 16)])
def test_no_more_are_taken_than_a_job_can_have(given: int, room: int, taken: int) -> None:
    found = admitted([(f"{number}.png", HEADS["png"][0]) for number in range(given)], room=room)
    assert len(found["taken"]) == taken
    assert bool(found["refusals"]) == (given > taken)
    if given > taken:
        assert found["refusals"][0].startswith("A job takes up to 16 reference images. Not added: ")


# ---- Texts


def test_counts_have_separators_and_ids_have_none() -> None:
    text = "has 20463 characters; at most 20000 are allowed; see s3://b/20463/up_20463"
    assert rule("text.js", "grouped(text)", text=text) == (
        "has 20,463 characters; at most 20,000 are allowed; see s3://b/20463/up_20463"
    )


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("1 thing(s) to fix; nothing was done and nothing charged", "1 thing(s) to fix"),
        ("prompt is required. Nothing was done, and nothing was charged.", "prompt is required"),
        ("the budget of 0.05 USD is used up; nothing was reserved", "the budget of 0.05 USD is used up"),
        ("nothing is known of it", "nothing is known of it"),
    ],
)
def test_the_apis_remark_on_charging_is_not_said_twice(text: str, rest: str) -> None:
    assert rule("text.js", "withoutCharge(text)", text=text) == rest


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "1 s"), (12.4, "12 s"), (60, "1 min"), (90, "1 min 30 s")])
def test_durations_are_said_as_people_do(seconds: float, told: str) -> None:
    assert rule("text.js", "duration(seconds)", seconds=seconds) == told
