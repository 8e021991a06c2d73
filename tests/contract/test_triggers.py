"""What starts us, as AWS sends it: the examples match the template's rules and are what the readers read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent, SQSEvent
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import APIGatewayAuthorizerTokenEvent
from heliograph.access.keys import Caller, Scope
from heliograph.api.call import ApiCall
from heliograph.execution.outcomes import Crashed
from heliograph.intake.s3_event import ObjectCreated
from heliograph.intake.submit_upload import Upload
from heliograph.kernel.ids import JOB_ID

from tests.contract.cfn_template import RESOURCES
from tests.examples import UPLOAD_KEY, UPLOAD_VERSION, UPLOADS_BUCKET
from tests.triggers import read


def announced(name: str) -> dict[str, Any]:
    """The EventBridge event inside an SQS batch of one."""
    event: dict[str, Any] = json.loads(read(name)["Records"][0]["body"])
    return event


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """EventBridge's matching, as far as our rules use it: exact values and prefixes."""
    return all(
        matches(wanted, event.get(name, {}))
        if isinstance(wanted, dict)
        else any(_matches_one(choice, event.get(name)) for choice in wanted)
        for name, wanted in pattern.items()
    )


def _matches_one(choice: Any, value: Any) -> bool:
    if isinstance(choice, dict) and "prefix" in choice:
        return isinstance(value, str) and value.startswith(choice["prefix"])
    return bool(choice == value)


def filled(pattern: Any, names: dict[str, str]) -> Any:
    """A pattern with its references to resources replaced by what they are called in the examples."""
    match pattern:
        case {"Ref": name}:
            return names[name]
        case dict():
            return {key: filled(value, names) for key, value in pattern.items()}
        case list():
            return [filled(value, names) for value in pattern]
        case _:
            return pattern


def rule(name: str, **names: str) -> Any:
    return filled(RESOURCES[name]["Properties"]["EventPattern"], names)


UPLOAD_RULE = rule("UploadCreated", UploadsBucket=UPLOADS_BUCKET)


@pytest.mark.parametrize("name", ["upload_created.sqs.json", "job_document_created.sqs.json"])
def test_the_rule_of_uploads_takes_an_upload(name: str) -> None:
    assert matches(UPLOAD_RULE, announced(name))


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        (UPLOADS_BUCKET, "logos/uploads/x.png"),
        (UPLOADS_BUCKET, "Uploads/white-background/shoe.jpg"),
        ("heliograph-results", "uploads/white-background/shoe.jpg"),
    ],
)
def test_the_rule_of_uploads_takes_nothing_else(bucket: str, key: str) -> None:
    event = announced("upload_created.sqs.json")
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"]["key"] = key
    assert not matches(UPLOAD_RULE, event)


def test_the_rule_of_uploads_takes_a_preset() -> None:
    event = announced("upload_created.sqs.json")
    event["detail"]["object"]["key"] = "presets/white-background.json"
    assert matches(UPLOAD_RULE, event)


@pytest.mark.parametrize("kind", ["Object Deleted", "Object Tags Added", "Object Restore Completed"])
def test_the_rule_of_uploads_takes_new_objects_only(kind: str) -> None:
    assert not matches(UPLOAD_RULE, announced("upload_created.sqs.json") | {"detail-type": kind})


def test_an_announced_upload_is_read_with_its_version() -> None:
    [record] = SQSEvent(read("upload_created.sqs.json")).records
    upload = ObjectCreated.model_validate_json(record.body).upload()
    assert upload == Upload(
        UPLOADS_BUCKET,
        UPLOAD_KEY,
        UPLOAD_VERSION,
        "b1946ac92492d2347c6235b4d2611184",
        "00673FA0E1C5A0B2D4",
        "PutObject",
    )


def test_a_key_is_read_as_it_is_and_never_decoded() -> None:
    event = announced("upload_created.sqs.json")
    event["detail"]["object"]["key"] = "uploads/a/50%25+off für.jpg"
    assert ObjectCreated.model_validate(event).upload().key == "uploads/a/50%25+off für.jpg"


def test_an_upload_to_a_bucket_without_versions_is_told_by_its_etag_and_order() -> None:
    event = announced("upload_created.sqs.json")
    del event["detail"]["object"]["version-id"]
    upload = ObjectCreated.model_validate(event).upload()
    assert (upload.version_id, upload.version) == (None, "b1946ac92492d2347c6235b4d2611184-00673FA0E1C5A0B2D4")


def test_a_call_is_read_with_its_tenant_and_key() -> None:
    call = ApiCall.read(APIGatewayProxyEvent(read("post_job.json")))
    assert call.caller == Caller(tenant="default", scopes=frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE}))
    assert call.idempotency_key == "order-1041-hero"
    assert json.loads(call.body)["aspect_ratio"] == "16:9"


@pytest.mark.parametrize("name", ["post_job.json", "get_job.json"])
def test_a_calls_path_and_method_are_in_the_template(name: str) -> None:
    event = read(name)
    routes = {
        (found["Properties"]["Path"], found["Properties"]["Method"])
        for resource in RESOURCES.values()
        for found in resource["Properties"].get("Events", {}).values()
        if found["Type"] == "Api"
    }
    assert routes & {(event["resource"], method) for method in (event["httpMethod"], "ANY")}


def test_the_authorizers_event_names_the_stage_of_the_template() -> None:
    event = APIGatewayAuthorizerTokenEvent(read("authorize.json"))
    assert event.parsed_arn.stage == RESOURCES["Api"]["Properties"]["StageName"]


MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:ImageJob-1A2B3C"


@pytest.mark.parametrize(
    ("status", "taken"),
    [("FAILED", True), ("TIMED_OUT", True), ("ABORTED", True), ("SUCCEEDED", False), ("RUNNING", False)],
)
def test_the_rule_of_early_endings_takes_exactly_those(status: str, taken: bool) -> None:
    event = read("execution_timed_out.json")
    event["detail"]["status"] = status
    assert matches(rule("JobEndedEarly", ImageJob=MACHINE), event) is taken


def test_the_rule_of_early_endings_hands_on_what_the_close_function_reads() -> None:
    event = read("execution_timed_out.json")
    transformer = RESOURCES["JobEndedEarly"]["Properties"]["Targets"][0]["InputTransformer"]
    values = {
        name: event["detail"][path.removeprefix("$.detail.")] for name, path in transformer["InputPathsMap"].items()
    }
    text = re.sub(r"<(\w+)>", lambda found: values[found[1]], transformer["InputTemplate"])
    crashed = Crashed.model_validate_json(text)
    assert JOB_ID.fullmatch(crashed.job_id)
    assert crashed.error == "its execution is TIMED_OUT"
