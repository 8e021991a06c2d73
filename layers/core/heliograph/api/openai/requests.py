"""Calls in OpenAI's shape, read from the event of a function URL."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from http import HTTPStatus

from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent

from heliograph.access.keys import Caller
from heliograph.api.call import repeat_number
from heliograph.api.multipart import read_form
from heliograph.api.openai import EDITS
from heliograph.api.openai.refusal import INVALID, Refusal
from heliograph.intake.recent_calls import IncomingCall
from heliograph.jobs.request import MAX_BODY_BYTES, Rules, read_json_object
from heliograph.openai_images.make_images import ImagesCall
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import EditRequest, GenerationRequest, ImagesRequest, read_images_request


def read_call(
    event: LambdaFunctionUrlEvent, caller: Caller, *, rules: Rules, aliases: ModelAliases, now: datetime
) -> ImagesCall:
    """The call in a function URL's event. Raises `InvalidRequest` for parameters that can't be used."""
    text = event.body or ""
    body = base64.b64decode(text) if event.is_base64_encoded else text.encode(errors="surrogatepass")
    content_type = event.headers.get("content-type", "")
    if event.path == EDITS:
        request, images = _edit(body, content_type, rules.of(caller.tenant), aliases)
    else:
        request, images = _generation(body, rules.of(caller.tenant), aliases), ()
    return ImagesCall(
        request=request,
        images=images,
        caller=caller,
        arrival=_incoming_call(event),
        idempotency_key=event.headers.get("idempotency-key") or None,
        started_at=now,
    )


def _generation(body: bytes, rules: Rules, aliases: ModelAliases) -> ImagesRequest:
    if len(body) > MAX_BODY_BYTES:
        message = f"the body is larger than the {MAX_BODY_BYTES} bytes allowed"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, INVALID, "payload_too_large", message)
    return read_images_request(GenerationRequest, read_json_object(body, what="the body"), rules, aliases)


def _edit(
    body: bytes, content_type: str, rules: Rules, aliases: ModelAliases
) -> tuple[ImagesRequest, tuple[bytes, ...]]:
    form = read_form(body, content_type, files=("image", "mask", "markup"))
    unexpected = {name: "a file" for name in form.files if name != "image"}
    request = read_images_request(EditRequest, {**form.texts, **unexpected}, rules, aliases)
    return request, form.files.get("image", ())


def _incoming_call(event: LambdaFunctionUrlEvent) -> IncomingCall:
    return IncomingCall(
        call_id=event.request_context.request_id,
        received_at=datetime.fromtimestamp(event.request_context.time_epoch / 1000, UTC),
        repeat=repeat_number(event.headers.get("x-stainless-retry-count", "")),
    )


def link_base(event: LambdaFunctionUrlEvent) -> str:
    """Base URL of this function as the caller sees it: scheme, host, and the path prefix that a proxy names."""
    headers = event.headers
    scheme = headers.get("x-forwarded-proto", "") or "https"
    host = headers.get("x-forwarded-host", "") or event.request_context.domain_name
    return f"{scheme}://{host}{headers.get('x-forwarded-prefix', '').rstrip('/')}"
