"""`POST`, `GET` and `DELETE /v1/keys`: API keys, for those with the scope `admin`."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.domain.failures import Charged
from heliograph.domain.keys import Scope, read_key_request
from heliograph.domain.requests import read_json_object
from heliograph.runtime import wiring
from heliograph.runtime.door import require, through_the_door
from heliograph.runtime.environment import read_settings
from heliograph.runtime.observability import logger, observed
from heliograph.runtime.problems import Problem
from heliograph.runtime.representations import Listing
from heliograph.runtime.representations.keys import KeyMade, KeyTold
from heliograph.runtime.responses import answer, api_resolver, listed
from heliograph.runtime.settings.keys import KeysSettings
from heliograph.runtime.triggers import ApiCall

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(KeysSettings)
create_key, every_key = wiring.key_maker(settings), wiring.key_lister(settings)
revoke_key, count_call = wiring.key_revoker(settings), wiring.call_counter(settings)


@app.post("/v1/keys")
def make() -> Response[str]:
    call = ApiCall.read(app.current_event)
    require(call.caller, Scope.ADMIN)
    key, record = create_key(read_key_request(read_json_object(call.body, what="the body")))
    logger.info("made a key", extra={"key_id": record.key_id, "by": call.caller.key_id})
    return answer(201, KeyMade.made(key, record))


@app.get("/v1/keys")
def show() -> Response[str]:
    require(ApiCall.caller_of(app.current_event), Scope.ADMIN)
    found = every_key()
    newest_first = sorted(found, key=lambda record: record.created_at, reverse=True)
    return listed(Listing[KeyTold](data=tuple(map(KeyTold.of, newest_first)), unreadable=found.unreadable))


@app.delete("/v1/keys/<key_id>")
def revoke(key_id: str) -> Response[str]:
    caller = ApiCall.caller_of(app.current_event)
    require(caller, Scope.ADMIN)
    record = revoke_key(key_id)
    if record is None:
        # What is no id of ours is not logged: it may be the key itself, given by mistake.
        raise Problem.not_found("key")
    logger.info("revoked a key", extra={"key_id": record.key_id, "by": caller.key_id})
    return answer(200, KeyTold.of(record))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return through_the_door(app, event, context, count_call=count_call)
