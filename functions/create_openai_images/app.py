"""`POST /v1/images/generations` and `/v1/images/edits`, in OpenAI's shape; answers when the images are made."""

from functools import partial
from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api import openai as door
from heliograph.monitoring.logging import logger, observed
from heliograph.openai_images.make_images import WAIT
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.create_openai_images import CreateOpenAiImagesSettings
from heliograph.runtime.wiring import access, openai_images

app = door.images_resolver()
settings = read_settings(CreateOpenAiImagesSettings)
service, links = openai_images.images_service(settings), openai_images.image_links(settings)
authenticator, counter = access.authenticator(settings), access.call_counter(settings)
door.serve_models(app, service.rules.routes, service.aliases)
door.serve_files(app, links)


@app.post(door.GENERATIONS)
@app.post(door.EDITS)
def make() -> Response[str]:
    event, caller, turnstile = app.current_event, app.context["caller"], app.context["turnstile"]
    call = door.read_call(event, caller, rules=service.rules, aliases=service.aliases, now=service.clock.now())
    checked = service.check(call)
    turnstile.count_more(call.request.n - 1)
    if turnstile.is_shut and not turnstile.is_long_shut:
        service.record_refused(checked)
    door.not_too_often(turnstile)
    with service.wait_cap.wait(caller, call.arrival.call_id, seconds=WAIT.total_seconds()):
        images = service.make(checked, service.identify(checked))
    job_ids = [job.job_id for job in images.jobs]
    logger.info("images made", extra={"job_ids": job_ids, "images": len(images.images), "joined": images.joined})
    return door.images_answer(images, call.request, partial(links.make, base=door.link_base(event)))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return door.through_the_images_door(app, event, context, authenticator=authenticator, counter=counter)
