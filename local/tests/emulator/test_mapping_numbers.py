"""A mapping that takes its concurrency from a parameter feeds its function."""

from typing import Any

from .conftest import Functions, RunningEmulator, created, eventually

TEMPLATE: dict[str, Any] = {
    "Parameters": {"Concurrency": {"Type": "Number", "Default": 3}},
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                "FunctionName": "takes-messages",
                "ScalingConfig": {"MaximumConcurrency": {"Ref": "Concurrency"}},
            },
        },
    },
    "Outputs": {"Queue": {"Value": {"Ref": "Queue"}}},
}


def test_a_message_reaches_the_function_whose_concurrency_is_a_parameter(
    emulator: RunningEmulator, functions: Functions
) -> None:
    functions.create("takes-messages", "def handler(event, context):\n    return {}\n")
    queue = created(emulator, "mapped", TEMPLATE)
    sqs = emulator.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody="one")

    def is_taken() -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return all(count == "0" for count in left.values())

    assert eventually(is_taken)
    [mapping] = emulator.client("lambda").list_event_source_mappings(FunctionName="takes-messages")[
        "EventSourceMappings"
    ]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}
