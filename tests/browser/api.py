"""The playground's files as they are served, and an API that answers as a test says: no stack, no network.

The answers are checked against the API's own models: a field that the API does not have fails the test that uses it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from heliograph.api.pages import BucketOrigins, Pages, WebPage, folder, playground_policy
from heliograph.api.representations import Representation
from heliograph.api.representations.jobs import (
    AttemptResource,
    JobResource,
    QuoteResource,
    ResultResource,
    TimelineResource,
)
from heliograph.api.representations.models import ModelResource, ModelsResource
from heliograph.api.representations.problems import ProblemDocument
from heliograph.api.representations.uploads import UploadResource
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Request, Route, expect
from playwright.sync_api import Page as Window

FOLDER = Path(__file__).parents[2] / "functions" / "serve_pages" / "playground"
BASE = "https://api.test/live"
UPLOADS, RESULTS = "https://uploads.test", "https://results.test"
KEY = "hg_" + "k" * 43
RATIOS = ["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"]
PATIENCE_MS = 10_000
_PAGES = Pages(
    {
        "/playground": WebPage.read(FOLDER / "index.html", playground_policy(BucketOrigins(UPLOADS, RESULTS))),
        **folder("/playground", FOLDER),
    }
)
_REFUSED_CALL = re.compile(r"Failed to load resource: (the server responded with a status of [45]\d\d|net::ERR_)")
Answer = tuple[int, dict[str, Any]]


def picture(width: int = 640, height: int = 480, *, kind: str = "PNG") -> bytes:
    """An image file."""
    stored = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(stored, kind)
    return stored.getvalue()


def models(*, spending_paused: bool = False) -> dict[str, Any]:
    """Two models, the second of which takes fewer references."""
    shared = {"provider": "apimodels", "longest_prompt": 20_000, "aspect_ratios": RATIOS, "max_in_flight": 10}
    first = {"name": "gpt-image-2-beta", "model": "gpt-image-2-beta", "price_usd": "0.06", "max_references": 16}
    second = {"name": "gpt-image-2", "model": "gpt-image-2", "price_usd": "0.05", "max_references": 10}
    data = [{**shared, **first, "circuit": "closed", "is_default": True}]
    data += [{**shared, **second, "circuit": "closed", "is_default": False}]
    document = {"data": data, "spending_paused": spending_paused}
    return _of(ModelsResource, {**document, "data": [_of(ModelResource, route) for route in data]})


def quote(request: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A dry run's answer. `more`: what this version of the API may say besides."""
    route = {"name": "gpt-image-2-beta", "provider": "apimodels", "model": "gpt-image-2-beta", "price_usd": "0.06"}
    document = {
        "dry_run": True,
        "task": "edit" if request.get("references") else "text-to-image",
        "request": _request(request),
        "routes": [route],
        "price_usd": "0.06",
        "price_usd_at_most": "0.06",
    }
    return {**_of(QuoteResource, document), **more}


def attempt(**fields: Any) -> dict[str, Any]:
    """A create call that was sent."""
    document = {
        "attempt_id": "att_1",
        "route": "gpt-image-2-beta",
        "provider": "apimodels",
        "model": "gpt-image-2-beta",
        "price_usd": "0.06",
        "intended_at": "2026-11-28T12:00:00Z",
        "accepted_at": None,
        "task_id": None,
        "uncertainty": None,
        "ended_at": None,
        "failure": None,
        "retry_after_seconds": None,
        **fields,
    }
    return _of(AttemptResource, document)


def job(request: dict[str, Any], *, job_id: str = "job_1", **fields: Any) -> dict[str, Any]:
    """A job, queued unless `fields` say otherwise."""
    document = {
        "id": job_id,
        "status": "queued",
        "task": "text-to-image",
        "request": _request(request),
        "metadata": {},
        "tags": [],
        "source": {"kind": "api"},
        "retry_of": None,
        "created_at": "2026-11-28T12:00:00Z",
        "deadline_at": "2026-11-28T12:20:00Z",
        "finished_at": None,
        "delivered_late_at": None,
        "cancel_requested_at": None,
        "notice": None,
        "timings": {"queued_seconds": None, "processing_seconds": None, "total_seconds": None},
        "price_usd": "0.00",
        "charged": None,
        "attempts": [],
        "results": [],
        "provider_urls": [],
        "failure": None,
        **fields,
    }
    return _of(JobResource, document)


