"""The recipes of docs/recipes.md, followed as they are shown; then an upload, whose event must arrive everywhere."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from local.deployment import PROJECT
from tests.e2e.reader import Shell, reader
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.world import World, wait_until

PAGE = PROJECT / "docs" / "recipes.md"
RECIPES = ("sqs", "sqs-stack", "sns", "slack", "lambda", "next-preset")
TOKEN, CHANNEL, FUNCTION = "xoxb-a-bot", "C0123456789", "ready"


@dataclass(frozen=True)
class Followed:
    """What a reader has after all recipes."""

    shell: Shell
    slack: Receiver
    mails: str
    """A queue that is subscribed to the topic, as an address would be."""


def photo(seed: int) -> bytes:
    """One that no other test uploads."""
    stored = io.BytesIO()
    Image.effect_noise((320, 240), 40 + seed).save(stored, "JPEG")
    return stored.getvalue()


def archive(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("ready.py", source)
    return packed.getvalue()


@pytest.fixture(scope="module")
def followed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    shell = reader(
        world,
        PAGE,
        tmp_path_factory.mktemp("reader"),
        state=tmp_path_factory.mktemp("state") / "variables",
        SLACK_TOKEN=TOKEN,
        SLACK_CHANNEL=CHANNEL,
        FUNCTION=FUNCTION,
    )
    role = world.stack.client("iam").create_role(
        RoleName="ready", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
    )["Role"]["Arn"]
    world.stack.client("lambda").create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Handler="ready.handler",
        Role=role,
        Code={"ZipFile": archive((shell.folder / "ready.py").read_text())},
    )
    before = rules(world)
    with receiving() as slack:
        shell.paste("setup", "undelivered", "preset", *RECIPES)
        # Slack is a receiver on this machine.
        world.stack.client("events").update_api_destination(Name="slack", InvocationEndpoint=slack.url("slack"))
        yield Followed(shell, slack, mail_box(world, shell.variable("TOPIC")))
        shell.paste("remove")
        wait_until(lambda: rules(world) == before, seconds=30, what="the end of every rule of the page")


def rules(world: World) -> set[str]:
    """The names of all rules of the stack's bus."""
    answer = world.stack.client("events").list_rules(EventBusName=world.stack.outputs["EventBusName"])
    return {str(rule["Name"]) for rule in answer["Rules"]}


def mail_box(world: World, topic: str) -> str:
    """A queue that gets what a topic sends; its URL."""
    url = str(world.sqs.create_queue(QueueName="mails")["QueueUrl"])
    arn = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    world.stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def received(world: World, url: str, holding: str) -> dict[str, Any]:
    """The first message of a queue that holds the text."""

    def look() -> dict[str, Any] | None:
        for message in world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if holding in message["Body"]:
                body: dict[str, Any] = json.loads(message["Body"])
                return body
        return None

    return wait_until(look, seconds=60, what=f"a message with {holding}")


def test_an_upload_is_told_to_the_queue(world: World, followed: Followed) -> None:
    (followed.shell.folder / "shoe.jpg").write_bytes(photo(1))

    printed = followed.shell.paste("see-sqs")

    # Every finished image is told to this queue, so the first one may be another test's.
    job = json.loads(printed[printed.index("{") :])
    assert job["status"] == "succeeded"
    if not job["results"][0]["key"].startswith("white-background/shoe/"):
        received(world, followed.shell.variable("QUEUE_URL"), "uploads/white-background/shoe.jpg")


def test_an_upload_is_told_to_the_queue_of_the_template(world: World, followed: Followed) -> None:
    outputs = world.stack.client("cloudformation").describe_stacks(StackName="images-ready")["Stacks"][0]["Outputs"]
    world.upload("uploads/white-background/template.jpg", photo(2))

    event = received(world, outputs[0]["OutputValue"], "uploads/white-background/template.jpg")

    assert event["detail-type"] == "image.job.succeeded"


def test_a_rejected_upload_is_told_to_the_topic(world: World, followed: Followed) -> None:
    followed.shell.paste("see-sns")

    envelope = received(world, followed.mails, "not-an-image.jpg")
    told = json.loads(envelope["Message"])

    assert (told["what"], told["code"], told["charged"]) == ("image.upload.rejected", "unsupported_media", "no")
    assert told["data"]["key"] == "uploads/white-background/not-an-image.jpg"


