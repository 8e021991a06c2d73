"""The API in OpenAI's shape: its calls, its answers, and every error in its form. Nothing else here has that form."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from heliograph.domain.errors import (
    BudgetExceeded,
    Interrupted,
    InvalidRequest,
    MalformedDocument,
    Unavailable,
    UnsupportedMedia,
    UnusableParameters,
)
from heliograph.domain.failures import Charged, Failure, FailureCode
from heliograph.domain.keys import Caller, Scope
from heliograph.domain.openai_shape import (
    Code,
    EditRequest,
    GenerationRequest,
    ImagesRequest,
    read_images_request,
)
from heliograph.domain.recent_calls import Arrival
from heliograph.domain.requests import MAX_BODY_BYTES, Rules, read_json_object
from heliograph.runtime.bearer import bearer_of
from heliograph.runtime.door import CountCall
from heliograph.runtime.forms import read_form
from heliograph.runtime.observability import logger
from heliograph.runtime.representations.images import (
    Image,
    ImageOrigin,
    ImagesAnswer,
    ImagesExtra,
    MissingImage,
    OpenAIError,
    OpenAIErrorAnswer,
)
from heliograph.steps.make_images import Images, ImagesCall, Missing, Picture
from heliograph.steps.manage_keys import Allowance

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
_INVALID = "invalid_request_error"
_SERVER = "server_error"
_LIMIT = "rate_limit_error"
# What a job's fields are called there.
_PARAMETERS = {"references": "image", "aspect_ratio": "size", "nsfw_checker": "moderation", "metadata": "user"}
# No repeat by the client: the same call has the same jobs, and they have failed.
_FAILURES: dict[FailureCode, tuple[HTTPStatus, str, str]] = {
    FailureCode.INVALID_INPUT: (HTTPStatus.BAD_REQUEST, _INVALID, Code.INVALID),
    FailureCode.UNSUPPORTED_MEDIA: (HTTPStatus.BAD_REQUEST, _INVALID, "unsupported_media"),
    FailureCode.CONTENT_BLOCKED: (HTTPStatus.BAD_REQUEST, _INVALID, "content_policy_violation"),
    FailureCode.BUDGET_EXCEEDED: (HTTPStatus.TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota"),
    FailureCode.RATE_LIMITED: (HTTPStatus.TOO_MANY_REQUESTS, _LIMIT, "rate_limit_exceeded"),
    FailureCode.ROUTE_UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, _SERVER, "route_unavailable"),
    FailureCode.PROVIDER_TIMEOUT: (HTTPStatus.GATEWAY_TIMEOUT, _SERVER, "provider_timeout"),
    FailureCode.PROVIDER_FAILED: (HTTPStatus.BAD_GATEWAY, _SERVER, "provider_failed"),
    FailureCode.SUBMISSION_UNCERTAIN: (HTTPStatus.BAD_GATEWAY, _SERVER, "submission_uncertain"),
    FailureCode.RESULT_UNUSABLE: (HTTPStatus.BAD_GATEWAY, _SERVER, "result_unusable"),
    FailureCode.INTERNAL: (HTTPStatus.INTERNAL_SERVER_ERROR, _SERVER, "internal"),
}


@dataclass(eq=False)
class Refusal(Exception):
    """An answer without pictures. `should_retry`: whether the official clients, which obey it, repeat the call."""

    status: HTTPStatus
    type: str
    code: str
    message: str
    param: str | None = None
    should_retry: bool = False
    retry_after_seconds: int | None = None
    job_ids: Sequence[str] = ()

    def answer(self) -> Response[str]:
        """In OpenAI's shape."""
        error = OpenAIError(message=self.message, type=self.type, param=self.param, code=self.code)
        headers: dict[str, str | list[str]] = {"x-should-retry": str(self.should_retry).lower()}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        body = OpenAIErrorAnswer(error=error).model_dump_json()
        return Response(self.status.value, "application/json", body, {**headers, **_job_ids(self.job_ids)})

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        """What an exception is to a caller of these routes."""
        match error:
            case Refusal():
                return error
            case MalformedDocument():
                return cls(HTTPStatus.BAD_REQUEST, _INVALID, "invalid_body", error.faults[0].detail)
            case InvalidRequest():
                code = _code_of(error)
                param = _param(error.faults[0].pointer)
                told = "; ".join(f"{_param(fault.pointer) or 'the call'}: {fault.detail}" for fault in error.faults)
                return cls(HTTPStatus.BAD_REQUEST, _INVALID, code, told, param)
            case BudgetExceeded():
                status, kind, code = _FAILURES[FailureCode.BUDGET_EXCEEDED]
                return cls(status, kind, code, f"{error}; nothing was done and nothing charged")
            case Interrupted():
                told = f"a service behind us did not answer; of the jobs, {error}; they go on. {_REPEAT}"
                return cls(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    _SERVER,
                    "unavailable",
                    told,
                    should_retry=True,
                    job_ids=error.job_ids,
                )
            case Unavailable():
                told = f"a service behind us did not answer. {_REPEAT}"
                return cls(HTTPStatus.SERVICE_UNAVAILABLE, _SERVER, "unavailable", told, should_retry=True)
            case _:
                told = f"something went wrong on our side; the request id finds it in our log. {_REPEAT}"
                return cls(HTTPStatus.INTERNAL_SERVER_ERROR, _SERVER, "internal", told, should_retry=True)


