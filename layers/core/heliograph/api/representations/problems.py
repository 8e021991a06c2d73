"""What goes wrong, as a caller reads it (RFC 9457)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from heliograph.api.representations import Representation
from heliograph.kernel.failures import Charged


class FaultTold(Representation):
    """One thing to mend."""

    pointer: Annotated[
        str,
        Field(
            description="A JSON pointer into the body, `?<name>` for a parameter of the query, empty for the whole.",
            examples=["/references/0"],
        ),
    ]
    detail: Annotated[str, Field(examples=["must be an https:// URL"])]


class ProblemTold(Representation):
    """An answer that is not what was asked for; says whether to try again and whether it cost money."""

    type: Annotated[
        str,
        Field(
            description="Where the API's reference explains the code, relative to the call's URL; `about:blank` where "
            "the gateway answers by itself.",
            examples=["../docs#problem-invalid_input"],
        ),
    ]
    title: Annotated[str, Field(description="The status in words.")]
    status: Annotated[int | SkipJsonSchema[None], Field(ge=400, le=599, description="As in the status line.")] = None
    detail: Annotated[str, Field(description="For people.")]
    code: Annotated[str, Field(description="For programs: what went wrong.")]
    retryable: Annotated[bool, Field(description="The same call, sent again later and unchanged, may succeed.")]
    charged: Annotated[Charged, Field(description="Whether the call may have made something that costs money.")]
    request_id: Annotated[str, Field(description="Finds the call in the deployment's logs.")]
    errors: Annotated[
        tuple[FaultTold, ...], Field(default_factory=tuple, description="Of a 4xx: everything to mend, all at once.")
    ]
