"""What the README shows, done as it is shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from local.deployment import CREDENTIALS, PROJECT, REGION
from tests.e2e.world import World
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


def test_the_readmes_program_makes_a_picture_with_openais_client(world: World) -> None:
    [program] = blocks("openai")
    access = f"IMAGES_URL = {world.stack.images_url + '/'!r}\nKEY = {world.stack.api_key!r}\n"

    finished = subprocess.run([sys.executable, "-c", access + program], capture_output=True, text=True, check=True)

    picture = world.http.get(finished.stdout.strip())
    assert picture.headers["Content-Type"].startswith("image/")


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
