"""Routes in OpenAI's shape that create nothing: the list of models, and the images that responses link to."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response

from heliograph.api.openai import MODELS
from heliograph.api.openai.rate_limit import RateLimit
from heliograph.api.openai.refusal import INVALID, Refusal
from heliograph.api.representations.openai import ModelEntry, ModelList
from heliograph.openai_images.image_links import FILES, PROOF, UNTIL
from heliograph.openai_images.linked_images import ImageLinks, LinkedImage
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import Code
from heliograph.routes.config import Routes


def serve_models(app: LambdaFunctionUrlResolver, routes: Routes, aliases: ModelAliases) -> None:
    """Adds the list of the names that a call may give as its model, and each name by itself."""

    @app.get(MODELS)
    def list_models() -> Response[str]:
        _check_rate_limit(app)
        entries = tuple(ModelEntry(id=name) for name in aliases.every(routes))
        return Response(HTTPStatus.OK.value, "application/json", ModelList(data=entries).model_dump_json())

    @app.get(f"{MODELS}/<name>")
    def get_model(name: str) -> Response[str]:
        _check_rate_limit(app)
        if not aliases.knows(name, routes):
            message = f"there is no model {name[:64]!r} here; there are {', '.join(aliases.every(routes))}"
            raise Refusal(HTTPStatus.NOT_FOUND, INVALID, Code.NO_SUCH_MODEL, message, "model")
        return Response(HTTPStatus.OK.value, "application/json", ModelEntry(id=name).model_dump_json())


def _check_rate_limit(app: LambdaFunctionUrlResolver) -> None:
    rate_limit: RateLimit = app.context["rate_limit"]
    rate_limit.check()


def serve_files(app: LambdaFunctionUrlResolver, links: ImageLinks) -> None:
    """Adds the images that responses link to. Their signed links are checked, and no key."""

    @app.get(f"{FILES}/<job_id>/<name>")
    def get_file(job_id: str, name: str) -> Response[bytes]:
        event = app.current_event
        query = event.query_string_parameters
        path, expires, signature = f"{FILES}/{job_id}/{name}", query.get(UNTIL, ""), query.get(PROOF, "")
        return _file_response(links.follow(path, expires=expires, signature=signature))


def _file_response(found: LinkedImage | None) -> Response[bytes]:
    """200 with the image, or 302 to its location if it is too large for a response; 404 for an invalid link."""
    if found is None:
        message = "this link is not valid: it has expired, or was never issued"
        raise Refusal(HTTPStatus.NOT_FOUND, INVALID, "no_such_file", message)
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    if found.body is None:
        headers = {"Cache-Control": "no-store", "Location": found.url}
        return Response(HTTPStatus.FOUND.value, "text/plain", b"", headers)
    return Response(HTTPStatus.OK.value, found.content_type, found.body, headers)
