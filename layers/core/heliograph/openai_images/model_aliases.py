"""Other names of models: programs in OpenAI's shape send OpenAI's names, and many let nobody change them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from heliograph.routes.config import Routes

# The models of OpenAI's Images API, as its Python client 3.54 lists them (`openai.types.ImageModel`).
OPENAI_MODELS = (
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "chatgpt-image-latest",
    "dall-e-2",
    "dall-e-3",
)
# The setting's word for them.
OPENAI_MODELS_WORD = "openai"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelAliases:
    """Aliases by name: each stands for a model of the deployment or, if `None`, for the default policy."""

    names: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ModelAliases:
        """The aliases in `name` or `name=model`, separated by commas; `openai` is every model of OpenAI's.

        Raises `ValueError` for a text of any other form, and for a name given twice.
        """
        names: dict[str, str | None] = {}
        listed: dict[str, str | None] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, named, model = (part.strip() for part in entry.partition("="))
            if name == OPENAI_MODELS_WORD:
                names |= dict.fromkeys(OPENAI_MODELS, model or None)
                continue
            if not _NAME.fullmatch(name) or (named and not _NAME.fullmatch(model)):
                raise ValueError(f"{entry[:140]!r} is neither a name nor name=model")
            if name in listed:
                raise ValueError(f"{name} is given twice")
            listed[name] = model or None
        return cls(names | listed)

    def check(self, routes: Routes) -> None:
        """Raises `ValueError` where an alias stands for a model that no route leads to."""
        for name, model in self.names.items():
            if model is not None and routes.to(model) is None:
                raise ValueError(f"{name} stands for {model}, but there is no route to that model")

    def knows(self, name: str, routes: Routes) -> bool:
        """Whether the name is a model of the deployment, or an alias."""
        return routes.to(name) is not None or name in self.names

    def model_of(self, name: str | None, routes: Routes) -> str | None:
        """The model that the name stands for; `None`: the default policy chooses. A model's own name goes first."""
        if name is None or routes.to(name) is not None:
            return name
        return self.names.get(name)

    def every(self, routes: Routes) -> Iterator[str]:
        """Every name that a request may give: the deployment's models first."""
        yield from dict.fromkeys((*routes.models, *self.names))
