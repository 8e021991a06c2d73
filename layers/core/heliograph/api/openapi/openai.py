"""The two routes in OpenAI's shape: at an address of their own, with bodies and errors that are OpenAI's."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from heliograph.api.openai import EDITS, GENERATIONS
from heliograph.api.openapi.deployment import OPENAI_TAG
from heliograph.api.openapi.samples import Sample
from heliograph.api.representations.openai import ImagesAnswer, OpenAIErrorAnswer
from heliograph.openai_images.parameters import MOST_IMAGES, EditRequest, GenerationRequest

Json = dict[str, Any]
TAG = {
    "name": OPENAI_TAG,
    "description": "For programs with OpenAI's client: its `base_url` is the stack's output `ImagesUrl` and `v1`. "
    "Each image is a job like any other; the call returns when the images are stored.",
}
REQUESTS: tuple[type[BaseModel], ...] = (GenerationRequest, EditRequest)
ANSWERS: tuple[type[BaseModel], ...] = (ImagesAnswer, OpenAIErrorAnswer)
_ERRORS = {
    400: "invalid input, or the model refused it; `code` says which. Nothing was charged.",
    401: "`invalid_api_key`.",
    403: "`insufficient_scope`.",
    409: "`canceled`: the job was.",
    413: "`payload_too_large`.",
    429: "`insufficient_quota`: a budget is used up; `rate_limit_exceeded`: too often with this key, where "
    "each image of `n` counts; `too_many_waits`: too many of its calls wait.",
    500: "`internal`: our side.",
    502: "`provider_failed`, `submission_uncertain`, `result_unusable`: the job's failure.",
    503: "`unavailable`, `route_unavailable`.",
    504: "`still_processing`: not ready after 300 s, and going on; `provider_timeout`.",
}

_GENERATE = (
    Sample(
        "cURL",
        "Shell",
        textwrap.dedent("""\
            curl -sS "$IMAGES_URL/v1/images/generations" \\
              -H "Authorization: Bearer $KEY" \\
              -H "Content-Type: application/json" \\
              -d '{"prompt": "A fox in the snow", "size": "1536x1024", "response_format": "url"}'"""),
    ),
    Sample(
        "Python",
        "Python",
        textwrap.dedent("""\
            import os

            from openai import OpenAI

            client = OpenAI(base_url=f"{os.environ['IMAGES_URL']}/v1", api_key=os.environ["KEY"])
            answer = client.images.generate(prompt="A fox in the snow", size="1536x1024")
            print(answer.data[0].url)"""),
    ),
    Sample(
        "Node.js",
        "JavaScript",
        textwrap.dedent("""\
            const answer = await fetch(`${process.env.IMAGES_URL}/v1/images/generations`, {
              method: "POST",
              headers: { Authorization: `Bearer ${process.env.KEY}`, "Content-Type": "application/json" },
              body: JSON.stringify({ prompt: "A fox in the snow", size: "1536x1024", response_format: "url" }),
            });
            console.log((await answer.json()).data[0].url);"""),
    ),
)
_EDIT = (
    Sample(
        "cURL",
        "Shell",
        textwrap.dedent("""\
            curl -sS "$IMAGES_URL/v1/images/edits" \\
              -H "Authorization: Bearer $KEY" \\
              -F prompt="On a white table" \\
              -F response_format=url \\
              -F "image=@$PHOTO" """).strip(),
    ),
    Sample(
        "Python",
        "Python",
        textwrap.dedent("""\
            import os

            from openai import OpenAI

            client = OpenAI(base_url=f"{os.environ['IMAGES_URL']}/v1", api_key=os.environ["KEY"])
            with open(os.environ["PHOTO"], "rb") as photo:
                answer = client.images.edit(image=photo, prompt="On a white table")
            print(answer.data[0].url)"""),
    ),
    Sample(
        "Node.js",
        "JavaScript",
        textwrap.dedent("""\
            import { openAsBlob } from "node:fs";

            const form = new FormData();
            form.set("prompt", "On a white table");
            form.set("response_format", "url");
            form.set("image", await openAsBlob(process.env.PHOTO), "photo.png");
            const answer = await fetch(`${process.env.IMAGES_URL}/v1/images/edits`, {
              method: "POST",
              headers: { Authorization: `Bearer ${process.env.KEY}` },
              body: form,
            });
            console.log((await answer.json()).data[0].url);"""),
    ),
)
SAMPLES: Mapping[str, tuple[Sample, ...]] = {"generateImages": _GENERATE, "editImages": _EDIT}


def images_paths(refs: Mapping[type[BaseModel], Json]) -> dict[str, Json]:
    """Both paths. `refs`: the models' schemas."""
    form = {
        "allOf": [refs[EditRequest]],
        "properties": {
            "image": {
                "description": "JPEG, PNG or WEBP; several as `image[]`.",
                "type": "array",
                "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                "minItems": 1,
                "maxItems": MOST_IMAGES,
            }
        },
        "required": ["image"],
    }
    generate = _operation(
        "generateImages",
        "Generate images",
        "From a prompt. Parameters that the models do not support are refused, or ignored where that costs nothing; "
        "the response names the ignored ones. See docs/openai.md.",
        {"application/json": {"schema": refs[GenerationRequest], "example": {"prompt": "A fox in the snow"}}},
        refs,
    )
    edit = _operation(
        "editImages",
        "Edit images",
        "From a prompt and 1 to 16 images of 6 MB in total. For larger images, upload them and create a job.",
        {"multipart/form-data": {"schema": form}},
        refs,
    )
    return {GENERATIONS: {"post": generate}, EDITS: {"post": edit}}


def _operation(name: str, summary: str, description: str, body: Json, refs: Mapping[type[BaseModel], Json]) -> Json:
    error = {"application/json": {"schema": refs[OpenAIErrorAnswer]}}
    return {
        "operationId": name,
        "tags": [TAG["name"]],
        "summary": summary,
        "description": description,
        "security": [{"key": ["jobs:write", "jobs:read"]}],
        "parameters": [],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {
                "description": "The images; `heliograph.failures` lists the missing ones.",
                "content": {"application/json": {"schema": refs[ImagesAnswer]}},
            },
            **{
                str(status): {"description": f"{status}: {cause}", "content": error}
                for status, cause in _ERRORS.items()
            },
        },
        "x-codeSamples": [
            {"lang": sample.lang, "label": sample.label, "source": sample.source} for sample in SAMPLES[name]
        ],
    }