_REPEAT = (
    "Jobs may have been made: the official client's own repeat finds them; so does a call with the same "
    "Idempotency-Key, if it had one."
)


def _code_of(error: InvalidRequest) -> str:
    if isinstance(error, UnsupportedMedia):
        return _FAILURES[FailureCode.UNSUPPORTED_MEDIA][2]
    return error.code if isinstance(error, UnusableParameters) else Code.INVALID


def _param(pointer: str) -> str | None:
    first = pointer.removeprefix("/").partition("/")[0]
    return _PARAMETERS.get(first, first) or None


def images_resolver() -> LambdaFunctionUrlResolver:
    """A resolver whose every error has OpenAI's shape."""
    app = LambdaFunctionUrlResolver()

    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def refused(error: Exception) -> Response[str]:
        refusal = Refusal.of(error)
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Refusal):
            logger.exception("a call failed")
        return refusal.answer()

    @app.not_found
    def no_such_path(error: NotFoundError) -> Response[str]:
        path = app.current_event.path
        if path in (GENERATIONS, EDITS):
            response = Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, _INVALID, "method_not_allowed", "only POST is allowed"
            ).answer()
            response.headers["Allow"] = "POST"
            return response
        told = (
            f"there are only POST {GENERATIONS} and POST {EDITS}; the client's base_url is the output ImagesUrl and v1"
        )
        return Refusal(HTTPStatus.NOT_FOUND, _INVALID, "unknown_url", told).answer()

    return app


def through_the_images_door(
    app: LambdaFunctionUrlResolver,
    event: dict[str, Any],
    context: LambdaContext,
    *,
    recognise: Callable[[str], Caller | None],
    count_call: CountCall,
) -> dict[str, Any]:
    """The resolver's answer, if the key opens this: nobody has checked it before.

    The route finds the caller and its allowance in the resolver's context. It refuses what is too often itself, once
    the call has its name: a repeat of it must not be taken for that of an earlier call.
    """
    call = LambdaFunctionUrlEvent(event)
    allowance = None
    try:
        caller = _let_in(call, recognise)
        allowance = count_call(caller)
    except Exception as error:
        if not isinstance(error, Refusal):
            logger.exception("a call failed at the door")
        refused = Refusal.of(error).answer()
        shown = {**refused.headers, "Content-Type": "application/json"}
        answer: dict[str, Any] = {"statusCode": refused.status_code, "headers": shown, "body": refused.body}
    else:
        app.append_context(caller=caller, allowance=allowance)  # type: ignore[no-untyped-call]
        answer = app.resolve(event, context)
    headers = answer.setdefault("headers", {})
    headers["X-Request-Id"] = call.request_context.request_id
    if allowance:
        headers["RateLimit-Policy"] = f'"key";q={allowance.most};w=60'
        headers["RateLimit"] = f'"key";r={allowance.left};t={allowance.reset_seconds}'
    return answer


def _let_in(call: LambdaFunctionUrlEvent, recognise: Callable[[str], Caller | None]) -> Caller:
    caller = recognise(bearer_of(call.headers.get("authorization", "")))
    if caller is None:
        told = "this key opens nothing here; send a key of this deployment as Authorization: Bearer <key>"
        raise Refusal(HTTPStatus.UNAUTHORIZED, _INVALID, "invalid_api_key", told)
    for scope in (Scope.JOBS_WRITE, Scope.JOBS_READ):
        if not caller.may(scope):
            raise Refusal(HTTPStatus.FORBIDDEN, _INVALID, "insufficient_scope", f"this key lacks the scope {scope}")
    return caller


def not_too_often(allowance: Allowance | None) -> None:
    """Raises a `Refusal` (429) if the key was used too often in this minute."""
    if allowance and allowance.is_used_up:
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS,
            _LIMIT,
            "rate_limit_exceeded",
            f"this key may be used {allowance.most} times a minute",
            should_retry=True,
            retry_after_seconds=allowance.reset_seconds,
        )


def read_call(event: LambdaFunctionUrlEvent, caller: Caller, *, rules: Rules, now: datetime) -> ImagesCall:
    """The call in a function URL's event. Raises `InvalidRequest` for what it can't ask for."""
    text = event.body or ""
    body = base64.b64decode(text) if event.is_base64_encoded else text.encode(errors="surrogatepass")
    content_type = event.headers.get("content-type", "")
    if event.path == EDITS:
        wish, images = _edit(body, content_type, rules.of(caller.tenant))
    else:
        wish, images = _generation(body, rules.of(caller.tenant)), ()
    return ImagesCall(
        wish=wish,
        images=images,
        caller=caller,
        arrival=_arrival(event),
        idempotency_key=event.headers.get("idempotency-key") or None,
        started_at=now,
    )


