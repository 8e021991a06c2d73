"""`python -m operations.preflight`: check an account before a deployment, and a deployment afterwards.

It changes nothing and costs nothing. One line for each check: ok, warning, or problem with the way out.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial

from operations import checks
from operations.command_line import add_parameters, add_target, place_of
from operations.deployment_plan import plan_of
from operations.findings import Finding, Level, ok, problem, warning
from operations.provider import KEY, KEYS_COME_FROM, NAME, Provider, account_findings, model_findings
from operations.refusals import one_sentence
from operations.stacks import Account, Stack
from operations.template import read_template
from operations.typed_parameters import read_typed


def main() -> None:
    """Prints what every check finds, and ends with 1 if anything is a problem."""
    parser = argparse.ArgumentParser(prog="python -m operations.preflight", description=__doc__)
    add_target(parser)
    add_parameters(parser)
    parser.add_argument(
        "--key-stdin", action="store_true", help=f"read the key of {NAME} from standard input, before it is stored"
    )
    arguments = parser.parse_args()
    with one_sentence():
        place = place_of(arguments)
        account = Account.here(place.region)
    with one_sentence(region=account.region):
        typed = read_typed(arguments.parameters)
        target = target_of(account, place.stack, {**place.parameters, **typed})
        key = sys.stdin.readline().strip() if arguments.key_stdin else None
        sys.exit(report(findings(target, key=key, ask=_ask_for_key)))


def report(found: Iterable[Finding]) -> int:
    """Prints each finding as soon as it is there; 1 if one is a problem."""
    levels = []
    for finding in found:
        print(finding.line, flush=True)
        levels.append(finding.level)
    problems = levels.count(Level.PROBLEM)
    are = "problem is" if problems == 1 else "problems are"
    print(f"{problems} {are} in the way." if problems else "Nothing is in the way.")
    return 1 if problems else 0


def findings(target: checks.Target, *, key: str | None, ask: Callable[[], str | None]) -> Iterator[Finding]:
    """Of every check, in the order in which a deployment would meet them.

    `key`: the provider's, instead of the deployed one; `ask`: for it, where none is deployed yet.
    """
    account = target.account

    def look(about: str, check: checks.Check) -> list[Finding]:
        return checks.run(about, check, region=account.region)

    yield from look("Account", partial(checks.identity, account))
    yield from look(f"Region {account.region}", partial(checks.region, target))
    yield from look("Concurrency", partial(checks.concurrency, account))
    yield from (state := look(f"Stack {target.name}", partial(checks.stack_state, target)))
    yield from look("Parameters", partial(checks.parameters, target))
    if target.stack is None:
        yield from look("Names", partial(checks.names, target))
        yield from _provider(target, key or ask())
        return
    if any(finding.level is Level.PROBLEM for finding in state):
        return
    yield from look("The API's own key", partial(_own_key, target, target.stack))
    yield from look(f"Key of {NAME}", partial(_deployed_provider, target, key))
    if target.parameters.get("KieKeySecret"):
        yield from look("Key of kie.ai", partial(_kie, target))
    yield from look("Callbacks", partial(checks.callbacks, target))


def target_of(account: Account, name: str, named: Mapping[str, str]) -> checks.Target:
    """What a deployment with these parameters would be, or is."""
    template = read_template()
    stack = account.look_for(name)
    plan = plan_of(
        stack=name, region=account.region, found=stack, defaults=template.defaults, named=named, release="preflight"
    )
    return checks.Target(account=account, name=name, stack=stack, template=template, parameters=dict(plan.all))


def _own_key(target: checks.Target, stack: Stack) -> Iterator[Finding]:
    secret = stack.output("ApiKeySecret")
    return checks.secret_filled(target.account, "The API's own key", secret, "Its value was deleted: restore it.")


def _deployed_provider(target: checks.Target, key: str | None) -> Iterator[Finding]:
    assert target.stack is not None  # noqa: S101 - only asked of a deployed stack
    secret = target.stack.output("ProviderKeySecret")
    stored = key or checks.read_secret(target.account, secret)
    if stored is None:
        yield from checks.secret_filled(target.account, f"Key of {NAME}", secret, "`make key` asks for it.")
    else:
        yield from _provider(target, stored)


def _provider(target: checks.Target, key: str | None) -> Iterator[Finding]:
    about = f"Key of {NAME}"
    if not key:
        yield warning(about, f"not checked: none was given. It comes from {KEYS_COME_FROM}.")
        return
    if not KEY.fullmatch(key):
        yield problem(about, "not one: keys are sk_ and at least 16 letters or digits.")
        return
    provider = Provider(target.parameters["ProviderBaseUrl"], key)
    routes = [route for route in checks.routes_of(target) if route.get("provider") == "apimodels"]
    yield from account_findings(provider, _prices(str(route.get("price_usd")) for route in routes))
    yield from model_findings(provider, (str(route.get("model")) for route in routes))


def _kie(target: checks.Target) -> Iterator[Finding]:
    secret = target.parameters["KieKeySecret"]
    yield from checks.secret_filled(target.account, "Key of kie.ai", secret, "Put a key of kie.ai into it.")
    yield ok("Models of kie.ai", "not checked: no question to kie.ai is known that surely costs nothing.")


def _prices(texts: Iterable[str]) -> Iterator[Decimal]:
    for text in texts:
        try:
            yield Decimal(text)
        except InvalidOperation:
            continue


def _ask_for_key() -> str | None:
    if not sys.stdin.isatty():
        return None
    try:
        return getpass.getpass(f"A key of {NAME}, to check it (sk_…; not shown, not stored; Enter skips): ").strip()
    except EOFError:
        return None


if __name__ == "__main__":
    main()
