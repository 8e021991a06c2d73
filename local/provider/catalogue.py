"""The providers and their models, with the limits that each enforces at create."""

from __future__ import annotations

from dataclasses import dataclass

APIMODELS = "apimodels"
KIE = "kie"
PROVIDERS = (APIMODELS, KIE)

RATIOS = ("auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")

RESOLUTION_LONG_SIDE_PX = {"1K": 1024, "2K": 2048, "4K": 3840}

_FIELDS = frozenset({"model", "prompt", "aspect_ratio", "image_url", "image_urls", "nsfw_checker", "callback_url"})


@dataclass(frozen=True)
class Model:
    """One model id. Prices change [doc]: the settings can override the default here.

    ``fields``: the parameters that the model accepts; at kie.ai those of ``input``.
    """

    model_id: str
    price_micro_usd: int
    max_references: int
    fields: frozenset[str]


MODELS = {
    model.model_id: model
    for model in (
        # [doc] names only these fields for beta; refusing all others is [inferred], and the stricter case.
        Model("gpt-image-2-beta", 60_000, 16, _FIELDS),
        # [unknown] whether 10 (product page) or 16 (newer material) references; 10 is what is safe to send.
        Model("gpt-image-2", 50_000, 10, _FIELDS | {"resolution"}),
    )
}

_KIE_FIELDS = frozenset({"prompt", "aspect_ratio", "resolution", "nsfw_checker"})

KIE_MODELS = {
    model.model_id: model
    for model in (
        # [doc] one model, two ids: with references and without. $0.03 at 1K [client].
        Model("gpt-image-2-text-to-image", 30_000, 0, _KIE_FIELDS),
        Model("gpt-image-2-image-to-image", 30_000, 16, _KIE_FIELDS | {"input_urls"}),
    )
}