def test_an_image_is_told_to_slack_with_the_bots_token(world: World, followed: Followed) -> None:
    job = world.finished(world.post(prompt="an image for the channel")["id"])

    message = wait_until(
        lambda: next((m for m in followed.slack.got("slack") if job["id"] in m.body), None),
        seconds=30,
        what="the message to the channel",
    )

    assert message.headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(message.body) == {
        "channel": CHANNEL,
        "text": f"An image is ready: {job['id']} ({job['attempts'][-1]['model']}, ${job['price_usd']})",
    }


def test_an_upload_invokes_the_function(world: World, followed: Followed) -> None:
    world.upload("uploads/white-background/function.jpg", photo(3))
    data = world.event_about("uploads/white-background/function.jpg")["detail"]["data"]
    logs = world.stack.client("logs")

    def look() -> str | None:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}", filterPattern=f'"{data["job_id"]}"')
        return next((event["message"] for event in events["events"]), None)

    line = json.loads(wait_until(look, seconds=30, what="the function's line"))

    assert line["key"] == data["results"][0]["key"]


def test_a_result_is_the_input_of_the_next_preset_and_there_it_ends(world: World, followed: Followed) -> None:
    (followed.shell.folder / "bag.jpg").write_bytes(photo(4))

    printed = followed.shell.paste("see-next-preset")

    assert re.search(r"banner/bag/job_\w+/1\.", printed)
    second = world.event_about("uploads/banner/bag.jpg")["detail"]["data"]
    first = world.event_about("uploads/white-background/bag.jpg")["detail"]["data"]
    assert (first["status"], second["status"]) == ("succeeded", "succeeded")
    # A third would have come by the copy of the second's result.
    copies = world.s3.list_objects_v2(Bucket=world.uploads, Prefix="uploads/")["Contents"]
    assert sorted(copy["Key"] for copy in copies if copy["Key"].endswith("/bag.jpg")) == [
        "uploads/banner/bag.jpg",
        "uploads/white-background/bag.jpg",
    ]


def test_each_target_lets_its_own_rule_in_and_nobody_else(world: World, followed: Followed) -> None:
    """The emulator asks no resource's policy, so it is read here."""
    shell, sqs = followed.shell, world.sqs
    events, bus = world.stack.client("events"), world.stack.outputs["EventBusName"]

    def rule(name: str) -> str:
        return str(events.describe_rule(EventBusName=bus, Name=name)["Arn"])

    def let_in(policy: str) -> tuple[str, str, str]:
        [statement] = json.loads(policy)["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        [[condition]] = (pairs.items() for pairs in statement["Condition"].values())
        assert condition[0].lower() == "aws:sourcearn"
        return statement["Action"], statement["Resource"], condition[1]

    def queue_policy(url: str) -> str:
        return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])

    queue, undelivered = shell.variable("QUEUE"), shell.variable("UNDELIVERED")
    assert let_in(queue_policy(shell.variable("QUEUE_URL"))) == ("sqs:SendMessage", queue, rule("images-ready"))
    every_rule = rule("images-ready").removesuffix("images-ready") + "*"
    assert let_in(queue_policy(shell.variable("UNDELIVERED_URL"))) == ("sqs:SendMessage", undelivered, every_rule)
    topic = world.stack.client("sns").get_topic_attributes(TopicArn=shell.variable("TOPIC"))["Attributes"]["Policy"]
    assert let_in(topic) == ("sns:Publish", shell.variable("TOPIC"), rule("needs-a-person"))
    function = world.stack.client("lambda").get_policy(FunctionName=FUNCTION)["Policy"]
    assert let_in(function) == (
        "lambda:InvokeFunction",
        shell.variable("FUNCTION_ARN"),
        rule("images-to-function"),
    )
    for name in ("images-ready", "needs-a-person", "images-to-slack", "images-to-function"):
        [target] = events.list_targets_by_rule(EventBusName=bus, Rule=name)["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": undelivered}
        # EventBridge takes a role for API destinations, and for queues, topics and functions the policies above.
        assert ("RoleArn" in target) is (name == "images-to-slack")
