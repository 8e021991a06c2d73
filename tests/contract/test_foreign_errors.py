"""Errors of our neighbours: each that their own models and packages name is in one of our tables, on purpose."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import botocore.exceptions
import botocore.session
import httpcore
import httpx
import pytest
import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError
from botocore.response import StreamingBody
from heliograph.kernel.errors import PublishFailed, StorageFailed, Unavailable, WorkflowFailed
from heliograph.platform import dynamodb as dynamodb_calls
from heliograph.platform import event_bus as eventbridge
from heliograph.platform import http_errors, secrets
from heliograph.platform import step_functions as step_functions_calls
from heliograph.platform.aws import OPERATIONS
from heliograph.platform.aws_errors import COMMON, Errors
from heliograph.storage.adapters import s3_errors
from heliograph.storage.adapters.s3_errors import translated
from heliograph.storage.references import ObjectLocation
from heliograph.webhooks.adapters.http_sender import _SAID_OF

FAMILIES: dict[str, tuple[Errors, type[Unavailable]]] = {
    "dynamodb": (dynamodb_calls.ERRORS, StorageFailed),
    "events": (eventbridge.ERRORS, PublishFailed),
    "s3": (s3_errors.ERRORS, StorageFailed),
    "secretsmanager": (secrets.ERRORS, StorageFailed),
    "stepfunctions": (step_functions_calls.ERRORS, WorkflowFailed),
}
PLACE = ObjectLocation("b", "k")
every_family = pytest.mark.parametrize("service", FAMILIES)


def modelled(service: str) -> set[str]:
    """Codes of all errors that the SDK's model has of the operations that we call."""
    model = botocore.session.get_session().get_service_model(service)
    operations = [model.operation_model(name) for name in OPERATIONS[service]]
    shapes: list[Any] = [shape for operation in operations for shape in operation.error_shapes]
    return {shape.error_code for shape in shapes}


def translation(service: str) -> AbstractContextManager[None]:
    return translated(PLACE) if service == "s3" else FAMILIES[service][0].translated("s3://b/k")


def client_error(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


def raised(service: str, error: Exception) -> Exception:
    with pytest.raises(Exception) as caught, translation(service):  # noqa: PT011
        raise error
    return caught.value


def test_every_service_that_we_call_has_a_table() -> None:
    assert set(FAMILIES) == set(OPERATIONS)


@every_family
def test_every_error_of_the_model_is_either_an_answer_or_has_a_meaning(service: str) -> None:
    errors, _ = FAMILIES[service]
    assert modelled(service) - errors.answers - set(errors.meanings) == set()
    assert not errors.answers & set(errors.meanings)
    assert all(errors.meanings.values())


@every_family
def test_no_table_names_an_error_that_the_service_does_not_have(service: str) -> None:
    errors, _ = FAMILIES[service]
    # S3 and EventBridge document codes that the SDK's model does not have.
    if service not in {"s3", "events"}:
        assert errors.answers | set(errors.meanings) == modelled(service)


@every_family
def test_every_error_of_the_service_is_our_error_which_names_it_and_what_it_was_about(service: str) -> None:
    errors, ours = FAMILIES[service]
    for code in sorted({*modelled(service), *errors.meanings, *errors.answers, *COMMON, "NeverHeardOf", ""}):
        error = raised(service, client_error(code))
        assert type(error) is ours
        assert str(error) == f"s3://b/k: {errors.described(code)}"
        assert str(error).startswith(f"s3://b/k: {code}")
        meaning = errors.meanings.get(code) or COMMON.get(code)
        assert meaning is None or f"({meaning})" in str(error)


def exceptions_of(module: ModuleType) -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)]
    return [kind for kind in found if not issubclass(kind, Warning)]


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor wants."""
    error = kind.__new__(kind)
    error.args = ("made for a test",)
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        error.url = None
    return error


# Raised while a client is made from a damaged model, never by a call.
NOT_OF_A_CALL = {"UndefinedModelAttributeError", "MissingServiceIdError"}


@every_family
def test_every_error_of_the_sdk_is_our_error_which_names_it(service: str) -> None:
    _, ours = FAMILIES[service]
    kinds = [kind for kind in exceptions_of(botocore.exceptions) if kind.__name__ not in NOT_OF_A_CALL]
    assert len(kinds) > 80
    for kind in kinds:
        if issubclass(kind, ClientError):
            continue
        assert issubclass(kind, BotoCoreError), f"{kind.__name__} would be translated by nobody"
        error = raised(service, made(kind))
        assert type(error) is ours
        assert str(error) == f"s3://b/k: {kind.__name__}"


BREAKS = [kind for kind in exceptions_of(urllib3.exceptions) if issubclass(kind, urllib3.exceptions.HTTPError)]


@pytest.mark.parametrize("kind", BREAKS, ids=lambda kind: kind.__name__)
def test_whatever_breaks_while_an_objects_body_is_read_is_a_failed_storage(kind: type[Exception]) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise made(kind)

    body = StreamingBody(Broken(), 10)  # type: ignore[arg-type]
    with pytest.raises(StorageFailed, match="s3://b/k: "), translated(PLACE):
        body.read(5)


# ---- HTTP


# Raised for the wrong use of httpx, or where it is asked to raise (`raise_for_status`): never by a provider's answer.
OF_OUR_OWN_MAKING = {
    "CookieConflict",
    "InvalidURL",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
}
# Kinds of several, of which httpx raises none itself.
KINDS = {"HTTPError", "RequestError", "TransportError", "TimeoutException", "NetworkError", "ProtocolError"}


def test_of_every_error_of_httpx_it_is_said_whether_the_request_may_have_arrived() -> None:
    named = {kind.__name__ for kind in exceptions_of(httpx)}
    assert {kind.__name__ for kind in http_errors.MAY_HAVE_ARRIVED} == named - OF_OUR_OWN_MAKING - KINDS


def test_only_what_comes_before_a_connection_is_certain_not_to_have_arrived() -> None:
    certain = {kind for kind in exceptions_of(httpx) if issubclass(kind, httpx.HTTPError)}
    certain = {kind for kind in certain if not http_errors.may_have_arrived(made(kind))}  # type: ignore[arg-type]
    assert certain == {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol}


def test_an_error_that_httpx_may_get_is_as_its_kind_or_taken_to_have_arrived() -> None:
    class NewKindOfTimeout(httpx.TimeoutException):
        pass

    class NewKindOfConnectError(httpx.ConnectError):
        pass

    assert http_errors.may_have_arrived(NewKindOfTimeout("x"))
    assert not http_errors.may_have_arrived(NewKindOfConnectError("x"))


def kinds_under(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds_under(below)


@pytest.mark.parametrize("kind", exceptions_of(httpcore), ids=lambda kind: kind.__name__)
def test_every_error_of_httpcore_has_words_for_the_owner_of_a_webhook(kind: type[Exception]) -> None:
    assert issubclass(kind, tuple(_SAID_OF))


def test_every_error_of_a_socket_has_words_for_the_owner_of_a_webhook() -> None:
    assert [kind for kind in kinds_under(OSError) if not issubclass(kind, tuple(_SAID_OF))] == []
