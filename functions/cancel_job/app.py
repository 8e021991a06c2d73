"""`POST /v1/jobs/{id}/cancel`: 202 with the job, which is canceled now or when its task has ended."""

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
from heliograph.runtime.settings.cancel_job import CancelJobSettings
from heliograph.runtime.wiring import access, jobs

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(CancelJobSettings)
canceler, viewer = jobs.job_canceler(settings), jobs.job_viewer()
counter = access.call_counter(settings)


@app.post("/v1/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response[str]:
    caller = ApiCall.caller_of(app.current_event)
    require(caller, Scope.JOBS_WRITE)
    job = canceler.cancel(job_id, tenant=caller.tenant)
    if job is None:
        raise Problem.not_found("job")
    logger.info("cancellation requested", extra={"job_id": job.job_id, "status": job.status})
    return accepted(viewer.view(job), caller=caller, location=f"../{job.job_id}", replayed=False)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