def succeeded(width: int = 1024, height: int = 768) -> dict[str, Any]:
    """What a job has besides once its image is stored."""
    result = {
        "bucket": "results",
        "key": "results/job_1/image.png",
        "version_id": None,
        "content_type": "image/png",
        "size_bytes": 1234,
        "width": width,
        "height": height,
        "sha256": "0" * 64,
        "url": f"{RESULTS}/image-{width}x{height}.png",
        "url_expires_at": "2999-01-01T00:00:00Z",
    }
    return {
        "status": "succeeded",
        "finished_at": "2026-11-28T12:00:21Z",
        "price_usd": "0.06",
        "charged": "yes",
        "timings": {"queued_seconds": 1.0, "processing_seconds": 20.0, "total_seconds": 21.0},
        "attempts": [attempt(accepted_at="2026-11-28T12:00:01Z", ended_at="2026-11-28T12:00:20Z")],
        "results": [_of(ResultResource, result)],
    }


def failed(
    code: str, *, charged: str = "no", retryable: bool = False, message: str = "why it failed"
) -> dict[str, Any]:
    """What a job has besides that ended without an image."""
    return {
        "status": "failed",
        "finished_at": "2026-11-28T12:00:21Z",
        "charged": charged,
        "price_usd": {"no": "0.00", "yes": "0.06"}.get(charged),
        "attempts": [attempt(accepted_at="2026-11-28T12:00:01Z", ended_at="2026-11-28T12:00:20Z")],
        "failure": {"code": code, "message": message, "retryable": retryable, "charged": charged},
    }


def problem(status: int, code: str, detail: str, **fields: Any) -> Answer:
    """A problem document."""
    document = {
        "type": "about:blank",
        "title": "Problem",
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": False,
        "charged": "no",
        "request_id": "req-1",
        **fields,
    }
    return status, _of(ProblemDocument, document)


def lacks(scope: str) -> Answer:
    """A key's missing scope."""
    return problem(403, "insufficient_scope", f"this key lacks the scope {scope}")


def _of(model: type[Representation], document: dict[str, Any]) -> dict[str, Any]:
    assert set(document) <= set(model.model_fields)
    return document


def _request(request: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in request.items() if name != "dry_run"}
    return {"prompt": "x", "references": [], **given}


@dataclass
class Api:
    """What it answers is an attribute each; a test replaces those that it is about."""

    models: Callable[[], Answer] = lambda: (200, models())
    quote: Callable[[dict[str, Any]], Answer] = lambda request: (200, quote(request))
    create: Callable[[dict[str, Any]], Answer] = lambda request: (202, job(request))
    # By its id, as often as it is polled.
    read: Callable[[str], Answer] = lambda _: problem(404, "not_found", "there is no such job")
    listed: Callable[[str], Answer] = lambda _: (200, {"data": [], "next_cursor": None, "has_more": False})
    upload: Callable[[dict[str, Any]], Answer] = lambda _: problem(503, "unavailable", "no uploads here")
    steps: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    forms: list[bytes] = field(default_factory=list)

    def takes_uploads(self, **fields: str) -> None:
        """Every upload, by a form with these fields."""
        count = iter(range(1000))

        def upload(_: dict[str, Any]) -> Answer:
            name = f"up_{next(count)}.png"
            form = {"id": name, "method": "POST", "url": UPLOADS, "fields": fields or {"key": name, "policy": "p"}}
            return 201, _of(UploadResource, {**form, "expires_at": "2999-01-01T00:00:00Z"})

        self.upload = upload

    def makes(self, **job_fields: Any) -> None:
        """Every job that is created is as these fields say when it is read."""
        made: dict[str, dict[str, Any]] = {}

        def create(request: dict[str, Any]) -> Answer:
            job_id = f"job_{len(made) + 1}"
            made[job_id] = job(request, job_id=job_id, **job_fields)
            return 202, job(request, job_id=job_id)

        self.create = create
        self.read = lambda job_id: (200, made[job_id]) if job_id in made else problem(404, "not_found", "no such job")

    def answer(self, request: Request) -> Answer:
        """The API's answer to a call."""
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/live/v1")
        body: dict[str, Any] = json.loads(request.post_data or "{}") if request.method == "POST" else {}
        dry = body.get("dry_run") is True
        self.calls.append(f"{request.method} {path}{' (dry run)' if dry else ''}")
        match request.method, path.strip("/").split("/"):
            case "GET", ["models"]:
                return self.models()
            case "POST", ["jobs"]:
                return self.quote(body) if dry else self.create(body)
            case "GET", ["jobs"]:
                return self.listed(parts.query)
            case "GET", ["jobs", job_id]:
                return self.read(job_id)
            case "GET", ["jobs", _, "events"]:
                return 200, _of(TimelineResource, {"data": self.steps, "complete": True})
            case "POST", ["uploads"]:
                return self.upload(body)
            case _:
                return problem(404, "not_found", "there is no such path or method")


