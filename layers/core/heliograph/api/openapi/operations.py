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
from heliograph.api.representations import Listing, Representation
from heliograph.api.representations.jobs import JobNamed, JobTold, QuoteTold, TimelineTold
from heliograph.api.representations.keys import KeyMade, KeyRevoked, KeyTold
from heliograph.api.representations.me import MeTold
from heliograph.api.representations.models import ModelsTold, UsagesTold
from heliograph.api.representations.uploads import RejectedUploadTold, UploadTold
from heliograph.api.representations.webhooks import (
    DeliverySummaryTold,
    DeliveryTold,
    EndpointTold,
    NewEndpointTold,
    SecretTold,
)
from heliograph.budgets.read_usage import UsageQuery
from heliograph.intake.rejections import RejectionQuery
from heliograph.jobs.read_jobs import JobsQuery
from heliograph.jobs.reference_uploads import UploadRequest
from heliograph.jobs.request_schema import NewJob
from heliograph.kernel.ids import JOB_ID
from heliograph.webhooks.delivery import DELIVERY_ID, DeliveryQuery
from heliograph.webhooks.endpoint import ENDPOINT_ID, JOB_URLS, EndpointChange, EndpointRequest

Model = type[BaseModel]


class Tag(StrEnum):
    """What an operation is about."""

    JOBS = "Jobs"
    UPLOADS = "Uploads"
    MODELS = "Models and usage"
    WEBHOOKS = "Webhooks"
    KEYS = "Keys"


