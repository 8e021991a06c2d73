"""The playground in a real browser, against the deployed API: what a person sees, and what arrives."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from local.deployment import PROJECT
from local.photo import sample_photo
from tests.chromium import running_chromium
from tests.e2e.browsing import PATIENCE_MS, Playground, playground_in
from tests.e2e.world import World, wait_until

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
# Where `make screenshots` wants them; in other runs they are looked at by nobody.
SCREENSHOTS = os.environ.get("HELIOGRAPH_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def playground(browser: Browser, world: World) -> Iterator[Playground]:
    with playground_in(browser, world) as playground:
        yield playground


# ---- The page as it comes


def test_the_page_loads_under_its_policy_without_a_complaint_and_calls_nobody_else(
    playground: Playground, world: World
) -> None:
    answer = playground.page.goto(playground.url)

    assert answer is not None
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert f"img-src 'self' blob: {world.stack.endpoint}" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    expect(playground.page.get_by_role("heading", name="Heliograph Playground")).to_be_visible()
    # The policy is at work, and not only sent: what it forbids does not happen.
    assert (
        playground.page.evaluate(
            """() => {
          const image = document.createElement("img");
          image.setAttribute("style", "outline: 1px solid");
          return image.style.outline;
        }"""
        )
        == ""
    )
    assert len(playground.complaints) == 1
    assert "style" in playground.complaints.pop()


def test_the_page_is_sent_once_and_then_only_confirmed(world: World) -> None:
    first = world.http.get(f"{world.stack.api_url}/playground")
    again = world.http.get(f"{world.stack.api_url}/playground", headers={"If-None-Match": first.headers["ETag"]})
    head = world.http.head(f"{world.stack.api_url}/playground")

    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", first.headers["ETag"])


def test_a_slash_too_many_still_leads_to_the_page(playground: Playground) -> None:
    playground.page.goto(f"{playground.url}/")
    assert playground.page.url == playground.url
    expect(playground.ratio("16:9")).to_be_attached()


def test_what_is_not_there_is_a_problem_document(world: World) -> None:
    answer = world.http.get(f"{world.stack.api_url}/playground/other.js")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def test_the_uploads_bucket_lets_a_page_of_any_origin_post_and_nothing_else(world: World) -> None:
    def preflight(method: str, bucket: str) -> httpx.Response:
        wanted = {"Origin": "https://api.test", "Access-Control-Request-Method": method}
        return world.http.options(f"{world.stack.endpoint}/{bucket}", headers=wanted)

    assert preflight("POST", world.uploads).headers["access-control-allow-origin"] == "*"
    assert preflight("PUT", world.uploads).status_code == 403
    assert preflight("POST", world.results).status_code == 403


# ---- Composing and sending


def test_a_picture_can_be_made_by_keyboard_alone(playground: Playground, world: World, mark: str) -> None:
    playground.open(key=None)
    keyboard = playground.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(40):
            keyboard.press("Tab")
            if name in str(playground.page.evaluate(FOCUSED_NAME)):
                return
        raise AssertionError(f"{name} can't be reached by the tab key")

    tab_to("API key")
    keyboard.type(world.stack.api_key)
    keyboard.press("Enter")  # accepts the key, and sends nothing
    tab_to("Prompt")
    keyboard.type(f"a harbour in fog, {mark}")
    tab_to("auto")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    tab_to("Content filter")
    keyboard.press("Space")
    playground.is_ready()
    tab_to("Generate")
    keyboard.press("Enter")

    playground.picture()
    request = playground.job(mark)["request"]
    assert (request["aspect_ratio"], request["nsfw_checker"]) == ("2:3", True)
    tab_to("Download")


def test_control_and_enter_in_the_prompt_generate_and_the_very_same_again_only_after_its_end(
    playground: Playground, world: World, mark: str
) -> None:
    world.fault("task", "never_finishes", mark)
    playground.open()
    playground.prompt.fill(mark)
    playground.is_ready()
    playground.prompt.press("Control+Enter")
    playground.prompt.press("Control+Enter")
    expect(playground.timeline.filter(has_text="Accepted")).to_be_visible()
    playground.prompt.press("Control+Enter")
    expect(playground.page.get_by_text("This image is being made now.").first).to_be_visible()
    world.finish(mark)
    playground.picture()
    assert len(world.tasks(mark)) == 1

    playground.is_ready()
    playground.page.get_by_role("button", name="Generate again").click()
    wait_until(lambda: len(world.tasks(mark)) == 2, seconds=30, what="the second task")
    playground.picture()


def test_a_double_click_is_one_job_however_slow(playground: Playground, world: World, mark: str) -> None:
    playground.open()
    playground.send(mark)
    expect(playground.history).to_have_count(1)
    playground.generate.dispatch_event("click", {"detail": 2})

    playground.picture()
    assert len(world.tasks(mark)) == 1


def test_nothing_can_be_sent_before_its_price_is_known_and_that_is_what_the_api_quotes(
    playground: Playground, world: World, mark: str
) -> None:
    playground.open()
    playground.prompt.fill(mark)
    expect(playground.generate).to_have_attribute("aria-disabled", "true")

    playground.is_ready()

    body = {"prompt": mark, "aspect_ratio": "auto", "nsfw_checker": False, "dry_run": True}
    quote = world.call("POST", "/v1/jobs", json=body).json()
    expect(playground.price).to_have_text(f"${quote['price_usd']}")
    expect(playground.page.locator("#terms")).to_contain_text(quote["routes"][0]["model"])
    assert world.tasks(mark) == []


def test_what_is_in_the_way_of_sending_is_said_and_gets_the_focus(playground: Playground) -> None:
    playground.open(key=None)
    expect(playground.page.get_by_text("Paste your API key to begin.")).to_be_visible()
    playground.generate.press("Enter")
    expect(playground.page.get_by_label("API key")).to_be_focused()


def test_a_dropped_reference_is_uploaded_and_used_and_lies_beside_the_result(
    playground: Playground, world: World, mark: str, photo: bytes
) -> None:
    playground.open()
    playground.drop("harbour.png", photo)
    expect(playground.references).to_contain_text(["image 1"])
    playground.send(f"as a drawing, {mark}")

    playground.picture()

    job = playground.job(mark)
    assert job["task"] == "edit"
    assert re.search(r"references/up_[a-z2-7]{26}\.png", job["request"]["references"][0])
    slider = playground.outcome.get_by_role("slider", name="Input to result")
    expect(slider).to_have_value("50")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "55 % input, 45 % result")
    shown = "(input) => getComputedStyle(input).clipPath"
    assert "45%" in str(playground.outcome.locator("img.picture.input").evaluate(shown))


def test_references_are_numbered_and_can_be_put_into_order_and_removed_by_keyboard(
    playground: Playground, mark: str, photo: bytes, jpeg: bytes
) -> None:
    playground.open()
    playground.choose(("first.png", photo), ("second.png", photo), ("third.png", photo))
    page = playground.page

    page.get_by_role("button", name="Move earlier: image 3, third.png").press("Enter")
    expect(page.get_by_role("button", name="Move earlier: image 2, third.png")).to_be_focused()
    page.keyboard.press("Enter")
    expect(playground.references).to_contain_text(["third.png", "first.png", "second.png"])
    page.get_by_role("button", name="Remove: image 2, first.png").press("Enter")

    expect(playground.references).to_contain_text(["image 1third.png", "image 2second.png"])
    playground.send(mark)
    playground.picture()
    assert len(playground.job(mark)["request"]["references"]) == 2
    page.get_by_role("radio", name="Compare with image 2, second.png").check()


def test_what_can_be_no_reference_is_refused_before_it_is_sent(playground: Playground) -> None:
    playground.open()
    playground.choose(("notes.gif", b"GIF89a"), kind="image/gif")
    expect(playground.page.get_by_role("alert").filter(has_text="notes.gif")).to_contain_text("JPEG, PNG or WEBP")
    playground.drop("nothing.png", b"")
    expect(playground.page.get_by_role("alert").filter(has_text="nothing.png")).to_contain_text("is empty")
    expect(playground.references).to_have_count(0)


def test_a_pasted_image_becomes_a_reference(playground: Playground, photo: bytes) -> None:
    playground.open()
    playground.prompt.focus()
    playground.paste("image.png", photo)
    expect(playground.references).to_contain_text(["image 1"])


def test_the_ratio_the_filter_and_the_model_reach_the_request(playground: Playground, mark: str) -> None:
    playground.open()
    playground.ratio("21:9").check()
    playground.filter.check()
    playground.page.get_by_text("Model and policy").click()
    playground.page.get_by_label("Model", exact=True).select_option("gpt-image-2")
    playground.send(mark)

    playground.picture()

    request = playground.job(mark)["request"]
    assert request["aspect_ratio"] == "21:9"
    assert request["nsfw_checker"] is True
    assert (request["model"], request["policy"]) == ("gpt-image-2", "pinned")


def test_every_ratio_of_the_models_is_drawn_in_its_proportion(playground: Playground, world: World) -> None:
    playground.open()
    models = world.call("GET", "/v1/models").json()["data"]
    for ratio in models[0]["aspect_ratios"]:
        drawn = playground.ratio(ratio).locator("xpath=..").locator("rect")
        expect(drawn).to_be_visible()
        width, height = (float(part) for part in ratio.split(":")) if ":" in ratio else (1, 1)
        shape = [float(drawn.get_attribute(side) or 0) for side in ("width", "height")]
        assert shape[0] / shape[1] == pytest.approx(width / height)


# ---- What goes wrong


def test_a_fault_of_the_api_appears_at_its_field_before_anything_is_sent(
    playground: Playground, world: World, mark: str
) -> None:
    playground.open(key=None)
    # The page itself knows of no limit: what it says is what the API said.
    playground.page.route("**/v1/models", lambda route: route.fulfill(json=without_limits(route.fetch().json())))
    playground.give_key(world.stack.api_key)
    playground.prompt.fill(mark + "x" * 20_000)

    expect(playground.page.locator("#prompt-fault")).to_contain_text("at most 20,000 are allowed")
    expect(playground.prompt).to_have_attribute("aria-invalid", "true")
    expect(playground.generate).to_have_attribute("aria-disabled", "true")

    playground.prompt.fill(mark)
    playground.is_ready()
    expect(playground.page.locator("#prompt-fault")).to_be_hidden()
    expect(playground.prompt).not_to_have_attribute("aria-invalid", "true")
    assert world.tasks(mark) == []


@pytest.mark.parametrize(("key", "told"), [("wrong", "wrong, expired or revoked"), ("a b", "is not an API key")])
def test_a_wrong_key_is_told_at_the_key(playground: Playground, key: str, told: str) -> None:
    playground.open(key=key)
    expect(playground.page.locator("#key-fault")).to_contain_text(told)
    expect(playground.page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")

    playground.give_key(playground.world.stack.api_key)
    expect(playground.page.get_by_text("Accepted", exact=True)).to_be_visible()
    expect(playground.page.locator("#key-fault")).to_be_hidden()


def test_a_key_that_was_used_too_often_is_told_and_goes_on_by_itself(playground: Playground, world: World) -> None:
    key = world.call("POST", "/v1/keys", json={"name": "slow", "requests_per_minute": 1}).json()["key"]
    world.call("GET", "/v1/models", key=key)
    playground.open(key=key)
    expect(playground.page.locator("#key-fault")).to_contain_text("This key was used too often")
    expect(playground.page.locator("#key-fault")).to_contain_text("Trying again in")


@pytest.mark.parametrize(
    ("scope", "mark", "missing"), [("jobs:read", "Read only", "jobs:write"), ("jobs:write", "Write only", "jobs:read")]
)
def test_a_key_that_lacks_a_scope_says_so_at_once(
    playground: Playground, world: World, scope: str, mark: str, missing: str
) -> None:
    made = world.call("POST", "/v1/keys", json={"name": "half", "scopes": [scope]}).json()
    playground.open(key=made["key"])
    expect(playground.page.locator("#key-mark")).to_have_text(mark)
    expect(playground.page.locator("#key-fault")).to_contain_text(f"it lacks the scope {missing}")
    playground.prompt.fill("a lamp")
    expect(playground.page.locator("#why")).to_contain_text(missing)
    expect(playground.generate).to_have_attribute("aria-disabled", "true")


def test_a_budget_that_is_too_small_says_when_it_renews_and_that_nothing_was_charged(
    playground: Playground, world: World, mark: str
) -> None:
    made = world.call("POST", "/v1/keys", json={"name": "poor", "daily_budget_usd": "0.02"}).json()
    playground.open(key=made["key"])
    playground.prompt.fill(mark)
    told = "The budget renews"
    # Before the click where the dry run says so; at the click where it does not.
    if "fits" not in world.call("POST", "/v1/jobs", key=made["key"], json={"prompt": mark, "dry_run": True}).json():
        playground.is_ready()
        playground.generate.click()
        expect(playground.outcome.get_by_role("heading", name="Over budget")).to_be_visible()
        expect(playground.outcome).to_contain_text("Nothing was charged.")
    expect(playground.page.get_by_text(told)).to_contain_text("your time (midnight UTC)")
    expect(playground.page.get_by_role("button", name="Try again")).to_have_count(0)
    assert world.tasks(mark) == []


def test_what_was_blocked_is_edited_and_not_sent_again(playground: Playground, world: World, mark: str) -> None:
    world.fault("task", "fail", mark, times=1, failCode="CONTENT_MODERATION")
    playground.open()
    playground.send(mark)

    expect(playground.outcome.get_by_role("heading", name="Failed")).to_contain_text(
        "content_blocked", timeout=PATIENCE_MS
    )
    expect(playground.outcome).to_contain_text("Nothing was charged.")
    expect(playground.outcome).to_contain_text(playground.job(mark)["id"])
    assert playground.outcome.get_by_role("button").all_inner_texts() == ["Edit and try again"]
    playground.outcome.get_by_role("button", name="Edit and try again").click()
    expect(playground.prompt).to_be_focused()


def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key_and_paid_once(
    playground: Playground, world: World, mark: str
) -> None:
    playground.open()
    playground.prompt.fill(mark)
    playground.is_ready()
    lost: list[str] = []

    def lose_the_answer(route: Any) -> None:
        # The call arrives; its answer doesn't.
        if lost or route.request.method != "POST" or "dry_run" in (route.request.post_data or ""):
            route.continue_()
            return
        lost.append(route.request.headers["idempotency-key"])
        route.fetch()
        route.abort()

    playground.page.route("**/v1/jobs", lose_the_answer)
    playground.generate.click()
    expect(playground.outcome.get_by_role("heading", name="No answer")).to_be_visible()
    expect(playground.outcome).to_contain_text("It is not known whether this was charged.")
    playground.outcome.get_by_role("button", name="Try again").click()

    playground.picture()
    assert len(lost) == 1
    assert len(world.tasks(mark)) == 1
    playground.complaints.remove("Failed to load resource: net::ERR_FAILED")


def test_a_job_can_be_canceled_and_run_again_and_what_that_costs_is_said(
    playground: Playground, world: World, mark: str
) -> None:
    world.fault("task", "never_finishes", mark)
    playground.open()
    playground.send(mark)
    expect(playground.timeline.filter(has_text="Accepted")).to_be_visible()
    expect(playground.outcome).to_contain_text("If you cancel now, the image may still be charged.")

    playground.outcome.get_by_role("button", name="Cancel").click()
    expect(playground.outcome.get_by_role("button", name="Cancel requested")).to_be_disabled()
    wait_until(lambda: world.tasks(mark), seconds=30, what="its task")
    world.finish(mark)

    expect(playground.outcome.get_by_role("heading", name="Canceled")).to_be_visible(timeout=PATIENCE_MS)
    expect(playground.outcome).to_contain_text("$0.06 was charged.")
    canceled = playground.job(mark)

    playground.outcome.get_by_role("button", name="Run again for another $0.06").click()
    playground.picture()
    assert playground.job(mark)["retry_of"] == canceled["id"]


# ---- What becomes of it


def test_the_timeline_tells_the_steps_as_the_api_does_and_the_end_is_said_to_those_who_listen(
    playground: Playground, mark: str
) -> None:
    world = playground.world
    playground.open()
    playground.send(mark)
    playground.picture()

    expect(playground.timeline.last).to_contain_text("Finished")
    events = world.call("GET", f"/v1/jobs/{playground.job(mark)['id']}/events").json()["data"]
    assert {event["kind"] for event in events} >= {"submitted", "attempt", "accepted", "finished"}
    playground.page.get_by_role("button", name="Show every step").click()
    details = [event["detail"] for event in events]
    expect(playground.timeline).to_contain_text([re.compile(re.escape(detail), re.IGNORECASE) for detail in details])
    expect(playground.page.get_by_role("status").first).to_contain_text("Succeeded")


def test_nobody_is_asked_while_nobody_looks(playground: Playground, world: World, mark: str) -> None:
    world.fault("task", "never_finishes", mark)
    page, asked = playground.page, []
    page.clock.install()
    playground.open()
    playground.send(mark)
    expect(playground.timeline.filter(has_text="Accepted")).to_be_visible()

    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.clock.fast_forward(10_000)  # past a question that was on its way already
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(5):
        page.clock.fast_forward(60_000)
    assert asked == []

    world.finish(mark)
    world.finished(playground.job(mark)["id"])
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    playground.picture()


def test_the_copied_call_is_the_call_that_was_made_in_every_language(
    playground: Playground, world: World, mark: str, photo: bytes, tmp_path: Path
) -> None:
    playground.open()
    playground.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    playground.drop("harbour.png", photo)
    playground.ratio("3:4").check()
    playground.send(f"""{mark} it's "quoted"; $HOME `id` \\n ☀️ {{}}
