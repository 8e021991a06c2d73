"""Deployed stacks: their parameters and outputs, and whether they can be used or deployed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from operations.refusals import NO_REGION, Refused

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

DEFAULT_STACK = "heliograph"
# A person waits: short timeouts, few retries.
_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
# Left by a change set that was never executed: CloudFormation keeps only the name.
_NOT_YET_THERE = "REVIEW_IN_PROGRESS"
_DELETE_IT = (
    "nothing of it works. Delete it (aws cloudformation delete-stack --stack-name {stack} --region {region}), and "
    "deploy again when it is gone"
)
# States in which nothing can be operated or deployed.
_UNUSABLE = {
    "CREATE_IN_PROGRESS": "it is being created: wait until it is there",
    "CREATE_FAILED": "its creation failed, and " + _DELETE_IT,
    "ROLLBACK_IN_PROGRESS": "its creation failed and is being undone; then delete it, and deploy again",
    "ROLLBACK_FAILED": "its creation failed and could not be undone: " + _DELETE_IT,
    "ROLLBACK_COMPLETE": "its creation failed and was undone: " + _DELETE_IT,
    "DELETE_IN_PROGRESS": "it is being deleted: wait until it is gone",
    "DELETE_FAILED": "its deletion failed: the stack's events say why, then delete it again",
}
# States in which the stack works, but can't be deployed.
_BUSY = {
    "UPDATE_ROLLBACK_FAILED": (
        "an update failed and could not be undone: the stack's events say why; then "
        "aws cloudformation continue-update-rollback --stack-name {stack} --region {region}"
    ),
    "UPDATE_FAILED": (
        "an update failed and was not undone: aws cloudformation rollback-stack --stack-name {stack} --region {region}"
    ),
}
_IN_PROGRESS = "it is being changed at the moment: wait until that is over"


@dataclass(frozen=True)
class Stack:
    """A stack of CloudFormation as it is deployed."""

    name: str
    region: str
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    def check_usable(self) -> None:
        """Raises `Refused` if the stack can't be operated."""
        self._refuse(_UNUSABLE.get(self.status))

    def check_deployable(self) -> None:
        """Raises `Refused` if the stack can't be updated in its state."""
        is_busy = self.status.endswith("_IN_PROGRESS")
        self._refuse(_UNUSABLE.get(self.status) or _BUSY.get(self.status) or (_IN_PROGRESS if is_busy else None))

    def output(self, name: str) -> str:
        """An output. Raises `Refused` if there is none of that name: the stack is another application's."""
        if name not in self.outputs:
            raise Refused(
                f"The stack {self.name} in {self.region} is not one of Heliograph's: it has no output {name}. "
                "Name the right one with STACK=…."
            )
        return self.outputs[name]

    def _refuse(self, why: str | None) -> None:
        if why is not None:
            reason = why.format(stack=self.name, region=self.region)
            raise Refused(f"The stack {self.name} in {self.region} is in the state {self.status}: {reason}.")


@dataclass(frozen=True)
class Account:
    """A person's own AWS account in one Region, as the SDK finds it on this machine."""

    session: boto3.Session
    region: str

    @classmethod
    def here(cls, region: str | None = None, *, otherwise: str | None = None) -> Account:
        """In that Region, or the one that the machine is set up for, or else that one. Raises `Refused` without any."""
        named = region or boto3.Session().region_name or otherwise
        if named is None:
            raise Refused(NO_REGION)
        return cls(boto3.Session(region_name=named), named)

    def client(self, service: str) -> Any:
        """A client of the SDK that does not wait long."""
        make: Any = self.session.client  # typed for literal names only
        return make(service, config=_CONFIG)

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""
        client: CloudFormationClient = self.client("cloudformation")
        return client

    def look_for(self, name: str) -> Stack | None:
        """The stack of that name; `None` if there is none. Raises the SDK's errors."""
        try:
            found = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        if found["StackStatus"] == _NOT_YET_THERE:
            return None
        parameters = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])}
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
        return Stack(found["StackName"], self.region, found["StackStatus"], parameters, outputs)

    def usable_stack(self, name: str) -> Stack:
        """The usable stack of that name. Raises `Refused` if there is none, or if it can't be operated."""
        stack = self.look_for(name)
        if stack is None:
            raise Refused(
                f"There is no stack {name} in {self.region}. Name another one with STACK=… or another Region with "
                "REGION=… (unless given, the Region is that of AWS_DEFAULT_REGION or of your AWS profile)."
            )
        stack.check_usable()
        return stack

    def variables_of(self, stack: Stack, *logical_ids: str) -> dict[str, str]:
        """The environment variables of those functions together. Raises `Refused` if the stack has no such function."""
        variables: dict[str, str] = {}
        for logical_id in logical_ids:
            try:
                found = self.cloudformation.describe_stack_resource(StackName=stack.name, LogicalResourceId=logical_id)
            except ClientError as error:
                if _is_missing(error):
                    raise Refused(
                        f"The stack {stack.name} in {self.region} is not one of Heliograph's: it has no function "
                        f"{logical_id}. Name the right one with STACK=…."
                    ) from error
                raise
            name = found["StackResourceDetail"].get("PhysicalResourceId")
            configuration = self.client("lambda").get_function_configuration(FunctionName=name)
            variables |= configuration.get("Environment", {}).get("Variables", {})
        return variables


def _is_missing(error: ClientError) -> bool:
    details = error.response.get("Error", {})
    return details.get("Code") == "ValidationError" and "does not exist" in str(details.get("Message"))
