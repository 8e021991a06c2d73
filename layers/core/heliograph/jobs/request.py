"""What somebody may ask for: the one job type behind uploads, job documents and the API.

Text-to-image, editing and the fusion of several images are the same request: the references decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import core_schema

from heliograph.jobs.reference_uploads import UPLOAD_ID, upload_location
from heliograph.kernel.aspect_ratio import AspectRatio
from heliograph.kernel.errors import Fault, InvalidRequest
from heliograph.kernel.json_documents import read_json_object as read_json_object  # noqa: PLC0414 - read along with it
from heliograph.kernel.json_types import JSON_INTEGER
from heliograph.kernel.printable import CONTROLS, REORDERING
from heliograph.kernel.tenants import DEFAULT_TENANT
from heliograph.kernel.texts import prompt_fault, text_fault
from heliograph.kernel.validation import faults_of, pointer
from heliograph.routes.config import Route, Routes
from heliograph.storage.layout import check_output_key
from heliograph.storage.references import Reference, check_reference, check_webhook_url, read_reference

MAX_BODY_BYTES = 256 * 1024
MAX_METADATA_ENTRIES = 32
MAX_TAGS = 16
# The bounds of the deployment's own deadlines, see template.yaml.
SHORTEST_DEADLINE_SECONDS, LONGEST_DEADLINE_SECONDS = 60, 21_600


# All but tab, line feed and carriage return. (In JSON each takes six bytes, and no model reads them.)
_CONTROL = re.compile(f"[{CONTROLS}]")
# Tags and metadata are listed and printed as well; a prompt may be in a script that is written from the right.
_REORDERING = re.compile(f"[{REORDERING}]")
# The same as the API's description says it.
NO_CONTROL = {"pattern": f"^[^{CONTROLS}{REORDERING}]*$"}


def _without_control(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("holds control characters")
    return value


def _of_one_direction(value: str) -> str:
    if _REORDERING.search(value):
        raise ValueError("holds characters that reorder or break its line")
    return _without_control(value)


def _intact(value: str) -> str:
    if fault := text_fault(value):
        raise ValueError(fault)
    return value


def check_prompt(value: str) -> str:
    """The prompt itself if it says something and arrived intact; else `ValueError` with the reason."""
    if fault := prompt_fault(value):
        raise ValueError(fault)
    return value


Label = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_of_one_direction),
    AfterValidator(_intact),
    Field(json_schema_extra={**NO_CONTROL}),
]
Remark = Annotated[
    str,
    StringConstraints(max_length=512),
    AfterValidator(_of_one_direction),
    AfterValidator(_intact),
    Field(json_schema_extra={**NO_CONTROL}),
]


class JobKind(StrEnum):
    """What the model is asked to do; follows from the number of references."""

    TEXT_TO_IMAGE = "text-to-image"
    EDIT = "edit"
    FUSION = "fusion"


class Policy(StrEnum):
    """Which routes a job may take: all that fit, in the configured order or cheapest first; or its model's alone."""

    BETA_FIRST = "beta-first"
    CHEAPEST = "cheapest"
    PINNED = "pinned"


class OnUncertain(StrEnum):
    """What follows a create call that may have arrived, once nothing was heard of its task for long."""

    FAIL = "fail"
    RESUBMIT = "resubmit"


class Reuse(StrEnum):
    """Whose earlier results a job takes instead of paying for an equal image: its tenant's, or nobody's."""

    TENANT = "tenant"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a request is measured by: the deployment's routes, its policy for those that name none, the buckets that
    references may lie in, and which of them uploads of the API are in.
    """

    routes: Routes
    reference_buckets: frozenset[str]
    uploads_bucket: str
    policy: Policy = Policy.BETA_FIRST
    tenant: str = DEFAULT_TENANT
    # Whether webhooks may go to this very machine, as in the local stack.
    local_webhooks: bool = False

    def of(self, tenant: str) -> Rules:
        """For that tenant's requests."""
        return replace(self, tenant=tenant)

    def scope(self, model: object) -> Routes:
        """The routes that a request for that model is measured by; all of them where it names none that exists."""
        found = self.routes.to(model) if isinstance(model, str) else None
        return found or self.routes


