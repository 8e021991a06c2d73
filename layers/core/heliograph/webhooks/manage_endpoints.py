"""Register, list, change and delete webhook endpoints; show and rotate their signing secrets."""

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
    MAX_ENDPOINTS,
    Endpoint,
    job_urls_endpoint,
    job_urls_id,
    read_endpoint_change,
    read_endpoint_request,
    signing_secret,
)

if TYPE_CHECKING:
    from heliograph.kernel.ports import Clock
    from heliograph.webhooks.ports import EndpointStore


@dataclass(frozen=True, slots=True)
class Secret:
    """Signing secret of an endpoint. The previous one signs as well until `previous_valid_until`."""

    endpoint_id: str
    secret: str = field(repr=False)
    version: int
    previous_valid_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointService:
    """Manages a tenant's endpoints. Methods return `None` for an endpoint that the tenant does not have.

    Every method raises `StorageFailed`.
    """

    endpoints: EndpointStore
    clock: Clock
    master_secret: Callable[[], str]
    """Reads the secret that all signing secrets are derived from."""
    allow_local: bool = False
    """Whether `http://` URLs on this machine are accepted: for local development."""

    def register(self, document: Mapping[str, Any], *, tenant: str, request_id: str) -> tuple[Endpoint, Secret]:
        """Registers an endpoint. Raises `InvalidRequest` with every fault, and `Conflict` at the maximum of endpoints
        (two concurrent calls may exceed it by one).
        """
        request = read_endpoint_request(document, local=self.allow_local)
        registered = self.list(tenant)
        if len(registered.readable) + len(registered.unreadable) >= MAX_ENDPOINTS:
            detail = f"there are {MAX_ENDPOINTS} endpoints, which is the maximum; delete one first"
            raise Conflict("too_many_endpoints", detail)
        endpoint = Endpoint(
            endpoint_id=derived_id("ep", tenant, "endpoint", request_id),
            tenant=tenant,
            created_at=self.clock.now(),
            **request.model_dump(),
        )
        return self.endpoints.save(endpoint), self._secret(endpoint)

    def list(self, tenant: str) -> Records[Endpoint]:
        """The tenant's endpoints, newest first."""
        found = self.endpoints.list_for(tenant)
        registered = (endpoint for endpoint in found if not endpoint.is_for_job_urls)
        newest_first = sorted(registered, key=lambda one: (one.created_at, one.endpoint_id), reverse=True)
        return Records(tuple(newest_first), found.unreadable)

    def find(self, endpoint_id: str, *, tenant: str) -> Endpoint | None:
        """The tenant's endpoint."""
        found = self.endpoints.get(tenant, endpoint_id) if ENDPOINT_ID.fullmatch(endpoint_id) else None
        return None if found is None or found.is_for_job_urls else found

    def change(self, endpoint_id: str, document: Mapping[str, Any], *, tenant: str) -> Endpoint | None:
        """Changes the endpoint. Raises `InvalidRequest` with every fault, and `Conflict` after too many conflicts."""
        change = read_endpoint_change(document, local=self.allow_local)
        return self._update(lambda: self.find(endpoint_id, tenant=tenant), lambda endpoint: endpoint.changed(change))

    def delete(self, endpoint_id: str, *, tenant: str) -> Endpoint | None:
        """Deletes the endpoint and returns it. Its pending deliveries are skipped."""
        found = self.find(endpoint_id, tenant=tenant)
        if found:
            self.endpoints.delete(found)
        return found

    def secret(self, endpoint_id: str, *, tenant: str) -> Secret | None:
        """The endpoint's signing secret; the id `jobs` stands for the URLs given with jobs."""
        found = self._signer(endpoint_id, tenant)
        return self._secret(found) if found else None

    def rotate_secret(self, endpoint_id: str, *, tenant: str) -> Secret | None:
        """Makes a new secret; the previous one signs for another day. Not idempotent: each call makes a new one."""
        at = self.clock.now()
        rotated = self._update(lambda: self._signer(endpoint_id, tenant), lambda endpoint: endpoint.rotated(at))
        return self._secret(rotated) if rotated else None

    def _update(self, find: Callable[[], Endpoint | None], changed: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """Changes the endpoint's current record. Deliveries write to it as well: a conflict reads it again."""
        return update_with_retry(
            find,
            lambda found: found and self.endpoints.save(changed(found)),
            give_up=Conflict("changed_meanwhile", "other calls changed the endpoint at the same moment; read it again"),
        )

    def _signer(self, endpoint_id: str, tenant: str) -> Endpoint | None:
        if endpoint_id != JOB_URLS:
            return self.find(endpoint_id, tenant=tenant)
        return self.endpoints.get(tenant, job_urls_id(tenant)) or job_urls_endpoint(tenant, self.clock.now())

    def _secret(self, endpoint: Endpoint) -> Secret:
        return Secret(
            endpoint_id=endpoint.endpoint_id,
            secret=signing_secret(self.master_secret(), endpoint.endpoint_id, endpoint.secret_version),
            version=endpoint.secret_version,
            previous_valid_until=max(
                (secret.valid_until for secret in endpoint.retired if secret.valid_until > self.clock.now()),
                default=None,
            ),
        )
