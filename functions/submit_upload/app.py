"""An object arrived in the uploads bucket (EventBridge → queue): one job for it, or a published rejection."""

from typing import Any

import heliograph.runtime.start  # noqa: F401 - first, whatever else is imported
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from heliograph.intake.create_job import Submission
from heliograph.intake.events import UploadRejected
from heliograph.intake.preset_events import PresetRejected
from heliograph.intake.s3_event import ObjectCreated
from heliograph.intake.submit_upload import Upload
from heliograph.kernel.errors import WorkflowFailed
from heliograph.monitoring.logging import logger, observed
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.submit_upload import SubmitUploadSettings
from heliograph.runtime.wiring import intake

submitter = intake.upload_submitter(read_settings(SubmitUploadSettings))
# A batch of which everything failed is no error of the function: each message goes back to the queue by itself.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def take(record: SQSRecord) -> None:
    try:
        decide(ObjectCreated.model_validate_json(record.body).upload())
    except Exception:
        logger.exception(
            "upload not processed: its message is delivered again, and in the end goes to the dead-letter queue"
        )
        raise


def decide(upload: Upload) -> None:
    match submitter.submit(upload):
        case Submission(job=job, created=created, started=started):
            logger.info("job submitted", extra={"job_id": job.job_id, "key": upload.key, "repeated": not created})
            if not started:
                raise WorkflowFailed(
                    f"{job.job_id} is recorded but not started: the next delivery of its message starts it"
                )
        case UploadRejected(data=data) | PresetRejected(data=data):
            logger.info("upload rejected", extra={"key": upload.key, "failure": data.failure.model_dump(mode="json")})
        case _:
            logger.info("object ignored", extra={"key": upload.key})


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    return process_partial_response(event=event, record_handler=take, processor=processor, context=context)