class AsText:
    """References are texts in documents: read from a text, written as one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            read_reference,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda reference: reference.uri, return_schema=core_schema.str_schema()
            ),
        )


class JobRequest(BaseModel):
    """One wish for a picture, complete and valid. Make it with `read_request`; unknown fields are refused."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    # `model` comes before what is measured by its caps, so that those checks can see it.
    model: Annotated[str, Field(description="This model and no other, by whichever route leads to it.")] = ""
    policy: Annotated[
        Policy,
        Field(
            description="Which routes it may take: every one that fits, in the configured order (`beta-first`) or the "
            "cheapest first; `pinned`: those to its model."
        ),
    ] = Policy.PINNED
    prompt: Annotated[str, Field(description="What to make, or to do with the references; in any script.")]
    references: Annotated[
        tuple[Annotated[Reference, AsText()], ...],
        Field(description="Images to work on: none, and the image is generated; one: edited; more: fused."),
    ] = ()
    # Checked also where it is left out: a route need not offer the default.
    aspect_ratio: Annotated[
        AspectRatio, Field(validate_default=True, description="Width to height; `auto` leaves it to the model.")
    ] = AspectRatio.AUTO
    nsfw_checker: Annotated[StrictBool, Field(description="The provider's safe-for-work filter.")] = False
    on_uncertain: Annotated[
        OnUncertain,
        Field(
            description="If a call to the provider may have arrived and nothing is heard of its task: `fail`, or "
            "`resubmit` and accept a possible second bill."
        ),
    ] = OnUncertain.FAIL
    reuse: Annotated[
        Reuse,
        Field(
            description="`tenant`: where the tenant has the result of an equal job (same bytes, prompt, ratio, filter, "
            "and model or policy) that said the same, this one gets a copy of it for nothing. `never`: it is made anew."
        ),
    ] = Reuse.NEVER
    refresh: Annotated[
        StrictBool, Field(description="Makes and pays a new image, also where an equal one could be reused.")
    ] = False
    output_key: Annotated[
        str | None,
        Field(
            description="Where results go in the results bucket: `{preset}`, `{name}`, `{job_id}`, `{index}` and "
            "`{ext}` at most once each, `{name}` or `{job_id}` at least; ends with `.{ext}`; no empty, `.` or `..` "
            "parts, and not under `tenants/` or `records/`.",
            examples=["shoes/{job_id}/{index}.{ext}"],
        ),
    ] = None
    webhook_url: Annotated[str | None, Field(description="Where its events are sent: https, to a public host.")] = None
    metadata: Annotated[
        dict[Label, Remark],
        Field(
            max_length=MAX_METADATA_ENTRIES,
            description="Texts of your own, echoed in events and records.",
            examples=[{"order": "4711"}],
        ),
    ] = {}
    tags: Annotated[
        tuple[Label, ...],
        Field(max_length=MAX_TAGS, description="Words to find it by in lists.", examples=[["spring"]]),
    ] = ()
    deadline_seconds: Annotated[
        int | None,
        Field(
            strict=True,
            ge=SHORTEST_DEADLINE_SECONDS,
            le=LONGEST_DEADLINE_SECONDS,
            description="How long it may wait for its task; the deployment's own where nothing is said.",
        ),
        JSON_INTEGER,
    ] = None

    @property
    def reference_uris(self) -> tuple[str, ...]:
        """The references as texts."""
        return tuple(reference.uri for reference in self.references)

    @property
    def task(self) -> JobKind:
        """No reference: generate; one: edit; more: fuse."""
        if not self.references:
            return JobKind.TEXT_TO_IMAGE
        return JobKind.EDIT if len(self.references) == 1 else JobKind.FUSION

    @field_validator("model")
    @classmethod
    def _is_configured(cls, value: str, info: ValidationInfo) -> str:
        rules = _rules(info)
        if rules and rules.routes.to(value) is None:
            raise ValueError(f"no such model; there are {', '.join(rules.routes.models)}")
        return value

    @field_validator("policy", mode="before")
    @classmethod
    def _is_a_policy(cls, value: Any) -> Any:
        if not isinstance(value, str) or value not in Policy._value2member_map_:
            raise ValueError(f"must be one of {', '.join(Policy)}")
        return value

    @field_validator("prompt")
    @classmethod
    def _says_something(cls, value: str, info: ValidationInfo) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("is no valid Unicode: it holds half of a surrogate pair") from None
        _without_control(value)
        check_prompt(value)
        if rules := _rules(info):
            limit = rules.scope(info.data.get("model")).longest_prompt
            if len(value) > limit:
                raise ValueError(f"has {len(value)} characters; at most {limit} are allowed")
        return value

    @field_validator("aspect_ratio", mode="before")
    @classmethod
    def _is_offered(cls, value: Any, info: ValidationInfo) -> Any:
        rules = _rules(info)
        offered = rules.scope(info.data.get("model")).aspect_ratios if rules else tuple(AspectRatio)
        if not isinstance(value, str) or value not in offered:
            raise ValueError(f"must be one of {', '.join(offered)}")
        return value

    @field_validator("on_uncertain", mode="before")
    @classmethod
    def _is_a_choice(cls, value: Any) -> Any:
        if not isinstance(value, str) or value not in OnUncertain._value2member_map_:
            raise ValueError(f"must be one of {', '.join(OnUncertain)}")
        return value

    @field_validator("reuse", mode="before")
    @classmethod
    def _is_a_scope(cls, value: Any) -> Any:
        if not isinstance(value, str) or value not in Reuse._value2member_map_:
            raise ValueError(f"must be one of {', '.join(Reuse)}")
        return value

    @field_validator("output_key")
    @classmethod
    def _is_a_key_pattern(cls, value: str | None) -> str | None:
        return value if value is None else check_output_key(_intact(value))

    @field_validator("tags")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @field_validator("webhook_url")
    @classmethod
    def _leads_outside(cls, value: str | None, info: ValidationInfo) -> str | None:
        rules = _rules(info)
        return check_webhook_url(value, local=rules.local_webhooks) if rules and value is not None else value


