"""`POST /v1/jobs`: 202 with the job (200 if it is over by the end of a wait), or a problem that names all to mend."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Scope
from heliograph.api.authorize import handle_api_call, require
from heliograph.api.call import ApiCall
from heliograph.api.representations.jobs import QuoteTold
from heliograph.api.responses import accepted, answer, api_resolver, awaited
from heliograph.intake.quote_job import Quote
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.submit_request import SubmitRequestSettings
from heliograph.runtime.wiring import access, intake, jobs

# A call that breaks midway may have left a job behind, which will be done.
app = api_resolver(charged_on_failure=Charged.UNKNOWN)
settings = read_settings(SubmitRequestSettings)
submit, await_end, view_of = (
    intake.request_submitter(settings, reuse_table=settings.reuse_table, with_quotes=True),
    jobs.end_awaiter(settings),
    jobs.job_viewer(),
)
count_call, wait_cap = access.call_counter(settings), access.wait_cap(settings, settings.calls_table)
equal_calls = intake.equal_calls(settings)
# What a wait leaves of the function's time, however long the submission took: no answer would look like no job.
ANSWERING_SECONDS = 4


@app.post("/v1/jobs")
def create_job() -> Response[str]:
    call = ApiCall.read(app.current_event)
    require(call.caller, Scope.JOBS_WRITE)
    key, caller = call.idempotency_key, call.caller
    with (
        wait_cap.wait(caller, call.request_id, seconds=call.wait_seconds or 0),
        equal_calls.name(call.body, idempotency_key=key, arrival=call.arrival, caller=caller) as call_id,
    ):
        outcome = submit(call.body, idempotency_key=key, request_id=call_id, caller=caller)
        if isinstance(outcome, Quote):
            return answer(200, QuoteTold.of(outcome))
        job, replayed = outcome.job, not outcome.created
        logger.info("submitted", extra={"job_id": job.job_id, "repeated": replayed, "started": outcome.started})
        location = f"jobs/{job.job_id}"
        if call.wait_seconds is None:
            return accepted(view_of(job), caller=caller, location=location, replayed=replayed)
        seconds_left = app.lambda_context.get_remaining_time_in_millis() / 1000 - ANSWERING_SECONDS
        [job] = await_end([job], seconds=min(call.wait_seconds, seconds_left))
        return awaited(
            view_of(job), caller=caller, location=location, replayed=replayed, waited_seconds=call.wait_seconds
        )


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, count_call=count_call)
