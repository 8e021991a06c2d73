"""The playground's page in a real browser, with an API that answers as each test says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.api import (
    KEY,
    Answer,
    Api,
    Playground,
    attempt,
    failed,
    job,
    lacks,
    models,
    picture,
    playground_in,
    problem,
    quote,
    succeeded,
)
from tests.chromium import running_chromium

WIDTHS = (320, 390, 768, 1024, 1440, 1920)
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def api() -> Api:
    api = Api()
    api.takes_uploads()
    return api


@pytest.fixture
def playground(browser: Browser, api: Api) -> Iterator[Playground]:
    with playground_in(browser, api) as playground:
        yield playground


# ---- Messages stay until their cause is gone


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("IMG_0001.HEIC", HEIC, "is a HEIC photo"),
        ("renamed.jpg", HEIC, "is a HEIC photo"),
        ("anim.gif", b"GIF89a" + bytes(30), "is a GIF. Use JPEG, PNG or WEBP."),
        ("empty.png", b"", "is empty"),
        ("notes.png", b"<html>", "is not a JPEG, PNG or WEBP image"),
    ],
)
def test_why_a_file_was_refused_stays_until_the_references_change(
    playground: Playground, name: str, body: bytes, told: str
) -> None:
    playground.open()
    playground.prompt.fill("a lamp")
    playground.is_ready()
    playground.choose((name, body))
    expect(playground.refused).to_contain_text(f"{name} {told}")
    for _ in range(2):
        playground.priced()
        expect(playground.refused).to_contain_text(f"{name} {told}")

    playground.choose(("good.png", picture()))
    expect(playground.references).to_have_count(1)
    expect(playground.refused).to_be_hidden()


def test_a_file_that_is_too_large_is_refused_with_its_size(playground: Playground, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(picture())
    with large.open("ab") as file:
        file.truncate(31 * 1024 * 1024)
    playground.open()
    with playground.page.expect_file_chooser() as chooser:
        playground.page.get_by_role("button", name="Choose images").click()
    chooser.value.set_files(large)
    expect(playground.refused).to_have_text("large.png is 31 MB. The limit is 30 MB.")


def test_several_refused_files_are_each_named(playground: Playground) -> None:
    playground.open()
    playground.choose(("a.gif", b"GIF89a"), ("good.png", picture()), ("b.heic", HEIC))
    expect(playground.refused.get_by_role("listitem")).to_contain_text(["a.gif", "b.heic"])
    expect(playground.references).to_have_count(1)


def test_that_a_key_can_not_be_checked_stays_while_one_types(playground: Playground) -> None:
    playground.api.models = lambda: problem(503, "unavailable", "a service behind us did not answer", retryable=True)
    playground.page.clock.install()
    playground.open()
    expect(playground.key_message).to_contain_text("a service behind us did not answer")
    playground.prompt.fill("a lamp")
    playground.page.get_by_role("radio", name="16:9").check()
    expect(playground.key_message).to_contain_text("a service behind us did not answer")

    playground.api.models = lambda: (200, models())
    playground.page.clock.run_for(6_000)
    expect(playground.key_message).to_be_hidden()
    playground.page.clock.run_for(1_000)
    playground.is_ready()


# ---- References


def test_the_seventeenth_reference_is_refused_before_anything_is_uploaded(playground: Playground) -> None:
    playground.open()
    expect(playground.page.get_by_text("Accepted", exact=True)).to_be_visible()
    playground.choose(*((f"{number}.png", picture()) for number in range(20)))
    expect(playground.refused).to_contain_text(
        "up to 16 reference images. Not added: 16.png, 17.png, 18.png and 1 more."
    )
    expect(playground.references).to_have_count(16)
    # However many rows are above it.
    expect(playground.refused).to_be_in_viewport(ratio=1)
    playground.prompt.fill("a lamp")
    playground.is_ready()
    assert playground.api.calls.count("POST /uploads") == 16

    playground.choose(("late.png", picture()))
    expect(playground.refused).to_contain_text("late.png")
    assert playground.api.calls.count("POST /uploads") == 16


def test_a_model_that_takes_fewer_says_how_many_to_remove(playground: Playground) -> None:
    playground.open()
    playground.choose(*((f"{number}.png", picture()) for number in range(12)))
    playground.page.get_by_text("Model and policy").click()
    playground.page.get_by_label("Model", exact=True).select_option("gpt-image-2")
    expect(playground.page.locator("#references-fault")).to_have_text(
        "gpt-image-2 takes up to 10 reference images. Remove 2."
    )


def test_an_upload_sends_exactly_the_fields_of_the_form_and_the_type_of_the_contents(
    browser: Browser, api: Api
) -> None:
    wanted: list[dict[str, Any]] = []
    api.takes_uploads(key="references/up_0", Policy="signed", **{"x-amz-meta-other": "one of a later version"})
    give = api.upload

    def upload(body: dict[str, Any]) -> Answer:
        wanted.append(body)
        return give(body)

    api.upload = upload
    with playground_in(browser, api) as playground:
        playground.open()
        playground.choose(("photo.png", picture(kind="JPEG")))
        expect(playground.references).to_contain_text(["image 1"])
        playground.prompt.fill("a lamp")
        playground.is_ready()
    assert wanted[0]["content_type"] == "image/jpeg"
    assert re.findall(rb'form-data; name="([^"]+)"', api.forms[0]) == [b"key", b"Policy", b"x-amz-meta-other", b"file"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("image", "references"), [((1024, 768), 16), ((576, 1024), 16), ((1008, 432), 1), ((64, 64), 3)]
)
def test_nothing_is_wider_than_the_window(
    browser: Browser, api: Api, width: int, image: tuple[int, int], references: int
) -> None:
    long = "prompt" * 40
    api.makes(**succeeded(*image))
    with playground_in(browser, api, viewport={"width": width, "height": 900}) as playground:
        playground.open()
        assert playground.page.evaluate(WIDER_THAN_THE_WINDOW) <= 0
        names = (f"a-rather-long-name-of-a-photograph-{number}.png" for number in range(references))
        playground.choose(*((name, picture(80, 60)) for name in names))
        playground.choose((f"{'name' * 50}.gif", b"GIF89a"))
        playground.page.get_by_text("Show as code").click()
        playground.send(f"{long} a lamp")
        playground.outcome.get_by_role("link", name="Download").wait_for()
        expect(playground.page.get_by_role("radio", name=re.compile("Compare with"))).to_have_count(
            references if references > 1 else 0
        )
        assert playground.page.evaluate(WIDER_THAN_THE_WINDOW) <= 0
        api.makes(**failed("result_unusable", charged="yes", message="https://" + long))
        playground.page.get_by_role("button", name="Generate again").click()
        expect(playground.button("Edit and try again")).to_be_visible()
        assert playground.page.evaluate(WIDER_THAN_THE_WINDOW) <= 0


@pytest.mark.parametrize(("width", "least"), [(1440, 850), (1920, 880)])
def test_a_wide_window_is_used_for_the_image(browser: Browser, api: Api, width: int, least: int) -> None:
    api.makes(**succeeded(1536, 1024))
    with playground_in(browser, api, viewport={"width": width, "height": 1080}) as playground:
        playground.open()
        playground.send()
        expect(playground.page.get_by_role("button", name="View full size")).to_be_visible()
        box = playground.outcome.locator("img.picture").first.bounding_box()
        assert box is not None
        assert least <= box["width"] <= 900
        used = playground.page.evaluate("document.querySelector('main').getBoundingClientRect().width")
        assert used > 0.95 * min(width, 1888)


# ---- Keys


@pytest.mark.parametrize(
    ("read", "write", "mark", "told"),
    [
        (True, False, "Read only", "lacks the scope jobs:write"),
        (False, True, "Write only", "lacks the scope jobs:read"),
        (False, False, "No access", "neither create jobs nor show them"),
    ],
)
@pytest.mark.parametrize("prompt", ["", "a lamp"])
def test_a_key_without_a_scope_says_at_once_what_it_can_not_do_and_nothing_hangs(
    playground: Playground, read: bool, write: bool, mark: str, told: str, prompt: str
) -> None:
    if not read:
        playground.api.models = lambda: lacks("jobs:read")
    if not write:
        playground.api.quote = lambda _: lacks("jobs:write")
        playground.api.upload = lambda _: lacks("jobs:write")
    playground.open(key=None)
    playground.prompt.fill(prompt)
    playground.give_key(KEY)

    expect(playground.page.locator("#key-mark")).to_have_text(mark)
    expect(playground.key_message).to_contain_text(told)
    expect(playground.key_message).to_contain_text("key with the scopes jobs:write and jobs:read")
    expect(playground.generate).to_have_attribute("aria-disabled", "true")
    expect(playground.why).to_contain_text("This key can")
    playground.prompt.fill("a lamp")
    expect(playground.why).not_to_contain_text("Getting the price")
    playground.choose(("a.png", picture()))
    expect(playground.references).to_contain_text(["Not uploaded yet"] if not write else ["image 1"])
    assert "POST /jobs" not in playground.api.calls


@pytest.mark.parametrize(("status", "code"), [(401, "unauthenticated"), (403, "forbidden")])
def test_a_wrong_key_is_said_at_the_key_and_another_goes_on(playground: Playground, status: int, code: str) -> None:
    playground.api.models = lambda: problem(status, code, "this key opens nothing here")
    playground.open()
    expect(playground.key_message).to_contain_text("wrong, expired or revoked")
    expect(playground.page.get_by_label("API key")).to_have_attribute("aria-invalid", "true")
    expect(playground.why).to_have_text("The key is not accepted.")

    playground.api.models = lambda: (200, models())
    playground.give_key(KEY[:-1] + "x")
    expect(playground.page.get_by_text("Accepted", exact=True)).to_be_visible()
    expect(playground.key_message).to_be_hidden()


def test_a_key_that_is_revoked_meanwhile_is_said_at_the_key(playground: Playground) -> None:
    playground.open()
    playground.prompt.fill("a lamp")
    playground.is_ready()
    playground.api.quote = lambda _: problem(401, "unauthenticated", "this key is revoked")
    playground.prompt.fill("another lamp")
    expect(playground.key_message).to_contain_text("wrong, expired or revoked")
    expect(playground.why).to_have_text("The key is not accepted.")


def test_a_job_of_another_tenant_is_not_shown_and_it_is_said_why(playground: Playground) -> None:
    playground.open(at="#job_elsewhere")
    expect(playground.outcome.get_by_role("heading", name="Not found")).to_be_visible()
    expect(playground.outcome).to_contain_text("It belongs to another tenant than this key")


def test_another_key_shows_nothing_that_the_first_one_could_see(playground: Playground) -> None:
    playground.api.makes(**succeeded())
    playground.open()
    playground.send()
    playground.outcome.get_by_role("link", name="Download").wait_for()
    playground.api.read = lambda _: problem(404, "not_found", "there is no such job")
    playground.give_key(KEY[:-1] + "x")
    expect(playground.outcome.get_by_role("heading", name="Not found")).to_be_visible()
    expect(playground.page.locator("img.picture, .history img")).to_have_count(0)


# ---- Budgets


def test_a_price_that_does_not_fit_is_said_before_the_click_with_its_renewal_in_local_time(
    browser: Browser, api: Api
) -> None:
    api.quote = lambda request: (200, quote(request, fits=False, left_usd="0.05", reason=None))
    with playground_in(browser, api, timezone_id="Asia/Tokyo") as playground:
        playground.page.clock.set_fixed_time(datetime(2026, 11, 28, 12, 0, tzinfo=UTC))
        playground.open()
        # The budget is known before there is a prompt.
        expect(playground.why).to_contain_text("does not fit into what is left of your budget. $0.05 is left.")
        playground.prompt.fill("a lamp")
        expect(playground.page.locator("#amount")).to_have_text("$0.06")
        expect(playground.why).to_contain_text("The budget renews Sunday at 09:00 your time (midnight UTC).")
        expect(playground.generate).to_have_attribute("aria-disabled", "true")
        playground.generate.press("Enter")
        assert "POST /jobs" not in api.calls

        api.quote = lambda request: (200, quote(request, fits=True, left_usd="8.42", reason=None))
        playground.prompt.fill("another lamp")
        playground.is_ready()
        expect(playground.page.locator("#terms")).to_contain_text("$8.42 of your budget is left")


def test_a_job_that_would_have_to_wait_can_be_sent_and_it_is_said(playground: Playground) -> None:
    reason = "it would wait: none of its routes is in service at the moment (gpt-image-2-beta)"
    playground.api.quote = lambda request: (200, quote(request, fits=False, left_usd=None, reason=reason))
    playground.open()
    playground.prompt.fill("a lamp")
    expect(playground.why).to_contain_text("None of its routes is in service at the moment")
    playground.is_ready()


def test_a_budget_that_is_used_up_at_the_click_offers_nothing_that_would_not_help(
    playground: Playground,
) -> None:
    detail = "the budget of key_a for 2026-11-28, 0.05 USD, is used up; nothing was done and nothing charged"
    playground.api.create = lambda _: problem(402, "budget_exceeded", detail, retryable=True)
    playground.open()
    playground.send()
    expect(playground.outcome.get_by_role("heading", name="Over budget")).to_be_visible()
    text = playground.outcome.inner_text()
    assert text.lower().count("nothing") == 1
    assert "The budget renews" in text
    assert "Trying again may help" not in text
    expect(playground.outcome.get_by_role("button", name=re.compile("[Tt]ry"))).to_have_count(0)


# ---- Failures


@pytest.mark.parametrize(
    ("code", "charged", "retryable", "buttons"),
    [
        ("content_blocked", "no", False, ["Edit and try again"]),
        ("result_unusable", "yes", False, ["Edit and try again", "Run again for another $0.06"]),
        ("submission_uncertain", "unknown", False, ["Edit and try again", "Run again for another $0.06"]),
        ("provider_failed", "no", True, ["Try again for $0.06", "Edit and try again"]),
    ],
)
def test_a_failure_offers_what_can_help_and_says_what_it_costs(
    playground: Playground, code: str, charged: str, retryable: bool, buttons: list[str]
) -> None:
    playground.api.makes(**failed(code, charged=charged, retryable=retryable))
    playground.open()
    playground.send("a forbidden lamp")
    expect(playground.outcome.get_by_role("heading", name="Failed")).to_contain_text(code)
    assert playground.outcome.get_by_role("button").all_inner_texts() == buttons
    expect(playground.outcome.locator("button.primary")).to_have_text(buttons[0])

    playground.prompt.fill("")
    playground.button("Edit and try again").click()
    expect(playground.prompt).to_have_value("a forbidden lamp")
    expect(playground.prompt).to_be_focused()


@pytest.mark.parametrize(("charged", "price"), [("no", "Not charged"), ("yes", "$0.06"), ("unknown", "Not known")])
def test_the_facts_agree_with_the_failure(playground: Playground, charged: str, price: str) -> None:
    playground.api.makes(**failed("provider_timeout", charged=charged))
    playground.open()
    playground.send()
    expect(playground.outcome.get_by_role("definition")).to_have_text([price, "gpt-image-2-beta"])


def test_an_image_that_came_after_the_end_is_shown_with_the_status_of_the_end(playground: Playground) -> None:
    late = {**succeeded(), "status": "expired", "delivered_late_at": "2026-11-28T13:00:00Z"}
    playground.api.makes(**late)
    playground.open()
    playground.send()
    expect(playground.outcome.get_by_role("link", name="Download")).to_be_visible()
    expect(playground.outcome).to_contain_text("The job ended as expired. Its image arrived later and is stored.")


# ---- Waiting


@pytest.mark.parametrize(
    ("fields", "told", "never"),
    [
        ({}, ["Queued", "Canceling now costs nothing"], ["being made", "may still be charged"]),
        (
            {"attempts": [attempt(uncertainty="the answer was lost")]},
            ["Checking", "finding out whether", "may still be charged"],
            ["Queued", "gpt-image-2-beta is making"],
        ),
        (
            {"status": "processing", "attempts": [attempt(accepted_at="2026-11-28T12:00:01Z")]},
            ["Working", "gpt-image-2-beta is making the image", "may still be charged"],
            ["Queued", "costs nothing"],
        ),
    ],
)
def test_what_is_said_of_a_running_job_never_contradicts_itself(
    playground: Playground, fields: dict[str, Any], told: list[str], never: list[str]
) -> None:
    playground.api.makes(**fields)
    playground.open()
    playground.send()
    for text in told:
        expect(playground.outcome).to_contain_text(text)
    for text in never:
        expect(playground.outcome).not_to_contain_text(text)
    expect(playground.page.get_by_role("region", name="History")).to_contain_text(told[0])


def test_while_it_waits_it_says_how_long_images_take_here_and_how_many_are_ahead(browser: Browser, api: Api) -> None:
    def took(seconds: float) -> dict[str, Any]:
        timings = {"queued_seconds": 1.0, "processing_seconds": seconds - 1, "total_seconds": seconds}
        return job({}, job_id=f"job_{seconds:.0f}", **{**succeeded(), "timings": timings})

    made = [took(seconds) for seconds in range(50, 60)]
    ahead = [job({}, job_id=f"job_ahead{number}", created_at="2026-11-28T11:59:00Z") for number in range(3)]
    api.makes()
    api.listed = lambda query: (200, {"data": made if "succeeded" in query else ahead, "has_more": False})
    with playground_in(browser, api) as playground:
        playground.page.clock.install(time=datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC))
        playground.open()
        playground.page.clock.run_for(1000)
        playground.prompt.fill("a lamp")
        playground.page.clock.run_for(1000)
        playground.is_ready()
        playground.generate.click()
        expect(playground.outcome).to_contain_text("Queued")
        playground.page.clock.run_for(6000)
        expect(playground.outcome).to_contain_text("Usually 51\N{EN DASH}59 s")
        playground.page.clock.run_for(6000)
        expect(playground.outcome).to_contain_text("3 of your jobs are ahead of it.")
        playground.page.clock.run_for(120_000)
        expect(playground.outcome).to_contain_text("Longer than usual")


def test_a_pause_of_spending_is_said_before_and_while_a_job_waits(playground: Playground) -> None:
    playground.api.models = lambda: (200, models(spending_paused=True))
    playground.api.makes()
    playground.open()
    playground.prompt.fill("a lamp")
    playground.is_ready()
    expect(playground.why).to_contain_text("paused spending")
    playground.generate.click()
    expect(playground.outcome).to_contain_text("The operator has paused spending.")


# ---- Texts of every script


def test_a_text_from_right_to_left_runs_from_right_to_left(playground: Playground) -> None:
    hebrew = "מנורה על שולחן עץ"
    playground.api.makes(**succeeded())
    playground.open()
    playground.send(hebrew)
    playground.outcome.get_by_role("link", name="Download").wait_for()
    playground.page.get_by_text("Show as code").click()
    direction = "(element) => getComputedStyle(element).direction"
    assert playground.prompt.evaluate(direction) == "rtl"
    assert playground.page.locator(".history .prompt").evaluate(direction) == "rtl"
    assert playground.page.locator("#code-text").get_attribute("dir") == "auto"
    playground.prompt.fill("a lamp")
    assert playground.prompt.evaluate(direction) == "ltr"


def test_a_long_prompt_is_counted_before_it_is_too_long_and_its_field_stays_small(playground: Playground) -> None:
    playground.open()
    playground.prompt.fill("ab" * 9_000 + "👍🏽")
    expect(playground.page.locator("#prompt-count")).to_have_text("18,002 / 20,000")
    playground.is_ready()
    playground.prompt.fill("x " * 10_232)
    expect(playground.page.locator("#prompt-fault")).to_have_text(
        "The prompt has 20,464 characters. The limit is 20,000."
    )
    expect(playground.why).to_have_text("Fix the marked fields.")
    box = playground.prompt.bounding_box()
    assert box is not None
    assert box["height"] <= 0.4 * 900


# ---- Networks


def hold(held: list[Route], route: Route) -> None:
    """Keeps an answer back until the test lets it go."""
    held.append(route)


def test_on_a_slow_network_nothing_can_be_sent_early_and_nothing_jumps(browser: Browser, api: Api) -> None:
    with playground_in(browser, api) as playground:
        page = playground.page
        page.add_init_script(
            "window.jumps = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries())"
            " if (!entry.hadRecentInput) window.jumps += entry.value; })"
            ".observe({ type: 'layout-shift', buffered: true })"
        )
        held: list[Route] = []
        page.route("**/playground/app.js", lambda route: hold(held, route))
        page.goto("https://api.test/live/playground", wait_until="commit")
        expect(page.get_by_role("button", name="Generate")).to_be_disabled()
        expect(playground.outcome).to_contain_text("Loading")
        expect(page.locator("#terms")).to_have_text("Loading the page…")
        tiles = page.locator(".ratio")
        expect(tiles).to_have_count(11)
        top = page.get_by_text("Content filter").first.bounding_box()
        page.unroute("**/playground/app.js")
        held[0].fallback()
        expect(page.get_by_role("radio", name="16:9")).to_be_attached()
        expect(playground.outcome).to_contain_text("Your image appears here.")
        assert page.get_by_text("Content filter").first.bounding_box() == top
        assert page.evaluate("window.jumps") < 0.02


def test_an_image_that_loads_slowly_has_its_place_and_says_that_it_loads(playground: Playground) -> None:
    held: list[Route] = []
    playground.api.makes(**succeeded(1536, 1024))
    playground.page.route("**/image-*.png", lambda route: hold(held, route))
    playground.open()
    playground.send()
    expect(playground.outcome.get_by_text("Loading the image…")).to_be_visible()
    expect(playground.outcome.get_by_role("definition").first).to_have_text(re.compile("^1536 . 1024$"))
    frame = playground.outcome.locator(".frame")
    size = "(frame) => [frame.offsetWidth, frame.offsetHeight]"
    before = frame.evaluate(size)
    playground.page.unroute("**/image-*.png")
    held[0].fallback()
    expect(playground.outcome.get_by_text("Loading the image…")).to_be_hidden()
    assert frame.evaluate(size) == before


def test_an_image_that_can_not_be_loaded_is_said_and_not_asked_for_without_end(playground: Playground) -> None:
    playground.api.makes(**succeeded())
    playground.page.route("**/image-*.png", lambda route: route.abort())
    playground.open()
    playground.send()
    expect(playground.outcome).to_contain_text("be loaded.")
    playground.page.unroute("**/image-*.png")
    playground.button("Load again").click()
    expect(playground.outcome.locator("img.picture")).to_be_visible()


def test_offline_is_said_as_offline_and_everything_goes_on_afterwards(playground: Playground) -> None:
    playground.open()
    playground.prompt.fill("a lamp")
    playground.is_ready()
    playground.page.context.set_offline(True)
    expect(playground.page.locator("#offline")).to_contain_text("You are offline.")
    expect(playground.why).to_have_text("You are offline.")
    playground.prompt.fill("another lamp")
    playground.page.get_by_role("radio", name="16:9").check()
    expect(playground.why).to_have_text("You are offline.")
    expect(playground.generate).to_have_attribute("aria-disabled", "true")

    playground.page.context.set_offline(False)
    expect(playground.page.locator("#offline")).to_be_hidden()
    playground.is_ready()


def test_a_key_that_is_given_offline_is_checked_when_the_connection_is_back(playground: Playground) -> None:
    playground.open(key=None)
    playground.page.route("**/v1/**", lambda route: route.abort())
    playground.page.context.set_offline(True)
    playground.give_key(KEY)
    expect(playground.key_message).to_contain_text("You are offline.")
    playground.page.unroute("**/v1/**")
    playground.page.context.set_offline(False)
    expect(playground.page.get_by_text("Accepted", exact=True)).to_be_visible()


def test_an_api_that_does_not_answer_is_not_called_offline(playground: Playground) -> None:
    playground.page.route("**/v1/**", lambda route: route.abort())
    playground.open()
    expect(playground.key_message).to_have_text("The API did not answer. Trying again in a few seconds.")


# ---- The page's own address, its tabs, its links


def test_a_reload_and_back_find_the_job_again(playground: Playground) -> None:
    playground.api.makes(**succeeded())
    page = playground.page
    playground.open()
    page.get_by_label("Remember on this device").check()
    playground.send("a first lamp")
    playground.outcome.get_by_role("link", name="Download").wait_for()
    playground.send("a second lamp")
    expect(page.get_by_role("img", name="a second lamp")).to_be_visible()
    assert page.url.endswith("#job_2")

    page.reload()
    expect(page.get_by_role("img", name="a second lamp")).to_be_visible()
    expect(playground.prompt).to_have_value("a second lamp")
    page.go_back()
    expect(page.get_by_role("img", name="a first lamp")).to_be_visible()
    page.go_back()
    expect(playground.outcome).to_contain_text("Your image appears here.")


def test_a_job_in_the_address_asks_for_a_key_and_then_appears(playground: Playground) -> None:
    playground.api.read = lambda job_id: (200, job({"prompt": "a lamp"}, job_id=job_id, **succeeded()))
    playground.open(key=None, at="#job_shared")
    expect(playground.outcome).to_contain_text("Paste your API key to show this job.")
    playground.button("Enter your key").click()
    expect(playground.page.get_by_label("API key")).to_be_focused()
    playground.give_key(KEY)
    expect(playground.page.get_by_role("img", name="a lamp")).to_be_visible()


def test_the_draft_survives_a_reload_without_the_key(playground: Playground) -> None:
    page = playground.page
    playground.open()
    playground.choose(("a.png", picture()))
    playground.prompt.fill("a lamp")
    page.get_by_role("radio", name="16:9").check()
    page.get_by_text("Model and policy").click()
    page.get_by_label("Model", exact=True).select_option("gpt-image-2")
    playground.is_ready()
    kept = page.evaluate("JSON.stringify({ ...sessionStorage })")
    assert KEY not in kept

    page.reload()
    expect(playground.prompt).to_have_value("a lamp")
    expect(page.get_by_role("radio", name="16:9")).to_be_checked()
    expect(playground.references).to_have_count(1)
    playground.give_key(KEY)
    playground.is_ready()
    assert page.get_by_label("Model", exact=True).input_value() == "gpt-image-2"


def test_a_job_of_another_tab_appears_in_the_history(playground: Playground) -> None:
    playground.open()
    other = Playground(playground.page.context.new_page(), playground.api)
    playground.api.makes(**succeeded())
    other.open()
    other.send("a lamp of another tab")
    expect(playground.page.get_by_role("region", name="History")).to_contain_text("a lamp of another tab")


def test_the_page_links_to_the_reference_and_shows_what_was_spent(playground: Playground) -> None:
    playground.page.clock.set_fixed_time(datetime(2026, 11, 22, 12, tzinfo=UTC))
    lines = [("2026-11-01", 3, "0.18"), ("2026-11-22", 2, "0.12")]
    usage = [
        {"day": day, "tenant": "default", "route": "r", "pictures": count, "spent_usd": spent, "unknown_usd": "0.06"}
        for day, count, spent in lines
    ]
    answer = playground.api.answer

    def with_usage(request: Any) -> Answer:
        return (200, {"data": usage, "spent_usd": "0.30"}) if "/v1/usage" in request.url else answer(request)

    playground.api.answer = with_usage  # type: ignore[method-assign]
    playground.open()
    links = playground.page.get_by_role("navigation", name="More")
    expect(links.get_by_role("link", name="API reference")).to_have_attribute("href", "docs")
    expect(links.get_by_role("link", name="OpenAPI")).to_have_attribute("href", "v1/openapi.json")
    links.get_by_text("Usage").click()
    expect(links.get_by_role("definition")).to_have_text(["2 · $0.12", "5 · $0.30", "$0.12"])
    playground.page.keyboard.press("Escape")
    expect(links.get_by_role("definition").first).to_be_hidden()


def test_the_history_tells_status_prompt_time_and_price(playground: Playground) -> None:
    playground.api.makes(**succeeded())
    playground.open()
    playground.send("a lamp by the sea")
    item = playground.page.get_by_role("region", name="History").get_by_role("button", name=re.compile("a lamp"))
    for text in ("a lamp by the sea", "Succeeded", "$0.06", re.compile(r"\d{1,2}:\d{2}")):
        expect(item).to_contain_text(text)


# ---- Full size


@pytest.mark.parametrize("references", [0, 1])
def test_the_image_is_shown_in_full_size_and_the_focus_comes_back(playground: Playground, references: int) -> None:
    playground.api.makes(**succeeded(2400, 1600))
    playground.open()
    if references:
        playground.choose(("a.png", picture()))
    playground.send()
    larger = playground.button("View full size")
    larger.focus()
    playground.page.keyboard.press("Enter")
    dialog = playground.page.get_by_role("dialog", name="Image in full size")
    expect(dialog).to_be_visible()
    shown = dialog.locator("img")
    expect(shown).to_have_js_property("naturalWidth", 2400)
    fitted = shown.bounding_box()
    assert fitted is not None
    assert fitted["width"] <= 1360
    dialog.get_by_role("button", name="Show in actual size").click()
    actual = shown.bounding_box()
    assert actual is not None
    assert actual["width"] == 2400
    playground.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(larger).to_be_focused()


def test_a_click_on_the_image_shows_it_in_full_size(playground: Playground) -> None:
    playground.api.makes(**succeeded())
    playground.open()
    playground.send()
    # The image takes clicks once it has arrived and has its place.
    expect(playground.page.get_by_role("button", name="View full size")).to_be_visible()
    image = playground.outcome.locator("img.picture")
    image.scroll_into_view_if_needed()
    image.click(position={"x": 40, "y": 40}, force=True)
    expect(playground.page.get_by_role("dialog", name="Image in full size")).to_be_visible()
