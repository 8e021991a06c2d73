"""The API's Lambda authorizer: nothing behind it runs without a valid key."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerResponse,
    APIGatewayAuthorizerTokenEvent,
)
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.bearer import bearer_of
from heliograph.api.call import authorizer_context
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.authorize_call import AuthorizeCallSettings
from heliograph.runtime.wiring import access

authenticator = access.authenticator(read_settings(AuthorizeCallSettings))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    call = APIGatewayAuthorizerTokenEvent(event)
    arn = call.parsed_arn
    caller = authenticator.authenticate(bearer_of(call.authorization_token))
    answer = APIGatewayAuthorizerResponse(
        principal_id=caller.tenant if caller else "nobody",
        context=authorizer_context(caller) if caller else {},
        region=arn.region,
        aws_account_id=arn.aws_account_id,
        api_id=arn.api_id,
        stage=arn.stage,
        partition=arn.partition,
    )
    # For every method at once: the gateway caches the answer for a minute, whatever is called next. Each function
    # checks the scopes itself.
    if caller:
        logger.info("caller allowed", extra={"key_id": caller.key_id, "tenant": caller.tenant})
        answer.allow_all_routes()
    else:
        logger.info("caller denied")
        answer.deny_all_routes()
    return answer.asdict()
