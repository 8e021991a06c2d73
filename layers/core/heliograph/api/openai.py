"""The API in OpenAI's shape: its calls, its answers, and every error in its form. Nothing else here has that form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from heliograph.access.authenticate import Authenticator
from heliograph.access.count_calls import Allowance, CallCounter
from heliograph.access.keys import Caller, Scope
from heliograph.api.bearer import bearer_of
from heliograph.api.call import repeat_number
from heliograph.api.multipart import read_form
from heliograph.api.representations.openai import (
    Image,
    ImageOrigin,
    ImagesAnswer,
    ImagesExtra,
    MissingImage,
    ModelEntry,
    ModelList,
    OpenAIError,
    OpenAIErrorAnswer,
)
from heliograph.intake.recent_calls import IncomingCall
from heliograph.jobs.request import MAX_BODY_BYTES, Rules, read_json_object
from heliograph.kernel.errors import (
    BudgetExceeded,
    Interrupted,
    InvalidRequest,
    MalformedDocument,
    TooManyWaits,
    Unavailable,
    UnsupportedMedia,
    UnusableParameters,
)
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.monitoring.logging import logger
from heliograph.openai_images.image_links import FILES, PROOF, UNTIL
from heliograph.openai_images.linked_images import ImageLinks, ImageUrl, LinkedImage
from heliograph.openai_images.make_images import GeneratedImage, Images, ImagesCall, Missing
from heliograph.openai_images.model_aliases import ModelAliases
from heliograph.openai_images.parameters import Code, EditRequest, GenerationRequest, ImagesRequest, read_images_request
from heliograph.routes.config import Routes

if TYPE_CHECKING:
    pass

LinkTo = Callable[[GeneratedImage], ImageUrl]
GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"
MODELS = "/v1/models"
_INVALID = "invalid_request_error"
_SERVER = "server_error"
_LIMIT = "rate_limit_error"
# Where somebody holds the key's waits, an end of one is near: a wait takes half a minute as a rule.
_FREE_WAIT_SECONDS = 5
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
    # Uploads only: no job of this route can end so.
    FailureCode.PRESET_STOPPED: (HTTPStatus.BAD_REQUEST, _INVALID, "preset_stopped"),
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
            case TooManyWaits():
                told = (
                    f"{error}; nothing was done and nothing charged. Wait for an answer, or create the jobs by "
                    "POST /v1/jobs, which needs no waiting"
                )
                return cls(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    _LIMIT,
                    "too_many_waits",
                    told,
                    should_retry=True,
                    retry_after_seconds=_FREE_WAIT_SECONDS,
                )
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


_REPEAT = "Jobs may have been made: the very same call, sent again within 15 minutes, finds them."


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
        allowed = "POST" if path in (GENERATIONS, EDITS) else "GET" if path.startswith((MODELS, FILES)) else ""
        if allowed and app.current_event.http_method != allowed:
            response = Refusal(
                HTTPStatus.METHOD_NOT_ALLOWED, _INVALID, "method_not_allowed", f"only {allowed} is allowed"
            ).answer()
            response.headers["Allow"] = allowed
            return response
        told = (
            f"there are only POST {GENERATIONS}, POST {EDITS} and GET {MODELS}; the client's base_url is the output "
            "ImagesUrl and v1"
        )
        return Refusal(HTTPStatus.NOT_FOUND, _INVALID, "unknown_url", told).answer()

    return app


@dataclass(eq=False)
class Turnstile:
    """The calls of the caller's key, counted. `allowance`: what is left of its minute; `None`: it has no limit."""

    caller: Caller
    counter: CallCounter
    allowance: Allowance | None = None

    def count_more(self, times: int) -> None:
        """So many calls more. Raises a `Refusal` (429) where a minute has fewer in all: no waiting helps then."""
        if not times or self.allowance is None:
            return
        most = self.allowance.limit
        if times + 1 > most:
            told = (
                f"counts as {times + 1} calls, and this key may be used {most} times a minute: n must be {most} at "
                "most; nothing was done and nothing charged"
            )
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, _LIMIT, "rate_limit_exceeded", told, "n")
        self.allowance = self.counter.count(self.caller, times=times)

    @property
    def is_shut(self) -> bool:
        """Whether the key was used too often in this minute."""
        return self.allowance is not None and self.allowance.is_exceeded

    @property
    def is_long_shut(self) -> bool:
        """Whether it was used so much too often that nothing is written for it any more."""
        return self.allowance is not None and self.allowance.used > 2 * self.allowance.limit


