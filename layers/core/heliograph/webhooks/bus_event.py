"""Published events as EventBridge delivers them, of any type: also of a later release."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from heliograph.kernel.tenants import DEFAULT_TENANT, EVERYBODY, KEY_ACCOUNT


class ReceivedEvent(BaseModel):
    """A published event: its type and its envelope."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    type: str
    version: str
    event_id: str
    occurred_at: str
    data: dict[str, Any]

    @property
    def tenant(self) -> str:
        """Tenant whose endpoints get the event: the one that it names, else the owner of the deployment."""
        account = self.data.get("account")
        if account is not None:  # of a budget, which may belong to all tenants together or to a key
            is_operators = account == EVERYBODY or KEY_ACCOUNT.fullmatch(str(account))
            return DEFAULT_TENANT if is_operators else str(account)
        return str(self.data.get("tenant") or DEFAULT_TENANT)

    @property
    def job_id(self) -> str | None:
        """Job that the event is about."""
        job_id = self.data.get("job_id")
        return str(job_id) if job_id else None


class _EventBridgeModel(BaseModel):
    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )


class _Detail(_EventBridgeModel):
    version: str
    event_id: str
    occurred_at: str
    data: dict[str, Any]


class BusEvent(_EventBridgeModel):
    """An event with the fields that EventBridge adds."""

    type: str = Field(validation_alias="detail-type")
    detail: _Detail

    def received_event(self) -> ReceivedEvent:
        """The published event."""
        return ReceivedEvent(type=self.type, **self.detail.model_dump())
