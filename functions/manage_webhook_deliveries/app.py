"""`/v1/deliveries`, and `test` and `recover` of `/v1/webhook-endpoints/{id}`: deliveries, replays and tests."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.authorize import READING, WRITING, caller_with, handle_api_call
from heliograph.api.call import ApiCall
from heliograph.api.problems import existing
from heliograph.api.query import read_query
from heliograph.api.representations.webhooks import DeliveryList, DeliveryResource, RecoveryResource
from heliograph.api.responses import answer, api_resolver, report_unreadable, sliced
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import noted, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.manage_webhook_deliveries import ManageWebhookDeliveriesSettings
from heliograph.runtime.wiring import access, webhooks
from heliograph.webhooks.delivery import DeliveryQuery

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(ManageWebhookDeliveriesSettings)
service, counter = webhooks.delivery_service(settings), access.call_counter(settings)


@app.get("/v1/deliveries")
def show_all() -> Response[str]:
    caller = caller_with(app.current_event, *READING)
    found = service.list(read_query(DeliveryQuery, app.current_event), tenant=caller.tenant)
    return sliced(app.current_event, DeliveryList.of(found))


@app.get("/v1/deliveries/<delivery_id>")
def show(delivery_id: str) -> Response[str]:
    caller = caller_with(app.current_event, *READING)
    return answer(200, DeliveryResource.whole(existing(service.find(delivery_id, tenant=caller.tenant), "delivery")))


@app.post("/v1/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> Response[str]:
    caller = caller_with(app.current_event, *WRITING)
    delivery = existing(service.replay(delivery_id, tenant=caller.tenant), "delivery")
    noted("delivery replayed", delivery_id=delivery.delivery_id, series=delivery.series, by=caller.key_id)
    return answer(202, DeliveryResource.whole(delivery))


@app.post("/v1/webhook-endpoints/<endpoint_id>/recover")
def recover(endpoint_id: str) -> Response[str]:
    caller, call = caller_with(app.current_event, *WRITING), ApiCall.read(app.current_event)
    found = existing(service.recover(endpoint_id, call.document, tenant=caller.tenant), "endpoint")
    noted("endpoint recovered", endpoint_id=endpoint_id, recovered=found.recovered, by=caller.key_id)
    report_unreadable(found.unreadable)
    return answer(202, RecoveryResource.of(found))


@app.post("/v1/webhook-endpoints/<endpoint_id>/test")
def test(endpoint_id: str) -> Response[str]:
    caller, call = caller_with(app.current_event, *WRITING), ApiCall.read(app.current_event)
    delivery = existing(service.test(endpoint_id, tenant=caller.tenant, request_id=call.request_id), "endpoint")
    noted("endpoint tested", delivery_id=delivery.delivery_id, endpoint_id=delivery.endpoint_id, by=caller.key_id)
    return answer(202, DeliveryResource.whole(delivery))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
