"""The real template, built and deployed with `sam` to the emulator once for all end-to-end tests."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from local.stack import Pace, Stack, running
from tests.e2e.world import World

# Long enough for every job but the one that is meant to pass it.
JOB_DEADLINE_SECONDS = 90
WAIT_SCALE = 0.1


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("stack")
    pace = Pace(latency_scale=0.02, wait_scale=WAIT_SCALE, picture_px=512)
    with running(folder, pace=pace, parameters={"JobDeadlineSeconds": str(JOB_DEADLINE_SECONDS)}) as stack:
        yield stack


@pytest.fixture(scope="session")
def world(stack: Stack) -> Iterator[World]:
    """With a queue of its own on the bus, as any consumer would have."""
    sqs, events = stack.client("sqs"), stack.client("events")
    queue = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["EventBusName"]
    events.put_rule(Name="everything", EventBusName=bus, EventPattern=json.dumps({"source": ["heliograph"]}))
    events.put_targets(Rule="everything", EventBusName=bus, Targets=[{"Id": "listener", "Arn": arn}])
    with World(stack, queue) as world:
        yield world


@pytest.fixture(scope="session", autouse=True)
def never_ending_job(world: World) -> str:
    """Posted before everything else, because its deadline is the longest wait of all; looked at last."""
    world.fault("task", "never_finishes", "never-ending", times=None)
    return str(world.post(prompt="never-ending")["id"])


@pytest.fixture
def mark() -> str:
    """A word that no other test has in its prompts or keys."""
    return f"mark{uuid.uuid4().hex[:10]}"


def _picture(width: int, height: int, *, kind: str = "PNG") -> bytes:
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    stored = io.BytesIO()
    picture.save(stored, kind)
    return stored.getvalue()


@pytest.fixture(scope="session")
def photo() -> bytes:
    return _picture(640, 480)


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return _picture(320, 480, kind="JPEG")
