"""The playground as a person meets it: by what is written on it, in a browser that reports everything it minds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, FilePayload, JSHandle, Locator, Page, expect

from tests.e2e.world import World

# Anything takes longer than a picture of the simulator's, with the page's own pauses between two questions.
PATIENCE_MS = 45_000
_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI}`));
"""
# The browser's own line about an answer of 400 or more: such answers are what some tests are about.
_REFUSED_CALL = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


@dataclass
class Playground:
    """The page in a window of its own."""

    page: Page
    world: World
    complaints: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.add_init_script(_TELL_VIOLATIONS)
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not _REFUSED_CALL.match(text):
            self.complaints.append(text)

    def _note(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            self.origins.add(f"{parts.scheme}://{parts.netloc}")

    @property
    def url(self) -> str:
        return f"{self.world.stack.api_url}/playground"

    def open(self, *, key: str | None = "") -> Self:
        """The page, with the right key in it unless another is given (`None`: none at all)."""
        self.page.goto(self.url)
        if key is not None:
            self.give_key(key or self.world.stack.api_key)
        return self

    def give_key(self, key: str) -> None:
        self.page.get_by_label("API key").fill(key)

    # -- composing

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_role("textbox", name="Prompt")

    def ratio(self, name: str) -> Locator:
        return self.page.get_by_role("radio", name=name, exact=True)

    @property
    def filter(self) -> Locator:
        return self.page.get_by_role("switch", name="Content filter")

    def choose(self, *files: tuple[str, bytes], kind: str = "image/png") -> None:
        """By the file picker."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose images").click()
        chooser.value.set_files([FilePayload(name=name, mimeType=kind, buffer=body) for name, body in files])

    def drop(self, name: str, body: bytes, *, kind: str = "image/png") -> None:
        """From the desktop onto the page."""
        dropped = self._transfer(name, body, kind)
        place = self.page.get_by_text("drop or paste them here")
        for event in ("dragenter", "dragover", "drop"):
            place.dispatch_event(event, {"dataTransfer": dropped})

    def paste(self, name: str, body: bytes, *, kind: str = "image/png") -> None:
        """From the clipboard, wherever the focus is."""
        pasted = self._transfer(name, body, kind)
        event = "new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })"
        self.page.evaluate(f"(clipboardData) => document.activeElement.dispatchEvent({event})", pasted)

    def _transfer(self, name: str, body: bytes, kind: str) -> JSHandle:
        return self.page.evaluate_handle(
            """([name, kind, bytes]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
              return transfer;
            }""",
            [name, kind, list(body)],
        )

    @property
    def references(self) -> Locator:
        return self.page.get_by_role("list", name="References, in order").get_by_role("listitem")

    # -- sending

    @property
    def price(self) -> Locator:
        return self.page.locator("#amount")

    @property
    def generate(self) -> Locator:
        return self.page.get_by_role("button", name=re.compile("^Generate"))

    def is_ready(self) -> None:
        """Waits until it may be sent."""
        expect(self.generate).to_have_attribute("aria-disabled", "false", timeout=PATIENCE_MS)

    def send(self, prompt: str) -> None:
        """As it stands, with that prompt."""
        self.prompt.fill(prompt)
        self.is_ready()
        self.generate.click()

    # -- what becomes of it

    @property
    def outcome(self) -> Locator:
        return self.page.get_by_role("region", name="Result")

    @property
    def timeline(self) -> Locator:
        return self.page.get_by_role("region", name="Timeline").get_by_role("listitem")

    def picture(self) -> Locator:
        """The result, once it is there and painted."""
        self.outcome.get_by_role("link", name="Download").wait_for(timeout=PATIENCE_MS)
        picture = self.outcome.locator("img.picture").first
        self.page.wait_for_function("(image) => image.complete && image.naturalWidth > 0", arg=picture.element_handle())
        return picture

    @property
    def history(self) -> Locator:
        return self.page.get_by_role("region", name="History").get_by_role("listitem")

    def code(self, language: str) -> str:
        """What there is to copy."""
        if not self.page.get_by_role("tablist", name="Language").is_visible():
            self.page.get_by_text("Show as code").click()
        self.page.get_by_role("tab", name=language, exact=True).click()
        return self.page.get_by_role("tabpanel").inner_text()

    @property
    def kept(self) -> str:
        """All that the browser keeps of the page."""
        return str(self.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"))

    def job(self, mark: str) -> dict[str, Any]:
        """The newest job of that prompt, as the API shows it."""
        jobs = self.world.call("GET", "/v1/jobs", params={"limit": 100}).json()["data"]
        return next(job for job in jobs if mark in job["request"]["prompt"])


@contextmanager
def playground_in(browser: Browser, world: World, **window: Any) -> Iterator[Playground]:
    """A new window. Afterwards: nothing was minded, and nothing else was called."""
    context = browser.new_context(viewport=window.pop("viewport", {"width": 1360, "height": 900}), **window)
    context.set_default_timeout(PATIENCE_MS)
    try:
        playground = Playground(context.new_page(), world)
        yield playground
        assert playground.complaints == []
        assert playground.origins <= {world.stack.endpoint}
    finally:
        context.close()
