"""`python -m operations`: what a person does to a deployment besides using it. The Makefile calls it.

It acts with the person's own AWS rights, on the tables that the functions share; the settings are the deployment's own.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from heliograph.domain.errors import InvalidRequest
from heliograph.domain.keys import read_key_request
from heliograph.domain.money import usd
from heliograph.domain.routes import Route
from heliograph.runtime import wiring
from heliograph.runtime.control_room import ControlRoom
from heliograph.steps.check_ledger import check_ledger, check_usage, running_tasks
from heliograph.steps.traffic import close_again, halt, hold_open, resume

_LAST_DAY = "2999-12-31"


def main() -> None:
    """Reads the command line, and ends with 1 if what was asked for is not so, or could not be done."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=__doc__)
    parser.add_argument("--stack", default="heliograph", help="the deployed stack (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ledger", help="compare the ledger with the jobs")
    commands.add_parser("routes", help="how every route is doing")
    opening = commands.add_parser("open", help="take a route out of service")
    closing = commands.add_parser("close", help="put a route back into service")
    stopping = commands.add_parser("stop", help="stop all create calls at once")
    making = commands.add_parser("new-key", help="make an API key; it is shown once")
    making.add_argument("name")
    making.add_argument("--tenant", default="default")
    making.add_argument("--scopes", nargs="+", default=["jobs:write", "jobs:read"])
    making.add_argument("--daily-budget-usd")
    making.add_argument("--requests-per-minute", type=int)
    commands.add_parser("keys", help="list the API keys")
    commands.add_parser("revoke-key", help="let a key open nothing any more").add_argument("key_id")
    commands.add_parser("resume", help="let create calls leave again")
    for command in (opening, closing):
        command.add_argument("route")
    for command in (opening, stopping):
        command.add_argument("--reason", required=True, type=_something)
    arguments = parser.parse_args()
    try:
        room = _control_room(arguments.stack)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"The stack {arguments.stack} can't be read ({error}). Is it another STACK=… or AWS_REGION?")
    match arguments.command:
        case "ledger":
            sys.exit(0 if _ledger(room) else 1)
        case "routes":
            _routes(room)
        case "open":
            _open(room, _route(room, arguments.route), arguments.reason)
        case "close":
            _close(room, _route(room, arguments.route))
        case "stop":
            _stop(room, arguments.reason)
        case "resume":
            _go_on(room)
        case "new-key":
            _new_key(arguments)
        case "keys":
            _keys()
        case "revoke-key":
            _revoke_key(arguments.key_id)


def _control_room(stack: str) -> ControlRoom:
    """Wired with the settings that the deployment gave to its functions."""
    for logical_id in ("Sweep", "Keys"):
        resource = boto3.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        function = str(resource["StackResourceDetail"].get("PhysicalResourceId"))
        configuration = boto3.client("lambda").get_function_configuration(FunctionName=function)
        os.environ.update(configuration.get("Environment", {}).get("Variables", {}))
    return wiring.control_room()


def _ledger(room: ControlRoom) -> bool:
    jobs = list(room.jobs.every())
    since = datetime.now(UTC) - room.retention
    lines = check_ledger(jobs, room.ledger.every(), complete_since=since)
    print(f"{'account':<16} {'period':<10} {'reserved':>12} {'spent':>12} {'unknown':>12}   USD")
    for line in lines:
        amounts = " ".join(f"{usd(amount):>12}" for amount in line.booked)
        print(f"{line.page.account:<16} {line.page.period:<10} {amounts}   {'agrees' if line.agrees else 'DIFFERS'}")
        if not line.agrees:
            signed = (f"{'-' if amount < 0 else ''}{usd(abs(amount))}" for amount in line.of_jobs)
            print(f"{'':<16} {'the jobs':<10} {' '.join(f'{amount:>12}' for amount in signed)}")
    usage = check_usage(jobs, room.ledger.usage(f"{since:%Y-%m-%d}", _LAST_DAY), complete_since=since)
    for told in (one for one in usage if not one.agrees):
        day, tenant, route, amounts_told = told.line
        print(f"usage of {tenant} on {route}, {day}: DIFFERS: {amounts_told}; {told.of_jobs} by the jobs")
    of_jobs = running_tasks(jobs)
    counts = {route.name: room.control.states.running(route) for route in room.routes}
    for name, count in counts.items():
        said = "agrees" if count == of_jobs[name] else f"DIFFERS: {of_jobs[name]} by the jobs"
        print(f"{name:<27} {count:>12} running {'':>21}   {said}")
    agree = all(line.agrees for line in lines) and all(told.agrees for told in usage)
    agree = agree and all(count == of_jobs[name] for name, count in counts.items())
    print(f"{len(jobs)} jobs: the ledger {'agrees with them' if agree else 'DIFFERS from them'}.")
    return agree


