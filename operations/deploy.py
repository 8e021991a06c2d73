"""`python -m operations.deploy`: deploy Heliograph, for the first time or again. `make deploy` calls it.

A stack that is not there is asked about in four questions. One that is there is updated without any, and every
parameter that nobody names stays as it is. With an environment of samconfig.toml (`ENV=name`) nothing is asked at all.
Whatever can be known to fail is said before anything is built or sent.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from operations import checks, sam
from operations.command_line import add_parameters, add_target, place_of
from operations.deployment_plan import Plan, plan_of
from operations.findings import Level
from operations.parameters import faults_of_parameters
from operations.provider import KEYS_COME_FROM, NAME, KeyRefused, NotAnswered, Provider
from operations.provider_key import ask_for_key, enter_key, how_to_enter_later, put, stored_since
from operations.refusals import Refused, one_sentence
from operations.samconfig import Environment
from operations.stacks import DEFAULT_STACK, Account, Stack
from operations.template import read_template
from operations.terminal import OwnTerminal, Terminal
from operations.typed_parameters import read_typed

_USUAL_REGION = "us-east-1"
_USUAL_BUDGET_USD = "25"
_NOTHING_DONE = "Nothing was built or deployed."
# docs/operations.md, "What it costs".
_AT_REST = (
    "about $7.80 a month (secrets $1.20, alarms, dashboard and metrics $6.00, polling of queues $0.52, sweeps $0.07)"
)


class Builder(Protocol):
    """What builds and deploys a template."""

    def build(self, architecture: str) -> Path:
        """The built template."""
        ...

    def deploy(
        self,
        template: Path,
        *,
        stack: str,
        region: str,
        parameters: Mapping[str, str],
        environment: Environment | None,
    ) -> bool:
        """Whether the deployment succeeded."""
        ...


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asked for: where, and which parameters. `key`: the provider's, if it was asked for already."""

    account: Account
    stack: str
    named: Mapping[str, str] = field(default_factory=dict)
    environment: Environment | None = None
    key: str | None = None


def main() -> None:
    """Reads the command line, and deploys."""
    parser = argparse.ArgumentParser(prog="python -m operations.deploy", description=__doc__)
    add_target(parser)
    add_parameters(parser)
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], help="what the functions run on")
    parser.add_argument("--snapstart", choices=["off", "authorizer"], help="whether the authorizer uses SnapStart")
    arguments = parser.parse_args()
    with one_sentence():
        place = place_of(arguments)
        terminal = OwnTerminal()
        can_ask = place.environment is None and terminal.is_attended
        account = Account.here(place.region, otherwise=_USUAL_REGION if can_ask else None)
    with one_sentence(region=account.region):
        named = {**place.parameters, **read_typed(arguments.parameters)}
        for name, value in (("Architecture", arguments.architecture), ("SnapStart", arguments.snapstart)):
            if value:
                named[name] = value
        wanted = Wanted(account=account, stack=place.stack, named=named, environment=place.environment)
        deploy(wanted, terminal=terminal, builder=sam, now=datetime.now(UTC))


def deploy(wanted: Wanted, *, terminal: Terminal, builder: Builder, now: datetime) -> None:
    """Deploys what is wanted, after everything that can be known was checked. Raises `Refused`."""
    for finding in checks.identity(wanted.account):
        print(f"{finding.about} {finding.text}")
    found = wanted.account.look_for(wanted.stack)
    is_unattended = wanted.environment is not None
    if found is None and not is_unattended:
        if not terminal.is_attended:
            raise Refused(
                f"There is no stack {wanted.stack} in {wanted.account.region}, and nobody to ask how to deploy it for "
                "the first time. Run make deploy in a terminal, or name an environment of samconfig.toml with ENV=…."
            )
        wanted, found = _ask(wanted, terminal)
    plan = _checked(wanted, found, now)
    template = builder.build(plan.architecture)
    print(
        "\nsam warns of addresses without authentication: they are those of pages and callbacks, and the OpenAI one, "
        "which checks keys itself.\n"
    )
    try:
        succeeded = builder.deploy(
            template, stack=plan.stack, region=plan.region, parameters=plan.named, environment=wanted.environment
        )
    except KeyboardInterrupt:
        raise Refused(
            "Interrupted. CloudFormation goes on with what it was sent; make preflight shows what became of it."
        ) from None
    after = wanted.account.look_for(plan.stack)
    if not succeeded:
        _say_what_failed(plan, after)
    if after is None:
        raise Refused(f"The stack {plan.stack} in {plan.region} is not there, although sam deployed it.")
    _finish(wanted, after, terminal if not is_unattended else None)


def _ask(wanted: Wanted, terminal: Terminal) -> tuple[Wanted, Stack | None]:
    """The questions of a first deployment. A stack that is there after all is updated instead."""
    print(
        f"There is no stack {wanted.stack} in {wanted.account.region}: this is its first deployment. You are asked for "
        f"the Region, the stack's name, a daily budget and the key of {NAME}; then it takes some five minutes. At rest "
        f"it costs {_AT_REST}; images are paid to {NAME}. Ctrl-C ends it: nothing is deployed before the last answer.\n"
    )
    account = Account.here(terminal.ask("AWS Region", wanted.account.region))
    stack = terminal.ask("Name of the stack", wanted.stack)
    found = account.look_for(stack)
    if found is not None:
        print(f"There is a stack {stack} in {account.region} already: it is updated, and keeps its parameters.")
        return Wanted(account=account, stack=stack, named=wanted.named), found
    named = dict(wanted.named)
    if faults := _plan(Wanted(account=account, stack=stack, named=named), None, release="").faults():
        raise Refused("\n".join([*faults, _NOTHING_DONE]))
    if "DailyBudgetUsd" not in named:
        named["DailyBudgetUsd"] = _budget(terminal)
    defaults = read_template().defaults
    key = _key(terminal, named.get("ProviderBaseUrl", defaults["ProviderBaseUrl"]))
    return Wanted(account=account, stack=stack, named=named, key=key), None


