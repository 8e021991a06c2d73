"""`POST /v1/images/generations` and `/v1/images/edits`, in OpenAI's shape; answers when the pictures are there."""

from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.api import openai as door
from heliograph.monitoring.logging import logger, observed
from heliograph.openai_images.make_images import WAIT, check_call, make_images, name_images, remember_refused
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.images import ImagesSettings
from heliograph.runtime.wiring import access, openai_images

app = door.images_resolver()
settings = read_settings(ImagesSettings)
studio, links = openai_images.image_studio(settings), openai_images.image_links(settings)
recognise, count_call = access.recogniser(settings), access.call_counter(settings)
door.serve_models(app, studio.rules.routes, studio.aliases)
door.serve_files(app, links)


@app.post(door.GENERATIONS)
@app.post(door.EDITS)
def make() -> Response[str]:
    event, caller, turnstile = app.current_event, app.context["caller"], app.context["turnstile"]
    call = door.read_call(event, caller, rules=studio.rules, aliases=studio.aliases, now=studio.clock.now())
    checked = check_call(call, studio=studio)
    turnstile.count_more(call.wish.n - 1)
    if turnstile.is_shut and not turnstile.is_long_shut:
        remember_refused(checked, studio=studio)
    door.not_too_often(turnstile)
    with studio.wait_cap.wait(caller, call.arrival.call_id, seconds=WAIT.total_seconds()):
        images = make_images(checked, name_images(checked, studio=studio), studio=studio)
    job_ids = [job.job_id for job in images.jobs]
    logger.info("made images", extra={"job_ids": job_ids, "pictures": len(images.pictures), "joined": images.joined})
    return door.images_answer(images, call.wish, partial(links.make, base=door.link_base(event)))


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return door.through_the_images_door(app, event, context, recognise=recognise, count_call=count_call)