def _generation(body: bytes, rules: Rules) -> ImagesRequest:
    if len(body) > MAX_BODY_BYTES:
        told = f"the body is larger than the {MAX_BODY_BYTES} bytes allowed"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _INVALID, "payload_too_large", told)
    return read_images_request(GenerationRequest, read_json_object(body, what="the body"), rules)


def _edit(body: bytes, content_type: str, rules: Rules) -> tuple[ImagesRequest, tuple[bytes, ...]]:
    form = read_form(body, content_type, files=("image", "mask", "markup"))
    not_taken = {name: "a file" for name in form.files if name != "image"}
    return read_images_request(EditRequest, {**form.texts, **not_taken}, rules), form.files.get("image", ())


def _arrival(event: LambdaFunctionUrlEvent) -> Arrival:
    repeat = event.headers.get("x-stainless-retry-count", "")
    return Arrival(
        call_id=event.request_context.request_id,
        received_at=datetime.fromtimestamp(event.request_context.time_epoch / 1000, UTC),
        repeat=int(repeat) if repeat.isascii() and repeat.isdecimal() and len(repeat) <= len("1000") else 0,
    )


def images_answer(images: Images) -> Response[str]:
    """200 with the pictures that there are; a refusal if there are none."""
    if not images.pictures:
        raise _nothing(images)
    made = tuple(_image(picture) for picture in images.pictures)
    body = ImagesAnswer(
        created=int(images.jobs[0].created_at.timestamp()),
        data=made,
        output_format=_same([image.heliograph.content_type.removeprefix("image/") for image in made]),
        size=_same([f"{image.heliograph.width}x{image.heliograph.height}" for image in made]),
        heliograph=ImagesExtra(failures=tuple(_missing(missing) for missing in images.missing)),
    )
    headers = {"Cache-Control": "no-store", **_job_ids([job.job_id for job in images.jobs])}
    return Response(HTTPStatus.OK.value, "application/json", body.model_dump_json(), headers)


def _nothing(images: Images) -> Refusal:
    job_ids = [job.job_id for job in images.jobs]
    if any(missing.job and not missing.job.is_over for missing in images.missing):
        told = f"not ready yet, but going on: {', '.join(job_ids)}. The client's own repeat waits for the same jobs."
        return Refusal(
            HTTPStatus.GATEWAY_TIMEOUT, _SERVER, "still_processing", told, should_retry=True, job_ids=job_ids
        )
    failure = next((missing.failure for missing in images.missing if missing.failure), None)
    if failure is None:
        return Refusal(HTTPStatus.CONFLICT, _INVALID, "canceled", "the job was canceled", job_ids=job_ids)
    status, kind, code = _FAILURES[failure.code]
    param = "prompt" if failure.code is FailureCode.CONTENT_BLOCKED else None
    return Refusal(status, kind, code, f"{failure.message}. {_advice(failure)}", param, job_ids=job_ids)


def _advice(failure: Failure) -> str:
    cost = {
        Charged.NO: "Nothing was charged",
        Charged.YES: "It was charged",
        Charged.UNKNOWN: "Nobody can tell whether it was charged",
    }[failure.charged]
    return f"{cost}; the same, sent again later as a new call, may succeed." if failure.retryable else f"{cost}."


def _image(picture: Picture) -> Image:
    result = picture.linked.result
    origin = ImageOrigin(
        job_id=picture.job.job_id,
        price_usd=picture.job.price_usd,
        url_expires_at=picture.linked.expires_at,
        **result.model_dump(include={"content_type", "width", "height", "size_bytes", "sha256"}),
    )
    return Image(url=picture.linked.url, b64_json=picture.base64, heliograph=origin)


def _missing(missing: Missing) -> MissingImage:
    job, failure = missing.job, missing.failure
    if failure:
        told = failure.model_dump(include={"code", "message", "retryable", "charged"})
        return MissingImage(job_id=job.job_id if job else None, **told)
    if job and job.is_over:
        return MissingImage(
            job_id=job.job_id, code="canceled", message="the job was canceled", retryable=False, charged=Charged.UNKNOWN
        )
    return MissingImage(
        job_id=job.job_id if job else None,
        code="still_processing",
        message="not ready yet, but going on: GET /v1/jobs/{id} will tell",
        retryable=False,
        charged=Charged.UNKNOWN,
    )


def _same(values: Sequence[str]) -> str | None:
    return values[0] if len(set(values)) == 1 else None


def _job_ids(job_ids: Sequence[str]) -> dict[str, str | list[str]]:
    return {"X-Heliograph-Job-Ids": ",".join(job_ids)} if job_ids else {}
