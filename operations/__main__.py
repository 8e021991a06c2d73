"""`python -m operations`: operate a deployment. The Makefile calls it.

It acts with your own AWS rights on the deployment's tables, with the deployment's settings.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError
from heliograph.access.keys import KEY_ID, Scope, read_key_request
from heliograph.jobs.audit_ledger import check_ledger, check_usage, running_tasks
from heliograph.kernel.errors import ConfigurationError, HeliographError, InvalidRequest
from heliograph.routes.config import Route
from heliograph.runtime.environment import variables_of
from heliograph.runtime.operator import OperatorTools
from heliograph.runtime.settings.operations import OperationsSettings
from heliograph.runtime.wiring import access, operations

from operations.command_line import add_target, place_of
from operations.key_report import key_report
from operations.ledger_report import Checked, ledger_report
from operations.printing import print_lines
from operations.refusals import Refused, one_sentence
from operations.route_report import route_report
from operations.stacks import Account

_LAST_DAY = "2999-12-31"
# Variables that the code shared with the functions reads.
_SETTINGS = variables_of(OperationsSettings)


def main() -> None:
    """Runs the command line; exits with 1 if a check fails or a command could not be done."""
    arguments = _parser().parse_args()
    with one_sentence():
        place = place_of(arguments)
        account = Account.here(place.region)
    with one_sentence(region=account.region):
        stack = account.usable_stack(place.stack)
        _take_over(account.variables_of(stack, "SweepJobs", "ManageKeys"), region=account.region)
        with _explained():
            sys.exit(_run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operations", description=__doc__)
    add_target(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        add_target(made, again=True)
        return made

    command("routes", "show the state of every route")
    disabling = command("disable-route", "take a route out of service, until it is enabled again")
    enabling = command("enable-route", "put a route back into service, and end its suspension")
    pausing = command("pause-spending", "stop create calls on all routes, until spending is resumed")
    command("resume-spending", "allow create calls again")
    checking = command("ledger", "compare the ledger with the jobs")
    checking.add_argument("--all", action="store_true", help="also show what agrees")
    command("keys", "list the API keys")
    making = command("new-key", "make an API key; it is shown once")
    making.add_argument("name", help="the key's name, for people")
    making.add_argument(
        "--tenant", default="default", help="the tenant whose jobs it sees and creates (default: %(default)s)"
    )
    making.add_argument(
        "--scopes",
        nargs="+",
        choices=[scope.value for scope in Scope],
        default=["jobs:write", "jobs:read"],
        help="its scopes (default: jobs:write jobs:read)",
    )
    making.add_argument("--daily-budget-usd", help="budget of its jobs per UTC day, such as 25 (default: no limit)")
    making.add_argument("--requests-per-minute", type=int, help="its limit of calls per minute (default: no limit)")
    making.add_argument(
        "--expires",
        type=_moment,
        help="its expiry: a day, such as 2127-01-31 (from 00:00 UTC), or a time, such as "
        "2127-01-31T18:00:00+01:00 (default: never)",
    )
    revoking = command("revoke-key", "revoke an API key; within a minute it no longer works")
    revoking.add_argument("key_id", help="the key's id (key_…), as `keys` lists it")
    revoking.add_argument("--with-made", action="store_true", help="also revoke every key that it made")
    for about_a_route in (disabling, enabling):
        about_a_route.add_argument("route", help="the route's name, as `routes` lists it")
    for with_a_reason in (disabling, pausing):
        with_a_reason.add_argument(
            "--reason", required=True, type=_reason, help="why; for operators only, tenants never see it"
        )
    return parser


def _run(arguments: argparse.Namespace) -> int:
    room = operations.operator_tools()
    match arguments.command:
        case "ledger":
            return _ledger(room, everything=arguments.all)
        case "routes":
            _routes(room)
        case "disable-route":
            _disable(room, _route(room, arguments.route), arguments.reason)
        case "enable-route":
            _enable(room, _route(room, arguments.route))
        case "pause-spending":
            _pause(room, arguments.reason)
        case "resume-spending":
            _resume(room)
        case "new-key":
            _new_key(arguments)
        case "keys":
            print_lines(key_report(access.key_service().list(by=None), datetime.now(UTC)))
        case "revoke-key":
            _revoke_key(arguments.key_id, with_made=arguments.with_made)
    return 0


@contextmanager
def _explained() -> Iterator[None]:
    """Raises errors of the shared code as AWS's own errors, or as `Refused`."""
    try:
        yield
    except ConfigurationError as error:
        raise Refused(
            f"The deployment is of another release than this checkout ({error}). Check that release out."
        ) from error
    except HeliographError as error:
        if isinstance(error.__cause__, ClientError | BotoCoreError):
            raise error.__cause__ from None
        raise Refused(f"AWS failed ({error}). Try again.") from error


