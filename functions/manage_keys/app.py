"""`/v1/keys`: API keys, for the scope `admin`. Every call reads the caller's key again."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import MadeKeys, RevocationQuery, Scope, read_key_change, read_key_request
from heliograph.api.authorize import caller_now, handle_api_call
from heliograph.api.call import ApiCall
from heliograph.api.problems import existing
from heliograph.api.query import read_query
from heliograph.api.representations.keys import KeyList, KeyResource, NewKeyResource, RevokedKeyResource
from heliograph.api.responses import answer, api_resolver, listed
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.manage_keys import ManageKeysSettings
from heliograph.runtime.wiring import access

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(ManageKeysSettings)
service, counter = access.key_service(settings), access.call_counter(settings)
refresher = access.caller_refresher(settings)


@app.post("/v1/keys")
def make() -> Response[str]:
    caller = caller_now(app, refresher, Scope.ADMIN)
    document = ApiCall.read(app.current_event).document
    key, record = service.create(read_key_request(document, tenant=caller.tenant), by=caller)
    logger.info("key created", extra={"key_id": record.key_id, "by": caller.key_id})
    return answer(201, NewKeyResource.made(key, record))


@app.get("/v1/keys")
def show() -> Response[str]:
    caller = caller_now(app, refresher, Scope.ADMIN)
    return listed(KeyList.of(service.list(by=caller)))


@app.patch("/v1/keys/<key_id>")
def change(key_id: str) -> Response[str]:
    caller = caller_now(app, refresher, Scope.ADMIN)
    document = ApiCall.read(app.current_event).document
    changed = existing(service.change(key_id, read_key_change(document), by=caller), "key")
    logger.info("key changed", extra={"key_id": changed.key_id, "fields": sorted(document), "by": caller.key_id})
    return answer(200, KeyResource.of(changed))


@app.delete("/v1/keys/<key_id>")
def revoke(key_id: str) -> Response[str]:
    caller = caller_now(app, refresher, Scope.ADMIN)
    with_made = read_query(RevocationQuery, app.current_event).made is MadeKeys.REVOKE
    # An unknown id is not logged: it may be the key itself, given by mistake.
    revoked = existing(service.revoke(key_id, by=caller, with_made=with_made), "key")
    made = [key.key_id for key in revoked.made]
    logger.info("key revoked", extra={"key_id": revoked.key.key_id, "made": made, "by": caller.key_id})
    key = KeyResource.of(revoked.key)
    return answer(200, RevokedKeyResource.revoked(revoked.key, revoked.made) if with_made else key)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
