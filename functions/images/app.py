"""`POST /v1/images/generations` and `/v1/images/edits`, in OpenAI's shape; answers when the pictures are there.

And what programs of that shape need besides: the list of models, and the images that answers link to.
"""

from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.domain.image_links import FILES
from heliograph.runtime import wiring
from heliograph.runtime.environment import read_settings
from heliograph.runtime.observability import logger, observed
from heliograph.runtime.openai_door import (
    EDITS,
    GENERATIONS,
    MODELS,
    Turnstile,
    file_answer,
    images_answer,
    images_resolver,
    link_base,
    model_answer,
    models_answer,
    not_too_often,
    read_call,
    through_the_images_door,
)
from heliograph.runtime.settings.images import ImagesSettings
from heliograph.steps.make_images import WAIT, check_call, make_images, name_images, remember_refused

app = images_resolver()
settings = read_settings(ImagesSettings)
studio, links = wiring.image_studio(settings), wiring.image_links(settings)
recognise, count_call = wiring.recogniser(settings), wiring.call_counter(settings)


@app.post(GENERATIONS)
@app.post(EDITS)
def make() -> Response[str]:
    event, caller = app.current_event, app.context["caller"]
    turnstile: Turnstile = app.context["turnstile"]
    call = read_call(event, caller, rules=studio.rules, aliases=studio.aliases, now=studio.clock.now())
    checked = check_call(call, studio=studio)
    turnstile.count_more(call.wish.n - 1)
    if turnstile.is_shut and not turnstile.is_long_shut:
        remember_refused(checked, studio=studio)
    not_too_often(turnstile)
    with studio.wait_cap.wait(caller, call.arrival.call_id, seconds=WAIT.total_seconds()):
        images = make_images(checked, name_images(checked, studio=studio), studio=studio)
    job_ids = [job.job_id for job in images.jobs]
    logger.info("made images", extra={"job_ids": job_ids, "pictures": len(images.pictures), "joined": images.joined})
    return images_answer(images, call.wish, partial(links.make, base=link_base(event)))


@app.get(MODELS)
def list_models() -> Response[str]:
    not_too_often(app.context["turnstile"])
    return models_answer(studio.rules.routes, studio.aliases)


@app.get(f"{MODELS}/<name>")
def get_model(name: str) -> Response[str]:
    not_too_often(app.context["turnstile"])
    return model_answer(name, studio.rules.routes, studio.aliases)


@app.get(f"{FILES}/<job_id>/<name>")
def show(job_id: str, name: str) -> Response[bytes]:
    del job_id, name
    event = app.current_event
    asked = event.query_string_parameters
    found = links.follow(event.path, expires=asked.get("expires", ""), signature=asked.get("signature", ""))
    return file_answer(found)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return through_the_images_door(app, event, context, recognise=recognise, count_call=count_call)