on a second line""")
    playground.picture()
    sent = playground.job(mark)["request"]

    playground.page.get_by_text("Show as code").click()
    playground.page.get_by_role("button", name="Copy").click()
    expect(playground.page.get_by_role("button", name="Copied")).to_be_visible()
    clipboard = playground.page.evaluate("navigator.clipboard.readText()")
    assert clipboard.strip() == playground.code("cURL").strip()
    for language, file in (("cURL", "call.sh"), ("Python", "call.py"), ("Node", "call.mjs")):
        (tmp_path / file).write_text(playground.code(language))
        assert world.stack.api_key not in playground.code(language)
    programs = {
        "call.sh": ["sh"],
        "call.py": [sys.executable, "-W", "error"],
        "call.mjs": [str(Path(sys.executable).parent / "node")],
    }
    running = {
        file: subprocess.Popen(
            [*program, tmp_path / file],
            env={**os.environ, "HELIOGRAPH_KEY": world.stack.api_key},
            stdout=subprocess.PIPE,
            text=True,
        )
        for file, program in programs.items()
    }
    said = {file: process.communicate(timeout=90)[0] for file, process in running.items()}

    assert [process.returncode for process in running.values()] == [0, 0, 0]
    ids = [json.loads(said["call.sh"])["id"], said["call.py"].split()[0], said["call.mjs"].split()[0]]
    assert len({*ids, playground.job(mark)["id"]}) >= 3
    for job_id in ids:
        job = world.finished(job_id)
        assert (job["status"], job["request"]) == ("succeeded", sent)
    for file in ("call.py", "call.mjs"):
        status, link = said[file].split()[1:3]
        assert status == "succeeded"
        assert world.http.get(link).headers["content-type"].startswith("image/")


def test_the_key_is_kept_only_if_asked_and_gone_when_no_longer(playground: Playground, world: World) -> None:
    key = world.stack.api_key
    playground.open()
    expect(playground.page.get_by_text("Accepted", exact=True)).to_be_visible()
    assert key not in playground.kept

    playground.page.get_by_label("Remember on this device").check()
    assert key in playground.kept
    playground.page.reload()
    expect(playground.page.get_by_label("API key")).to_have_value(key)
    expect(playground.page.get_by_text("Accepted", exact=True)).to_be_visible()

    playground.page.get_by_label("Remember on this device").uncheck()
    assert key not in playground.kept
    playground.page.reload()
    expect(playground.page.get_by_label("API key")).to_have_value("")


def test_the_history_survives_a_reload_without_key_and_links(playground: Playground, world: World, mark: str) -> None:
    playground.open()
    playground.send(f"a lamp, {mark}")
    playground.picture()
    job_id = playground.job(mark)["id"]
    kept = playground.kept
    assert job_id in kept
    assert mark in kept
    assert world.stack.api_key not in kept
    assert "Signature" not in kept
    assert "Amz" not in kept

    playground.page.reload()
    expect(playground.history).to_have_count(1)
    expect(playground.history.locator("img")).to_have_count(0)
    playground.give_key(world.stack.api_key)
    expect(playground.history.locator("img")).to_be_visible()
    playground.page.get_by_role("button", name=re.compile(f"a lamp, {mark}")).click()
    playground.picture()
    expect(playground.timeline.last).to_contain_text("Finished")

    playground.page.get_by_role("button", name="Use these settings").click()
    expect(playground.prompt).to_have_value(f"a lamp, {mark}")
    playground.page.get_by_role("button", name="Clear").click()
    expect(playground.history).to_have_count(0)
    assert mark not in playground.kept


# ---- For everybody, everywhere


def test_on_a_phone_nothing_is_wider_than_the_screen_and_everything_can_be_touched(
    browser: Browser, world: World, mark: str, photo: bytes
) -> None:
    with playground_in(browser, world, **PHONE) as playground:
        playground.open()
        playground.choose(("a-rather-long-name-of-a-photograph-from-a-phone.png", photo), ("b.png", photo))
        playground.send(f"a very long word {'x' * 200} {mark}")
        playground.picture()
        expect(playground.history).to_have_count(1)

        assert playground.page.evaluate("document.documentElement.scrollWidth") == 390
        playground.page.get_by_text("Show as code").click()
        for control in playground.page.locator("button:visible, select:visible, a.button:visible, .ratio").all():
            if control.is_enabled():
                control.click(trial=True)
                box = control.bounding_box()
                assert box is not None
                assert min(box["width"], box["height"]) >= 43, control.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_the_scheme_that_a_person_prefers(
    browser: Browser, world: World, mark: str, photo: bytes, scheme: Any
) -> None:
    with playground_in(browser, world, color_scheme=scheme) as playground:
        playground.open()
        playground.choose(("a.png", photo))
        playground.send(mark)
        playground.picture()
        playground.page.get_by_text("Show as code").click()
        playground.prompt.fill("x" * 20_001)
        expect(playground.page.locator("#prompt-fault")).to_be_visible()

        ground = playground.page.evaluate("getComputedStyle(document.body).backgroundColor")
        [red, *_] = (int(part) for part in re.findall(r"\d+", ground))
        assert (red < 60) == (scheme == "dark")
        assert playground.page.evaluate(TOO_FAINT) == []


def test_every_control_has_a_name_for_those_who_can_not_see_it(playground: Playground, mark: str, photo: bytes) -> None:
    playground.open()
    playground.choose(("a.png", photo), ("b.png", photo))
    playground.page.get_by_text("Model and policy").click()
    playground.page.get_by_text("Show as code").click()
    playground.send(mark)
    playground.picture()

    tree = playground.page.context.new_cdp_session(playground.page).send("Accessibility.getFullAXTree")
    nodes = [node for node in tree["nodes"] if not node["ignored"]]
    controls = [node for node in nodes if node["role"]["value"] in CONTROLS]
    assert {node["role"]["value"] for node in controls} == CONTROLS
    assert [node for node in controls if not node["name"]["value"].strip()] == []
    assert [node for node in nodes if node["role"]["value"] == "image" and not node["name"]["value"]] == []


def test_who_wants_no_motion_gets_none(browser: Browser, world: World, mark: str) -> None:
    world.fault("task", "never_finishes", mark)
    with playground_in(browser, world, reduced_motion="reduce") as playground:
        playground.open()
        playground.send(mark)
        expect(playground.timeline.filter(has_text="Accepted")).to_be_visible()
        expect(playground.outcome.locator(".working")).to_have_css("animation-name", "none")
        world.finish(mark)
        playground.picture()


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("playground", {"viewport": {"width": 1440, "height": 1376}}),
        ("playground-dark", {"viewport": {"width": 1440, "height": 1376}, "color_scheme": "dark"}),
        ("playground-phone", PHONE),
    ],
)
def test_its_pictures_can_be_taken(
    browser: Browser, world: World, photo: bytes, tmp_path: Path, name: str, window: dict[str, Any]
) -> None:
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path
    cup = sample_photo(PROJECT / ".local" / "photo").read_bytes() if SCREENSHOTS else photo
    with playground_in(browser, world, **window) as playground:
        playground.open()
        playground.choose(("coffee.png", cup))
        playground.ratio("3:2").check()
        playground.send("The cup of image 1 as a woodcut, on warm paper")
        playground.picture()
        expect(playground.history.locator("img")).to_be_visible()
        playground.outcome.get_by_role("slider").fill("42")
        playground.page.mouse.move(0, 0)
        top = "document.getElementById('outcome').offsetTop - 24" if name == "playground-phone" else "0"
        playground.page.evaluate(f"document.activeElement.blur(); scrollTo(0, {top})")
        taken = playground.page.screenshot(animations="disabled")
    Image.open(io.BytesIO(taken)).convert("RGB").save(folder / f"{name}.png", optimize=True)


def without_limits(models: dict[str, Any]) -> dict[str, Any]:
    """The models, as an API would tell them that says nothing of how long a prompt may be."""
    return {**models, "data": [{**route, "longest_prompt": None} for route in models["data"]]}


CONTROLS = {"button", "textbox", "checkbox", "switch", "radio", "combobox", "slider", "link", "tab"}
FOCUSED_NAME = """() => {
  const element = document.activeElement;
  const label = element.labels?.[0]?.textContent ?? "";
  return `${element.getAttribute("aria-label") ?? ""} ${label} ${element.textContent}`;
}"""
# Texts with less contrast than WCAG 2.2 asks for at level AA, against the nearest ground that is painted.
TOO_FAINT = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [red, green, blue] = channels(color).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const groundOf = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0.5) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const isSeen = node.textContent.trim() && element.checkVisibility() && element.getClientRects().length;
    if (!isSeen || element.closest("option, :disabled, [aria-disabled=true], .side")) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(groundOf(element))].sort();
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) faint.push(`${node.textContent.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""
