"""Problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from heliograph.api.representations import Representation
from heliograph.kernel.failures import Charged


class FaultResource(Representation):
    """A fault in the request."""

    pointer: Annotated[
        str,
        Field(
            description="A JSON pointer into the body, `?<name>` for a parameter of the query, empty for the whole.",
            examples=["/references/0"],
        ),
    ]
    detail: Annotated[str, Field(examples=["must be an https:// URL"])]


class ProblemDocument(Representation):
    """An error; says whether to retry and whether the call cost money."""

    type: Annotated[
        str,
        Field(
            description="Where the deployment's page of errors (`/docs/errors`) explains the code, relative to the "
            "call's URL; `about:blank` where the gateway answers by itself.",
            examples=["../docs/errors#invalid_input"],
        ),
    ]
    title: Annotated[str, Field(description="The status as text.")]
    status: Annotated[int | SkipJsonSchema[None], Field(ge=400, le=599, description="As in the status line.")] = None
    detail: Annotated[str, Field(description="Explanation for people.")]
    code: Annotated[str, Field(description="Name of the problem, for programs.")]
    retryable: Annotated[bool, Field(description="The same call, sent again later and unchanged, may succeed.")]
    charged: Annotated[Charged, Field(description="Whether the call may have cost money.")]
    request_id: Annotated[str, Field(description="Identifies the call in the deployment's logs.")]
    errors: Annotated[
        tuple[FaultResource, ...],
        Field(default_factory=tuple, description="For a 4xx: every fault of the request."),
    ]
