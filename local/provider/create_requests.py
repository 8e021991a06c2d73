"""Create requests: the JSON body, validated field by field as the provider does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from local.provider.catalogue import APIMODELS, MODELS, RATIOS, RESOLUTION_LONG_SIDE_PX

PROMPT_LIMIT_CHARACTERS = 20_000  # [inferred] from the channel behind the provider


class InvalidRequest(ValueError):
    """A create call that is refused as invalid, with this text."""


@dataclass(frozen=True)
class CreateRequest:
    """A valid create call. ``received`` is the body as sent, for tests."""

    provider: str
    model: str
    prompt: str
    aspect_ratio: str
    references: tuple[str, ...]
    nsfw_checker: bool
    callback_url: str | None
    resolution: str | None
    received: dict[str, Any]


def parse_body(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises ``InvalidRequest``."""
    try:
        body = json.loads(raw)
    except ValueError as wrong:
        raise InvalidRequest("Invalid JSON in request body") from wrong
    if not isinstance(body, dict):
        raise InvalidRequest("Request body must be a JSON object")
    return body


def prompt_of(body: dict[str, Any]) -> object:
    """The prompt that fault rules match, before validation."""
    return body.get("prompt")


def read_request(body: dict[str, Any]) -> CreateRequest:
    """The request in a create body. Raises ``InvalidRequest``.

    Only the message for an unknown model is the provider's own [provider]; the others are ours [unknown].
    """
    model = MODELS.get(body["model"]) if isinstance(body.get("model"), str) else None
    if model is None:
        raise InvalidRequest(f"Invalid model: {body.get('model')}. Supported models: {', '.join(MODELS)}")
    strange = sorted(set(body) - model.fields)
    if strange:
        raise InvalidRequest(f"Unsupported parameter for {model.model_id}: {', '.join(strange)}")
    references = _references(body)
    if len(references) > model.max_references:
        # Over-limit counts are rejected, never dropped [provider].
        raise InvalidRequest(
            f"Too many reference images: {len(references)}. {model.model_id} accepts at most {model.max_references}"
        )
    ratio = body.get("aspect_ratio", "auto")
    if ratio not in RATIOS:
        raise InvalidRequest(f"Invalid aspect_ratio: {ratio}. Supported: {', '.join(RATIOS)}")
    resolution = body.get("resolution")
    if resolution is not None and resolution not in RESOLUTION_LONG_SIDE_PX:
        raise InvalidRequest(f"Invalid resolution: {resolution}. Supported: {', '.join(RESOLUTION_LONG_SIDE_PX)}")
    # [unknown] the provider's pages disagree on this default; the product page says off.
    nsfw_checker = body.get("nsfw_checker", False)
    if not isinstance(nsfw_checker, bool):
        raise InvalidRequest("nsfw_checker must be a boolean")
    callback_url = body.get("callback_url")
    if callback_url is not None and not is_http_url(callback_url):
        raise InvalidRequest("callback_url must be an http(s) URL")
    return CreateRequest(
        provider=APIMODELS,
        model=model.model_id,
        prompt=read_prompt(body),
        aspect_ratio=ratio,
        references=references,
        nsfw_checker=nsfw_checker,
        callback_url=callback_url,
        resolution=resolution,
        received=body,
    )


def read_prompt(body: dict[str, Any]) -> str:
    """The prompt, which every model needs. Raises ``InvalidRequest``."""
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidRequest("prompt is required")
    if len(prompt) > PROMPT_LIMIT_CHARACTERS:
        raise InvalidRequest(f"prompt is too long: {len(prompt)} characters, at most {PROMPT_LIMIT_CHARACTERS}")
    return prompt


def _references(body: dict[str, Any]) -> tuple[str, ...]:
    if "image_url" in body and "image_urls" in body:
        raise InvalidRequest("Use either image_url or image_urls, not both")
    urls = [body["image_url"]] if "image_url" in body else body.get("image_urls", [])
    # [unknown] how the provider treats an empty list; refusing it shows a client's mistake soonest.
    if not isinstance(urls, list) or ("image_urls" in body and not urls):
        raise InvalidRequest("image_urls must be a non-empty array")
    for url in urls:
        if not is_http_url(url):
            raise InvalidRequest("Invalid image URL: only publicly reachable http(s) URLs are accepted")
    return tuple(urls)


def is_http_url(value: object) -> bool:
    """True for an absolute http or https URL."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
