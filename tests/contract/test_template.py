"""What no local emulator checks: rights, secrets, buckets and queues."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from heliograph.api.problems import CONTENT_TYPE, TITLES, Problem
from heliograph.intake.adapters import dynamodb_rejections
from heliograph.jobs.adapters.dynamodb import BY_TASK_INDEX, OPEN_JOBS_INDEX
from heliograph.jobs.reference_uploads import pending_location, upload_location
from heliograph.openai_images.make_images import WAIT
from heliograph.storage.layout import (
    JOBS_PREFIX,
    PENDING_PREFIX,
    PRESETS_PREFIX,
    TENANTS_PREFIX,
    UPLOADS_PREFIX,
    preset_key,
)
from heliograph.webhooks.adapters.dynamodb_deliveries import (
    BY_TENANT_INDEX,
    NARROWED_BY,
    PENDING_INDEX,
    UNDELIVERED_INDEX,
)
from heliograph.webhooks.event_catalogue import EVENT_SOURCE

from tests.contract.cfn_template import (
    FUNCTIONS,
    GLOBALS,
    RESOURCES,
    ROOT,
    TEMPLATE,
    environment_of,
    holds,
    listed,
    names_in,
    resources_of,
    statements_of,
    timeout_of,
)
from tests.contract.deployed import Deployed, on_off_parameters

BUCKETS = resources_of("AWS::S3::Bucket")
QUEUES = resources_of("AWS::SQS::Queue")
SECRETS = resources_of("AWS::SecretsManager::Secret")
RULES = resources_of("AWS::Events::Rule")
ROLES = {**FUNCTIONS, **resources_of("AWS::Serverless::StateMachine")}
API = RESOURCES["Api"]["Properties"]
# Serves pages that hold no data.
WITHOUT_RIGHTS = {"ServePages"}


def actions_on(function: str, resource: str) -> set[str]:
    """What a function may do to a resource."""
    return {
        action
        for statement in statements_of(FUNCTIONS[function])
        if resource in names_in(statement["Resource"])
        for action in listed(statement["Action"])
    }


def functions_that_may_read(secret: str) -> set[str]:
    return {function for function in FUNCTIONS if actions_on(function, secret)}


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html: what it acts on is the
# token, which nobody can guess.
WITHOUT_RESOURCE = {"states:SendTaskSuccess"}


@pytest.mark.parametrize("name", ROLES)
def test_a_role_may_do_named_things_to_named_resources(name: str) -> None:
    statements = statements_of(ROLES[name])
    assert bool(statements) == (name not in WITHOUT_RIGHTS)
    for statement in statements:
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in listed(statement["Action"]))
        if not set(listed(statement["Action"])) <= WITHOUT_RESOURCE:
            assert all(names_in(resource) for resource in listed(statement["Resource"]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_role_of_its_own(name: str) -> None:
    assert "Role" not in FUNCTIONS[name]
    assert all("Statement" in policy for policy in FUNCTIONS[name].get("Policies", []))


@pytest.mark.parametrize(
    ("secret", "readers"),
    [
        ("ProviderKey", {"DispatchJob", "PollTask", "RecoverJob", "SweepJobs", "ReceiveCallback"}),
        ("KieKeySecret", {"DispatchJob", "PollTask", "RecoverJob", "SweepJobs", "ReceiveCallback"}),
        ("ApiKey", {"AuthorizeCall", "CreateOpenAiImages"}),
        ("WebhookSecret", {"SendWebhook", "ManageWebhookEndpoints", "ManageWebhookSecrets"}),
    ],
)
def test_a_secret_is_read_by_those_who_need_it_only(secret: str, readers: set[str]) -> None:
    assert functions_that_may_read(secret) == readers
    assert set().union(*(actions_on(reader, secret) for reader in readers)) == {"secretsmanager:GetSecretValue"}


def test_the_poll_function_can_touch_no_storage_and_publish_nothing() -> None:
    services = {
        action.partition(":")[0]
        for statement in statements_of(FUNCTIONS["PollTask"])
        for action in listed(statement["Action"])
    }
    assert services == {"secretsmanager"}


# Where in the uploads bucket each may write. A tenant's upload is signed for below pending/, and kept by a copy.
_KEPT = ["references/*", "tenants/*/references/*"]
_PENDING = ["pending/references/*", "pending/tenants/*/references/*"]
FOLDERS_WRITTEN = {
    "CreateReferenceUpload": _PENDING,
    "CreateOpenAiImages": [*_KEPT, *_PENDING],
    "SubmitJob": _KEPT,
    "SubmitUpload": ["references/*"],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_of_ours_writes_to_the_uploads_bucket_or_deletes_anything(name: str) -> None:
    actions = {action for statement in statements_of(FUNCTIONS[name]) for action in listed(statement["Action"])}
    # An endpoint is its owner's to remove.
    # A message that was read is removed from its queue.
    allowed = {"dynamodb:DeleteItem"} if name == "ManageWebhookEndpoints" else set()
    allowed |= {"sqs:DeleteMessage"} if name in {"SubmitUpload", "FanOutWebhooks"} else set()
    assert not any("Delete" in action or "Tagging" in action for action in actions - allowed)
    if name not in FOLDERS_WRITTEN:
        assert not any("Put" in action for action in actions_on(name, "UploadsBucket"))


@pytest.mark.parametrize("name", FOLDERS_WRITTEN)
def test_what_is_sent_or_kept_as_a_reference_can_start_no_job(name: str) -> None:
    # uploads/ and jobs/ are what starts jobs.
    [statement] = [found for found in statements_of(FUNCTIONS[name]) if "s3:PutObject" in listed(found["Action"])]
    assert listed(statement["Action"]) == ["s3:PutObject"]
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    folders = [resource["Fn::Sub"].removeprefix("${UploadsBucket.Arn}/") for resource in resources]
    assert folders == FOLDERS_WRITTEN[name]


def test_a_pending_upload_is_announced_to_nobody() -> None:
    detail = RULES["UploadCreated"]["EventPattern"]["detail"]
    prefixes = [found["prefix"] for found in detail["object"]["key"]]
    pending = pending_location(upload_location("up_x.png", bucket="b", tenant="shop"))
    assert prefixes
    assert not any(pending.key.startswith(prefix) for prefix in prefixes)


def rules_of(bucket: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """The bucket's lifecycle rules by their ids, with these parameters and the others as they are by default."""
    configuration = chosen(BUCKETS[bucket].get("LifecycleConfiguration"), **parameters)
    rules = [chosen(rule, **parameters) for rule in configuration["Rules"]] if configuration else []
    return {rule.pop("Id"): rule for rule in map(dict, filter(None, rules))}


