"""Replaces what `ministack` puts into S3's events for EventBridge: the object's version.

**Stock** leaves `version-id` out of `detail.object`, although it knows the version and puts it into the
older notification records. AWS sends it for every object of a versioned bucket.

**Here** the event carries it. The two functions involved run one inside the other on one thread, so the
version travels from the outer to the inner one in a context variable.

**Needed** because jobs are identified by bucket, key and version; until ministack sends it.
"""

import json
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

_version_of_the_event: ContextVar[str | None] = ContextVar("version_of_the_event", default=None)


def install() -> None:
    stock_fire_s3_event = s3._fire_s3_event
    stock_dispatch_event = eventbridge._dispatch_event

    def fire_s3_event(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = _version_of_the_event.set(version_id)
        try:
            stock_fire_s3_event(*args, version_id=version_id, **kwargs)
        finally:
            _version_of_the_event.reset(token)

    def dispatch_event(event: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        version_id = _version_of_the_event.get()
        if version_id and event.get("Source") == "aws.s3":
            event = {**event, "Detail": _with_version(event["Detail"], version_id)}
        return stock_dispatch_event(event, *args, **kwargs)

    s3._fire_s3_event = fire_s3_event
    eventbridge._dispatch_event = dispatch_event


def _with_version(detail_json: str, version_id: str) -> str:
    detail = json.loads(detail_json)
    detail["object"]["version-id"] = version_id
    return json.dumps(detail)
