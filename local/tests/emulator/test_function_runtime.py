"""Python functions run as on Lambda: own process, own packages, own errors."""

import json
from typing import Any

from .conftest import Functions, RunningEmulator, archive, eventually

KINDS_OF_FAILURE = """
import os, time

class ProviderUnavailable(Exception):
    pass

def handler(event, context):
    if event.get("do") == "raise":
        raise ProviderUnavailable("try later")
    if event.get("do") == "exit":
        os._exit(3)
    if event.get("do") == "hang":
        time.sleep(60)
    return {"pid": os.getpid()}
"""

REPORT = """
import importlib.util, os, sys

def handler(event, context):
    return {
        "variables": dict(os.environ),
        "path": sys.path,
        "python": sys.executable,
        "found": {name: importlib.util.find_spec(name) is not None for name in event.get("look_for", [])},
        "region": context.invoked_function_arn.split(":")[3],
    }
"""


def test_an_exception_arrives_under_its_own_class_name(functions: Functions) -> None:
    functions.create("raises", KINDS_OF_FAILURE)
    outcome = functions.invoke("raises", {"do": "raise"})
    assert outcome.function_error == "Unhandled"
    assert outcome.payload["errorType"] == "ProviderUnavailable"
    assert outcome.payload["errorMessage"] == "try later"


def test_a_process_survives_the_exceptions_of_its_handler(functions: Functions) -> None:
    functions.create("survives", KINDS_OF_FAILURE)
    before = functions.invoke("survives").payload["pid"]
    functions.invoke("survives", {"do": "raise"})
    assert functions.invoke("survives").payload["pid"] == before


def test_a_process_that_exits_is_reported_and_replaced(functions: Functions) -> None:
    functions.create("exits", KINDS_OF_FAILURE)
    before = functions.invoke("exits").payload["pid"]
    assert functions.invoke("exits", {"do": "exit"}).payload["errorType"] == "Runtime.ExitError"
    assert functions.invoke("exits").payload["pid"] != before


def test_a_function_that_takes_too_long_is_reported_and_replaced(functions: Functions) -> None:
    functions.create("hangs", KINDS_OF_FAILURE, Timeout=1)
    before = functions.invoke("hangs").payload["pid"]
    outcome = functions.invoke("hangs", {"do": "hang"})
    assert outcome.payload["errorType"] == "Sandbox.Timedout"
    assert "timed out after 1" in outcome.payload["errorMessage"]
    assert functions.invoke("hangs").payload["pid"] != before


