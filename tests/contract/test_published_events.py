"""What we promise to whoever listens: examples, schemas and models say the same."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.webhooks.event_catalogue import EVENT_SOURCE, EVENT_TYPES

from tests.contract.regenerate_published import EVENTS, contents, schema_of
from tests.examples import RESULT_VERSION, arriving, published_examples

PUBLISHED = EVENTS / "published"
TYPES = sorted(EVENT_TYPES)


def read(name: str) -> Any:
    return json.loads((PUBLISHED / name).read_text())


def schema_fields(schema: Any) -> set[str]:
    """Every place of a schema where a document may have a value, as `model.field`."""
    models = {schema["title"]: schema, **schema.get("$defs", {})}
    return {f"{title}.{name}" for title, model in models.items() for name in model.get("properties", {})}


def test_there_is_a_schema_and_an_example_of_every_type_and_nothing_else() -> None:
    files = {path.name for path in PUBLISHED.iterdir()}
    assert files == {f"{name}{ending}" for name in TYPES for ending in (".json", ".schema.json")}


@pytest.mark.parametrize("path", sorted(contents()), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_generated_file_is_what_the_models_say_today(path: Any) -> None:
    assert json.loads(path.read_text()) == contents()[path], "run python -m tests.contract.regenerate_published"


@pytest.mark.parametrize("name", TYPES)
def test_an_example_arrives_as_the_builder_made_it(name: str) -> None:
    assert read(f"{name}.json") == arriving(published_examples()[name])


@pytest.mark.parametrize("name", TYPES)
def test_an_example_can_be_told_by_its_source_and_type(name: str) -> None:
    example = read(f"{name}.json")
    assert (example["source"], example["detail-type"]) == (EVENT_SOURCE, name)


@pytest.mark.parametrize("name", TYPES)
def test_an_example_fits_its_schema(name: str) -> None:
    schema = read(f"{name}.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(read(f"{name}.json")["detail"])


@pytest.mark.parametrize("name", TYPES)
def test_an_example_is_what_the_model_reads_and_writes(name: str) -> None:
    detail = read(f"{name}.json")["detail"]
    assert json.loads(EVENT_TYPES[name].model_validate(detail).model_dump_json()) == detail


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_names_its_draft_and_its_version(name: str) -> None:
    schema = read(f"{name}.schema.json")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["version"]["const"] == "1"


@pytest.mark.parametrize("name", TYPES)
def test_a_listener_with_todays_schema_reads_tomorrows_event(name: str) -> None:
    schema = read(f"{name}.schema.json")
    detail = read(f"{name}.json")["detail"]
    detail |= {"added_later": 1}
    detail["data"] |= {"added_later": {"a": 1}}
    jsonschema.Draft202012Validator(schema).validate(detail)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("field", ["version", "event_id", "occurred_at", "data"])
def test_a_detail_without_a_part_of_its_envelope_does_not_fit(name: str, field: str) -> None:
    detail = read(f"{name}.json")["detail"]
    del detail[field]
    with pytest.raises(jsonschema.ValidationError, match=field):
        jsonschema.Draft202012Validator(read(f"{name}.schema.json")).validate(detail)


@pytest.mark.parametrize("name", TYPES)
def test_every_field_of_the_data_is_always_there(name: str) -> None:
    schema = schema_of(EVENT_TYPES[name])
    for model in (schema, *schema["$defs"].values()):
        assert set(model.get("required", ())) == set(model.get("properties", ()))


def test_every_failure_code_is_in_the_schema() -> None:
    schema = read("image.job.failed.schema.json")
    assert schema["$defs"]["FailureCode"]["enum"] == [code.value for code in FailureCode]


@pytest.mark.parametrize("name", TYPES)
def test_no_event_carries_a_prompt_or_a_link(name: str) -> None:
    fields = {field.partition(".")[2] for field in schema_fields(read(f"{name}.schema.json"))}
    assert not fields & {"prompt", "request", "references", "webhook_url", "url"}


def test_money_is_text_in_events() -> None:
    data = read("image.job.succeeded.json")["detail"]["data"]
    assert data["price_usd"] == "0.06"


def test_a_result_is_pinned_to_its_version() -> None:
    [result] = read("image.job.succeeded.json")["detail"]["data"]["results"]
    assert result["version_id"] == RESULT_VERSION


@pytest.mark.parametrize("name", ["image.job.succeeded", "image.job.failed"])
def test_every_result_says_its_version_where_its_bucket_keeps_any(name: str) -> None:
    result = read(f"{name}.schema.json")["$defs"]["Result"]
    assert "version_id" in result["required"]
    assert result["properties"]["version_id"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


@pytest.mark.parametrize("charged", [Charged.YES, Charged.UNKNOWN])
def test_no_event_can_invite_anybody_to_pay_twice(charged: Charged) -> None:
    with pytest.raises(ValueError, match="what may have been charged is not retryable"):
        Failure(code=FailureCode.INTERNAL, message="x", retryable=True, charged=charged)
    data = read("image.job.failed.json")["detail"]
    data["data"]["failure"] |= {"retryable": True, "charged": charged.value}
    with pytest.raises(ValueError, match="what may have been charged is not retryable"):
        EVENT_TYPES["image.job.failed"].model_validate(data)


@pytest.mark.parametrize("name", TYPES)
def test_no_event_carries_what_only_we_need_to_know(name: str) -> None:
    fields = {field.partition(".")[2] for field in schema_fields(read(f"{name}.schema.json"))}
    assert not fields & {"run_id", "announced", "orphaned_at", "revision", "fingerprint"}