def _take_over(variables: Mapping[str, str], *, region: str) -> None:
    """Sets the deployment's settings in this process's environment, and no other variables of its functions.

    Others are paths on Lambda's machines: with their AWS_CA_BUNDLE, no client of this process could connect.
    """
    for name in _SETTINGS & os.environ.keys():
        del os.environ[name]
    os.environ.update({name: variables[name] for name in _SETTINGS & variables.keys()})
    os.environ["AWS_DEFAULT_REGION"] = region


def _ledger(room: OperatorTools, *, everything: bool) -> int:
    jobs = list(room.jobs.scan())
    since = datetime.now(UTC) - room.retention
    of_jobs = running_tasks(jobs)
    checked = Checked(
        jobs=len(jobs),
        sums=check_ledger(jobs, room.ledger.scan(), complete_since=since),
        usage=check_usage(jobs, room.ledger.usage(f"{since:%Y-%m-%d}", _LAST_DAY), complete_since=since),
        running={route.name: (room.control.states.running(route), of_jobs[route.name]) for route in room.routes},
        names={key.key_id: key.name for key in access.key_service().list(by=None)},
    )
    print_lines(ledger_report(checked, everything=everything))
    return 0 if checked.agrees else 1


def _routes(room: OperatorTools) -> None:
    snapshot = room.control.states.snapshot(room.routes)
    running = {route.name: room.control.states.running(route) for route in room.routes}
    report = route_report(room.routes, snapshot, running, weights=room.control.weights, now=datetime.now(UTC))
    print_lines(report)


def _disable(room: OperatorTools, route: Route, reason: str) -> None:
    room.control.disable(route, reason)
    print(f"{route.name} is disabled: jobs take other routes, or wait, until `make enable-route ROUTE={route.name}`.")


def _enable(room: OperatorTools, route: Route) -> None:
    room.control.enable(route)
    print(f"{route.name} is in service.")


def _pause(room: OperatorTools, reason: str) -> None:
    pause = room.control.pause_spending(reason)
    print(
        f"Spending is paused since {pause.since:%H:%M:%S} UTC: no create call leaves. Running tasks still bring their "
        "images, and jobs wait, until `make resume-spending`."
    )


def _resume(room: OperatorTools) -> None:
    room.control.resume_spending()
    print("Spending is resumed: create calls leave again. Waiting jobs check once a minute.")


def _new_key(arguments: argparse.Namespace) -> None:
    asked = {
        "name": arguments.name,
        "tenant": arguments.tenant,
        "scopes": arguments.scopes,
        "daily_budget_usd": arguments.daily_budget_usd,
        "requests_per_minute": arguments.requests_per_minute,
        "expires_at": arguments.expires,
    }
    try:
        request = read_key_request({name: value for name, value in asked.items() if value is not None})
    except InvalidRequest as error:
        raise _refused(error) from error
    try:
        key, record = access.key_service().create(request, by=None)
    except InvalidRequest as error:
        raise _refused(error) from error
    print(f"{key}\n\nThe key is shown only this once. Its id is {record.key_id}.")
    if record.expires_at:
        print(f"It expires on {record.expires_at:%Y-%m-%d at %H:%M:%S} UTC.")


def _refused(error: InvalidRequest) -> Refused:
    return Refused("\n".join(f"{fault.pointer.strip('/')}: {fault.detail}" for fault in error.faults))


def _revoke_key(key_id: str, *, with_made: bool) -> None:
    if not KEY_ID.fullmatch(key_id):
        raise Refused("A key is revoked by its id (key_…), which `make keys` lists.")
    revoked = access.key_service().revoke(key_id, by=None, with_made=with_made)
    if revoked is None:
        raise Refused(f"There is no key {key_id}; `make keys` lists them.")
    print(f"{key_id} is revoked: it creates no keys, sees no secrets, and within a minute it no longer works.")
    for key in revoked.made:
        print(f"{key.key_id} ({key.name}), which it made, is revoked as well.")


def _route(room: OperatorTools, name: str) -> Route:
    found = room.routes.named(name)
    if found is None:
        raise Refused(f"There is no route {name}; there are {', '.join(route.name for route in room.routes)}.")
    return found


def _moment(text: str) -> str:
    """The time in the text; a day means its beginning, in UTC."""
    return f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("give a reason, for other operators")
    return text


if __name__ == "__main__":
    main()
