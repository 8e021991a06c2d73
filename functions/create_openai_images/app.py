"""`POST /v1/images/generations` and `/v1/images/edits`, in OpenAI's shape: the response waits for the images."""

from functools import partial
from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api.openai import EDITS, GENERATIONS
from heliograph.api.openai.rate_limit import RateLimit
from heliograph.api.openai.requests import link_base, read_call
from heliograph.api.openai.resolver import handle_images_call, images_resolver
from heliograph.api.openai.responses import images_response
from heliograph.api.openai.routes import serve_files, serve_models
from heliograph.monitoring.logging import instrumented, logger
from heliograph.openai_images.make_images import WAIT
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.create_openai_images import CreateOpenAiImagesSettings
from heliograph.runtime.wiring import access, openai_images

app = images_resolver()
settings = read_settings(CreateOpenAiImagesSettings)
service, links = openai_images.images_service(settings), openai_images.image_links(settings)
authenticator, counter = access.authenticator(settings), access.call_counter(settings)
serve_models(app, service.rules.routes, service.aliases)
serve_files(app, links)


@app.post(GENERATIONS)
@app.post(EDITS)
def create_images() -> Response[str]:
    event, caller = app.current_event, app.context["caller"]
    rate_limit: RateLimit = app.context["rate_limit"]
    call = read_call(event, caller, rules=service.rules, aliases=service.aliases, now=service.clock.now())
    checked = service.check(call)
    rate_limit.count_more(call.request.n - 1)
    if rate_limit.is_exceeded and not rate_limit.is_far_exceeded:
        service.record_refused(checked)
    rate_limit.check()
    with service.wait_cap.wait(caller, call.arrival.call_id, seconds=WAIT.total_seconds()):
        images = service.make(checked, service.identify(checked))
    job_ids = [job.job_id for job in images.jobs]
    logger.info("images made", extra={"job_ids": job_ids, "images": len(images.images), "joined": images.joined})
    return images_response(images, call.request, partial(links.make, base=link_base(event)))


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return handle_images_call(app, event, context, authenticator=authenticator, counter=counter)