def through_the_images_door(
    app: LambdaFunctionUrlResolver,
    event: dict[str, Any],
    context: LambdaContext,
    *,
    authenticator: Authenticator,
    counter: CallCounter,
) -> dict[str, Any]:
    """The resolver's answer, if the key opens this: nobody has checked it before.

    The route finds the caller and its turnstile in the resolver's context. It refuses what is too often itself: it
    knows as how many calls one counts, and its repeat must not be taken for that of an earlier call. Links to images
    carry their own permission, and need no key.
    """
    call = LambdaFunctionUrlEvent(event)
    if call.path.startswith(f"{FILES}/"):
        return app.resolve(event, context)
    turnstile = None
    try:
        caller = _let_in(call, authenticator)
        turnstile = Turnstile(caller, counter, counter.count(caller))
    except Exception as error:
        if not isinstance(error, Refusal):
            logger.exception("a call failed at the door")
        refused = Refusal.of(error).answer()
        shown = {**refused.headers, "Content-Type": "application/json"}
        answer: dict[str, Any] = {"statusCode": refused.status_code, "headers": shown, "body": refused.body}
    else:
        app.append_context(caller=caller, turnstile=turnstile)  # type: ignore[no-untyped-call]
        answer = app.resolve(event, context)
    headers = answer.setdefault("headers", {})
    headers["X-Request-Id"] = call.request_context.request_id
    if turnstile and (allowance := turnstile.allowance):
        headers["RateLimit-Policy"] = f'"key";q={allowance.limit};w=60'
        headers["RateLimit"] = f'"key";r={allowance.remaining};t={allowance.reset_seconds}'
    return answer


def _let_in(call: LambdaFunctionUrlEvent, authenticator: Authenticator) -> Caller:
    caller = authenticator.authenticate(bearer_of(call.headers.get("authorization", "")))
    if caller is None:
        told = "this key opens nothing here; send a key of this deployment as Authorization: Bearer <key>"
        raise Refusal(HTTPStatus.UNAUTHORIZED, _INVALID, "invalid_api_key", told)
    for scope in (Scope.JOBS_WRITE, Scope.JOBS_READ):
        if not caller.may(scope):
            raise Refusal(HTTPStatus.FORBIDDEN, _INVALID, "insufficient_scope", f"this key lacks the scope {scope}")
    return caller


def not_too_often(turnstile: Turnstile) -> None:
    """Raises a `Refusal` (429) if the key was used too often in this minute."""
    if turnstile.is_shut and (allowance := turnstile.allowance):
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS,
            _LIMIT,
            "rate_limit_exceeded",
            f"this key may be used {allowance.limit} times a minute, and a call counts once for each image of n; "
            "nothing was done and nothing charged",
            should_retry=True,
            retry_after_seconds=allowance.reset_seconds,
        )


def read_call(
    event: LambdaFunctionUrlEvent, caller: Caller, *, rules: Rules, aliases: ModelAliases, now: datetime
) -> ImagesCall:
    """The call in a function URL's event. Raises `InvalidRequest` for what it can't ask for."""
    text = event.body or ""
    body = base64.b64decode(text) if event.is_base64_encoded else text.encode(errors="surrogatepass")
    content_type = event.headers.get("content-type", "")
    if event.path == EDITS:
        wish, images = _edit(body, content_type, rules.of(caller.tenant), aliases)
    else:
        wish, images = _generation(body, rules.of(caller.tenant), aliases), ()
    return ImagesCall(
        request=wish,
        images=images,
        caller=caller,
        arrival=_arrival(event),
        idempotency_key=event.headers.get("idempotency-key") or None,
        started_at=now,
    )


def _generation(body: bytes, rules: Rules, aliases: ModelAliases) -> ImagesRequest:
    if len(body) > MAX_BODY_BYTES:
        told = f"the body is larger than the {MAX_BODY_BYTES} bytes allowed"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _INVALID, "payload_too_large", told)
    return read_images_request(GenerationRequest, read_json_object(body, what="the body"), rules, aliases)


def _edit(
    body: bytes, content_type: str, rules: Rules, aliases: ModelAliases
) -> tuple[ImagesRequest, tuple[bytes, ...]]:
    form = read_form(body, content_type, files=("image", "mask", "markup"))
    not_taken = {name: "a file" for name in form.files if name != "image"}
    wish = read_images_request(EditRequest, {**form.texts, **not_taken}, rules, aliases)
    return wish, form.files.get("image", ())


def _arrival(event: LambdaFunctionUrlEvent) -> IncomingCall:
    return IncomingCall(
        call_id=event.request_context.request_id,
        received_at=datetime.fromtimestamp(event.request_context.time_epoch / 1000, UTC),
        repeat=repeat_number(event.headers.get("x-stainless-retry-count", "")),
    )


def link_base(event: LambdaFunctionUrlEvent) -> str:
    """Where the caller sees this function: scheme, host and, behind a proxy that says so, a path before ours."""
    headers = event.headers
    scheme = headers.get("x-forwarded-proto", "") or "https"
    host = headers.get("x-forwarded-host", "") or event.request_context.domain_name
    return f"{scheme}://{host}{headers.get('x-forwarded-prefix', '').rstrip('/')}"


