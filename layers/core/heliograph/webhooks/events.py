"""Published event of a disabled webhook endpoint; see `event_catalogue`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from heliograph.kernel.event_envelope import Envelope, Published
from heliograph.kernel.ids import derived_id


class EndpointDisabledData(Published):
    """Nothing is sent to a webhook endpoint any more, until a person enables it; what is skipped can be replayed."""

    tenant: str
    endpoint_id: str
    reason: Annotated[
        Literal["gone", "failing"],
        Field(description="gone: it answered 410; failing: for five days, every attempt failed."),
    ]
    failing_since: AwareDatetime | None
    disabled_at: AwareDatetime


class EndpointDisabled(Envelope):
    """`webhook.endpoint.disabled`"""

    event_type: ClassVar = "webhook.endpoint.disabled"
    data: EndpointDisabledData


def endpoint_disabled(
    *, tenant: str, endpoint_id: str, reason: Literal["gone", "failing"], failing_since: datetime | None, at: datetime
) -> EndpointDisabled:
    """The event of an endpoint that was disabled at that time; its id is always the same."""
    return EndpointDisabled(
        event_id=derived_id("evt", endpoint_id, "disabled", at.isoformat()),
        occurred_at=at,
        data=EndpointDisabledData(
            tenant=tenant, endpoint_id=endpoint_id, reason=reason, failing_since=failing_since, disabled_at=at
        ),
    )
