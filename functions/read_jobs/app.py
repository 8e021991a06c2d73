"""`GET` of jobs and their timelines, as their owner sees them; and all that no path or method is there for."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Scope
from heliograph.api.authorize import handle_api_call, require
from heliograph.api.call import ApiCall
from heliograph.api.job_answers import found
from heliograph.api.openapi.methods import methods_of
from heliograph.api.problems import Problem
from heliograph.api.query import read_query
from heliograph.api.representations.jobs import JobList, TimelineResource
from heliograph.api.responses import answer, api_resolver, sliced
from heliograph.jobs.read_jobs import JobsQuery
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.read_jobs import ReadJobsSettings
from heliograph.runtime.wiring import access, jobs

app = api_resolver(charged_on_failure=Charged.NO, methods_of=methods_of)
settings = read_settings(ReadJobsSettings)
reader, timelines = jobs.jobs_reader(settings), jobs.timeline_reader(settings)
counter = access.call_counter(settings)


@app.get("/v1/jobs")
def get_jobs() -> Response[str]:
    tenant = _reader()
    return sliced(app.current_event, JobList.of(reader.list(read_query(JobsQuery, app.current_event), tenant=tenant)))


@app.get("/v1/jobs/<job_id>")
def get_job(job_id: str) -> Response[str]:
    view = reader.read(job_id, tenant=_reader())
    if view is None:
        raise Problem.not_found("job")
    return found(view)


@app.get("/v1/jobs/<job_id>/events")
def get_timeline(job_id: str) -> Response[str]:
    timeline = timelines.read(job_id, tenant=_reader())
    if timeline is None:
        raise Problem.not_found("job")
    return answer(200, TimelineResource.of(timeline))


def _reader() -> str:
    caller = ApiCall.caller_of(app.current_event)
    require(caller, Scope.JOBS_READ)
    return caller.tenant


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
