"""Web pages and the API's description, open to everybody. A page calls the API with the key that its user enters."""

from pathlib import Path
from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.pages import READING, Pages, WebPage, folder, playground_policy
from heliograph.monitoring.logging import instrumented
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.serve_pages import ServePagesSettings
from heliograph.runtime.wiring import api

settings = read_settings(ServePagesSettings)
here = Path(__file__).parent
playground, docs = here / "playground", here / "docs"
pages = Pages(
    {
        "/playground": WebPage.read(playground / "index.html", playground_policy(api.bucket_origins(settings))),
        **folder("/playground", playground),
        "/docs/errors": WebPage.read(docs / "errors.html", READING),
        **folder("/docs", docs),
        **api.api_pages(settings, (here / "openapi.json").read_text(encoding="utf-8")),
    }
)


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return pages.answer(event)
