"""The real template, built and deployed with `sam` to the emulator once for all end-to-end tests."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from local.stack import Pace, Stack, running
from tests import chromium
from tests.e2e.world import World, wait_until

HERE = Path(__file__).parent
# Long enough for every job but the one that is meant to pass it.
JOB_DEADLINE_SECONDS = 90
WAIT_SCALE = 0.1
# Larger only for `make screenshots`.
PICTURE_PX = int(os.environ.get("HELIOGRAPH_PICTURE_PX", "512"))
LOST = ("cut_before", "cut_after", "html_502", "html_524", "5xx")
KIE = "kie-gpt-image-2"
# As in the template, but at a pace that keeps nobody waiting: turns are looked at in a test of their own.
PACE = {"creates_per_minute": 6000, "fastest_per_minute": 6000, "slowest_per_minute": 600, "max_in_flight": 500}
ROUTES = [
    {"provider": "apimodels", "model": "gpt-image-2-beta", "price_usd": "0.06", "max_references": 16, **PACE},
    {"provider": "apimodels", "model": "gpt-image-2", "price_usd": "0.05", "max_references": 10, **PACE},
    {"provider": "kie", "model": "gpt-image-2", "name": KIE, "price_usd": "0.03", "max_references": 16, **PACE},
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the end-to-end tests by their marker `order`; the others stay where they are.

    Says at once what is missing, rather than after minutes of other tests.
    """
    if any(item.path.name == "test_playground.py" for item in items) and not chromium.is_at_hand():
        pytest.exit(chromium.MISSING, returncode=pytest.ExitCode.USAGE_ERROR)
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(HERE)]
    for place, item in zip(places, sorted((items[place] for place in places), key=_order), strict=True):
        items[place] = item


def _order(item: pytest.Item) -> int:
    marker = item.get_closest_marker("order")
    return marker.args[0] if marker else 0


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("stack")
    pace = Pace(latency_scale=0.02, wait_scale=WAIT_SCALE, image_px=PICTURE_PX)
    parameters = {
        "JobDeadlineSeconds": str(JOB_DEADLINE_SECONDS),
        "UploadDeadlineSeconds": str(JOB_DEADLINE_SECONDS),
        "Routes": json.dumps(ROUTES),
    }
    with running(folder, pace=pace, parameters=parameters, second_provider=True) as stack:
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


@dataclass(frozen=True)
class SlowJobs:
    """Those that are over only at their deadline: posted before everything else, looked at last. By what happens."""

    never_ends: str
    # A create call whose answer is lost, and of which nothing more is heard.
    lost: Mapping[str, str]
    resubmitted: str


@pytest.fixture(scope="session", autouse=True)
def slow_jobs(world: World) -> SlowJobs:
    world.fault("task", "never_finishes", "never-ending", times=None)
    world.fault("create", "cut_before", "accepts the risk", times=1)
    world.fault("callback", "never", "heard of no more", times=None)
    for kind in LOST:
        world.fault("create", kind, f"{kind}, heard of no more", times=None)
    jobs = SlowJobs(
        never_ends=world.post(prompt="never-ending")["id"],
        lost={kind: world.post(prompt=f"{kind}, heard of no more", model="gpt-image-2")["id"] for kind in LOST},
        resubmitted=world.post(prompt="accepts the risk", on_uncertain="resubmit")["id"],
    )
    for job_id in (*jobs.lost.values(), jobs.resubmitted):
        wait_until(lambda job_id=job_id: world.job(job_id)["attempts"], seconds=60, what="its create call")  # type: ignore[misc]
    return jobs


@pytest.fixture(autouse=True)
def closed_circuits(world: World, slow_jobs: SlowJobs) -> None:
    """What one test makes of the routes is no other's affair."""
    routes, table = world.stack.client("dynamodb"), world.stack.outputs["RoutesTableName"]
    for route in ROUTES:
        routes.delete_item(TableName=table, Key={"route": {"S": str(route.get("name", route["model"]))}})


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
