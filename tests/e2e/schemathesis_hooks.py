"""What a JSON Schema can't say of our calls, said to schemathesis: each rule as narrow as it can be.

Loaded by schemathesis's own process; test_schemathesis.py gives it the rest through the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

import schemathesis
from heliograph.kernel.texts import prompt_fault, text_fault
from schemathesis import Case, HookContext

PICTURE = os.environ["SENT_PICTURE"]
PICTURE_PLACE = os.environ["SENT_PICTURE_PLACE"]
CURSORS = {
    "/v1/jobs": os.environ["OWN_JOBS_CURSOR"],
    "/v1/deliveries": os.environ["OWN_DELIVERIES_CURSOR"],
    # Nothing of its own was rejected: any cursor leads to an end.
    "/v1/uploads": os.environ["OWN_JOBS_CURSOR"],
}
RECEIVER = os.environ["RECEIVER"]
# Made before: somebody else's, or the one that we work with.
OTHER_KEYS = frozenset(os.environ["OTHER_KEYS"].split())
OWN_TENANT = os.environ["OWN_TENANT"]
LONGEST_USAGE, LATEST = timedelta(days=91), date(2999, 12, 31)


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """The keys of others, and our own, are not revoked by chance: the lists that it reads name them."""
    return dict(case.path_parameters or {}).get("key_id") not in OTHER_KEYS


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Of what is meant to be accepted only: what is wrong on purpose stays as it is."""
    if case.meta and case.meta.generation.mode.is_negative:
        return
    if isinstance(case.body, dict):
        case.body = _fixed(case.body)
    if isinstance(query := case.query, dict):
        _in_order(query)
        if "cursor" in query:
            query["cursor"] = CURSORS[case.path]
    # An idempotency key names one body for good.
    if case.headers and (key := case.headers.get("Idempotency-Key")):
        body = hashlib.sha256(json.dumps(case.body, sort_keys=True).encode(errors="replace")).hexdigest()
        case.headers["Idempotency-Key"] = f"{key[:200]}-{body}"[:255]


def _fixed(body: dict[str, Any]) -> dict[str, Any]:
    fixed = dict(body)
    if isinstance(references := body.get("references"), list):
        fixed["references"] = list(map(_existing, references))
    for name in {"name", "description"} & body.keys():
        # Printable is more than a pattern can say.
        fixed[name] = "".join(letter if letter.isprintable() else "?" for letter in body[name])
    for name in {"url", "webhook_url"} & body.keys():
        # Nobody's host is called by chance.
        fixed[name] = body[name] and RECEIVER
    if "since" in body:
        # Recoveries reach back for thirty days.
        fixed["since"] = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    if body.get("expires_at"):
        # A schema can't say that a time must be in the future.
        fixed["expires_at"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    if body.get("tenant"):
        # An admin of a tenant makes keys of that tenant.
        fixed["tenant"] = OWN_TENANT
    if prompt_fault(body.get("prompt") or "x"):
        fixed["prompt"] = "a lighthouse at dawn"
    if tags := body.get("tags"):
        fixed["tags"] = ["x" if text_fault(str(tag)) else tag for tag in tags]
    if metadata := body.get("metadata"):
        fixed["metadata"] = {
            "x" if text_fault(name) else name: "x" if text_fault(str(text)) else text for name, text in metadata.items()
        }
    if body.get("output_key"):
        # So are: each field once, and no empty parts.
        fixed["output_key"] = f"{{job_id}}/{len(body['output_key'])}.{{ext}}"
    return fixed


def _existing(reference: str) -> str:
    """An upload or an object that is named must be there."""
    if reference.startswith("up_"):
        return PICTURE
    return PICTURE_PLACE if reference.startswith("s3://") else reference


def _in_order(query: dict[str, Any]) -> None:
    """The days of usage: not too many, and the last not before the first."""
    if "from" in query:
        first = min(date.fromisoformat(query["from"]), LATEST - LONGEST_USAGE)
        last = date.fromisoformat(query.get("to", query["from"]))
        query["from"] = first.isoformat()
        query["to"] = min(max(last, first), first + LONGEST_USAGE).isoformat()