def _budget(terminal: Terminal) -> str:
    """What may be spent in a day; empty for no limit."""
    print(
        "\nThe daily budget is what all images of a UTC day may cost together. It is hard: a job that does not fit is "
        "refused. It can be changed later (make deploy PARAMETERS=DailyBudgetUsd=100)."
    )
    while True:
        answer = terminal.ask("Daily budget in USD (none: no limit)", _USUAL_BUDGET_USD).removeprefix("$")
        budget = "" if answer == "none" else answer
        faults = faults_of_parameters({"DailyBudgetUsd": budget})
        if not faults:
            return budget
        print(*faults, sep="\n")


def _key(terminal: Terminal, base_url: str) -> str | None:
    """The provider's key, if the person has it at hand and the provider does not refuse it."""
    print(f"\nImages are made by {NAME}. A key comes from {KEYS_COME_FROM}, and is stored in Secrets Manager only.")
    while key := ask_for_key(terminal, f"The API key of {NAME} (sk_…; it is not shown; Enter: later, with make key)"):
        try:
            balance = Provider(base_url, key).balance_usd()
        except KeyRefused:
            print("The provider refuses this key.")
        except NotAnswered as error:
            print(f"The key could not be checked: {error}.")
            return key
        else:
            print(f"The provider accepts it; the balance is {balance:.2f} USD.")
            return key
    return None


def _checked(wanted: Wanted, found: Stack | None, now: datetime) -> Plan:
    """The plan, if nothing is known that keeps it from working. Raises `Refused`."""
    if found is not None:
        found.check_deployable()
        found.output("ProviderKeySecret")
    plan = _plan(wanted, found, release=f"{now:%Y%m%dT%H%M%SZ}")
    target = checks.Target(
        account=wanted.account, name=plan.stack, stack=found, template=read_template(), parameters=dict(plan.all)
    )
    looks = [("Concurrency", partial(checks.concurrency, wanted.account))]
    if plan.is_new:
        looks.append(("Names", partial(checks.names, target)))
    results = [one for about, look in looks for one in checks.run(about, look, region=plan.region)]
    for finding in results:
        if finding.level is Level.WARNING:
            print(finding.line)
    faults = [*plan.faults(), *(one.text for one in results if one.level is Level.PROBLEM)]
    if faults:
        raise Refused("\n".join([*dict.fromkeys(faults), _NOTHING_DONE]))
    print(_announcement(plan))
    return plan


def _plan(wanted: Wanted, found: Stack | None, *, release: str) -> Plan:
    return plan_of(
        stack=wanted.stack,
        region=wanted.account.region,
        found=found,
        defaults=read_template().defaults,
        named=wanted.named,
        release=release,
    )


def _announcement(plan: Plan) -> str:
    what = (
        f"Deploying {plan.stack} to {plan.region} for the first time"
        if plan.is_new
        else f"Updating {plan.stack} in {plan.region}"
    )
    named = f" with {', '.join(plan.changes)}" if plan.changes else ""
    rest = "" if plan.is_new else "; every other parameter stays as it is"
    budget = "" if plan.all.get("DailyBudgetUsd") or plan.all.get("MonthlyBudgetUsd") else _NO_BUDGET
    return f"{what} ({plan.architecture}){named}{rest}.{budget}"


_NO_BUDGET = (
    "\nNo budget bounds what all tenants together may spend. To set one: make deploy PARAMETERS=DailyBudgetUsd=25"
)


def _say_what_failed(plan: Plan, after: Stack | None) -> None:
    """Raises `Refused` in every case."""
    if after is not None:
        after.check_usable()
    what = "Nothing was deployed." if after is None else f"The stack {plan.stack} is in the state {after.status}."
    raise Refused(f"sam deploy failed, see above. {what}")


def _finish(wanted: Wanted, stack: Stack, terminal: Terminal | None) -> None:
    """Stores or asks for the provider's key where there is none, and says what is where."""
    secret, secrets_manager = stack.output("ProviderKeySecret"), wanted.account.client("secretsmanager")
    if wanted.key:
        put(secrets_manager, secret, wanted.key)
        print(f"The key of {NAME} is stored in Secrets Manager.")
    elif not stored_since(secrets_manager, secret):
        if terminal is not None and terminal.is_attended:
            enter_key(wanted.account, stack, terminal)
        else:
            print(how_to_enter_later(wanted.account, stack))
    print(
        f"\nThe API is at {stack.output('ApiUrl')}; its key is in the secret\n  {stack.output('ApiKeySecret')}\n"
        f"The playground is at {stack.output('PlaygroundUrl')}"
    )
    target = [f"REGION={stack.region}"] + ([f"STACK={stack.name}"] if stack.name != DEFAULT_STACK else [])
    print(f"\nmake preflight {' '.join(target)} checks it; the other commands take the same words.")


if __name__ == "__main__":
    main()
