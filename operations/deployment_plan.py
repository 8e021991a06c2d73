"""What a deployment will do: which parameters are sent, and what the layer is built for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from operations.parameters import fault_of_stack_name, faults_of_parameters
from operations.stacks import Stack

# https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html, read in November 2026.
WITHOUT_FUNCTION_URLS = frozenset(
    {
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
    }
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A deployment that is decided on.

    `named`: the parameters that are sent; of an existing stack, every other one stays as it is. `all`: what all of them
    will be.
    """

    stack: str
    region: str
    is_new: bool
    named: Mapping[str, str] = field(default_factory=dict)
    all: Mapping[str, str] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """What the functions will run on, which the layer must be built for."""
        return self.all["Architecture"]

    @property
    def changes(self) -> list[str]:
        """The parameters that a person named, as text."""
        return [f"{name}={value}" for name, value in self.named.items() if name != "Release"]

    def faults(self) -> list[str]:
        """Why it can't work, each in a sentence."""
        faults = []
        if self.is_new and (fault := fault_of_stack_name(self.stack)):
            faults.append(fault)
        faults.extend(faults_of_parameters(self.all))
        if self.region in WITHOUT_FUNCTION_URLS and self.all.get("OpenAiImages") != "off":
            faults.append(without_function_urls(self.region))
        return faults


def plan_of(
    *,
    stack: str,
    region: str,
    found: Stack | None,
    defaults: Mapping[str, str],
    named: Mapping[str, str],
    release: str,
) -> Plan:
    """`found`: the stack as it is, if it is there. `defaults`: of the template. `named`: by a person or a file."""
    sent = {**named, "Release": release}
    kept = {name: value for name, value in found.parameters.items() if name in defaults} if found else {}
    return Plan(stack=stack, region=region, is_new=found is None, named=sent, all={**defaults, **kept, **sent})


def without_function_urls(region: str) -> str:
    """The sentence for a Region that lacks them."""
    return (
        f"Lambda has no function URLs in {region}, which the address in OpenAI's shape needs: deploy without it "
        "(PARAMETERS=OpenAiImages=off), or choose another Region (REGION=…)."
    )