def chosen(value: Any, **parameters: str) -> Any:
    """What a condition chooses; nothing for `AWS::NoValue`."""
    if isinstance(value, dict) and "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        value = then if holds(condition, **parameters) else otherwise
    return None if value == {"Ref": "AWS::NoValue"} else value


DELETE_MARKERS = {"Status": "Enabled", "ExpiredObjectDeleteMarker": True}


def test_an_upload_that_no_job_names_is_deleted_after_a_day_with_its_bytes() -> None:
    rules = rules_of("UploadsBucket")
    assert rules["pending-uploads"] == {
        "Status": "Enabled",
        "Prefix": PENDING_PREFIX,
        # In a bucket with versions, the first adds a delete marker only.
        "ExpirationInDays": 1,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    # S3 takes no days in the rule that removes the marker.
    assert rules["delete-markers"] == DELETE_MARKERS


def test_the_version_that_a_job_is_pinned_to_is_kept_as_long_as_the_jobs_record() -> None:
    # A form can be sent twice, and an upload be written over: the version that a job has is then an old one.
    for days in ("0", "30"):
        rules = rules_of("UploadsBucket", OriginalRetentionDays=days)
        assert rules["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": {"Ref": "JobRetentionDays"}}
        assert not {"Prefix", "Filter", "TagFilters"} & set(rules["old-versions"])


def test_originals_and_results_are_kept_for_ever_unless_somebody_limits_it() -> None:
    assert set(rules_of("UploadsBucket")) == {"old-versions", "pending-uploads", "delete-markers"}
    assert rules_of("ResultsBucket") == {}
    for name in ("OriginalRetentionDays", "ResultRetentionDays"):
        assert (TEMPLATE["Parameters"][name]["Default"], TEMPLATE["Parameters"][name]["MinValue"]) == (0, 0)


def test_with_a_limit_every_version_of_a_result_is_kept_that_long_and_its_bytes_are_deleted() -> None:
    days = {"Ref": "ResultRetentionDays"}
    assert rules_of("ResultsBucket", ResultRetentionDays="30") == {
        "results": {
            "Status": "Enabled",
            "ExpirationInDays": days,
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        },
        "delete-markers": DELETE_MARKERS,
    }


def test_with_a_limit_originals_are_deleted_and_presets_are_not() -> None:
    before = rules_of("UploadsBucket")
    rules = rules_of("UploadsBucket", OriginalRetentionDays="30")
    added = {name: rule for name, rule in rules.items() if name not in before}
    days = {"Ref": "OriginalRetentionDays"}
    assert [rule["Prefix"] for rule in added.values()] == [UPLOADS_PREFIX, JOBS_PREFIX, "references/", TENANTS_PREFIX]
    for rule in added.values():
        assert rule == {
            "Status": "Enabled",
            "Prefix": rule["Prefix"],
            "ExpirationInDays": days,
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        }
        assert not preset_key("white").startswith(rule["Prefix"])
    assert upload_location("up_x.png", bucket="b", tenant="default").key.startswith("references/")


@pytest.mark.parametrize("name", ["ReadJobs", "SubmitJob", "RetryJob"])
def test_whoever_tells_of_a_job_that_is_over_may_read_what_its_links_lead_to(name: str) -> None:
    assert {"s3:GetObject", "s3:GetObjectVersion"} <= actions_on(name, "ResultsBucket")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_whoever_reads_objects_that_may_be_missing_may_list_their_bucket(name: str) -> None:
    # Without it S3 says "forbidden" of what is missing. Those who only sign links need it not.
    if name == "ReadJobs":
        return
    for bucket in BUCKETS:
        if (name, bucket) != ("DispatchJob", "UploadsBucket") and "s3:GetObject" in actions_on(name, bucket):
            assert "s3:ListBucket" in actions_on(name, bucket)


@pytest.mark.parametrize(
    ("function", "buckets"), [("DispatchJob", ("UploadsBucket", "ResultsBucket")), ("ReadJobs", ("ResultsBucket",))]
)
def test_whoever_signs_a_link_to_a_version_may_read_versions(function: str, buckets: tuple[str, ...]) -> None:
    for bucket in buckets:
        copying = {"s3:ListBucket", "s3:PutObject"} if (function, bucket) == ("DispatchJob", "ResultsBucket") else set()
        assert actions_on(function, bucket) == {"s3:GetObject", "s3:GetObjectVersion", *copying}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_index_of_equal_jobs_is_opened_to_those_who_take_jobs_and_begin_them(name: str) -> None:
    actions = {
        "SubmitUpload": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "SubmitJob": {"dynamodb:GetItem"},
        "DispatchJob": {"dynamodb:GetItem", "dynamodb:PutItem"},
    }
    assert actions_on(name, "ReuseTable") == actions.get(name, set())


def test_the_sweep_may_query_the_index_that_the_store_asks() -> None:
    [statement] = [found for found in statements_of(FUNCTIONS["SweepJobs"]) if found["Action"] == "dynamodb:Query"]
    assert statement["Resource"] == {"Fn::Sub": f"${{JobsTable.Arn}}/index/{OPEN_JOBS_INDEX}"}


def test_the_callback_may_query_the_index_that_the_store_asks() -> None:
    [statement] = [
        found for found in statements_of(FUNCTIONS["ReceiveCallback"]) if found["Action"] == "dynamodb:Query"
    ]
    assert statement["Resource"] == {"Fn::Sub": f"${{JobsTable.Arn}}/index/{BY_TASK_INDEX}"}


def test_whoever_writes_jobs_may_write_what_follows_from_them() -> None:
    # A job's money and its place on a route are written in its own transaction.
    for name in FUNCTIONS:
        if "dynamodb:PutItem" in actions_on(name, "JobsTable") and name != "ReceiveCallback":
            assert "dynamodb:UpdateItem" in actions_on(name, "LedgerTable")
        if name in {"DispatchJob", "FinalizeJob", "RecoverJob", "SweepJobs"}:
            assert "dynamodb:UpdateItem" in actions_on(name, "RoutesTable")


def test_nobody_can_write_to_the_ledger_but_by_adding() -> None:
    for name in FUNCTIONS:
        reading = {"dynamodb:GetItem", "dynamodb:Query"}
        assert actions_on(name, "LedgerTable") <= {*reading, "dynamodb:UpdateItem"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_table_of_keys_is_opened_to_those_who_need_it_and_for_what_they_need(name: str) -> None:
    looks_up = {"dynamodb:GetItem"}
    actions = {
        **dict.fromkeys(
            (
                "AuthorizeCall",
                "CreateOpenAiImages",
                "ReadModelsAndUsage",
                "ManageWebhookEndpoints",
                "ManageWebhookSecrets",
            ),
            looks_up,
        ),
        "ManageKeys": {"dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"},
    }
    assert actions_on(name, "KeysTable") == actions.get(name, set())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_table_of_calls_is_opened_to_those_who_need_it_and_for_what_they_need(name: str) -> None:
    counts = {"dynamodb:UpdateItem"}
    counting = (
        *(
            "AuthorizeCall",
            "SubmitJob",
            "ReadJobs",
            "ReadModelsAndUsage",
            "RetryJob",
            "CancelJob",
            "CreateReferenceUpload",
        ),
        *("ManageWebhookEndpoints", "ManageWebhookSecrets", "ManageWebhookDeliveries"),
    )
    actions = {
        **dict.fromkeys(counting, counts),
        "ManageKeys": {*counts, "dynamodb:BatchGetItem"},
        # They remember calls for their repeats.
        **dict.fromkeys(("SubmitJob", "CreateOpenAiImages"), counts | {"dynamodb:GetItem"}),
    }
    assert actions_on(name, "CallsTable") == actions.get(name, set())


READS = ("BatchGet", "ConditionCheck", "Describe", "Get", "List", "Query", "Scan")


def test_nothing_but_the_function_of_keys_may_write_a_key() -> None:
    stack = Deployed(on_off_parameters("on"))
    writers = set()
    for name, role in stack.of_type("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in listed(policy["PolicyDocument"]["Statement"]):
                reaches = any(opens(resource, "KeysTable") for resource in listed(statement["Resource"]))
                writes = [
                    action
                    for action in listed(statement["Action"])
                    if action == "*" or (action.startswith("dynamodb:") and not action[9:].startswith(READS))
                ]
                if statement["Effect"] == "Allow" and reaches and writes:
                    writers.add(name)
    assert writers == {"ManageKeysRole"}


def opens(resource: str, logical_id: str) -> bool:
    """Whether a statement's resource, with its wildcards, may be that table."""
    arn = Deployed().value({"Fn::GetAtt": [logical_id, "Arn"]})
    return fnmatchcase(arn, resource)


def test_who_makes_keys_touches_nothing_but_keys_and_their_uses() -> None:
    resources = {
        name for statement in statements_of(FUNCTIONS["ManageKeys"]) for name in names_in(statement["Resource"])
    }
    assert resources == {"KeysTable", "CallsTable"}


# What Lambda needs to read a queue for a function: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
MAPPED = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_webhooks_need_is_opened_to_those_who_need_it_and_for_what_they_need(name: str) -> None:
    opened = {
        "FanOutWebhooks": {
            "WebhookQueue": MAPPED,
            "JobsTable": {"dynamodb:GetItem"},
            "EndpointsTable": {"dynamodb:Query"},
            "DeliveriesTable": {"dynamodb:PutItem"},
            "WebhookDelivery": {"states:StartExecution"},
        },
        "SendWebhook": {
            "EndpointsTable": {"dynamodb:GetItem", "dynamodb:PutItem"},
            "DeliveriesTable": {"dynamodb:GetItem", "dynamodb:PutItem"},
            "WebhookSecret": {"secretsmanager:GetSecretValue"},
            "EventBus": {"events:PutEvents"},
        },
        "ManageWebhookEndpoints": {
            "EndpointsTable": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:DeleteItem"},
            "WebhookSecret": {"secretsmanager:GetSecretValue"},
            "KeysTable": {"dynamodb:GetItem"},
            "CallsTable": {"dynamodb:UpdateItem"},
        },
        "ManageWebhookSecrets": {
            "EndpointsTable": {"dynamodb:GetItem", "dynamodb:PutItem"},
            "WebhookSecret": {"secretsmanager:GetSecretValue"},
            "KeysTable": {"dynamodb:GetItem"},
            "CallsTable": {"dynamodb:UpdateItem"},
        },
        "ManageWebhookDeliveries": {
            "EndpointsTable": {"dynamodb:GetItem"},
            "DeliveriesTable": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
            "WebhookDelivery": {"states:StartExecution"},
            "CallsTable": {"dynamodb:UpdateItem"},
        },
        "SweepWebhookDeliveries": {
            "DeliveriesTable": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"},
            "WebhookDelivery": {"states:StartExecution"},
        },
    }
    if name in opened:
        resources = {found for statement in statements_of(FUNCTIONS[name]) for found in names_in(statement["Resource"])}
        assert {resource: actions_on(name, resource) for resource in resources} == opened[name]
    for resource in ("EndpointsTable", "DeliveriesTable", "WebhookSecret", "WebhookDelivery"):
        assert name in opened or not actions_on(name, resource)


def test_deliveries_are_listed_by_the_index_that_the_store_asks_and_that_knows_what_lists_tell() -> None:
    queries = [
        found for found in statements_of(FUNCTIONS["ManageWebhookDeliveries"]) if found["Action"] == "dynamodb:Query"
    ]
    assert [query["Resource"] for query in queries] == [
        [{"Fn::Sub": f"${{DeliveriesTable.Arn}}/index/{index}"} for index in (BY_TENANT_INDEX, UNDELIVERED_INDEX)]
    ]
    indexes = RESOURCES["DeliveriesTable"]["Properties"]["GlobalSecondaryIndexes"]
    [index] = [index for index in indexes if index["IndexName"] == BY_TENANT_INDEX]
    assert set(index["Projection"]["NonKeyAttributes"]) == {*NARROWED_BY, "summary"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rejections_are_written_by_one_function_and_listed_by_another(name: str) -> None:
    opened = {"SubmitUpload": {"dynamodb:PutItem"}, "CreateReferenceUpload": {"dynamodb:Query"}}
    assert actions_on(name, "RejectionsTable") == opened.get(name, set())


def test_rejections_are_listed_by_the_index_that_the_store_asks_and_that_knows_what_lists_tell() -> None:
    [query] = [
        found for found in statements_of(FUNCTIONS["CreateReferenceUpload"]) if found["Action"] == "dynamodb:Query"
    ]
    assert query["Resource"] == {"Fn::Sub": f"${{RejectionsTable.Arn}}/index/{dynamodb_rejections.BY_TENANT_INDEX}"}
    [index] = RESOURCES["RejectionsTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert set(index["Projection"]["NonKeyAttributes"]) == {*dynamodb_rejections.NARROWED_BY, "document"}


def test_the_sweep_of_deliveries_may_query_the_index_that_the_store_asks() -> None:
    [query] = [
        found for found in statements_of(FUNCTIONS["SweepWebhookDeliveries"]) if found["Action"] == "dynamodb:Query"
    ]
    assert query["Resource"] == {"Fn::Sub": f"${{DeliveriesTable.Arn}}/index/{PENDING_INDEX}"}


def test_webhooks_to_the_sending_machine_itself_are_off_unless_somebody_turns_them_on() -> None:
    assert TEMPLATE["Parameters"]["LocalWebhooks"]["Default"] == "off"
    told = [environment_of(name).get("LOCAL_WEBHOOKS", {"Ref": "LocalWebhooks"}) for name in FUNCTIONS]
    assert all(value == {"Ref": "LocalWebhooks"} for value in told)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_secret_is_in_an_environment_but_its_arn(name: str) -> None:
    for variable, value in environment_of(name).items():
        if names_in(value) & set(SECRETS):
            assert variable.endswith("_SECRET")
            assert value["Fn::GetAtt"][1] == "Id"
        elif names_in(value) == {"KieKeySecret"}:
            assert variable == "KIE_KEY_SECRET"
        else:
            assert not variable.endswith(("_SECRET", "_KEY", "_TOKEN", "_PASSWORD"))


def test_no_parameter_takes_a_secret_and_no_secret_has_its_value_in_the_template() -> None:
    for name, parameter in TEMPLATE["Parameters"].items():
        if re.search("key|secret|token|password", name, re.IGNORECASE):
            # Not the secret itself, but where it is kept.
            assert parameter["AllowedPattern"].startswith("^(arn:[a-z-]+:secretsmanager:")
            assert not re.match(parameter["AllowedPattern"], "0123456789abcdef0123456789abcdef")
    assert not [name for name, secret in SECRETS.items() if "SecretString" in secret]
    assert "resolve:secretsmanager" not in (ROOT / "template.yaml").read_text()


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_private_versioned_encrypted_and_kept(name: str) -> None:
    bucket = BUCKETS[name]
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_refuses_calls_without_tls(name: str) -> None:
    [policy] = [found for found in resources_of("AWS::S3::BucketPolicy").values() if found["Bucket"] == {"Ref": name}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


# Of a wait nothing is left when it is over, and of calls nothing that matters to a stack that is made anew.
DATA = sorted({*BUCKETS, *resources_of("AWS::DynamoDB::Table")} - {"WaitsTable", "CallsTable"})


# Whatever is lost with them: every webhook's signature, and the key that callers have.
KEPT_SECRETS = ["ApiKey", "WebhookSecret"]


@pytest.mark.parametrize("name", [*DATA, *KEPT_SECRETS])
def test_what_holds_data_outlives_the_stack_but_not_a_creation_that_failed(name: str) -> None:
    # Plain `Retain` leaves new and empty ones behind at every try.
    policies = (RESOURCES[name]["DeletionPolicy"], RESOURCES[name]["UpdateReplacePolicy"])
    assert policies == ("RetainExceptOnCreate", "Retain")


def test_no_release_changes_how_a_secret_is_made() -> None:
    # CloudFormation generates a new one at any change of these properties: it would end every webhook's signature, and
    # the deployment's own key.
    characters = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    assert {name: secret["GenerateSecretString"] for name, secret in SECRETS.items() if name in KEPT_SECRETS} == {
        "ApiKey": {"PasswordLength": 48, "ExcludePunctuation": True, "ExcludeCharacters": characters},
        "WebhookSecret": {"PasswordLength": 64, "ExcludePunctuation": True, "ExcludeCharacters": characters},
    }


def test_a_result_starts_nothing() -> None:
    assert "NotificationConfiguration" not in BUCKETS["ResultsBucket"]
    assert [name for name, rule in RULES.items() if "ResultsBucket" in names_in(rule)] == []


def test_uploads_are_announced_on_the_default_bus_and_results_on_our_own() -> None:
    assert BUCKETS["UploadsBucket"]["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    assert "EventBusName" not in RULES["UploadCreated"]


def test_the_rule_of_uploads_knows_the_prefixes_of_the_code() -> None:
    detail = RULES["UploadCreated"]["EventPattern"]["detail"]
    assert detail["bucket"] == {"name": [{"Ref": "UploadsBucket"}]}
    prefixes = (UPLOADS_PREFIX, JOBS_PREFIX, PRESETS_PREFIX)
    assert detail["object"] == {"key": [{"prefix": prefix} for prefix in prefixes]}


@pytest.mark.parametrize("table", ["JobsTable", "CallsTable", "DeliveriesTable", "ReuseTable", "RejectionsTable"])
def test_what_is_done_with_is_deleted_by_the_attribute_that_the_store_writes(table: str) -> None:
    assert RESOURCES[table]["Properties"]["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }


READ_BY = {"UploadQueue": "SubmitUpload", "WebhookQueue": "FanOutWebhooks"}


@pytest.mark.parametrize("queue", READ_BY)
def test_a_message_is_hidden_for_six_times_as_long_as_its_function_may_run(queue: str) -> None:
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * timeout_of(READ_BY[queue])


@pytest.mark.parametrize("queue", READ_BY)
def test_a_message_that_fails_again_and_again_is_put_aside_and_not_lost(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    [dead] = names_in(redrive["deadLetterTargetArn"])
    assert redrive["maxReceiveCount"] >= 3
    assert QUEUES[dead]["MessageRetentionPeriod"] > QUEUES[queue]["MessageRetentionPeriod"]


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted(name: str) -> None:
    assert QUEUES[name]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_can_not_deliver_is_put_aside_and_not_lost(name: str) -> None:
    for target in RULES[name]["Targets"]:
        [dead] = names_in(target["DeadLetterConfig"]["Arn"])
        senders = {
            rule
            for policy in resources_of("AWS::SQS::QueuePolicy").values()
            for statement in policy["PolicyDocument"]["Statement"]
            if dead in names_in(statement["Resource"]) and {"Ref": dead} in policy["Queues"]
            for rule in names_in(statement["Condition"])
        }
        assert name in senders


@pytest.mark.parametrize("queue", READ_BY)
def test_a_queue_is_opened_to_its_function_and_no_other(queue: str) -> None:
    for name in FUNCTIONS:
        assert actions_on(name, queue) == (MAPPED if name == READ_BY[queue] else set())
    assert not [name for name, function in FUNCTIONS.items() if "SQS" in str(function.get("Events"))]


def test_webhooks_are_driven_by_every_event_of_ours_on_our_own_bus() -> None:
    rule = RULES["EventPublished"]
    assert rule["EventBusName"] == {"Ref": "EventBus"}
    assert rule["EventPattern"] == {"source": [EVENT_SOURCE]}
    assert names_in(rule["Targets"][0]["Arn"]) == {"WebhookQueue"}


ENDED_EARLY = [("JobEndedEarly", "RecoverJob", "ImageJob"), ("DeliveryEndedEarly", "SendWebhook", "WebhookDelivery")]


@pytest.mark.parametrize(("rule", "function", "machine"), ENDED_EARLY)
def test_the_rule_of_early_endings_may_call_its_function(rule: str, function: str, machine: str) -> None:
    permissions = resources_of("AWS::Lambda::Permission").values()
    [permission] = [found for found in permissions if found["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}]
    [target] = RULES[rule]["Targets"]
    assert names_in(permission["FunctionName"]) == names_in(target["Arn"]) == {function}
    assert RULES[rule]["EventPattern"]["detail"] == {
        "stateMachineArn": [{"Ref": machine}],
        "status": ["FAILED", "TIMED_OUT", "ABORTED"],
    }


@pytest.mark.parametrize(("rule", "function", "machine"), ENDED_EARLY)
def test_what_the_function_could_not_do_is_told_to_an_operator(rule: str, function: str, machine: str) -> None:
    del machine
    config = FUNCTIONS[function]["EventInvokeConfig"]
    assert config["MaximumRetryAttempts"] == 2
    destination = config["DestinationConfig"]["OnFailure"]
    [dead] = names_in(destination["Destination"])
    assert destination["Type"] == "SQS"
    assert names_in(RULES[rule]["Targets"][0]["DeadLetterConfig"]["Arn"]) == {dead}
    assert QUEUES[dead]["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("function", ["SweepJobs", "SweepWebhookDeliveries"])
def test_a_sweep_runs_every_few_minutes(function: str) -> None:
    [schedule] = FUNCTIONS[function]["Events"].values()
    minutes = re.fullmatch(r"rate\((\d+) minutes\)", schedule["Properties"]["Schedule"])
    assert minutes
    assert 1 < int(minutes[1]) <= 15
    assert schedule["Properties"].get("Enabled", True) is True


def test_every_call_needs_the_key_but_those_of_providers_and_for_pages() -> None:
    assert API["Auth"]["DefaultAuthorizer"] in API["Auth"]["Authorizers"]
    events = [event for function in FUNCTIONS.values() for event in function.get("Events", {}).values()]
    calls = [call for function in FUNCTIONS.values() for call in calls_of(function)]
    callback = "/v1/callbacks/{job_id}/{token}"
    pages = {"/docs", "/docs/{file}", "/playground", "/playground/{file}", "/v1/openapi.json"}
    assert {call["Path"] for call in calls_of(FUNCTIONS["ServePages"])} == pages
    assert {call["Method"] for call in calls_of(FUNCTIONS["ServePages"])} == {"GET", "HEAD"}
    assert sorted({call["Path"] for call in calls} - pages) == [
        callback,
        "/v1/deliveries",
        "/v1/deliveries/{delivery_id}",
        "/v1/deliveries/{delivery_id}/replay",
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/retry",
        "/v1/keys",
        "/v1/keys/{key_id}",
        "/v1/me",
        "/v1/models",
        "/v1/uploads",
        "/v1/usage",
        "/v1/webhook-endpoints",
        "/v1/webhook-endpoints/{endpoint_id}",
        "/v1/webhook-endpoints/{endpoint_id}/recover",
        "/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
        "/v1/webhook-endpoints/{endpoint_id}/secret",
        "/v1/webhook-endpoints/{endpoint_id}/test",
        "/{proxy+}",
    ]
    assert {call["Path"] for call in calls if call.get("Auth") == {"Authorizer": "NONE"}} == {callback, *pages}
    for call in calls:
        assert call["RestApiId"] == {"Ref": "Api"}
        assert call["Path"] in {callback, *pages} or "Auth" not in call
    assert not [event for event in events if event["Type"] == "HttpApi"]
    # It knows its callers itself: see tests/integration/openai_images/test_images_api.py.
    assert [name for name, function in FUNCTIONS.items() if "FunctionUrlConfig" in function] == ["CreateOpenAiImages"]


def test_the_images_have_longer_than_the_wait_and_what_comes_before_and_after() -> None:
    assert FUNCTIONS["CreateOpenAiImages"]["FunctionUrlConfig"] == {"AuthType": "NONE", "InvokeMode": "BUFFERED"}
    assert FUNCTIONS["CreateOpenAiImages"]["Timeout"] >= WAIT.total_seconds() + 30


def calls_of(function: dict[str, Any]) -> list[dict[str, Any]]:
    return [event["Properties"] for event in function.get("Events", {}).values() if event["Type"] == "Api"]


def test_a_page_may_post_to_the_uploads_bucket_and_do_nothing_else_there() -> None:
    [rule] = BUCKETS["UploadsBucket"]["CorsConfiguration"]["CorsRules"]
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["POST"], ["*"])
    assert "CorsConfiguration" not in BUCKETS["ResultsBucket"]


def test_the_api_lets_browsers_of_other_sites_do_nothing() -> None:
    assert "Cors" not in API
    assert "AddDefaultAuthorizerToCorsPreflight" not in API["Auth"]


PROBLEM_FIELDS = set(Problem.not_found("x").document("id"))


@pytest.mark.parametrize("kind", API["GatewayResponses"])
def test_the_gateways_own_answer_is_a_problem_like_ours(kind: str) -> None:
    answer = API["GatewayResponses"][kind]
    assert answer["ResponseParameters"]["Headers"]["Content-Type"] == f"'{CONTENT_TYPE}'"
    text = answer["ResponseTemplates"]["application/json"]
    problem = json.loads(text.replace("$context.error.messageString", '"why"').replace("$context.requestId", "id"))
    if "StatusCode" in answer:
        status = HTTPStatus(answer["StatusCode"])
        assert set(problem) == PROBLEM_FIELDS
        assert (problem["status"], problem["title"]) == (status.value, TITLES[status])
    else:  # stands in for several statuses, and the gateway has no variable that names the one
        assert set(problem) == PROBLEM_FIELDS - {"status"}
    assert problem["retryable"] == ("Retry-After" in answer["ResponseParameters"]["Headers"])
    assert problem["request_id"] == "id"


@pytest.mark.parametrize(
    "kind",
    [
        "AUTHORIZER_CONFIGURATION_ERROR",
        "AUTHORIZER_FAILURE",
        "UNAUTHORIZED",
        "ACCESS_DENIED",
        "MISSING_AUTHENTICATION_TOKEN",
        "REQUEST_TOO_LARGE",
        "THROTTLED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    ],
)
def test_the_gateway_answers_as_we_do_whatever_happens(kind: str) -> None:
    assert kind in API["GatewayResponses"]


@pytest.mark.parametrize("kind", ["AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"])
def test_a_call_whose_key_could_not_be_checked_is_told_that_nothing_was_done(kind: str) -> None:
    problem = json.loads(API["GatewayResponses"][kind]["ResponseTemplates"]["application/json"])
    # As a service of AWS that does not answer us: see `Problem.of`.
    assert (problem["status"], problem["code"]) == (503, "unavailable")
    assert (problem["retryable"], problem["charged"]) == (True, "no")


def test_no_metric_is_paid_for_each_method() -> None:
    # 1.50 USD a month for each method that is called; dashboard and alarms use what API Gateway sends for nothing.
    assert "MetricsEnabled" not in {name for settings in API["MethodSettings"] for name in settings}


THROTTLES = {
    (settings["ResourcePath"].replace("/~1", "/", 1).replace("~1", "/"), settings["HttpMethod"]): settings
    for settings in API["MethodSettings"]
}
# Calls a second.
MOST_FROM_STRANGERS = 150


def test_every_method_has_a_throttle_and_every_throttle_a_method() -> None:
    methods = {(call["Path"], call["Method"]) for function in FUNCTIONS.values() for call in calls_of(function)}
    assert set(THROTTLES) - {("/*", "*")} <= methods
    for settings in API["MethodSettings"]:
        assert set(settings) == {"ResourcePath", "HttpMethod", "ThrottlingRateLimit", "ThrottlingBurstLimit"}
        assert 0 < settings["ThrottlingRateLimit"] <= settings["ThrottlingBurstLimit"]
        # As API Gateway wants a path: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
        # aws-properties-apigateway-stage-methodsetting.html
        assert settings["ResourcePath"] == "/*" or re.fullmatch(r"/~1[^/]+", settings["ResourcePath"])


def test_what_needs_no_key_has_a_throttle_of_its_own_and_together_these_are_few_calls() -> None:
    calls = [call for function in FUNCTIONS.values() for call in calls_of(function)]
    open_to_all = {(call["Path"], call["Method"]) for call in calls if call.get("Auth") == {"Authorizer": "NONE"}}
    assert open_to_all <= set(THROTTLES)
    assert sum(THROTTLES[method]["ThrottlingRateLimit"] for method in open_to_all) == MOST_FROM_STRANGERS
    assert f"{MOST_FROM_STRANGERS} calls a second" in (ROOT / "template.yaml").read_text()


def test_a_browser_opens_the_playground_within_its_burst() -> None:
    files = [path for path in (ROOT / "functions/serve_pages/playground").iterdir() if path.name != "index.html"]
    assert THROTTLES["/playground/{file}", "GET"]["ThrottlingBurstLimit"] >= 2 * len(files)


def test_an_access_log_is_written_only_if_somebody_asks_for_one() -> None:
    assert TEMPLATE["Parameters"]["AccessLog"]["Default"] == "off"
    condition, settings, otherwise = API["AccessLogSetting"]["Fn::If"]
    assert (condition, otherwise) == ("HasAccessLog", {"Ref": "AWS::NoValue"})
    assert RESOURCES["AccessLogs"]["Condition"] == condition
    assert RESOURCES["AccessLogs"]["Properties"] == {"RetentionInDays": {"Ref": "LogRetentionDays"}}
    assert settings["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}


def test_an_access_log_holds_no_secret() -> None:
    line = API["AccessLogSetting"]["Fn::If"][1]["Format"]
    assert json.loads(line).keys() >= {"request_id", "status", "error"}
    # A callback's path ends in its secret, an Authorization header is one, and a query can hold anything.
    assert set(re.findall(r"\$context\.([\w.]+)", line)) == {
        "requestId",
        "requestTime",
        "httpMethod",
        "resourcePath",
        "status",
        "error.responseType",
        "responseLatency",
        "authorizer.principalId",
        "identity.sourceIp",
    }
    assert line.count("$") == line.count("$context.")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_named_in_its_logs_as_its_folder(name: str) -> None:
    assert FUNCTIONS[name]["CodeUri"] == f"functions/{environment_of(name)['POWERTOOLS_SERVICE_NAME']}"


def test_every_folder_of_functions_is_deployed_once() -> None:
    deployed = sorted(function["CodeUri"] for function in FUNCTIONS.values())
    assert deployed == sorted(f"functions/{path.parent.name}" for path in (ROOT / "functions").glob("*/app.py"))


def test_the_largest_result_fits_the_functions_disk() -> None:
    disk_bytes = 512 * 1024 * 1024
    assert int(TEMPLATE["Parameters"]["MaxResultBytes"]["MaxValue"]) < disk_bytes


def test_every_log_is_in_the_one_group_that_forgets() -> None:
    assert GLOBALS["LoggingConfig"]["LogGroup"] == {"Ref": "Logs"}
    assert "RetentionInDays" in RESOURCES["Logs"]["Properties"]


def test_the_template_holds_no_code_and_no_workflow() -> None:
    text = (ROOT / "template.yaml").read_text()
    assert "InlineCode" not in text
    assert "ZipFile" not in text
    for machine in resources_of("AWS::Serverless::StateMachine").values():
        assert "DefinitionUri" in machine


def test_a_wrong_key_is_a_401_that_the_gateway_remembers() -> None:
    # An exception of the authorizer would be a 401 as well, but counts as its error, and is never cached.
    answer = API["GatewayResponses"]["ACCESS_DENIED"]
    problem = json.loads(answer["ResponseTemplates"]["application/json"])
    assert (answer["StatusCode"], problem["status"], problem["code"]) == (401, 401, "invalid_api_key")
    assert answer["ResponseParameters"]["Headers"]["WWW-Authenticate"] == "'Bearer error=\"invalid_token\"'"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_named_after_its_folder(name: str) -> None:
    assert name.lower() == FUNCTIONS[name]["CodeUri"].removeprefix("functions/").replace("_", "")


@pytest.mark.parametrize("path", sorted((ROOT / "workflows").glob("*.json")), ids=lambda path: path.stem)
def test_a_state_that_calls_a_function_is_named_after_it(path: Path) -> None:
    called = {
        name: re.sub(r"\$\{(\w+)FunctionArn\}", r"\1", state["Arguments"]["FunctionName"])
        for name, state in json.loads(path.read_text())["States"].items()
        if "FunctionName" in state.get("Arguments", {})
    }
    assert called
    assert {name: function for name, function in called.items() if name != function} in (
        {},
        {"FinalizeWithoutImage": "FinalizeJob"},
    )
