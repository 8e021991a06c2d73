"""`POST /v1/jobs`: 202 with the job, or a problem that names everything to mend."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.domain.failures import Charged
from heliograph.domain.keys import Scope
from heliograph.runtime import wiring
from heliograph.runtime.door import require, through_the_door
from heliograph.runtime.observability import count, logger, observed
from heliograph.runtime.responses import accepted, api_resolver, quoted
from heliograph.runtime.triggers import ApiCall
from heliograph.steps.read_job import JobView
from heliograph.steps.submit_request import Quote

# A call that breaks midway may have left a job behind, which will be done.
app = api_resolver(charged_on_failure=Charged.UNKNOWN)
submit = wiring.request_submitter()
count_call = wiring.call_counter()


@app.post("/v1/jobs")
def create_job() -> Response[str]:
    call = ApiCall.read(app.current_event)
    require(call.caller, Scope.JOBS_WRITE)
    outcome = submit(call.body, idempotency_key=call.idempotency_key, request_id=call.request_id, caller=call.caller)
    if isinstance(outcome, Quote):
        count("JobQuoted")
        return quoted(outcome)
    job = outcome.job
    logger.info("submitted", extra={"job_id": job.job_id, "repeated": not outcome.created, "started": outcome.started})
    count("JobSubmitted" if outcome.created else "JobRepeated")
    return accepted(JobView(job, ()), replayed=not outcome.created)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return through_the_door(app, event, context, count_call=count_call)