@dataclass
class Playground:
    """The page in a window of its own."""

    page: Window
    api: Api
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self._serve)

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _REFUSED_CALL.match(text):
            self.complaints.append(text)

    def _serve(self, route: Route) -> None:
        url = route.request.url
        path = urlsplit(url).path
        if url.startswith(f"{BASE}/v1/"):
            status, document = self.api.answer(route.request)
            return route.fulfill(status=status, json=document)
        if url.startswith(f"{BASE}/playground"):
            return self._file(route, path.removeprefix("/live"))
        if url.startswith(UPLOADS):
            self.api.forms.append(route.request.post_data_buffer or b"")
            return route.fulfill(status=204, headers={"Access-Control-Allow-Origin": "*"})
        if found := re.search(r"/image-(\d+)x(\d+)\.png$", path):
            return route.fulfill(body=picture(int(found[1]), int(found[2])), content_type="image/png")
        return route.abort()

    def _file(self, route: Route, path: str) -> None:
        answer = _PAGES.answer(
            {
                "httpMethod": "GET",
                "path": path,
                "resource": path,
                "headers": {},
                "requestContext": {"requestId": "call-1"},
            }
        )
        headers = answer.get("headers", {})
        route.fulfill(status=answer["statusCode"], headers=headers, body=answer["body"])

    def open(self, *, key: str | None = KEY, at: str = "") -> Playground:
        """The page, with a key in it unless that is `None`; `at`: what follows the `#` of its address."""
        self.page.goto(f"{BASE}/playground{at}")
        if key is not None:
            self.give_key(key)
        return self

    def give_key(self, key: str) -> None:
        """Pastes it."""
        field_ = self.page.get_by_label("API key")
        field_.fill(key)
        field_.press("Enter")

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_role("textbox", name="Prompt")

    @property
    def generate(self) -> Locator:
        return self.page.locator("#generate")

    @property
    def why(self) -> Locator:
        """The line below the button."""
        return self.page.locator("#why")

    @property
    def key_message(self) -> Locator:
        return self.page.locator("#key-fault")

    @property
    def refused(self) -> Locator:
        return self.page.locator("#references-refused")

    @property
    def references(self) -> Locator:
        return self.page.get_by_role("list", name="References, in order").get_by_role("listitem")

    @property
    def outcome(self) -> Locator:
        return self.page.get_by_role("region", name="Result")

    def button(self, name: str) -> Locator:
        """In the result's half."""
        return self.outcome.get_by_role("button", name=name)

    def choose(self, *files: tuple[str, bytes]) -> None:
        """By the file picker. The browser guesses their types from their names."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose images").click()
        kinds = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif"}
        chooser.value.set_files(
            [
                FilePayload(name=name, mimeType=kinds.get(name.rpartition(".")[2].lower(), ""), buffer=body)
                for name, body in files
            ]
        )

    def is_ready(self) -> None:
        """Waits until the request may be sent."""
        expect(self.generate).to_have_attribute("aria-disabled", "false")

    def send(self, prompt: str = "a lamp") -> None:
        """Sends the form with that prompt."""
        self.prompt.fill(prompt)
        self.is_ready()
        self.generate.click()

    def priced(self) -> None:
        """Waits for a price that is asked for from now on."""
        with self.page.expect_response(lambda answer: answer.url.endswith("/v1/jobs")):
            self.prompt.press("End")
            self.page.keyboard.type("x")
        self.is_ready()


@contextmanager
def playground_in(browser: Browser, api: Api | None = None, **window: Any) -> Iterator[Playground]:
    """A new window, whose page had nothing to complain of in the end."""
    context = browser.new_context(viewport=window.pop("viewport", {"width": 1360, "height": 900}), **window)
    context.set_default_timeout(PATIENCE_MS)
    try:
        playground = Playground(context.new_page(), api or Api())
        yield playground
        assert playground.complaints == []
    finally:
        context.close()
