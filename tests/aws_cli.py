"""The `aws` command of the documentation's scripts, by botocore: the AWS CLI can't be installed beside the AWS SDK.

Takes the CLI's syntax as far as the documentation uses it, and nothing that the CLI would not take: an unknown command,
option or parameter is an error. With `AWS_CLI_RECORD`, the name of a file, no call is made: each command is checked by
AWS's own description of it and written to the file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import botocore.session
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import validate_parameters

RECORD = "AWS_CLI_RECORD"
# The CLI's names of services that AWS describes under another.
_RENAMED = {"s3api": "s3"}
# Options that the CLI calls otherwise than AWS's description of the call does (its customizations/argrename.py).
_OPTIONS_RENAMED = {("sns", "subscribe", "notification-endpoint"): "endpoint"}
# Of every command: https://docs.aws.amazon.com/cli/latest/reference/, "Global options".
_GLOBAL = {"query": "", "output": "json", "region": "", "profile": "", "no-cli-pager": ""}
_PAGED = {"max-items", "page-size", "starting-token"}
# What the CLI has besides AWS's own calls.
_COPY, _SYNC, _DEPLOY = ("s3", "cp"), ("s3", "sync"), ("cloudformation", "deploy")
_OWN = {
    _COPY: {"metadata"},
    _SYNC: {"source-region"},
    _DEPLOY: {"template-file", "stack-name", "capabilities", "parameter-overrides"},
}


class UsageError(Exception):
    """A command that the AWS CLI would refuse."""


@dataclass(frozen=True)
class Command:
    """A command line, taken apart."""

    service: str
    name: str
    operands: tuple[str, ...]
    options: dict[str, list[str]]

    @classmethod
    def parse(cls, words: list[str]) -> Command:
        """What was typed after `aws`."""
        if len(words) < 2:
            raise UsageError("a service and a command are needed")
        service, name, *rest = words
        operands: list[str] = []
        options: dict[str, list[str]] = {}
        values = operands
        for word in rest:
            if word.startswith("--"):
                option, equals, value = word.removeprefix("--").partition("=")
                values = options.setdefault(option, [])
                if equals:
                    values.append(value)
            else:
                values.append(word)
        return cls(service, name, tuple(operands), options)

    def option(self, name: str) -> str:
        """The one value of an option; of a global one, its default where it is not given."""
        values = self.options.get(name, [])
        return " ".join(values) if values else _GLOBAL.get(name, "")

    @property
    def own_options(self) -> dict[str, list[str]]:
        """Without those that every command has."""
        return {name: values for name, values in self.options.items() if name not in _GLOBAL}


def operation_of(command: Command) -> OperationModel:
    """The call that a command makes, as AWS describes it."""
    session = botocore.session.get_session()
    service = _RENAMED.get(command.service, command.service)
    try:
        model = session.get_service_model(service)
    except Exception as error:
        raise UsageError(f"there is no service {command.service}") from error
    name = command.name
    if name == "wait":
        waiters = session.get_waiter_model(service)
        found = {xform_name(waiter, "-"): waiter for waiter in waiters.waiter_names}
        return model.operation_model(waiters.get_waiter(found[command.operands[0]]).operation)
    calls = {xform_name(call, "-"): call for call in model.operation_names}
    if name not in calls:
        raise UsageError(f"{command.service} has no command {name}")
    return model.operation_model(calls[name])


def parameters_of(command: Command) -> dict[str, Any]:
    """The call's parameters. Raises `UsageError` for what AWS's description of the call does not have."""
    operation = operation_of(command)
    shape = operation.input_shape
    members = {xform_name(member, "-"): (member, of) for member, of in (shape.members if shape else {}).items()}
    parameters: dict[str, Any] = {}
    for typed, values in command.own_options.items():
        option = _OPTIONS_RENAMED.get((command.service, command.name, typed), typed)
        name = option.removeprefix("no-") if option not in members else option
        if name not in members:
            if option in _PAGED:
                continue
            raise UsageError(f"{command.service} {command.name} has no option --{typed}")
        member, of = members[name]
        parameters[member] = _value(of, values, negated=name != option)
    if shape:
        report = validate_parameters_of(parameters, shape)
        if report:
            raise UsageError(report)
    return parameters


def validate_parameters_of(parameters: dict[str, Any], shape: Shape) -> str:
    """What AWS's description says against the parameters; empty if nothing."""
    try:
        validate_parameters(parameters, shape)
    except botocore.exceptions.ParamValidationError as error:
        return str(error)
    return ""


def _value(shape: Shape, values: list[str], *, negated: bool) -> Any:
    if shape.type_name == "boolean":
        if values:
            raise UsageError(f"a switch has no value: {values}")
        return not negated
    if not values:
        raise UsageError("an option has no value")
    if shape.type_name == "blob":
        return Path(values[0].removeprefix("fileb://")).read_bytes()
    texts = [Path(text.removeprefix("file://")).read_text() if text.startswith("file://") else text for text in values]
    if isinstance(shape, ListShape):
        if texts[0].lstrip().startswith("["):
            return json.loads(texts[0])
        return [_one(shape.member, text) for text in texts]
    if len(texts) > 1:
        raise UsageError(f"more than one value: {texts}")
    return _one(shape, texts[0])


def _one(shape: Shape, text: str) -> Any:
    if isinstance(shape, StructureShape | MapShape | ListShape):
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else _Shorthand(text).read(shape)
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "boolean":
            return {"true": True, "false": False}[text]
        case _:
            return text


