"""Webhook endpoints: registered, changed, removed; their secrets shown and rotated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from heliograph.kernel.errors import Conflict
from heliograph.kernel.ids import derived_id
from heliograph.kernel.pagination import Records
from heliograph.kernel.retry_on_conflict import update_with_retry
from heliograph.webhooks.endpoint import (
    ENDPOINT_ID,
    JOB_URLS,
    MOST_ENDPOINTS,
    Endpoint,
    job_urls_id,
    job_urls_of,
    read_endpoint_change,
    read_endpoint_request,
    secret_of,
)

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import EndpointStore


@dataclass(frozen=True, slots=True)
class Secret:
    """What the endpoint's messages are signed with; the one before it signs as well until `previous_valid_until`."""

    endpoint_id: str
    secret: str = field(repr=False)
    version: int
    previous_valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class EndpointService:
    """Where tenants look after their endpoints. Another tenant's are `None`, as if there were none.

    `master`: the secret that all others are derived from. `local`: whether this very machine may be an endpoint. Every
    method raises `StorageFailed`.
    """

    endpoints: EndpointStore
    clock: Clock
    master: Callable[[], str]
    local: bool = False

    def register(self, document: Mapping[str, Any], *, tenant: str, request_id: str) -> tuple[Endpoint, Secret]:
        """A new endpoint. Raises `InvalidRequest` naming every fault, or `Conflict` where there are as many as may be
        (two at once may pass that by one).
        """
        request = read_endpoint_request(document, local=self.local)
        registered = self.all_of(tenant)
        if len(registered.readable) + len(registered.unreadable) >= MOST_ENDPOINTS:
            raise Conflict("too_many_endpoints", f"there are {MOST_ENDPOINTS} endpoints, and no more may be")
        endpoint = Endpoint(
            endpoint_id=derived_id("ep", tenant, "endpoint", request_id),
            tenant=tenant,
            created_at=self.clock.now(),
            **request.model_dump(),
        )
        return self.endpoints.save(endpoint), self._secret(endpoint)

    def all_of(self, tenant: str) -> Records[Endpoint]:
        """The tenant's endpoints, newest first."""
        found = self.endpoints.of(tenant)
        registered = (endpoint for endpoint in found if not endpoint.is_of_job_urls)
        newest_first = sorted(registered, key=lambda one: (one.created_at, one.endpoint_id), reverse=True)
        return Records(tuple(newest_first), found.unreadable)

    def find(self, endpoint_id: str, *, tenant: str) -> Endpoint | None:
        """The endpoint."""
        found = self.endpoints.get(tenant, endpoint_id) if ENDPOINT_ID.fullmatch(endpoint_id) else None
        return None if found is None or found.is_of_job_urls else found

    def change(self, endpoint_id: str, document: Mapping[str, Any], *, tenant: str) -> Endpoint | None:
        """The endpoint with what was asked for. Raises `InvalidRequest` naming every fault."""
        change = read_endpoint_change(document, local=self.local)
        return self._saved(lambda: self.find(endpoint_id, tenant=tenant), lambda endpoint: endpoint.changed(change))

    def remove(self, endpoint_id: str, *, tenant: str) -> Endpoint | None:
        """The endpoint that was; what was still to be sent to it is skipped."""
        found = self.find(endpoint_id, tenant=tenant)
        if found:
            self.endpoints.remove(found)
        return found

    def secret(self, endpoint_id: str, *, tenant: str) -> Secret | None:
        """What its messages are signed with; of the tenant's URLs given with jobs under the id `jobs`."""
        found = self._signing(endpoint_id, tenant)
        return self._secret(found) if found else None

    def rotate(self, endpoint_id: str, *, tenant: str) -> Secret | None:
        """A new secret; the one before it stays valid for a day. Not repeatable: each call makes another."""
        at = self.clock.now()
        rotated = self._saved(lambda: self._signing(endpoint_id, tenant), lambda endpoint: endpoint.rotated(at))
        return self._secret(rotated) if rotated else None

    def _saved(self, find: Callable[[], Endpoint | None], changed: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """The endpoint, changed. Deliveries note its health all the time: whoever comes too late looks again."""
        return update_with_retry(
            find,
            lambda found: found and self.endpoints.save(changed(found)),
            give_up=Conflict("changed_meanwhile", "the endpoint is being changed by somebody else; look at it again"),
        )

    def _signing(self, endpoint_id: str, tenant: str) -> Endpoint | None:
        if endpoint_id != JOB_URLS:
            return self.find(endpoint_id, tenant=tenant)
        return self.endpoints.get(tenant, job_urls_id(tenant)) or job_urls_of(tenant, self.clock.now())

    def _secret(self, endpoint: Endpoint) -> Secret:
        return Secret(
            endpoint_id=endpoint.endpoint_id,
            secret=secret_of(self.master(), endpoint.endpoint_id, endpoint.secret_version),
            version=endpoint.secret_version,
            previous_valid_until=max(
                (secret.valid_until for secret in endpoint.retired if secret.valid_until > self.clock.now()),
                default=None,
            ),
        )
