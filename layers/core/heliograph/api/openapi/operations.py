"""Every operation of the API: the one table that its description, its samples and its 405s are made of.

The functions' routes and the template's events are compared with it by tests/contract/test_openapi.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from heliograph.access.keys import KEY_ID, KeyChange, KeyRequest, RevocationQuery, Scope
from heliograph.api.openapi import examples
from heliograph.api.representations import Representation
from heliograph.api.representations.jobs import (
    JobList,
    JobResource,
    JobSummaryResource,
    QuoteResource,
    TimelineResource,
)
from heliograph.api.representations.keys import KeyList, KeyResource, NewKeyResource, RevokedKeyResource
from heliograph.api.representations.me import MeResource
from heliograph.api.representations.models import ModelsResource, UsageReport
from heliograph.api.representations.uploads import RejectedUploadList, UploadResource
from heliograph.api.representations.webhooks import (
    DeliveryList,
    DeliveryResource,
    EndpointList,
    EndpointResource,
    NewEndpointResource,
    RecoveryResource,
    SecretResource,
)
from heliograph.budgets.read_usage import UsageQuery
from heliograph.intake.rejections import RejectionQuery
from heliograph.jobs.read_jobs import JobsQuery
from heliograph.jobs.reference_uploads import UploadRequest
from heliograph.jobs.request_schema import NewJob
from heliograph.kernel.ids import JOB_ID
from heliograph.webhooks.delivery import DELIVERY_ID, DeliveryQuery, Recovery
from heliograph.webhooks.endpoint import ENDPOINT_ID, JOB_URLS, EndpointChange, EndpointRequest

Model = type[BaseModel]


class Tag(StrEnum):
    """Group of operations."""

    JOBS = "Jobs"
    UPLOADS = "Uploads"
    MODELS = "Models and usage"
    WEBHOOKS = "Webhooks"
    KEYS = "Keys"


ABOUT: Mapping[Tag, str] = {
    Tag.JOBS: "A job is one request for an image. The call returns at once; the image is made later.",
    Tag.UPLOADS: "Images to edit, uploaded directly to the deployment's bucket.",
    Tag.MODELS: "The routes to the models, and what was generated and spent on them.",
    Tag.WEBHOOKS: "Endpoints that receive events, and the deliveries to them. Messages are signed as in Standard "
    "Webhooks and described under Events below. For secrets, `jobs` in place of an endpoint's id means the "
    "secret of the URLs given with jobs.",
    Tag.KEYS: "API keys: their tenants, scopes and limits. These operations need the scope `admin`.",
}


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a request or a response."""

    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A successful response. `links`: operations that take its `id`, by the name of their parameter."""

    status: HTTPStatus
    description: str
    # Each model with an example.
    bodies: Mapping[Model, Callable[[], Representation]]
    headers: tuple[str, ...] = ()
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. `conflicts`: the codes of its 409. `spends`: it reserves money."""

    id: str
    method: str
    path: str
    tag: Tag
    scopes: tuple[Scope, ...]
    summary: str
    description: str
    successes: tuple[Success, ...]
    body: Model | None = None
    query: Model | None = None
    headers: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    spends: bool = False
    # A body that is read by the real reader, and sent by every sample.
    example: Mapping[str, Any] | None = None
    example_query: Mapping[str, str] = field(default_factory=dict)
    example_headers: Mapping[str, str] = field(default_factory=dict)
    # Path parameters that differ from `PARAMETERS`.
    own_parameters: Mapping[str, Header] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in its path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


# Path parameters.
PARAMETERS: Mapping[str, Header] = {
    "job_id": Header("The job's `id`.", {"type": "string", "pattern": f"^{JOB_ID.pattern}$"}),
    "endpoint_id": Header("The endpoint's `id`.", {"type": "string", "pattern": f"^{ENDPOINT_ID.pattern}$"}),
    "delivery_id": Header("The delivery's `id`.", {"type": "string", "pattern": f"^{DELIVERY_ID.pattern}$"}),
    "key_id": Header("The key's `id`.", {"type": "string", "pattern": f"^{KEY_ID.pattern}$"}),
}

_SIGNING = Header(
    "The endpoint's `id`, or `jobs`.", {"type": "string", "pattern": f"^({ENDPOINT_ID.pattern}|{JOB_URLS})$"}
)

