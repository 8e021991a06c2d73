"""What the README shows, done as it is shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.deployment import CREDENTIALS, PROJECT, REGION
from tests import aws_cli
from tests.e2e.world import World, wait_until
from tests.environment import without_make

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(label: str) -> list[str]:
    """The README's code blocks of that label."""
    return re.findall(rf"^```\w+ {label}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def shell(command: str, **variables: str) -> dict[str, object]:
    finished = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=True, env={**without_make(), **variables}
    )
    document: dict[str, object] = json.loads(finished.stdout)
    return document


@pytest.fixture
def reader(world: World) -> Iterator[dict[str, str]]:
    """The environment of a person who has the AWS CLI and works on the local stack."""
    with aws_cli.on_the_path() as folder:
        yield {
            **without_make(),
            **CREDENTIALS,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": world.stack.endpoint,
            "AWS_DEFAULT_REGION": REGION,
        }


def paste(commands: str, environment: dict[str, str], folder: Path) -> str:
    """Runs commands as a shell does into which they are pasted; returns what they print."""
    return subprocess.run(
        ["/bin/sh", "-e", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_the_readmes_commands_edit_a_photo_and_list_the_result(
    world: World, reader: dict[str, str], tmp_path: Path, jpeg: bytes
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    [upload], [results] = blocks("upload"), blocks("results")
    environment = {**reader, "UPLOADS": world.uploads, "RESULTS": world.results}

    paste(upload, environment, tmp_path)
    job_id = world.event_about("uploads/white/photo.jpg")["detail"]["data"]["job_id"]

    assert paste(results, environment, tmp_path).strip() == f"white/photo/{job_id}/1.jpg"


def test_the_readmes_lines_read_addresses_and_key_from_a_stack(
    world: World, reader: dict[str, str], tmp_path: Path
) -> None:
    [access] = blocks("access")
    names = ["API", "IMAGES_URL", "UPLOADS", "RESULTS", "EVENT_BUS_NAME", "KEY"]

    told = paste(f"{access}\nprintenv {' '.join(names)}", reader, tmp_path)

    outputs = ("ApiUrl", "ImagesUrl", "UploadsBucketName", "ResultsBucketName", "EventBusName")
    assert told.splitlines() == [*(world.stack.outputs[name] for name in outputs), world.stack.api_key]


def test_the_readmes_rule_puts_a_finished_job_into_a_queue(
    world: World, reader: dict[str, str], mark: str, tmp_path: Path
) -> None:
    queue = world.sqs.create_queue(QueueName=mark)["QueueUrl"]
    arn = world.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = world.stack.outputs["EventBusName"]
    events = world.stack.client("events")
    arrived: list[dict[str, Any]] = []

    for commands in blocks("aws"):
        paste(commands, {**reader, "EVENT_BUS_NAME": bus, "QUEUE_ARN": arn}, tmp_path)
    try:
        job = world.post(prompt=f"{mark} for the queue")

        def is_there() -> bool:
            messages = world.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0).get("Messages", [])
            arrived.extend(json.loads(message["Body"]) for message in messages)
            return any(event["detail"]["data"]["job_id"] == job["id"] for event in arrived)

        wait_until(is_there, seconds=60, what="the event")
    finally:
        events.remove_targets(EventBusName=bus, Rule="images-ready", Ids=["queue"])
        events.delete_rule(EventBusName=bus, Name="images-ready")
        world.sqs.delete_queue(QueueUrl=queue)

    assert {event["detail-type"] for event in arrived} == {"image.job.succeeded"}


def test_the_readmes_preset_edits_an_upload(world: World, mark: str, photo: bytes) -> None:
    [preset] = blocks("preset")
    world.upload(f"presets/{mark}.json", preset.encode())
    world.upload(f"uploads/{mark}/shoe.png", photo)

    data = world.event_about(f"uploads/{mark}/shoe.png")["detail"]["data"]

    assert data["results"][0]["key"] == f"{mark}/shoe/{data['job_id']}/1.jpg"
    assert data["metadata"] == {"shop": "north"}


def test_the_readmes_job_document_fuses_two_images(world: World, mark: str, photo: bytes, jpeg: bytes) -> None:
    [document] = blocks("job-document")
    world.upload("references/product.png", photo)
    world.upload("references/table.jpg", jpeg)
    world.upload(f"jobs/{mark}.json", document.replace("UPLOADS_BUCKET", world.uploads).encode())

    assert world.event_about(f"jobs/{mark}.json")["detail"]["data"]["task"] == "fusion"


def test_the_readmes_calls_make_a_job_and_show_it(world: World) -> None:
    create, show = blocks("api")
    access = {"API": world.stack.api_url, "KEY": world.stack.api_key}

    job = shell(create, **access)
    world.finished(str(job["id"]))

    assert shell(create, **access)["id"] == job["id"]
    assert shell(show, **access, JOB_ID=str(job["id"]))["status"] == "succeeded"


def test_the_readmes_endpoint_is_registered_and_has_a_secret(world: World) -> None:
    [register] = blocks("webhook")

    endpoint = shell(register, API=world.stack.api_url, KEY=world.stack.api_key)

    assert str(endpoint["secret"]).startswith("whsec_")
    assert endpoint["events"] == ["image.job.failed", "image.job.succeeded"]
    assert world.call("DELETE", f"/v1/webhook-endpoints/{endpoint['id']}").status_code == 200


# A function URL, as the stack's output has it, ends with a slash; `.local/env` has none.
@pytest.mark.parametrize("end", ["", "/"])
def test_the_readmes_program_makes_an_image_with_openais_client(world: World, end: str) -> None:
    [program] = blocks("openai")
    access = {"IMAGES_URL": world.stack.images_url + end, "KEY": world.stack.api_key}

    finished = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **access}, capture_output=True, text=True, check=True
    )

    image = world.http.get(finished.stdout.strip())
    assert image.headers["Content-Type"].startswith("image/")


def test_the_vendors_key_is_stored_from_standard_input_and_a_wrong_one_is_refused(world: World) -> None:
    secrets, secret = world.stack.client("secretsmanager"), world.stack.outputs["ProviderKeySecret"]
    usual = secrets.get_secret_value(SecretId=secret)["SecretString"]
    environment = {
        **without_make(),
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": world.stack.endpoint,
    }

    def store(key: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "operations.provider_key"]
        return subprocess.run(
            command, input=key, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )

    refused, stored = store("not-a-key\n"), store(f"{usual}\n")

    assert refused.returncode == 1
    assert "not-a-key" not in refused.stdout + refused.stderr
    assert stored.returncode == 0, stored.stderr
    assert usual not in stored.stdout + stored.stderr
    assert secrets.get_secret_value(SecretId=secret)["SecretString"] == usual
