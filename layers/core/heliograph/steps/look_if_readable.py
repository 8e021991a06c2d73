"""What lies where a result goes, if that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.domain.errors import StorageFailed

if TYPE_CHECKING:
    from heliograph.domain.objects import ObjectFacts
    from heliograph.domain.references import ObjectLocation
    from heliograph.ports import ObjectStore


def look_if_readable(location: ObjectLocation, *, objects: ObjectStore) -> ObjectFacts | None:
    """The object's facts; `None` where there is none, or the store refuses to hand it over for good.

    An older result that was archived must not keep a paid image from being stored. Raises `StorageFailed` where a later
    try may do.
    """
    try:
        return objects.look(location)
    except StorageFailed as error:
        if error.refusal is None:
            raise
        return None