class _Shorthand:
    """`Key=value,Key={Key=value},Key=[a,b]`: https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html"""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def read(self, shape: Shape) -> Any:
        """The whole text."""
        found = self._fields(shape, end="")
        if self._at < len(self._text):
            raise UsageError(f"{self._text!r} goes on after {self._text[: self._at]!r}")
        return found

    def _fields(self, shape: Shape, *, end: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            key = self._until("=")
            found[key] = self._field(_below(shape, key), end=end)
            if self._text[self._at : self._at + 1] != ",":
                return found
            self._at += 1

    def _field(self, shape: Shape, *, end: str) -> Any:
        opening = self._text[self._at : self._at + 1]
        if opening == "{":
            self._at += 1
            inner = self._fields(shape, end="}")
            self._expect("}")
            return inner
        if opening == "[":
            self._at += 1
            items = self._until("]").split(",")
            return [_one(_below(shape), item) for item in items]
        if isinstance(shape, ListShape):
            return [self._field(shape.member, end=end)]
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in {",", *end}:
            self._at += 1
        return _one(shape, self._text[start : self._at])

    def _until(self, mark: str) -> str:
        start = self._at
        self._at = self._text.find(mark, start)
        if self._at < 0:
            raise UsageError(f"{self._text!r} has no {mark} after {self._text[:start]!r}")
        self._at += len(mark)
        return self._text[start : self._at - len(mark)]

    def _expect(self, mark: str) -> None:
        if self._text[self._at : self._at + 1] != mark:
            raise UsageError(f"{self._text!r} has no {mark} after {self._text[: self._at]!r}")
        self._at += 1


def _below(shape: Shape, key: str = "") -> Shape:
    """What a field of that name is, or an entry."""
    below: Shape
    match shape:
        case StructureShape():
            if key not in shape.members:
                raise UsageError(f"{shape.name} has no {key}")
            below = shape.members[key]
        case MapShape():
            below = shape.value
        case ListShape():
            below = shape.member
        case _:
            raise UsageError(f"{shape.name} has no fields")
    return below


def check(command: Command) -> None:
    """Raises `UsageError` where the AWS CLI would refuse the command before it makes a call."""
    own = _OWN.get((command.service, command.name))
    if own is None:
        parameters_of(command)
    elif unknown := set(command.own_options) - own:
        raise UsageError(f"{command.service} {command.name} has no option --{min(unknown)}")


def run(command: Command) -> Any:
    """Makes the call; returns its answer."""
    if (command.service, command.name) == _COPY:
        return _copy(command)
    if (command.service, command.name) == _DEPLOY:
        return _deploy(command)
    if (command.service, command.name) == _SYNC:
        raise UsageError("s3 sync is checked here, and not run")
    client = boto3.client(_RENAMED.get(command.service, command.service))  # type: ignore[call-overload]
    if command.name == "wait":
        client.get_waiter(command.operands[0].replace("-", "_")).wait(**parameters_of(command))
        return None
    operation = operation_of(command)
    answer = getattr(client, xform_name(operation.name))(**parameters_of(command))
    answer.pop("ResponseMetadata", None)
    if command.operands:
        # As `lambda invoke` writes what the function answers.
        [payload] = [name for name, value in answer.items() if hasattr(value, "read")]
        Path(command.operands[0]).write_bytes(answer.pop(payload).read())
    return answer


def _copy(command: Command) -> None:
    source, target = command.operands
    metadata = json.loads(command.option("metadata") or "{}")
    s3 = boto3.client("s3")
    bucket, _, key = target.removeprefix("s3://").partition("/")
    if source.startswith("s3://"):
        place, _, name = source.removeprefix("s3://").partition("/")
        s3.download_file(place, name, target)
    else:
        s3.upload_file(source, bucket, key, ExtraArgs={"Metadata": metadata})


def _deploy(command: Command) -> None:
    cloudformation = boto3.client("cloudformation")
    stack = command.option("stack-name")
    given = [override.partition("=") for override in command.options.get("parameter-overrides", [])]
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=Path(command.option("template-file")).read_text(),
        Capabilities=command.options.get("capabilities", []),  # type: ignore[arg-type]
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, _, value in given],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})


def shown(command: Command, answer: Any) -> str:
    """What the CLI prints."""
    if query := command.option("query"):
        answer = jmespath.search(query, answer)
    if command.option("output") == "text":
        return "\n".join(_lines(answer))
    return "" if answer in (None, {}) else json.dumps(answer, indent=4, default=str)


def _lines(answer: Any) -> Iterator[str]:
    """A line for each list of values, with tabs; `None` for what is not there."""
    if not isinstance(answer, list):
        yield "None" if answer is None else str(answer)
    elif all(isinstance(item, list) for item in answer):
        for item in answer:
            yield from _lines(item)
    else:
        yield "\t".join("None" if item is None else str(item) for item in answer)


@contextmanager
def on_the_path() -> Iterator[str]:
    """A folder with the command `aws`, for the beginning of a script's `PATH`."""
    with TemporaryDirectory() as folder:
        command = Path(folder) / "aws"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
        command.chmod(0o755)
        yield folder


def main(words: list[str]) -> int:
    """The command. As of the CLI's, the status is 252 for what can't be parsed and 254 for what AWS refuses."""
    try:
        command = Command.parse(words)
        check(command)
    except UsageError as error:
        print(f"aws {' '.join(words[:2])}: {error}", file=sys.stderr)
        return 252
    if record := os.environ.get(RECORD):
        with Path(record).open("a") as file:
            print(json.dumps(words), file=file)
        print(f"what-{command.name}-answers")
        return 0
    try:
        printed = shown(command, run(command))
    except botocore.exceptions.ClientError as error:
        print(error, file=sys.stderr)
        return 254
    if printed:
        print(printed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
