"""`/v1/webhook-endpoints/{id}/secret` and `…/rotate-secret`: what webhooks are signed with; `jobs` for URLs of jobs."""

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
desk, count_call = webhooks.endpoint_desk(settings), access.call_counter(settings)
look_up_again = access.caller_again(settings)


@app.get("/v1/webhook-endpoints/<endpoint_id>/secret")
def show(endpoint_id: str) -> Response[str]:
    caller = caller_now(app, look_up_again, *WRITING)
    secret = existing(desk.secret(endpoint_id, tenant=caller.tenant), "endpoint")
    noted("SecretShown", endpoint_id=secret.endpoint_id, by=caller.key_id)
    tell([Measure(SECRETS_SHOWN, 1)], tenant=caller.tenant)
    return answer(200, SecretResource.of(secret))


@app.post("/v1/webhook-endpoints/<endpoint_id>/rotate-secret")
def rotate(endpoint_id: str) -> Response[str]:
    caller = caller_now(app, look_up_again, *WRITING)
    secret = existing(desk.rotate(endpoint_id, tenant=caller.tenant), "endpoint")
    noted("SecretRotated", endpoint_id=secret.endpoint_id, version=secret.version, by=caller.key_id)
    return answer(200, SecretResource.of(secret))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, count_call=count_call)
