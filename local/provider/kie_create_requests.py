"""Create requests of kie.ai: limits as documented, messages as clients saw them."""

from __future__ import annotations

from typing import Any

from local.provider.catalogue import KIE, KIE_MODELS, RATIOS, RESOLUTION_LONG_SIDE_PX
from local.provider.create_requests import CreateRequest, InvalidRequest, is_http_url, read_prompt

_FIELDS = {"model", "callBackUrl", "input"}
_USUAL_RESOLUTION = "1K"


def prompt_of(body: dict[str, Any]) -> object:
    """The prompt that fault rules match, before validation."""
    inputs = body.get("input")
    return inputs.get("prompt") if isinstance(inputs, dict) else None


def read_request(body: dict[str, Any]) -> CreateRequest:
    """The request in a create body. Raises ``InvalidRequest``."""
    model = KIE_MODELS.get(body["model"]) if isinstance(body.get("model"), str) else None
    if model is None:
        raise InvalidRequest("The model name you specified is not supported. Please verify the model name")  # [client]
    inputs = body.get("input")
    if not isinstance(inputs, dict):
        raise InvalidRequest("input is required")
    # [unknown] whether unknown fields are refused; refusing them shows a client's mistake soonest.
    strange = sorted((set(body) - _FIELDS) | (set(inputs) - model.fields))
    if strange:
        raise InvalidRequest(f"Unsupported parameter for {model.model_id}: {', '.join(strange)}")
    resolution = _one_of(inputs, "resolution", tuple(RESOLUTION_LONG_SIDE_PX), _USUAL_RESOLUTION)
    nsfw_checker = inputs.get("nsfw_checker", False)  # [doc] off by default
    if not isinstance(nsfw_checker, bool):
        raise InvalidRequest("nsfw_checker must be a boolean")
    callback_url = body.get("callBackUrl")
    if callback_url is not None and not is_http_url(callback_url):
        raise InvalidRequest("callBackUrl must be a valid URL")
    return CreateRequest(
        provider=KIE,
        model=model.model_id,
        prompt=read_prompt(inputs),
        aspect_ratio=_one_of(inputs, "aspect_ratio", RATIOS, "auto"),
        references=_references(inputs, model.max_references) if "input_urls" in model.fields else (),
        nsfw_checker=nsfw_checker,
        callback_url=callback_url,
        # The settings give the default size, as for apimodels.app.
        resolution=None if resolution == _USUAL_RESOLUTION else resolution,
        received=body,
    )


def _one_of(inputs: dict[str, Any], name: str, allowed: tuple[str, ...], usual: str) -> str:
    value = inputs.get(name, usual)
    if value not in allowed:
        raise InvalidRequest(f"{name} is not within the range of allowed options")  # [client]
    return str(value)


def _references(inputs: dict[str, Any], most: int) -> tuple[str, ...]:
    urls = inputs.get("input_urls")
    if not isinstance(urls, list) or not urls:
        raise InvalidRequest("input_urls is required")
    if len(urls) > most:
        raise InvalidRequest(f"input_urls: at most {most} are supported")
    if not all(is_http_url(url) for url in urls):
        raise InvalidRequest("input_urls file type not supported")  # [client] of data: links
    return tuple(urls)
