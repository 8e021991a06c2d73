"""Responses in OpenAI's shape: generated images, or the reason why there are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from heliograph.api.openai.refusal import FAILURES, INVALID, SERVER, Refusal, job_ids_header
from heliograph.api.representations.openai import Image, ImageOrigin, ImagesAnswer, ImagesExtra, MissingImage
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.openai_images.linked_images import ImageUrl
from heliograph.openai_images.make_images import GeneratedImage, Images, Missing
from heliograph.openai_images.parameters import ImagesRequest

LinkTo = Callable[[GeneratedImage], ImageUrl]


def images_response(images: Images, request: ImagesRequest, link_to: LinkTo) -> Response[str]:
    """200 with the generated images; raises a `Refusal` if there are none. `link_to` makes the link to one of them."""
    if not images.images:
        raise _refusal(images)
    made = tuple(_image(image, request, link_to) for image in images.images)
    formats = [image.heliograph.content_type.removeprefix("image/") for image in made]
    ignored = request.ignored(formats)
    body = ImagesAnswer(
        created=int(images.jobs[0].created_at.timestamp()),
        data=made,
        output_format=_common(formats),
        size=_common([f"{image.heliograph.width}x{image.heliograph.height}" for image in made]),
        heliograph=ImagesExtra(
            requested_model=request.model,
            requested_size=request.requested_size,
            aspect_ratio=images.jobs[0].request.aspect_ratio,
            ignored=ignored,
            joined=images.joined,
            failures=tuple(_missing_image(missing) for missing in images.missing),
        ),
    )
    headers = {"Cache-Control": "no-store", **job_ids_header([job.job_id for job in images.jobs])}
    if ignored:
        headers["X-Heliograph-Ignored"] = ", ".join(ignored)
    if images.joined:
        headers["Idempotent-Replayed"] = "true"
    return Response(HTTPStatus.OK.value, "application/json", json.dumps(_document(body)), headers)


def _document(answer: ImagesAnswer) -> dict[str, Any]:
    document = answer.model_dump(mode="json")
    for image in document["data"]:
        # Absent, as at OpenAI: some programs test whether a field is present, not its value.
        for name in ("url", "b64_json"):
            if image[name] is None:
                del image[name]
    return document


def _refusal(images: Images) -> Refusal:
    job_ids = [job.job_id for job in images.jobs]
    if any(missing.job and not missing.job.is_over for missing in images.missing):
        message = f"not ready yet, but still running: {', '.join(job_ids)}. The same call, sent again, waits for them."
        return Refusal(
            HTTPStatus.GATEWAY_TIMEOUT, SERVER, "still_processing", message, should_retry=True, job_ids=job_ids
        )
    failure = next((missing.failure for missing in images.missing if missing.failure), None)
    if failure is None:
        return Refusal(HTTPStatus.CONFLICT, INVALID, "canceled", "the job was canceled", job_ids=job_ids)
    status, kind, code = FAILURES[failure.code]
    param = "prompt" if failure.code is FailureCode.CONTENT_BLOCKED else None
    return Refusal(status, kind, code, f"{failure.message}. {_advice(failure)}", param, job_ids=job_ids)


def _advice(failure: Failure) -> str:
    cost = {
        Charged.NO: "Nothing was charged",
        Charged.YES: "It was charged",
        Charged.UNKNOWN: "It is unknown whether it was charged",
    }[failure.charged]
    return f"{cost}; the same, sent again later as a new call, may succeed." if failure.retryable else f"{cost}."


def _image(image: GeneratedImage, request: ImagesRequest, link_to: LinkTo) -> Image:
    result = image.linked.result
    # An image too large for base64 comes as a link, whatever format was requested.
    link = link_to(image) if request.wants_links or image.base64 is None else None
    origin = ImageOrigin(
        job_id=image.job.job_id,
        model=image.job.attempt.model if image.job.attempt else image.job.request.model,
        price_usd=image.job.price_usd,
        url_expires_at=link.expires_at if link else None,
        **result.model_dump(include={"content_type", "width", "height", "size_bytes", "sha256"}),
    )
    return Image(url=link.url if link else None, b64_json=image.base64, heliograph=origin)


def _missing_image(missing: Missing) -> MissingImage:
    job, failure = missing.job, missing.failure
    if failure:
        fields = failure.model_dump(include={"code", "message", "retryable", "charged"})
        return MissingImage(job_id=job.job_id if job else None, **fields)
    if job and job.is_over:
        return MissingImage(
            job_id=job.job_id, code="canceled", message="the job was canceled", retryable=False, charged=Charged.UNKNOWN
        )
    return MissingImage(
        job_id=job.job_id if job else None,
        code="still_processing",
        message="not ready yet, but still running; GET /v1/jobs/{id} shows its end",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _common(values: Sequence[str]) -> str | None:
    return values[0] if len(set(values)) == 1 else None