def images_answer(images: Images, wish: ImagesRequest, link_to: LinkTo) -> Response[str]:
    """200 with the pictures that there are; a refusal if there are none. `link_to`: makes the link to one of them."""
    if not images.images:
        raise _nothing(images)
    made = tuple(_image(picture, wish, link_to) for picture in images.images)
    formats = [image.heliograph.content_type.removeprefix("image/") for image in made]
    ignored = wish.ignored(formats)
    body = ImagesAnswer(
        created=int(images.jobs[0].created_at.timestamp()),
        data=made,
        output_format=_same(formats),
        size=_same([f"{image.heliograph.width}x{image.heliograph.height}" for image in made]),
        heliograph=ImagesExtra(
            requested_model=wish.model,
            requested_size=wish.requested_size,
            aspect_ratio=images.jobs[0].request.aspect_ratio,
            ignored=ignored,
            joined=images.joined,
            failures=tuple(_missing(missing) for missing in images.missing),
        ),
    )
    headers = {"Cache-Control": "no-store", **_job_ids([job.job_id for job in images.jobs])}
    if ignored:
        headers["X-Heliograph-Ignored"] = ", ".join(ignored)
    if images.joined:
        headers["Idempotent-Replayed"] = "true"
    return Response(HTTPStatus.OK.value, "application/json", json.dumps(_told(body)), headers)


def _told(answer: ImagesAnswer) -> dict[str, Any]:
    told = answer.model_dump(mode="json")
    for image in told["data"]:
        # Absent, as at OpenAI: some programs ask whether a field is there, not what it holds.
        for name in ("url", "b64_json"):
            if image[name] is None:
                del image[name]
    return told


def serve_models(app: LambdaFunctionUrlResolver, routes: Routes, aliases: ModelAliases) -> None:
    """Adds the list of every name that a call may give as its model, and each of them by itself."""

    @app.get(MODELS)
    def list_models() -> Response[str]:
        not_too_often(app.context["turnstile"])
        entries = tuple(ModelEntry(id=name) for name in aliases.every(routes))
        return Response(HTTPStatus.OK.value, "application/json", ModelList(data=entries).model_dump_json())

    @app.get(f"{MODELS}/<name>")
    def get_model(name: str) -> Response[str]:
        not_too_often(app.context["turnstile"])
        if not aliases.knows(name, routes):
            told = f"there is no model {name[:64]!r} here; there are {', '.join(aliases.every(routes))}"
            raise Refusal(HTTPStatus.NOT_FOUND, _INVALID, Code.NO_SUCH_MODEL, told, "model")
        return Response(HTTPStatus.OK.value, "application/json", ModelEntry(id=name).model_dump_json())


def serve_files(app: LambdaFunctionUrlResolver, links: ImageLinks) -> None:
    """Adds the images that answers link to. Their links are checked here: no key is."""

    @app.get(f"{FILES}/<job_id>/<name>")
    def show(job_id: str, name: str) -> Response[bytes]:
        event = app.current_event
        asked = event.query_string_parameters
        path, expires, signature = f"{FILES}/{job_id}/{name}", asked.get(UNTIL, ""), asked.get(PROOF, "")
        return _file_answer(links.follow(path, expires=expires, signature=signature))


def _file_answer(found: LinkedImage | None) -> Response[bytes]:
    """200 with the image, or 302 to where it is if it has no room in an answer. 404 for a link that leads nowhere."""
    if found is None:
        told = "this link leads nowhere: it has expired, or was never made"
        raise Refusal(HTTPStatus.NOT_FOUND, _INVALID, "no_such_file", told)
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    if found.body is None:
        headers = {"Cache-Control": "no-store", "Location": found.url}
        return Response(HTTPStatus.FOUND.value, "text/plain", b"", headers)
    return Response(HTTPStatus.OK.value, found.content_type, found.body, headers)


def _nothing(images: Images) -> Refusal:
    job_ids = [job.job_id for job in images.jobs]
    if any(missing.job and not missing.job.is_over for missing in images.missing):
        told = f"not ready yet, but going on: {', '.join(job_ids)}. The same call, sent again, waits for these jobs."
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


def _image(picture: GeneratedImage, wish: ImagesRequest, link_to: LinkTo) -> Image:
    result = picture.linked.result
    # What has no room as base64 comes as a link, whatever was asked for.
    link = link_to(picture) if wish.wants_links or picture.base64 is None else None
    origin = ImageOrigin(
        job_id=picture.job.job_id,
        model=picture.job.attempt.model if picture.job.attempt else picture.job.request.model,
        price_usd=picture.job.price_usd,
        url_expires_at=link.expires_at if link else None,
        **result.model_dump(include={"content_type", "width", "height", "size_bytes", "sha256"}),
    )
    return Image(url=link.url if link else None, b64_json=picture.base64, heliograph=origin)


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
