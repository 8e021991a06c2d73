"""CloudFormation as far as operators and `sam deploy` use it: stacks that a test makes, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

_CREATED_AT = "2026-11-22T12:00:00Z"


@dataclass
class PlayedStack:
    """A stack. `functions`: physical names of its resources by logical id."""

    name: str
    status: str = "CREATE_COMPLETE"
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Refusal(Exception):
    """What AWS says instead."""

    code: str
    message: str
    status: int = 400


@dataclass
class PlayedCloudFormation:
    """`change_sets`: the parameters of each that was made: a value, or `None` for "as it was".

    `outputs`: of every new stack. `breaks`: the state that the next change ends in.
    """

    stacks: dict[str, PlayedStack] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    breaks: str | None = None
    events: int = 0
    change_sets: list[dict[str, str | None]] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)

    def add(self, stack: PlayedStack) -> PlayedStack:
        """With that stack."""
        self.stacks[stack.name] = stack
        return stack

    def answer(self, action: str, body: str) -> str:
        """The XML of the answer. Raises `Refusal`."""
        asked = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
        match action:
            case "DescribeStacks":
                inner = _member("Stacks", [self._described(self._stack(asked["StackName"]))])
            case "DescribeStackResource":
                inner = self._resource(asked["StackName"], asked["LogicalResourceId"])
            case "GetTemplateSummary":
                stack = self._stack(asked["StackName"])
                inner = _member("Parameters", (_fields(ParameterKey=name) for name in stack.parameters))
            case "CreateChangeSet":
                inner = self._change(asked)
            case "DescribeChangeSet":
                inner = _fields(Status="CREATE_COMPLETE", StackName=asked["StackName"]) + "<Changes></Changes>"
            case "ExecuteChangeSet":
                inner = ""
            case "DescribeStackEvents":
                inner = _member("StackEvents", [self._event(self._stack(asked["StackName"]))])
            case _:
                raise Refusal("InvalidAction", f"{action} is not played")
        return f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>"

    def _stack(self, name: str) -> PlayedStack:
        if name not in self.stacks:
            raise Refusal("ValidationError", f"Stack with id {name} does not exist")
        return self.stacks[name]

    def _described(self, stack: PlayedStack) -> str:
        return (
            _fields(StackName=stack.name, StackStatus=stack.status, StackId=_id(stack), CreationTime=_CREATED_AT)
            + _pairs("Parameters", "ParameterKey", "ParameterValue", stack.parameters)
            + _pairs("Outputs", "OutputKey", "OutputValue", stack.outputs)
            + _pairs("Tags", "Key", "Value", stack.tags)
        )

    def _resource(self, name: str, logical_id: str) -> str:
        if name not in self.stacks:
            raise Refusal("ValidationError", f"Stack '{name}' does not exist")
        physical = self.stacks[name].resources.get(logical_id)
        if physical is None:
            raise Refusal("ValidationError", f"Resource {logical_id} does not exist for stack {name}")
        return f"<StackResourceDetail>{_fields(PhysicalResourceId=physical)}</StackResourceDetail>"

    def _change(self, asked: Mapping[str, str]) -> str:
        parameters: dict[str, str | None] = {}
        number = 1
        while name := asked.get(f"Parameters.member.{number}.ParameterKey"):
            is_kept = asked.get(f"Parameters.member.{number}.UsePreviousValue") == "true"
            parameters[name] = None if is_kept else asked[f"Parameters.member.{number}.ParameterValue"]
            number += 1
        self.change_sets.append(parameters)
        self.templates.append(asked["TemplateURL"])
        is_new = asked["ChangeSetType"] == "CREATE"
        stack = self.add(PlayedStack(asked["StackName"])) if is_new else self._stack(asked["StackName"])
        stack.parameters |= {key: value for key, value in parameters.items() if value is not None}
        stack.outputs = stack.outputs or self.outputs
        stack.status = self.breaks or ("CREATE_COMPLETE" if is_new else "UPDATE_COMPLETE")
        return _fields(Id=f"{_id(stack)}/change", StackId=_id(stack))

    def _event(self, stack: PlayedStack) -> str:
        """Each time it is asked, the change has ended once more: sam looks for what is newer than its own change."""
        self.events += 1
        return _fields(
            EventId=str(self.events),
            StackId=_id(stack),
            StackName=stack.name,
            LogicalResourceId=stack.name,
            PhysicalResourceId=_id(stack),
            ResourceType="AWS::CloudFormation::Stack",
            ResourceStatus=stack.status,
            Timestamp=f"2099-01-01T{self.events // 60:02}:{self.events % 60:02}:00Z",
        )


def _id(stack: PlayedStack) -> str:
    return f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{stack.name}/1"


def _fields(**texts: str) -> str:
    return "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items())


def _member(name: str, members: Iterable[str]) -> str:
    return f"<{name}>{''.join(f'<member>{member}</member>' for member in members)}</{name}>"


def _pairs(name: str, key: str, value: str, texts: Mapping[str, str]) -> str:
    return _member(name, (_fields(**{key: each, value: text}) for each, text in texts.items()))
