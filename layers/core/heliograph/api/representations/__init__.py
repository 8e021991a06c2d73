"""The API's answers: pydantic models. The OpenAPI document is made of them and publishes them under their names."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item", bound="Representation")


class Representation(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


Unreadable = Annotated[
    tuple[str, ...],
    Field(description="Ids of records that belong here and can't be read; the operator's log names them, too."),
]


class Listing(Representation, Generic[Item]):
    """A page of a list, newest first."""

    data: tuple[Item, ...]
    next_cursor: Annotated[str | None, Field(description="Give it as `cursor` to go on.")] = None
    has_more: bool = False
    unreadable: Unreadable = ()
