"""The API's doorkeeper: a bearer key is right, or nothing behind it runs."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerResponse,
    APIGatewayAuthorizerTokenEvent,
)
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.runtime import wiring
from heliograph.runtime.bearer import is_right
from heliograph.runtime.observability import count, logger, observed

the_key = wiring.api_key()


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    call = APIGatewayAuthorizerTokenEvent(event)
    arn = call.parsed_arn
    answer = APIGatewayAuthorizerResponse(
        principal_id="default",
        context={"tenant": "default"},
        region=arn.region,
        aws_account_id=arn.aws_account_id,
        api_id=arn.api_id,
        stage=arn.stage,
    )
    # For every method at once: the gateway remembers the answer for a minute, whatever is called next.
    if is_right(call.authorization_token, the_key()):
        count("Allowed")
        answer.allow_all_routes()
    else:
        logger.info("denied")
        count("Denied")
        answer.deny_all_routes()
    return answer.asdict()
