"""The description and the reference as they are served, and the reference in a real browser."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from tests.chromium import MISSING, is_at_hand, running_chromium
from tests.e2e.world import World


@pytest.mark.parametrize("path", ["/v1/openapi.json", "/docs", "/docs/errors", "/docs/errors.css", "/docs/style.css"])
def test_a_page_needs_no_key_and_is_sent_once(world: World, path: str) -> None:
    first = world.call("GET", path, key=None)
    again = world.call("GET", path, key=None, headers={"If-None-Match": first.headers["etag"]})
    head = world.call("HEAD", path, key=None)

    assert (first.status_code, again.status_code, head.status_code) == (200, 304, 200)
    assert first.headers["cache-control"] == "no-cache"
    assert head.headers["etag"] == first.headers["etag"]
    assert head.content == b""


def test_the_description_is_of_this_deployment(world: World) -> None:
    document = world.call("GET", "/v1/openapi.json", key=None).json()

    assert document["openapi"] == "3.1.0"
    models = world.call("GET", "/v1/models").json()["data"]
    described = document["components"]["schemas"]["NewJob"]["properties"]["model"]["enum"]
    assert described == list(dict.fromkeys(model["model"] for model in models))


def test_the_type_of_a_problem_leads_to_what_is_said_of_its_code(world: World) -> None:
    answer = world.call("GET", "/v1/jobs/job_of_nobody/events")
    problem = answer.json()

    page = world.http.get(urljoin(str(answer.url), problem["type"]))

    assert problem["type"].endswith(f"#{problem['code']}")
    assert f'<h3 id="{problem["code"]}">' in page.text


def test_the_reference_works_in_a_browser_within_its_policy(world: World) -> None:
    assert is_at_hand(), MISSING
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{world.stack.api_url}/docs#createJob")

        page.locator("nav a[aria-current]", has_text="Create a job").wait_for()
        page.locator("#createJob label", has_text="Node.js").click()
        page.locator("#createKey pre:visible", has_text="await fetch").first.wait_for()
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert complaints == []
        page.close()

        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto(f"{world.stack.api_url}/docs")
        plain.locator("#createJob label", has_text="Python").click()
        plain.locator("#createJob pre:visible", has_text="httpx.post").wait_for()
        plain.context.close()