def test_a_module_that_cannot_be_imported_is_named(functions: Functions) -> None:
    functions.create("imports", "import no_such_module\n")
    outcome = functions.invoke("imports")
    assert outcome.payload["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_module" in outcome.payload["errorMessage"]


def test_a_function_sees_lambdas_variables_and_nothing_of_the_host(functions: Functions) -> None:
    functions.create("reports", REPORT, Environment={"Variables": {"OWN": "yes"}}, MemorySize=256)
    variables = functions.invoke("reports").payload["variables"]
    assert "HOST_SECRET" not in variables
    assert set(variables) - {"LC_CTYPE"} <= {
        *(
            "PATH",
            "LANG",
            "TZ",
            "HOME",
            "OWN",
            "PYTHONPATH",
            "_HANDLER",
            "LAMBDA_TASK_ROOT",
            "LAMBDA_RUNTIME_DIR",
        ),
        *("AWS_ENDPOINT_URL", "AWS_DISABLE_HOST_PREFIX_INJECTION", "AWS_XRAY_CONTEXT_MISSING"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "_X_AMZN_TRACE_ID"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_LOG_FORMAT"),
        *("AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_INITIALIZATION_TYPE"),
    }
    assert variables["OWN"] == "yes"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "reports"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert variables["_HANDLER"] == "app.handler"


def test_a_function_finds_the_runtimes_packages_and_none_of_the_emulators(functions: Functions) -> None:
    functions.create("looks", REPORT)
    found = functions.invoke("looks", {"look_for": ["awslambdaric", "ministack", "hypercorn", "pip"]}).payload["found"]
    assert found == {"awslambdaric": True, "ministack": False, "hypercorn": False, "pip": False}


def test_code_covers_layers_and_a_later_layer_covers_an_earlier_one(
    emulator: RunningEmulator, functions: Functions
) -> None:
    aws = emulator.client("lambda")

    def layer(name: str, files: dict[str, str]) -> str:
        arn: str = aws.publish_layer_version(LayerName=name, Content={"ZipFile": archive(files)})["LayerVersionArn"]
        return arn

    layers = [
        layer("first", {"python/shared.py": "FROM = 'first'", "python/alone.py": "FROM = 'first'"}),
        layer("second", {"python/shared.py": "FROM = 'second'", "python/app.py": "FROM = 'second'"}),
    ]
    source = "import shared, alone\ndef handler(event, context): return [shared.FROM, alone.FROM]\n"
    functions.create("layered", source, Layers=layers)
    assert functions.invoke("layered").payload == ["second", "first"]


def test_environments_share_one_unpacked_copy(functions: Functions) -> None:
    functions.create("copy-one", REPORT)
    functions.create("copy-two", REPORT)
    roots = {functions.invoke(name).payload["variables"]["LAMBDA_TASK_ROOT"] for name in ("copy-one", "copy-two")}
    assert len(roots) == 1


def test_what_a_function_prints_reaches_cloudwatch_logs(emulator: RunningEmulator, functions: Functions) -> None:
    source = "import logging\ndef handler(event, context):\n    print('printed é')\n    logging.error('logged')\n"
    functions.create("prints", source)
    functions.invoke("prints")
    logs = emulator.client("logs")

    def messages() -> str:
        events: list[dict[str, Any]] = logs.filter_log_events(logGroupName="/aws/lambda/prints")["events"]
        return "\n".join(event["message"] for event in events)

    eventually(lambda: "printed é" in messages() and "logged" in messages())


def test_a_function_may_do_only_what_its_role_allows(emulator: RunningEmulator, functions: Functions) -> None:
    emulator.client("s3").create_bucket(Bucket="guarded")
    source = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    boto3.client('s3').put_object(Bucket='guarded', Key=event['key'], Body=b'')\n"
        "    return 'written'\n"
    )
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::guarded/open/*"}
    functions.create("writes", source, statements=(allowed,), Timeout=20)
    assert functions.invoke("writes", {"key": "open/a"}).payload == "written"
    refused = functions.invoke("writes", {"key": "closed/a"})
    assert refused.function_error == "Unhandled"
    assert "AccessDenied" in refused.payload["errorMessage"]


def test_a_state_machine_retries_and_catches_by_class_name(emulator: RunningEmulator, functions: Functions) -> None:
    arn = functions.create("typed", KINDS_OF_FAILURE)
    states = emulator.client("stepfunctions")
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": arn, "Payload": {"do": "raise"}},
                "Retry": [{"ErrorEquals": ["ProviderUnavailable"], "IntervalSeconds": 1, "MaxAttempts": 2}],
                "Catch": [
                    {
                        "ErrorEquals": ["ProviderUnavailable"],
                        "Output": {"caught": "{% $states.errorOutput.Error %}"},
                        "Next": "Done",
                    }
                ],
                "End": True,
            },
            "Done": {"Type": "Pass", "End": True},
        },
    }
    machine = states.create_state_machine(
        name="typed", definition=json.dumps(definition), roleArn=functions.role("typed-machine", ())
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    ended = eventually(
        lambda: (seen := states.describe_execution(executionArn=execution))["status"] != "RUNNING" and seen
    )
    history = states.get_execution_history(executionArn=execution)["events"]
    assert json.loads(ended["output"]) == {"caught": "ProviderUnavailable"}
    assert sum(event["type"] == "TaskFailed" for event in history) == 3
