"""`GET /v1/uploads?status=rejected`: what arrived in the uploads bucket and started nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.intake.rejections import Rejection, RejectionQuery
from heliograph.kernel.pagination import Page

if TYPE_CHECKING:
    from heliograph.intake.ports import RejectionStore


def list_rejections(query: RejectionQuery, *, tenant: str, rejections: RejectionStore) -> Page[Rejection]:
    """The tenant's, newest first."""
    return rejections.list(tenant, query)
