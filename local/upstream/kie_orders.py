"""What a create call at kie.ai asks for: the caps are those of its documentation, the texts those that clients saw."""

from __future__ import annotations

from typing import Any

from local.upstream.catalogue import KIE, KIE_MODELS, RATIOS, RESOLUTION_LONG_SIDE_PX
from local.upstream.orders import BadOrder, Order, is_http_url, read_prompt

_FIELDS = {"model", "callBackUrl", "input"}
_USUAL_RESOLUTION = "1K"


def prompt_of(body: dict[str, Any]) -> object:
    """What fault rules match, before anything is checked."""
    inputs = body.get("input")
    return inputs.get("prompt") if isinstance(inputs, dict) else None


def read_order(body: dict[str, Any]) -> Order:
    """Check a create body. Raises ``BadOrder``."""
    model = KIE_MODELS.get(body["model"]) if isinstance(body.get("model"), str) else None
    if model is None:
        raise BadOrder("The model name you specified is not supported. Please verify the model name")  # [client]
    inputs = body.get("input")
    if not isinstance(inputs, dict):
        raise BadOrder("input is required")
    # [unknown] whether strange fields are refused; doing so is what shows a client's mistake soonest.
    strange = sorted((set(body) - _FIELDS) | (set(inputs) - model.fields))
    if strange:
        raise BadOrder(f"Unsupported parameter for {model.model_id}: {', '.join(strange)}")
    resolution = _one_of(inputs, "resolution", tuple(RESOLUTION_LONG_SIDE_PX), _USUAL_RESOLUTION)
    nsfw_checker = inputs.get("nsfw_checker", False)  # [doc] off unless told
    if not isinstance(nsfw_checker, bool):
        raise BadOrder("nsfw_checker must be a boolean")
    callback_url = body.get("callBackUrl")
    if callback_url is not None and not is_http_url(callback_url):
        raise BadOrder("callBackUrl must be a valid URL")
    return Order(
        vendor=KIE,
        model=model.model_id,
        prompt=read_prompt(inputs),
        aspect_ratio=_one_of(inputs, "aspect_ratio", RATIOS, "auto"),
        references=_references(inputs, model.max_references) if "input_urls" in model.fields else (),
        nsfw_checker=nsfw_checker,
        callback_url=callback_url,
        # The size that everybody gets is the settings' to say, here as at the other vendor.
        resolution=None if resolution == _USUAL_RESOLUTION else resolution,
        received=body,
    )


def _one_of(inputs: dict[str, Any], name: str, allowed: tuple[str, ...], usual: str) -> str:
    value = inputs.get(name, usual)
    if value not in allowed:
        raise BadOrder(f"{name} is not within the range of allowed options")  # [client]
    return str(value)


def _references(inputs: dict[str, Any], most: int) -> tuple[str, ...]:
    urls = inputs.get("input_urls")
    if not isinstance(urls, list) or not urls:
        raise BadOrder("input_urls is required")
    if len(urls) > most:
        raise BadOrder(f"input_urls: at most {most} are supported")
    if not all(is_http_url(url) for url in urls):
        raise BadOrder("input_urls file type not supported")  # [client] of data: links
    return tuple(urls)
