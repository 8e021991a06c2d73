"""`GET /v1/jobs/{id}`: the job as its owner sees it."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.domain.failures import Charged
from heliograph.domain.keys import Scope
from heliograph.runtime import wiring
from heliograph.runtime.door import require, through_the_door
from heliograph.runtime.observability import count, observed
from heliograph.runtime.problems import Problem
from heliograph.runtime.responses import api_resolver, found
from heliograph.runtime.triggers import ApiCall

app = api_resolver(charged_on_failure=Charged.NO)
read_job = wiring.job_reader()
count_call = wiring.call_counter()


@app.get("/v1/jobs/<job_id>")
def get_job(job_id: str) -> Response[str]:
    caller = ApiCall.caller_of(app.current_event)
    require(caller, Scope.JOBS_READ)
    view = read_job(job_id, tenant=caller.tenant)
    count("JobRead")
    if view is None:
        raise Problem.not_found("job")
    return found(view)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return through_the_door(app, event, context, count_call=count_call)
