"""`POST /v1/images/generations` and `/v1/images/edits`, in OpenAI's shape; answers when the pictures are there."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.runtime import wiring
from heliograph.runtime.environment import read_settings
from heliograph.runtime.observability import logger, observed
from heliograph.runtime.openai_door import (
    EDITS,
    GENERATIONS,
    images_answer,
    images_resolver,
    not_too_often,
    read_call,
    through_the_images_door,
)
from heliograph.runtime.settings.images import ImagesSettings
from heliograph.steps.make_images import make_images, name_images

app = images_resolver()
settings = read_settings(ImagesSettings)
studio = wiring.image_studio(settings)
recognise, count_call = wiring.recogniser(settings), wiring.call_counter(settings)


@app.post(GENERATIONS)
@app.post(EDITS)
def make() -> Response[str]:
    call = read_call(app.current_event, app.context["caller"], rules=studio.rules, now=studio.clock.now())
    name = name_images(call, studio=studio)
    not_too_often(app.context["allowance"])
    images = make_images(call, name, studio=studio)
    job_ids = [job.job_id for job in images.jobs]
    logger.info("made images", extra={"job_ids": job_ids, "pictures": len(images.pictures)})
    return images_answer(images)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return through_the_images_door(app, event, context, recognise=recognise, count_call=count_call)
