"""`POST /v1/jobs/{id}/retry`: 202 with the retry of the job, the same one for every call."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Scope
from heliograph.api.authorize import handle_api_call, require
from heliograph.api.call import ApiCall
from heliograph.api.job_answers import accepted
from heliograph.api.problems import Problem
from heliograph.api.responses import api_resolver
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.retry_job import RetryJobSettings
from heliograph.runtime.wiring import access, intake, jobs

# A call that breaks midway may have left a job behind, which will be done.
app = api_resolver(charged_on_failure=Charged.UNKNOWN)
settings = read_settings(RetryJobSettings)
retrier, viewer = intake.job_retrier(settings), jobs.job_viewer()
counter = access.call_counter(settings)


@app.post("/v1/jobs/<job_id>/retry")
def retry(job_id: str) -> Response[str]:
    caller = ApiCall.caller_of(app.current_event)
    require(caller, Scope.JOBS_WRITE)
    outcome = retrier.retry(job_id, caller=caller)
    if outcome is None:
        raise Problem.not_found("job")
    job = outcome.job
    logger.info("job retried", extra={"job_id": job.job_id, "retry_of": job.retry_of, "repeated": not outcome.created})
    return accepted(viewer.view(job), caller=caller, location=f"../{job.job_id}", replayed=not outcome.created)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