CALL_HEADERS: Mapping[str, Header] = {
    "Idempotency-Key": Header(
        "The same key and body always return the same job; another body with the same key is a 422.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
    "Prefer": Header(
        "`wait=10`: respond when the job ends, or after 10 seconds. At most 25.",
        {"type": "string", "examples": ["wait=10"]},
    ),
}

_WHOLE = {"type": "integer", "minimum": 0}
ANSWER_HEADERS: Mapping[str, Header] = {
    "X-Request-Id": Header("Identifies the call in the deployment's logs.", {"type": "string"}),
    "RateLimit-Policy": Header("The key's rate limit, if it has one.", {"type": "string"}),
    "RateLimit": Header("Calls left, and seconds until the limit resets.", {"type": "string"}),
    "Retry-After": Header("Seconds to wait before the next call.", _WHOLE),
    "Location": Header("The job's URL, relative to the URL of the call.", {"type": "string"}),
    "Idempotent-Replayed": Header("`true`: the job existed before this call.", {"const": "true"}),
    "Preference-Applied": Header("The wait that was granted.", {"type": "string", "pattern": "^wait=[0-9]+$"}),
    "Link": Header('The next page, as `rel="next"`, if there is one.', {"type": "string"}),
    "WWW-Authenticate": Header("The authentication scheme.", {"type": "string", "pattern": "^Bearer( |$)"}),
    "Cache-Control": Header("Responses are for one caller and must not be cached.", {"const": "no-store"}),
}

_A_JOB = {"job_id": ("getJob", "getJobEvents", "cancelJob", "retryJob")}
_SENDING = ("testEndpoint", "recoverDeliveries")
_SECRETS = ("getEndpointSecret", "rotateEndpointSecret")
_READING = (Scope.JOBS_READ,)
# An endpoint receives what a reader can see, so its maker needs `jobs:read` too.
_WRITING = (Scope.JOBS_WRITE, Scope.JOBS_READ)
_ACCEPTED = ("Location", "Retry-After", "Idempotent-Replayed")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="createJob",
        method="POST",
        path="/v1/jobs",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_WRITE,),
        summary="Create a job",
        description="Accepts the job and returns at once. The price is reserved before the job starts, so no budget is "
        "exceeded. Send an `Idempotency-Key` to repeat the call safely: it remains one job, paid once.",
        body=NewJob,
        headers=("Idempotency-Key", "Prefer"),
        spends=True,
        example={
            "prompt": "A fox in the snow",
            "aspect_ratio": "16:9",
            "metadata": {"order": "4711"},
            "tags": ["winter"],
        },
        example_headers={"Idempotency-Key": "order-4711"},
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The job is stored and will run.",
                bodies={JobResource: examples.queued_job, JobSummaryResource: examples.named_job},
                headers=(*_ACCEPTED, "Preference-Applied"),
                links=_A_JOB,
            ),
            Success(
                status=HTTPStatus.OK,
                description="The job, if it ended within the preferred wait. For a dry run, a quote: nothing is stored "
                "and nothing is spent.",
                bodies={
                    JobResource: examples.succeeded_job,
                    QuoteResource: examples.quote,
                    JobSummaryResource: examples.named_job,
                },
                headers=("Location", "Idempotent-Replayed", "Preference-Applied"),
            ),
        ),
    ),
    Operation(
        id="listJobs",
        method="GET",
        path="/v1/jobs",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_READ,),
        summary="List jobs",
        description="Jobs of the key's tenant, newest first, in pages.",
        query=JobsQuery,
        example_query={"status": "succeeded", "limit": "10"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="A page of the list.",
                bodies={JobList: examples.jobs},
                headers=("Link",),
            ),
        ),
    ),
    Operation(
        id="getJob",
        method="GET",
        path="/v1/jobs/{job_id}",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_READ,),
        summary="Get a job",
        description="Its status, its cost and its results, with links that are valid for 15 minutes.",
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="The job. `Retry-After` is present until it ends.",
                bodies={JobResource: examples.succeeded_job},
                headers=("Retry-After",),
            ),
        ),
    ),
    Operation(
        id="getJobEvents",
        method="GET",
        path="/v1/jobs/{job_id}/events",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_READ,),
        summary="Get a job's timeline",
        description="Everything that happened to the job, oldest first: waits, provider calls, responses and results, "
        "with reasons.",
        successes=(
            Success(
                status=HTTPStatus.OK, description="The timeline.", bodies={TimelineResource: examples.job_timeline}
            ),
        ),
    ),
    Operation(
        id="cancelJob",
        method="POST",
        path="/v1/jobs/{job_id}/cancel",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_WRITE,),
        summary="Cancel a job",
        description="Immediate and free before the provider was called. A running task can't be stopped: the job is "
        "canceled when the task ends, its image is not stored, and it may be charged. A second call changes nothing.",
        conflicts=("not_cancelable",),
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The job. It is canceled now, or when its task ends.",
                bodies={JobResource: examples.canceled_job, JobSummaryResource: examples.named_job},
                headers=("Location", "Retry-After"),
            ),
        ),
    ),
    Operation(
        id="retryJob",
        method="POST",
        path="/v1/jobs/{job_id}/retry",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_WRITE,),
        summary="Retry a job",
        description="Creates a new job with the request of a job that failed, expired or was canceled. Repeated calls "
        "return the same new job; to try once more, retry that one.",
        conflicts=("not_retryable",),
        spends=True,
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The new job; `retry_of` names the old one.",
                bodies={JobResource: examples.retried_job, JobSummaryResource: examples.named_job},
                headers=_ACCEPTED,
                links=_A_JOB,
            ),
        ),
    ),
    Operation(
        id="createUpload",
        method="POST",
        path="/v1/uploads",
        tag=Tag.UPLOADS,
        scopes=(Scope.JOBS_WRITE,),
        summary="Create an upload form",
        description="The image does not pass through the API: post it as `multipart/form-data` to the `url`, all "
        "`fields` first, then the file as `file` (with curl: `-F` for each). S3 answers 204. Then name the `id` among "
        "a job's references. The first job that names it fixes its bytes; what no job names is deleted after a day.",
        body=UploadRequest,
        example={"content_type": "image/jpeg", "size_bytes": 482113},
        successes=(
            Success(
                status=HTTPStatus.CREATED,
                description="A form for that one file, valid for 15 minutes. Keep it secret.",
                bodies={UploadResource: examples.upload},
            ),
        ),
    ),
    Operation(
        id="listRejectedUploads",
        method="GET",
        path="/v1/uploads",
        tag=Tag.UPLOADS,
        scopes=_READING,
        summary="List rejected uploads",
        description="Objects of the uploads bucket that started nothing, and presets that can't be used, each with "
        "every fault; newest first, in pages, for 30 days. Accepted uploads are jobs.",
        query=RejectionQuery,
        example_query={"status": "rejected"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="A page of the list.",
                bodies={RejectedUploadList: examples.rejected_uploads},
                headers=("Link",),
            ),
        ),
    ),
    Operation(
        id="listModels",
        method="GET",
        path="/v1/models",
        tag=Tag.MODELS,
        scopes=(Scope.JOBS_READ,),
        summary="List routes",
        description="The limits, price and availability of each route, in the configured order.",
        successes=(
            Success(status=HTTPStatus.OK, description="Every usable route.", bodies={ModelsResource: examples.models}),
        ),
    ),
    Operation(
        id="getUsage",
        method="GET",
        path="/v1/usage",
        tag=Tag.MODELS,
        scopes=(Scope.JOBS_READ,),
        summary="Get usage",
        description="Images and cost by UTC day, tenant and route, newest day first; at most 92 days. A key without "
        "`admin` sees its own tenant. `budgets` are always the caller's own.",
        query=UsageQuery,
        example_query={"from": "2026-11-01", "to": "2026-11-30"},
        successes=(
            Success(
                status=HTTPStatus.OK, description="The lines and their total.", bodies={UsageReport: examples.usages}
            ),
        ),
    ),
    Operation(
        id="getMe",
        method="GET",
        path="/v1/me",
        tag=Tag.MODELS,
        scopes=(),
        summary="Get your key and its limits",
        description="The key of the call: its tenant, its scopes, its limits, and what is left of every budget that "
        "its jobs count against. Any valid key may call it. The limits are those in force: a change of a key counts "
        "within a minute, and shows here when it counts.",
        successes=(Success(status=HTTPStatus.OK, description="The key.", bodies={MeResource: examples.me}),),
    ),
    Operation(
        id="createEndpoint",
        method="POST",
        path="/v1/webhook-endpoints",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Register an endpoint",
        description="Sends the tenant's events to this URL from now on. A tenant has at most 16 endpoints.",
        body=EndpointRequest,
        conflicts=("too_many_endpoints",),
        example={
            "url": "https://shop.example.com/heliograph",
            "events": ["image.job.succeeded", "image.job.failed"],
        },
        successes=(
            Success(
                status=HTTPStatus.CREATED,
                description="The endpoint and its signing secret.",
                bodies={NewEndpointResource: examples.new_endpoint},
                links={"endpoint_id": ("getEndpoint", "changeEndpoint", "removeEndpoint", *_SENDING, *_SECRETS)},
            ),
        ),
    ),
    Operation(
        id="listEndpoints",
        method="GET",
        path="/v1/webhook-endpoints",
        tag=Tag.WEBHOOKS,
        scopes=_READING,
        summary="List endpoints",
        description="All endpoints of the tenant, newest first, without their secrets.",
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="The endpoints.",
                bodies={EndpointList: examples.endpoints},
            ),
        ),
    ),
    Operation(
        id="getEndpoint",
        method="GET",
        path="/v1/webhook-endpoints/{endpoint_id}",
        tag=Tag.WEBHOOKS,
        scopes=_READING,
        summary="Get an endpoint",
        description="Without its secret.",
        successes=(
            Success(status=HTTPStatus.OK, description="The endpoint.", bodies={EndpointResource: examples.endpoint}),
        ),
    ),
    Operation(
        id="changeEndpoint",
        method="PATCH",
        path="/v1/webhook-endpoints/{endpoint_id}",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Change an endpoint",
        description="Fields that are left out stay as they are. A `paused` endpoint receives nothing; skipped "
        "deliveries can be replayed. `enabled` also puts a disabled endpoint back into service.",
        body=EndpointChange,
        conflicts=("changed_meanwhile",),
        example={"status": "paused"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="The endpoint as it is now.",
                bodies={EndpointResource: examples.endpoint},
            ),
        ),
    ),
    Operation(
        id="removeEndpoint",
        method="DELETE",
        path="/v1/webhook-endpoints/{endpoint_id}",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Remove an endpoint",
        description="Pending deliveries to the endpoint are skipped.",
        successes=(
            Success(
                status=HTTPStatus.OK, description="The removed endpoint.", bodies={EndpointResource: examples.endpoint}
            ),
        ),
    ),
    Operation(
        id="getEndpointSecret",
        method="GET",
        path="/v1/webhook-endpoints/{endpoint_id}/secret",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Show an endpoint's secret",
        description="The secret that signs its messages.",
        own_parameters={"endpoint_id": _SIGNING},
        successes=(Success(status=HTTPStatus.OK, description="The secret.", bodies={SecretResource: examples.secret}),),
    ),
    Operation(
        id="rotateEndpointSecret",
        method="POST",
        path="/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Rotate an endpoint's secret",
        description="For 24 hours messages are signed with the one before as well. Every call makes another.",
        conflicts=("changed_meanwhile",),
        own_parameters={"endpoint_id": _SIGNING},
        successes=(
            Success(
                status=HTTPStatus.OK, description="The new secret.", bodies={SecretResource: examples.rotated_secret}
            ),
        ),
    ),
    Operation(
        id="testEndpoint",
        method="POST",
        path="/v1/webhook-endpoints/{endpoint_id}/test",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Send a test",
        description="A `webhook.test`, through all that a real event goes through.",
        conflicts=("endpoint_not_enabled",),
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The delivery, which has started.",
                bodies={DeliveryResource: examples.test_delivery},
                links={"delivery_id": ("getDelivery", "replayDelivery")},
            ),
        ),
    ),
    Operation(
        id="recoverDeliveries",
        method="POST",
        path="/v1/webhook-endpoints/{endpoint_id}/recover",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Send everything again that failed",
        description="Every delivery to the endpoint that failed or was skipped since a time is sent again, longest ago "
        "first, as if each were replayed; a receiver that has just recovered gets them spread over a minute. What is "
        "pending or was delivered is left alone, so a repeat sends nothing twice. At most 1,000 in a call, and one "
        "call a minute for each endpoint: while `has_more`, call again with the same `since`.",
        body=Recovery,
        conflicts=("endpoint_not_enabled",),
        example={"since": "2026-11-22T10:00:00Z"},
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="How many are sent again, and whether there is more.",
                bodies={RecoveryResource: examples.recovered},
            ),
        ),
    ),
    Operation(
        id="listDeliveries",
        method="GET",
        path="/v1/deliveries",
        tag=Tag.WEBHOOKS,
        scopes=_READING,
        summary="List deliveries",
        description="Deliveries to endpoints and to the URLs of jobs, newest first, in pages.",
        query=DeliveryQuery,
        example_query={"status": "failed"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="A page of the list.",
                bodies={DeliveryList: examples.deliveries},
                headers=("Link",),
            ),
        ),
    ),
    Operation(
        id="getDelivery",
        method="GET",
        path="/v1/deliveries/{delivery_id}",
        tag=Tag.WEBHOOKS,
        scopes=_READING,
        summary="Get a delivery",
        description="With its message, and what every attempt was answered.",
        successes=(
            Success(status=HTTPStatus.OK, description="The delivery.", bodies={DeliveryResource: examples.delivery}),
        ),
    ),
    Operation(
        id="replayDelivery",
        method="POST",
        path="/v1/deliveries/{delivery_id}/replay",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Send a delivery again",
        description="From the first attempt on: the same message under the same `webhook-id`. One that is waiting is "
        "hastened by it.",
        conflicts=("endpoint_removed", "endpoint_not_enabled", "changed_meanwhile"),
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The delivery, which has started again.",
                bodies={DeliveryResource: examples.test_delivery},
            ),
        ),
    ),
    Operation(
        id="createKey",
        method="POST",
        path="/v1/keys",
        tag=Tag.KEYS,
        scopes=(Scope.ADMIN,),
        summary="Make a key",
        description="A key belongs to a tenant, who sees only its own jobs. It is shown here and never again: only its "
        "hash is kept. An admin key of a tenant makes keys of that tenant only; one of the tenant `default`, of all.",
        body=KeyRequest,
        example={"name": "web shop", "tenant": "shop", "daily_budget_usd": "25"},
        successes=(
            Success(
                status=HTTPStatus.CREATED,
                description="The key, with its record.",
                bodies={NewKeyResource: examples.new_key},
                links={"key_id": ("changeKey", "revokeKey")},
            ),
        ),
    ),
    Operation(
        id="listKeys",
        method="GET",
        path="/v1/keys",
        tag=Tag.KEYS,
        scopes=(Scope.ADMIN,),
        summary="List keys",
        description="Revoked ones too, newest first; never the keys themselves. An admin key of the tenant `default` "
        "lists those of all tenants, another those of its own.",
        successes=(Success(status=HTTPStatus.OK, description="The records.", bodies={KeyList: examples.keys}),),
    ),
    Operation(
        id="changeKey",
        method="PATCH",
        path="/v1/keys/{key_id}",
        tag=Tag.KEYS,
        scopes=(Scope.ADMIN,),
        summary="Change a key",
        description="Its name, its limits, or when it expires: what is left out stays, and `null` takes a limit away. "
        "A change counts within a minute. Tenant and scopes stay: for others, make another key. A revoked key "
        "can't be changed.",
        body=KeyChange,
        example={"daily_budget_usd": "50", "expires_at": "2126-12-31T00:00:00Z"},
        conflicts=("key_revoked",),
        successes=(
            Success(status=HTTPStatus.OK, description="The record.", bodies={KeyResource: examples.changed_key}),
        ),
    ),
    Operation(
        id="revokeKey",
        method="DELETE",
        path="/v1/keys/{key_id}",
        tag=Tag.KEYS,
        scopes=(Scope.ADMIN,),
        summary="Revoke a key",
        description="From then on it makes no keys and sees no secrets, and within a minute it opens nothing. Its "
        "record stays; revoking it twice changes nothing. `made=revoke` is for a key that was stolen: it also revokes "
        "every key that it made, and that those made.",
        query=RevocationQuery,
        example_query={"made": "revoke"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="The record; with `made=revoke`, also those of the keys that it made.",
                bodies={KeyResource: examples.revoked_key, RevokedKeyResource: examples.revoked_with_made},
            ),
        ),
    ),
)

BY_ID: Mapping[str, Operation] = {operation.id: operation for operation in OPERATIONS}


def methods_of(path: str) -> tuple[str, ...]:
    """Methods of a path, as the gateway names it (`/v1/jobs/{job_id}`); none for an unknown path."""
    return tuple(operation.method for operation in OPERATIONS if operation.path == path)
