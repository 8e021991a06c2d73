"""Pages for browsers, and the API's description. Open to everybody: what a page does, it does with the key that it is
given.
"""

from pathlib import Path
from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.pages import READING, Pages, WebPage, folder, playground_policy
from heliograph.monitoring.logging import observed
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


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return pages.answer(event)
