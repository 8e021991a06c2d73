"""The browser that the tests drive: one of this machine, else Playwright's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

MISSING = (
    "The playground is tested in a real browser, and there is none on this machine. Install one, either\n"
    "    apt-get install chromium                              (or your system's package of that name)\n"
    "    .venv/bin/python -m playwright install chromium       (Playwright's own, for your user only)\n"
    "and run this again. Everything else:\n"
    "    .venv/bin/python -m pytest --ignore tests/browser --ignore tests/e2e/test_playground.py"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def is_at_hand() -> bool:
    """Whether there is a Chromium to drive."""
    if _on_the_path():
        return True
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless Chromium. Fails as `MISSING` says where there is none."""
    with sync_playwright() as playwright:
        browser = _launch(playwright)
        try:
            yield browser
        finally:
            browser.close()


def _launch(playwright: Playwright) -> Browser:
    # Chromium's own sandbox does not work for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=_on_the_path(), args=arguments)


def _on_the_path() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)
