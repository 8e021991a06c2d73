"""`/v1/webhook-endpoints/{id}/secret` and `…/rotate-secret`: signing secrets; the id `jobs` is for URLs of jobs."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.authorize import WRITING, caller_now, handle_api_call
from heliograph.api.problems import existing
from heliograph.api.representations.webhooks import SecretResource
from heliograph.api.responses import answer, api_resolver
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import noted, observed, tell
from heliograph.monitoring.metrics import SECRETS_SHOWN, Measure
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.manage_webhook_secrets import ManageWebhookSecretsSettings
from heliograph.runtime.wiring import access, webhooks

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(ManageWebhookSecretsSettings)
service, counter = webhooks.endpoint_service(settings), access.call_counter(settings)
refresher = access.caller_refresher(settings)


@app.get("/v1/webhook-endpoints/<endpoint_id>/secret")
def show(endpoint_id: str) -> Response[str]:
    caller = caller_now(app, refresher, *WRITING)
    secret = existing(service.secret(endpoint_id, tenant=caller.tenant), "endpoint")
    noted("secret shown", endpoint_id=secret.endpoint_id, by=caller.key_id)
    tell([Measure(SECRETS_SHOWN, 1)], tenant=caller.tenant)
    return answer(200, SecretResource.of(secret))


@app.post("/v1/webhook-endpoints/<endpoint_id>/rotate-secret")
def rotate(endpoint_id: str) -> Response[str]:
    caller = caller_now(app, refresher, *WRITING)
    secret = existing(service.rotate_secret(endpoint_id, tenant=caller.tenant), "endpoint")
    noted("secret rotated", endpoint_id=secret.endpoint_id, version=secret.version, by=caller.key_id)
    return answer(200, SecretResource.of(secret))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
