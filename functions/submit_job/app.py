"""`POST /v1/jobs`: 202 with the job (200 if it ended during a wait), or a problem that names every fault."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Scope
from heliograph.api.authorize import handle_api_call, require
from heliograph.api.call import ApiCall
from heliograph.api.job_answers import accepted, awaited
from heliograph.api.representations.jobs import QuoteResource
from heliograph.api.responses import answer, api_resolver
from heliograph.intake.submit_job import JobCall
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.submit_job import SubmitJobSettings
from heliograph.runtime.wiring import access, intake, jobs

# A call that fails midway may have created a job, which will be done.
app = api_resolver(charged_on_failure=Charged.UNKNOWN)
settings = read_settings(SubmitJobSettings)
submitter = intake.job_submitter(settings, reuse_table=settings.reuse_table)
quoter, waiter, viewer = intake.job_quoter(settings), jobs.job_waiter(settings), jobs.job_viewer()
counter, wait_cap = access.call_counter(settings), access.wait_cap(settings, settings.calls_table)
equal_calls = intake.equal_calls(settings)
# Seconds that a wait leaves for the answer, however long the submission took: no answer would look like no job.
ANSWERING_SECONDS = 4


@app.post("/v1/jobs")
def create_job() -> Response[str]:
    call = ApiCall.read(app.current_event)
    require(call.caller, Scope.JOBS_WRITE)
    caller = call.caller
    wanted = JobCall.read(
        call.body,
        caller=caller,
        call_id=call.request_id,
        idempotency_key=call.idempotency_key,
        rules=submitter.rules,
    )
    if wanted.dry_run:
        return answer(200, QuoteResource.of(quoter.quote(wanted)))
    with (
        wait_cap.wait(caller, call.request_id, seconds=call.wait_seconds or 0),
        equal_calls.join(wanted, call.arrival) as joined,
    ):
        outcome = submitter.submit(joined)
        job, replayed = outcome.job, not outcome.created
        logger.info("job submitted", extra={"job_id": job.job_id, "repeated": replayed, "started": outcome.started})
        location = f"jobs/{job.job_id}"
        if call.wait_seconds is None:
            return accepted(viewer.view(job), caller=caller, location=location, replayed=replayed)
        seconds_left = app.lambda_context.get_remaining_time_in_millis() / 1000 - ANSWERING_SECONDS
        [job] = waiter.wait([job], seconds=min(call.wait_seconds, seconds_left))
        return awaited(
            viewer.view(job), caller=caller, location=location, replayed=replayed, waited_seconds=call.wait_seconds
        )


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
