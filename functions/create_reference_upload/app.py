"""`POST /v1/uploads`: 201 with a form that takes one reference. `GET /v1/uploads`: those that were rejected."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Scope
from heliograph.api.authorize import READING, caller_with, handle_api_call, require
from heliograph.api.call import ApiCall
from heliograph.api.query import read_query
from heliograph.api.representations.uploads import RejectedUploadList, UploadResource
from heliograph.api.responses import answer, api_resolver, sliced
from heliograph.intake.rejections import RejectionQuery
from heliograph.jobs.reference_uploads import read_upload_request
from heliograph.jobs.request import read_json_object
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import noted, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.create_reference_upload import CreateReferenceUploadSettings
from heliograph.runtime.wiring import access, intake

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(CreateReferenceUploadSettings)
forms = intake.reference_upload_creator(settings)
rejections = intake.rejection_store(settings.rejections_table)
counter = access.call_counter(settings)


@app.post("/v1/uploads")
def make() -> Response[str]:
    call = ApiCall.read(app.current_event)
    require(call.caller, Scope.JOBS_WRITE)
    request = read_upload_request(read_json_object(call.body, what="the body"))
    form = forms.create(request, tenant=call.caller.tenant, call_id=call.request_id)
    noted("UploadMade", tenant=call.caller.tenant)
    return answer(201, UploadResource.of(form))


@app.get("/v1/uploads")
def show_rejected() -> Response[str]:
    caller = caller_with(app.current_event, *READING)
    found = rejections.list(caller.tenant, read_query(RejectionQuery, app.current_event))
    return sliced(app.current_event, RejectedUploadList.of(found))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
