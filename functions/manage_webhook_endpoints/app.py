"""`/v1/webhook-endpoints`: a tenant's webhook endpoints."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.authorize import READING, WRITING, caller_now, caller_with, handle_api_call
from heliograph.api.call import ApiCall
from heliograph.api.problems import existing
from heliograph.api.representations.webhooks import EndpointList, EndpointResource, NewEndpointResource
from heliograph.api.responses import answer, api_resolver, listed
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import noted, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.manage_webhook_endpoints import ManageWebhookEndpointsSettings
from heliograph.runtime.wiring import access, webhooks

app, settings = api_resolver(charged_on_failure=Charged.NO), read_settings(ManageWebhookEndpointsSettings)
service, counter = webhooks.endpoint_service(settings), access.call_counter(settings)
refresher = access.caller_refresher(settings)


@app.post("/v1/webhook-endpoints")
def register() -> Response[str]:
    caller, call = caller_now(app, refresher, *WRITING), ApiCall.read(app.current_event)
    endpoint, secret = service.register(call.document, tenant=caller.tenant, request_id=call.request_id)
    noted("endpoint registered", endpoint_id=endpoint.endpoint_id, by=caller.key_id)
    return answer(201, NewEndpointResource.with_secret(endpoint, secret))


@app.get("/v1/webhook-endpoints")
def show_all() -> Response[str]:
    return listed(EndpointList.of(service.list(caller_with(app.current_event, *READING).tenant)))


@app.get("/v1/webhook-endpoints/<endpoint_id>")
def show(endpoint_id: str) -> Response[str]:
    caller = caller_with(app.current_event, *READING)
    return answer(200, EndpointResource.of(existing(service.find(endpoint_id, tenant=caller.tenant), "endpoint")))


@app.patch("/v1/webhook-endpoints/<endpoint_id>")
def change(endpoint_id: str) -> Response[str]:
    caller, call = caller_now(app, refresher, *WRITING), ApiCall.read(app.current_event)
    endpoint = existing(service.change(endpoint_id, call.document, tenant=caller.tenant), "endpoint")
    noted("endpoint changed", endpoint_id=endpoint.endpoint_id, status=endpoint.status, by=caller.key_id)
    return answer(200, EndpointResource.of(endpoint))


@app.delete("/v1/webhook-endpoints/<endpoint_id>")
def remove(endpoint_id: str) -> Response[str]:
    caller = caller_now(app, refresher, *WRITING)
    endpoint = existing(service.delete(endpoint_id, tenant=caller.tenant), "endpoint")
    noted("endpoint deleted", endpoint_id=endpoint.endpoint_id, by=caller.key_id)
    return answer(200, EndpointResource.of(endpoint))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
