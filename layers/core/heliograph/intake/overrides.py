"""What an upload may say over its preset, by its own metadata (`x-amz-meta-…`), and what is refused.

Who may upload is trusted less than who writes presets. So a preset lists in `overrides` what its uploads may choose;
the filter can be switched on by any upload, and off by none; and results stay where the preset puts them. A name that
looks like one of ours and is none is refused: ignored, it would be paid for by mistake. All other metadata belongs to
others, and means nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from heliograph.kernel.errors import Fault, InvalidRequest
from heliograph.kernel.printable import without_unprintable
from heliograph.storage.layout import PresetUpload, default_output_key

# The metadata names, and the fields of a request that they stand for.
NAMES = {
    "prompt": "prompt",
    "aspect-ratio": "aspect_ratio",
    "nsfw-checker": "nsfw_checker",
    "model": "model",
    "policy": "policy",
    "output-key": "output_key",
}
DEFAULT = ("prompt", "aspect_ratio")
_ROUTE_FIELDS = frozenset({"model", "policy"})
# Fields that a preset has, and no upload may choose.
_OF_PRESETS = ("references", "webhook-url", "deadline-seconds", "on-uncertain", "overrides")
# What our results carry: a copy of one may be uploaded.
RESULT_NAMES = frozenset(
    f"heliograph-{name}"
    for name in ("job-id", "sha256", "task", "width", "height", "model", "attempt-id", "preset", "order", "reused-from")
)
# What people write in front of a name: S3's own header among them, which a client adds once more.
_OUR_PREFIX = re.compile(r"(x-amz-meta-)*(x-)?heliograph(-|$)")
_ANY_PREFIX = re.compile(r"(x-amz-meta-|amz-meta-|meta-|(x-)?heliograph-|x-)+")
_SEPARATOR = re.compile(r"[-_.\s]+")
# Words that only a name of ours, or a misspelt one, has.
_TELLING = {"prompt": "prompt", "aspect": "aspect-ratio", "nsfw": "nsfw-checker"}
# Names of others that are close to ours: a file's permission bits, for one.
_OF_OTHERS = frozenset({"mode", "modes", "modem", "police", "promo"})
_SHORT_CHARACTERS = 6


def overridden(
    recipe: Mapping[str, Any], metadata: Mapping[str, str], *, preset: str, decode: Callable[[str], str]
) -> dict[str, Any]:
    """The preset's recipe with what an upload with this metadata says over it, and without its `overrides`.

    `decode` reads a value of ours. Raises `InvalidRequest` that names every fault at once.
    """
    named = {name.lower(): value for name, value in metadata.items()}
    said = {field: decode(named[name]) for name, field in NAMES.items() if name in named}
    faults = [*_faults_of_names(named), *([*_faults_of_list(recipe)] or _not_allowed(said, recipe, preset))]
    if faults:
        raise InvalidRequest(*faults)
    if _ROUTE_FIELDS & said.keys():
        # A model and a policy exclude each other: the object's choice replaces the preset's, whichever that was.
        recipe = {field: value for field, value in recipe.items() if field not in _ROUTE_FIELDS}
    document: dict[str, Any] = {**recipe, **said}
    document.pop("overrides", None)
    match said.get("nsfw_checker"):
        case "true":
            document["nsfw_checker"] = True
        case "false":  # as the preset has it: off
            del document["nsfw_checker"]
    return document


def fixed_prefix(output_key: object, preset: str) -> str:
    """What every key begins with that uploads of a preset may choose: its own output key, up to the first open field.

    Where that begins with such a field, the preset's default folder.
    """
    pattern = output_key if isinstance(output_key, str) else default_output_key(PresetUpload(preset, ""))
    return _literal(pattern, preset) or f"{preset}/"


def _literal(pattern: str, preset: str) -> str:
    return pattern.replace("{preset}", preset).partition("{")[0]


def _faults_of_list(recipe: Mapping[str, Any]) -> Iterator[Fault]:
    allowed = recipe.get("overrides", DEFAULT)
    known = tuple(NAMES.values())
    if not isinstance(allowed, list | tuple) or any(field not in known for field in allowed):
        yield Fault("/overrides", f"must be a list of what uploads may choose, some of {', '.join(known)}")


def _not_allowed(said: Mapping[str, str], recipe: Mapping[str, Any], preset: str) -> Iterator[Fault]:
    allowed = recipe.get("overrides", DEFAULT)
    for name, field in NAMES.items():
        if field in said and field not in {*allowed, "nsfw_checker"}:
            told = ", ".join(allowed) or "nothing"
            yield Fault(f"/{field}", f"x-amz-meta-{name}: uploads to the preset {preset} may choose {told}")
    if said.get("nsfw_checker") == "false" and recipe.get("nsfw_checker", False) is not False:
        yield Fault("/nsfw_checker", "x-amz-meta-nsfw-checker: an upload may switch the filter on, and not off")
    prefix = fixed_prefix(recipe.get("output_key"), preset)
    if "output_key" in said and "output_key" in allowed and not _literal(said["output_key"], preset).startswith(prefix):
        yield Fault("/output_key", f"x-amz-meta-output-key: must begin with {prefix}, where this preset's results go")


def _faults_of_names(named: Mapping[str, str]) -> Iterator[Fault]:
    for name in named:
        if name in NAMES or name in RESULT_NAMES:
            continue
        meant = _meant(name)
        if meant in NAMES:
            detail = f"is not known: write x-amz-meta-{meant}"
        elif meant:
            detail = f"is for the preset ({meant.replace('-', '_')}): an upload can't choose it"
        elif _OUR_PREFIX.match(name):
            detail = f"is not known: there are {', '.join(f'x-amz-meta-{known}' for known in NAMES)}"
        else:
            continue
        yield Fault("", f"x-amz-meta-{without_unprintable(name)[:64]} {detail}")


def _meant(name: str) -> str | None:
    """The name of ours that somebody meant; `None` for a name that has nothing to do with us."""
    bare = _ANY_PREFIX.sub("", name, count=1) if _ANY_PREFIX.match(name) else name
    words = [word for word in _SEPARATOR.split(bare) if word]
    compact = "".join(words)
    if compact in _OF_OTHERS:
        return None
    for known in (*NAMES, *_OF_PRESETS):
        ours = known.replace("-", "")
        most = 1 if len(ours) <= _SHORT_CHARACTERS else 2
        if _distance(compact, ours) <= most:
            return known
    return next((_TELLING[word] for word in words if word in _TELLING), None)


def _distance(one: str, other: str) -> int:
    """How many letters to add, leave out, change or swap with their neighbour (optimal string alignment)."""
    if abs(len(one) - len(other)) > 2:  # noqa: PLR2004 - the most that anybody asks for
        return abs(len(one) - len(other))
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        line = [row]
        for column, wanted in enumerate(other, start=1):
            changed = last[column - 1] + (letter != wanted)
            cost = min(last[column] + 1, line[column - 1] + 1, changed)
            if row > 1 and column > 1 and (letter, one[row - 2]) == (other[column - 2], wanted):
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, last = last, line
    return last[-1]
