"""Pages for browsers, at `/playground`. Open to everybody: what they do, they do with the key they are given."""

from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.runtime import wiring
from heliograph.runtime.observability import count, observed
from heliograph.runtime.pages import Page, Pages, folder, playground_policy

playground = Path(__file__).parent / "playground"
pages = Pages(
    {
        "/playground": Page.read(playground / "index.html", playground_policy(wiring.bucket_origins())),
        **folder("/playground", playground),
    }
)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = pages.answer(event)
    count(f"Page_{answer['statusCode']}")
    return answer
