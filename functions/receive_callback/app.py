"""`POST /v1/callbacks/{job_id}/{token}`: a provider's callback that a task has ended. Its body is not believed."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.callbacks import callback_response, claimed_task_id
from heliograph.api.responses import api_resolver
from heliograph.kernel.failures import Charged
from heliograph.kernel.ids import JOB_ID
from heliograph.monitoring.logging import logger, observed, only_an_id
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.receive_callback import ReceiveCallbackSettings
from heliograph.runtime.wiring import execution

app = api_resolver(charged_on_failure=Charged.NO)
receiver = execution.callback_receiver(read_settings(ReceiveCallbackSettings))


@app.post("/v1/callbacks/<job_id>/<token>")
def take_callback(job_id: str, token: str) -> Response[str]:
    outcome = receiver.receive(job_id, token, claimed_task_id(app.current_event))
    # The URL is public: only an id of ours is logged.
    logger.info("callback received", extra={"job_id": only_an_id(job_id, JOB_ID), "outcome": outcome})
    return callback_response(outcome)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
