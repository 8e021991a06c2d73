"""`python -m operations`: look after a deployment. The Makefile calls it.

It acts with your own AWS rights, on the tables that the functions share; the settings are the deployment's own.
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
# All that is read of the environment by what this program shares with the functions.
_SETTINGS = variables_of(OperationsSettings)


def main() -> None:
    """Reads the command line, and ends with 1 if what was asked for is not so, or could not be done."""
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

    command("routes", "show how every route is doing")
    disabling = command("disable-route", "take a route out of service, until it is enabled again")
    enabling = command("enable-route", "put a route back into service, and end its suspension")
    pausing = command("pause-spending", "let no create call leave, on any route, until spending is resumed")
    command("resume-spending", "let create calls leave again")
    checking = command("ledger", "compare the ledger with the jobs")
    checking.add_argument("--all", action="store_true", help="show also what agrees")
    command("keys", "list the API keys")
    making = command("new-key", "make an API key; it is shown once")
    making.add_argument("name", help="what the key is called, for people")
    making.add_argument("--tenant", default="default", help="whose jobs it sees and makes (default: %(default)s)")
    making.add_argument(
        "--scopes",
        nargs="+",
        choices=[scope.value for scope in Scope],
        default=["jobs:write", "jobs:read"],
        help="what it may do (default: jobs:write jobs:read)",
    )
    making.add_argument(
        "--daily-budget-usd", help="what its jobs may cost in a UTC day, such as 25 (default: no limit)"
    )
    making.add_argument("--requests-per-minute", type=int, help="how often it may call (default: no limit)")
    making.add_argument(
        "--expires",
        type=_moment,
        help="from when on it opens nothing: a day, such as 2127-01-31 (from 00:00 UTC), or a time, such as "
        "2127-01-31T18:00:00+01:00 (default: never)",
    )
    revoking = command("revoke-key", "end an API key; within a minute it no longer works")
    revoking.add_argument("key_id", help="the key's id (key_…), as `keys` lists it")
    revoking.add_argument("--with-made", action="store_true", help="revoke also every key that it made")
    for about_a_route in (disabling, enabling):
        about_a_route.add_argument("route", help="the route's name, as `routes` lists it")
    for with_a_reason in (disabling, pausing):
        with_a_reason.add_argument(
            "--reason", required=True, type=_reason, help="why; for operators only, tenants never see it"
        )
    return parser


def _run(arguments: argparse.Namespace) -> int:
    room = operations.control_room()
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
    """What the shared code raises, as what lies behind it."""
    try:
        yield
    except ConfigurationError as error:
        raise Refused(
            f"The deployment is of another release than this checkout ({error}). Check that release out."
        ) from error
    except HeliographError as error:
        if isinstance(error.__cause__, ClientError | BotoCoreError):
            raise error.__cause__ from None
        raise Refused(f"AWS did not do its part ({error}). Try again.") from error


def _take_over(variables: Mapping[str, str], *, region: str) -> None:
    """Wires this process with the deployment's settings, and with nothing else of its functions' environment.

    Theirs holds paths of Lambda's machines as well: with AWS_CA_BUNDLE, no client of this process could connect.
    """
    for name in _SETTINGS & os.environ.keys():
        del os.environ[name]
    os.environ.update({name: variables[name] for name in _SETTINGS & variables.keys()})
    os.environ["AWS_DEFAULT_REGION"] = region


def _ledger(room: OperatorTools, *, everything: bool) -> int:
    jobs = list(room.jobs.every())
    since = datetime.now(UTC) - room.retention
    of_jobs = running_tasks(jobs)
    checked = Checked(
        jobs=len(jobs),
        sums=check_ledger(jobs, room.ledger.every(), complete_since=since),
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
    print(f"{key}\n\nThis is the only time that the key is shown. Its id is {record.key_id}.")
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
    print(f"{key_id} is revoked: it makes no more keys, sees no secrets, and within a minute it no longer works.")
    for key in revoked.made:
        print(f"{key.key_id} ({key.name}), which it made, is revoked as well.")


def _route(room: OperatorTools, name: str) -> Route:
    found = room.routes.named(name)
    if found is None:
        raise Refused(f"There is no route {name}; there are {', '.join(route.name for route in room.routes)}.")
    return found


def _moment(text: str) -> str:
    """A day stands for its beginning, in UTC."""
    return f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why: others will want to know")
    return text


if __name__ == "__main__":
    main()