ABOUT: Mapping[Tag, str] = {
    Tag.JOBS: "A job is one wish for a picture: it is accepted at once, and done later.",
    Tag.UPLOADS: "Pictures to work on, sent straight into the deployment's bucket.",
    Tag.MODELS: "The ways to the model, and what was done on them.",
    Tag.WEBHOOKS: "Where events are sent, and what became of each. They are signed as Standard Webhooks has it; the "
    "messages themselves are among the events below. Where an endpoint is asked for its secret, `jobs` in the place of "
    "its id stands for the URLs that were given with jobs.",
    Tag.KEYS: "Who may call, for whom, to do what, and how much. For keys with the scope `admin`.",
}


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a call or an answer."""

    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """An answer that is what was asked for. `links`: the parameter that its `id` is, of which operations."""

    status: HTTPStatus
    description: str
    # Each with an example of it.
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
    # Where a part of its path is more than it is elsewhere.
    own_parameters: Mapping[str, Header] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in its path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


# The parts of paths: what they are, and what they look like.
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
        "The same key and body are the same job, however often they are sent; another body under that key is a 422.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
    "Prefer": Header(
        "`wait=10`: answer when the job is over, or after so many seconds, 25 at most.",
        {"type": "string", "examples": ["wait=10"]},
    ),
}

_WHOLE = {"type": "integer", "minimum": 0}
ANSWER_HEADERS: Mapping[str, Header] = {
    "X-Request-Id": Header("Finds the call in the deployment's logs.", {"type": "string"}),
    "RateLimit-Policy": Header("How often the key may call, if that is limited.", {"type": "string"}),
    "RateLimit": Header("How often it still may, and in how many seconds it may again.", {"type": "string"}),
    "Retry-After": Header("In how many seconds to ask again.", _WHOLE),
    "Location": Header("Where the job is, relative to the call's own URL.", {"type": "string"}),
    "Idempotent-Replayed": Header("`true`: it was there before this call.", {"const": "true"}),
    "Preference-Applied": Header("The wait that was granted.", {"type": "string", "pattern": "^wait=[0-9]+$"}),
    "Link": Header('The next slice, as `rel="next"`, if there is one.', {"type": "string"}),
    "WWW-Authenticate": Header("How to say who you are.", {"type": "string", "pattern": "^Bearer( |$)"}),
    "Cache-Control": Header("What is told to one caller is kept by nobody on the way.", {"const": "no-store"}),
}

_A_JOB = {"job_id": ("getJob", "getJobEvents", "cancelJob", "retryJob")}
_SECRETS = ("getEndpointSecret", "rotateEndpointSecret")
_READING = (Scope.JOBS_READ,)
# An endpoint sees what a reader sees: who makes it must be one.
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
        description="Accepts the wish and answers at once. What it may cost is reserved before it begins, so no budget "
        "is overrun. Send an `Idempotency-Key`, and the call may be repeated safely: it is one job, paid once.",
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
                description="The job is written down and will be done.",
                bodies={JobTold: examples.queued_job, JobNamed: examples.named_job},
                headers=(*_ACCEPTED, "Preference-Applied"),
                links=_A_JOB,
            ),
            Success(
                status=HTTPStatus.OK,
                description="The job, if it was over by the end of a preferred wait; or, of a dry run, what it would "
                "be: nothing was written, and nothing will be spent.",
                bodies={JobTold: examples.succeeded_job, QuoteTold: examples.quote, JobNamed: examples.named_job},
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
        description="Those of the key's tenant, newest first, in slices.",
        query=JobsQuery,
        example_query={"status": "succeeded", "limit": "10"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="A slice of the list.",
                bodies={Listing[JobTold]: examples.jobs},
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
        description="How it is, what it cost, and where its pictures lie, with links that read them for 15 minutes.",
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="The job. `Retry-After` while there is something to wait for.",
                bodies={JobTold: examples.succeeded_job},
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
        description="What happened to it, oldest first: waits, calls, answers, deliveries, with their reasons.",
        successes=(
            Success(status=HTTPStatus.OK, description="The timeline.", bodies={TimelineTold: examples.job_timeline}),
        ),
    ),
    Operation(
        id="cancelJob",
        method="POST",
        path="/v1/jobs/{job_id}/cancel",
        tag=Tag.JOBS,
        scopes=(Scope.JOBS_WRITE,),
        summary="Cancel a job",
        description="At once, and free, while nothing was asked of a provider. A task that runs can't be stopped: the "
        "job is canceled when it has ended, its picture is not delivered, and it may be charged. Asking twice changes "
        "nothing.",
        conflicts=("not_cancelable",),
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The job, which is canceled now or when its task has ended.",
                bodies={JobTold: examples.canceled_job, JobNamed: examples.named_job},
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
        summary="Do a job again",
        description="A new job with the same request, of one that failed, expired or was canceled. However often it is "
        "asked of a job, it is the same new one; to go on from there, retry that.",
        conflicts=("not_retryable",),
        spends=True,
        successes=(
            Success(
                status=HTTPStatus.ACCEPTED,
                description="The new job; `retry_of` names the old one.",
                bodies={JobTold: examples.retried_job, JobNamed: examples.named_job},
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
        summary="Get a form for a picture",
        description="The picture does not pass through the API: post it as `multipart/form-data` to the `url`, all "
        "`fields` first, then the file as `file` (with curl: `-F` for each). S3 answers 204. Then name the `id` among "
        "a job's references. The first job that names it fixes its bytes; what no job names is deleted after a day.",
        body=UploadRequest,
        example={"content_type": "image/jpeg", "size_bytes": 482113},
        successes=(
            Success(
                status=HTTPStatus.CREATED,
                description="A form that takes that one file, for 15 minutes. A secret.",
                bodies={UploadTold: examples.upload},
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
        "every fault; newest first, in slices, for 30 days. Those that were accepted are jobs.",
        query=RejectionQuery,
        example_query={"status": "rejected"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="A slice of the list.",
                bodies={Listing[RejectedUploadTold]: examples.rejected_uploads},
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
        summary="List the ways to the model",
        description="What each takes and costs, and whether it is in service, in the configured order.",
        successes=(
            Success(status=HTTPStatus.OK, description="Every usable route.", bodies={ModelsTold: examples.models}),
        ),
    ),
    Operation(
        id="getUsage",
        method="GET",
        path="/v1/usage",
        tag=Tag.MODELS,
        scopes=(Scope.JOBS_READ,),
        summary="Get pictures and money",
        description="By UTC day, tenant and route, newest day first; 92 days at most. A key without `admin` sees its "
        "own tenant's. `budgets` are the caller's own, whatever the lines are about.",
        query=UsageQuery,
        example_query={"from": "2026-11-01", "to": "2026-11-30"},
        successes=(
            Success(
                status=HTTPStatus.OK, description="The lines, and their sum.", bodies={UsagesTold: examples.usages}
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
        successes=(Success(status=HTTPStatus.OK, description="The key.", bodies={MeTold: examples.me}),),
    ),
    Operation(
        id="createEndpoint",
        method="POST",
        path="/v1/webhook-endpoints",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Register an endpoint",
        description="The tenant's events are sent there from now on, 16 endpoints at most.",
        body=EndpointRequest,
        conflicts=("too_many_endpoints",),
        example={
            "url": "https://shop.example.com/heliograph",
            "events": ["image.job.succeeded", "image.job.failed"],
        },
        successes=(
            Success(
                status=HTTPStatus.CREATED,
                description="The endpoint, and the secret that its messages are signed with.",
                bodies={NewEndpointTold: examples.new_endpoint},
                links={"endpoint_id": ("getEndpoint", "changeEndpoint", "removeEndpoint", "testEndpoint", *_SECRETS)},
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
        description="All of the tenant's, newest first, without their secrets.",
        successes=(
            Success(
                status=HTTPStatus.OK, description="The endpoints.", bodies={Listing[EndpointTold]: examples.endpoints}
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
            Success(status=HTTPStatus.OK, description="The endpoint.", bodies={EndpointTold: examples.endpoint}),
        ),
    ),
    Operation(
        id="changeEndpoint",
        method="PATCH",
        path="/v1/webhook-endpoints/{endpoint_id}",
        tag=Tag.WEBHOOKS,
        scopes=_WRITING,
        summary="Change an endpoint",
        description="What is left out stays. To a `paused` one nothing is sent, and what was skipped can be replayed; "
        "`enabled` also puts back one that we have disabled.",
        body=EndpointChange,
        conflicts=("changed_meanwhile",),
        example={"status": "paused"},
        successes=(
            Success(
                status=HTTPStatus.OK, description="The endpoint as it is now.", bodies={EndpointTold: examples.endpoint}
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
        description="What was still to be sent to it is skipped.",
        successes=(
            Success(
                status=HTTPStatus.OK, description="The endpoint that was.", bodies={EndpointTold: examples.endpoint}
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
        description="What its messages are signed with.",
        own_parameters={"endpoint_id": _SIGNING},
        successes=(Success(status=HTTPStatus.OK, description="The secret.", bodies={SecretTold: examples.secret}),),
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
            Success(status=HTTPStatus.OK, description="The new secret.", bodies={SecretTold: examples.rotated_secret}),
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
                description="The delivery, which has begun.",
                bodies={DeliveryTold: examples.test_delivery},
                links={"delivery_id": ("getDelivery", "replayDelivery")},
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
        description="What was sent or is being sent, to endpoints and to URLs of jobs, newest first, in slices.",
        query=DeliveryQuery,
        example_query={"status": "failed"},
        successes=(
            Success(
                status=HTTPStatus.OK,
                description="A slice of the list.",
                bodies={Listing[DeliverySummaryTold]: examples.deliveries},
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
            Success(status=HTTPStatus.OK, description="The delivery.", bodies={DeliveryTold: examples.delivery}),
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
                description="The delivery, which has begun anew.",
                bodies={DeliveryTold: examples.test_delivery},
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
                bodies={KeyMade: examples.new_key},
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
        successes=(
            Success(status=HTTPStatus.OK, description="The records.", bodies={Listing[KeyTold]: examples.keys}),
        ),
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
        successes=(Success(status=HTTPStatus.OK, description="The record.", bodies={KeyTold: examples.changed_key}),),
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
                bodies={KeyTold: examples.revoked_key, KeyRevoked: examples.revoked_with_made},
            ),
        ),
    ),
)

BY_ID: Mapping[str, Operation] = {operation.id: operation for operation in OPERATIONS}


def methods_of(path: str) -> tuple[str, ...]:
    """What a path takes, as the gateway names it (`/v1/jobs/{job_id}`); nothing where there is no such path."""
    return tuple(operation.method for operation in OPERATIONS if operation.path == path)
