"""What `POST /v1/jobs` takes, for the API's description: a `JobRequest` before anything is filled in.

What is accepted is decided by `read_request`; here stands as much of it as a JSON Schema can say.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictBool, WithJsonSchema

from heliograph.jobs.request import AsText, JobRequest, Policy
from heliograph.kernel.printable import CONTROLS
from heliograph.storage.references import LINK_PATTERN, MAX_URL_CHARACTERS, WEBHOOK_PATTERN, Reference

# Text without control characters, but not of white space alone.
_WORDS = rf"^[^{CONTROLS}]*[^\s{CONTROLS}][^{CONTROLS}]*$"
_FIELD = r"(?:[^{}]|\{(?:preset|name|job_id|index)\})*"

_REFERENCE = {
    "type": "string",
    "anyOf": [
        {"description": "An upload of this API.", "pattern": r"^up_[a-z2-7]{26}\.(jpg|png|webp)$"},
        {
            "description": "An object in one of the deployment's two buckets.",
            "pattern": r"^s3://[a-z0-9.-]{3,63}/[^\x00-\x1f\x7f]+$",
        },
        {"description": "A public link.", "pattern": LINK_PATTERN},
    ],
    "maxLength": MAX_URL_CHARACTERS,
}


def _as_it_is_sent(schema: dict[str, Any]) -> None:
    fields = schema["properties"]
    # Left out, they are chosen by the policy and by the deployment.
    fields["model"].pop("default")
    fields["policy"].pop("default")
    fields["prompt"]["pattern"] = _WORDS
    fields["output_key"]["anyOf"][0] |= {
        "pattern": f"^{_FIELD}\\{{(?:name|job_id)\\}}{_FIELD}\\.\\{{ext\\}}$",
        "maxLength": 512,
    }
    fields["webhook_url"]["anyOf"][0] |= {"pattern": WEBHOOK_PATTERN, "maxLength": MAX_URL_CHARACTERS}
    schema |= {
        "description": "A request for an image. Unknown fields are refused.",
        "if": {"required": ["model"]},
        "then": {"properties": {"policy": {"const": Policy.PINNED.value}}},
        "else": {"properties": {"policy": {"enum": [Policy.BETA_FIRST.value, Policy.CHEAPEST.value]}}},
    }


class NewJob(JobRequest):
    """A job as it is sent."""

    model_config = ConfigDict(json_schema_extra=_as_it_is_sent)

    references: Annotated[
        tuple[Annotated[Reference, AsText(), WithJsonSchema(_REFERENCE)], ...],
        Field(description="Images to work on: none, and the image is generated; one: edited; more: fused."),
    ] = ()
    dry_run: Annotated[
        StrictBool,
        Field(description="Only check it, and say which routes it could take and what it would cost."),
    ] = False