def _routes(room: ControlRoom) -> None:
    now = datetime.now(UTC)
    traffic = room.control.states.look(room.routes)
    if traffic.halt:
        print(f"ALL CREATE CALLS ARE STOPPED since {traffic.halt.since:%Y-%m-%d %H:%M:%S} UTC: {traffic.halt.reason}")
    for route in room.routes:
        state = traffic.routes[route.name]
        waiting = [tenant for tenant in state.pace.lanes if state.pace.is_waiting(tenant, now, room.control.weights)]
        print(
            f"{route.name:<24} {state.breaker.circuit(now):<10} {state.pace.creates_per_minute:6.1f} creates a minute"
            f"   {room.control.states.running(route)} of {route.max_in_flight} running"
            f"{'   waiting: ' + ', '.join(waiting) if waiting else ''}"
        )
        if opening := state.breaker.opening:
            until = f"probed from {opening.until:%H:%M:%S}" if opening.until else "until a person closes it"
            print(f"{'':<24} since {opening.at:%Y-%m-%d %H:%M:%S} UTC, {until}: {opening.cause}")


def _open(room: ControlRoom, route: Route, reason: str) -> None:
    hold_open(route, reason, control=room.control)
    print(f"{route.name} takes no calls until it is closed again; jobs go to other routes, or wait.")


def _close(room: ControlRoom, route: Route) -> None:
    close_again(route, control=room.control)
    print(f"{route.name} takes calls again.")


def _stop(room: ControlRoom, reason: str) -> None:
    stopped = halt(reason, control=room.control)
    print(f"No create call leaves since {stopped.since:%H:%M:%S} UTC. What runs is still delivered; jobs wait.")


def _go_on(room: ControlRoom) -> None:
    resume(control=room.control)
    print("Create calls leave again; jobs that wait look once a minute.")


def _new_key(arguments: argparse.Namespace) -> None:
    asked = {
        "name": arguments.name,
        "tenant": arguments.tenant,
        "scopes": arguments.scopes,
        "daily_budget_usd": arguments.daily_budget_usd,
        "requests_per_minute": arguments.requests_per_minute,
    }
    try:
        request = read_key_request({name: value for name, value in asked.items() if value is not None})
    except InvalidRequest as error:
        sys.exit("\n".join(f"{fault.pointer.strip('/')}: {fault.detail}" for fault in error.faults))
    key, record = wiring.key_maker()(request)
    print(f"{key}\n\nThis is the only time that it is shown. Its id is {record.key_id}.")


def _keys() -> None:
    for key in sorted(wiring.key_lister()(), key=lambda key: key.created_at):
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "open"
        used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        print(f"{key.key_id}  {key.tenant:<12} {' '.join(sorted(key.scopes)):<22} {state:<20} {used:<28} {key.name}")


def _revoke_key(key_id: str) -> None:
    if wiring.key_revoker()(key_id) is None:
        sys.exit(f"There is no key {key_id}.")
    print(f"{key_id} opens nothing any more, within a minute.")


def _route(room: ControlRoom, name: str) -> Route:
    found = room.routes.named(name)
    if found is None:
        sys.exit(f"There is no route {name}; there are {', '.join(route.name for route in room.routes)}.")
    return found


def _something(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why: it will be asked")
    return text


if __name__ == "__main__":
    main()