def read_request(document: Mapping[str, Any], rules: Rules) -> JobRequest:
    """The request in `document`, with the model filled in that its policy prefers (the deployment's if it names none).

    A document that names a model is pinned to it.

    Raises `InvalidRequest` that names every fault of the document at once, each bad reference on its own.
    """
    faults = _policy_faults(document)
    document = _located({**_preferred(document, rules), **document}, rules)
    faults += _reference_faults(document, rules)
    try:
        request = JobRequest.model_validate(document, context={"rules": rules})
    except ValidationError as error:
        raise InvalidRequest(*faults_of(error), *faults) from None
    if faults:
        raise InvalidRequest(*faults)
    if not candidates(request, rules.routes):
        detail = f"no route to {request.model} takes this prompt, ratio and number of references together"
        raise InvalidRequest(Fault("", detail))
    return request


def candidates(request: JobRequest, routes: Routes) -> tuple[Route, ...]:
    """The routes that the request may take, in its policy's order."""
    scope = routes.to(request.model) if request.policy is Policy.PINNED else routes
    if scope is None:
        return ()
    return scope.taking(
        references=len(request.references),
        aspect_ratio=request.aspect_ratio,
        prompt_characters=len(request.prompt),
        cheapest_first=request.policy is Policy.CHEAPEST,
    )


def _preferred(document: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """The policy and the model of a document that does not say; where nothing fits, what its faults are measured by."""
    if "model" in document:
        return {"policy": Policy.PINNED}
    routes = rules.routes
    policy = document.get("policy", rules.policy)
    references, prompt = document.get("references"), document.get("prompt")
    fitting = routes.taking(
        references=len(references) if isinstance(references, list | tuple) else 0,
        aspect_ratio=str(document.get("aspect_ratio", AspectRatio.AUTO)),
        prompt_characters=len(prompt) if isinstance(prompt, str) else 0,
        cheapest_first=policy == Policy.CHEAPEST,
    )
    return {"policy": policy, "model": (fitting[0] if fitting else routes.default).model}


def _located(document: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """With the ids of uploads replaced by where they lie, among the tenant's own: nobody else's id leads anywhere."""
    references = document.get("references")
    if not isinstance(references, list | tuple):
        return document
    located = [
        upload_location(reference, bucket=rules.uploads_bucket, tenant=rules.tenant).uri
        if isinstance(reference, str) and UPLOAD_ID.fullmatch(reference)
        else reference
        for reference in references
    ]
    return {**document, "references": located}


def _policy_faults(document: Mapping[str, Any]) -> list[Fault]:
    policy = document.get("policy")
    if "model" in document and policy in (Policy.BETA_FIRST, Policy.CHEAPEST):
        return [
            Fault(
                "/policy",
                "name a model or a policy: a job that names a model has the policy pinned, which is every route to it",
            )
        ]
    if "model" not in document and policy == Policy.PINNED:
        return [Fault("/model", "is required by the policy pinned")]
    return []


def _reference_faults(document: Mapping[str, Any], rules: Rules) -> list[Fault]:
    """Of the list and of each reference by itself, so that one answer names every bad one."""
    references, model = document.get("references"), document.get("model")
    if not isinstance(references, list | tuple):
        return []  # pydantic names what is no list; and below, what is no text
    scope = rules.scope(model)
    limit = scope.most_references
    faults = []
    if len(references) > limit:
        taker = "any model" if scope is rules.routes else model
        faults.append(Fault("/references", f"has {len(references)} entries; at most {limit} are allowed on {taker}"))
    for index, reference in enumerate(references):
        if isinstance(reference, str):
            try:
                check_reference(
                    reference,
                    buckets=rules.reference_buckets,
                    uploads_bucket=rules.uploads_bucket,
                    tenant=rules.tenant,
                )
            except ValueError as error:
                faults.append(Fault(pointer("references", index), str(error)))
    return faults


def _rules(info: ValidationInfo) -> Rules | None:
    return (info.context or {}).get("rules")
