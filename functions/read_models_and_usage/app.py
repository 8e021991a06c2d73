"""`GET /v1/models`, `GET /v1/usage`, `GET /v1/me`: routes, usage, and the caller's key with its budgets."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.access.keys import Scope
from heliograph.api.authorize import caller_now, handle_api_call, require
from heliograph.api.call import ApiCall
from heliograph.api.query import read_query
from heliograph.api.representations.me import MeResource
from heliograph.api.representations.models import ModelsResource, UsageReport
from heliograph.api.responses import answer, api_resolver
from heliograph.budgets.read_usage import UsageQuery
from heliograph.kernel.failures import Charged
from heliograph.monitoring.logging import observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.read_models_and_usage import ReadModelsAndUsageSettings
from heliograph.runtime.wiring import access, budgets, intake

app = api_resolver(charged_on_failure=Charged.NO)
settings = read_settings(ReadModelsAndUsageSettings)
models, usage = intake.model_lister(settings), budgets.usage_reader(settings)
limits = budgets.me_reader(settings)
counter, refresher = access.call_counter(settings), access.caller_refresher(settings)


@app.get("/v1/models")
def get_models() -> Response[str]:
    require(ApiCall.caller_of(app.current_event), Scope.JOBS_READ)
    return answer(200, ModelsResource.of(models.list()))


@app.get("/v1/usage")
def get_usage() -> Response[str]:
    caller = ApiCall.caller_of(app.current_event)
    require(caller, Scope.JOBS_READ)
    if caller.is_operator:
        caller = caller_now(app, refresher, Scope.JOBS_READ)
    query = read_query(UsageQuery, app.current_event)
    return answer(200, UsageReport.of(usage.read(query, caller=caller), limits.budgets(caller)))


@app.get("/v1/me")
def get_me() -> Response[str]:
    return answer(200, MeResource.of(limits.me(ApiCall.caller_of(app.current_event))))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_api_call(app, event, context, counter=counter)
