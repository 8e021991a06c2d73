"""`GET /v1/uploads?status=rejected`: what arrived in the uploads bucket and started nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.domain.listing import Slice
from heliograph.domain.rejections import Rejection, RejectionQuery

if TYPE_CHECKING:
    from heliograph.ports import RejectionStore


def list_rejections(query: RejectionQuery, *, tenant: str, rejections: RejectionStore) -> Slice[Rejection]:
    """The tenant's, newest first."""
    return rejections.list(tenant, query)
