"""A deployment in moto: made of the template's own tables, and of the settings that the template would give."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from heliograph.jobs.adapters.dynamodb import DynamoDBJobStore
from heliograph.kernel.tenants import Tenants
from heliograph.monitoring import logging as observability
from heliograph.platform import aws, secrets
from heliograph.routes.config import Routes
from heliograph.runtime.environment import read_settings
from heliograph.runtime.settings.jobs import JobStoreSettings
from heliograph.runtime.wiring.adapters import plain_job_store
from moto import mock_aws

from tests.contract.asl_workflow import DELIVERY_WORKFLOW, WORKFLOW
from tests.contract.cfn_template import RESOURCES
from tests.examples import ROUTE

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

REGION = "eu-central-1"
PROVIDER_KEY = "sk_madeUpForTheseTests1234"
KIE_KEY = "0123456789abcdef0123456789abcdef"
API_KEY = "an-api-key"
MASTER = "what every signing secret is derived from"
TABLES = {
    "jobs": "JobsTable",
    "ledger": "LedgerTable",
    "routes": "RoutesTable",
    "keys": "KeysTable",
    "calls": "CallsTable",
    "endpoints": "EndpointsTable",
    "deliveries": "DeliveriesTable",
    "rejections": "RejectionsTable",
    "waits": "WaitsTable",
    "reuse": "ReuseTable",
}
RETENTION = timedelta(days=90)
ROUTES = Routes((ROUTE,))


@dataclass(frozen=True)
class Deployment:
    """What there is, by name."""

    uploads_bucket: str
    results_bucket: str
    jobs_table: str
    ledger_table: str
    routes_table: str
    keys_table: str
    calls_table: str
    endpoints_table: str
    deliveries_table: str
    rejections_table: str
    waits_table: str
    reuse_table: str
    event_bus: str
    state_machine_arn: str
    delivery_machine_arn: str
    provider_key_secret: str
    kie_key_secret: str
    api_key_secret: str
    webhook_secret: str


@cache
def sqs() -> SQSClient:
    """SQS, which only tests read from."""
    return boto3.client("sqs")


@cache
def secrets_manager() -> SecretsManagerClient:
    """Secrets Manager; the code reads it through powertools."""
    return boto3.client("secretsmanager")


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Made up, for every client that is made from here on."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        for made in (aws._session, aws.s3, aws.dynamodb, aws.events, aws.step_functions, aws.secrets_manager):
            made.cache_clear()
        yield


@pytest.fixture
def cloud(credentials: None) -> Iterator[None]:
    """AWS as moto plays it, empty."""
    secrets.forget_secrets()
    with mock_aws():
        yield
    secrets.forget_secrets()


@pytest.fixture
def deployment(cloud: None) -> Deployment:
    """Everything that the functions use."""
    machine = aws.step_functions().create_state_machine(
        name="ImageJob", definition=json.dumps(WORKFLOW), roleArn="arn:aws:iam::123456789012:role/ImageJobRole"
    )
    deliveries = aws.step_functions().create_state_machine(
        name="WebhookDelivery",
        definition=json.dumps(DELIVERY_WORKFLOW),
        roleArn="arn:aws:iam::123456789012:role/WebhookDeliveryRole",
    )
    manager = secrets_manager()
    aws.events().create_event_bus(Name="heliograph-events")
    return Deployment(
        uploads_bucket=versioned_bucket("heliograph-uploads"),
        results_bucket=versioned_bucket("heliograph-results"),
        jobs_table=table("jobs"),
        ledger_table=table("ledger"),
        routes_table=table("routes"),
        keys_table=table("keys"),
        calls_table=table("calls"),
        endpoints_table=table("endpoints"),
        deliveries_table=table("deliveries"),
        rejections_table=table("rejections"),
        waits_table=table("waits"),
        reuse_table=table("reuse"),
        event_bus="heliograph-events",
        state_machine_arn=machine["stateMachineArn"],
        delivery_machine_arn=deliveries["stateMachineArn"],
        provider_key_secret=manager.create_secret(Name="ProviderKey", SecretString=PROVIDER_KEY)["ARN"],
        kie_key_secret=manager.create_secret(Name="KieKey", SecretString=KIE_KEY)["ARN"],
        api_key_secret=manager.create_secret(Name="ApiKey", SecretString=API_KEY)["ARN"],
        webhook_secret=manager.create_secret(Name="WebhookSecret", SecretString=MASTER)["ARN"],
    )


def versioned_bucket(name: str) -> str:
    """A bucket such as the template's."""
    s3 = aws.s3()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def table(name: str) -> str:
    """One of the template's tables, made."""
    properties = RESOURCES[TABLES[name]]["Properties"]
    kept = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    dynamodb = aws.dynamodb()
    dynamodb.create_table(TableName=name, **{key: properties[key] for key in kept if key in properties})
    if "TimeToLiveSpecification" in properties:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    return name


def items(name: str) -> list[dict[str, Any]]:
    """Everything that lies in a table, in a fixed order."""
    found = aws.dynamodb().scan(TableName=name)["Items"]
    return sorted(found, key=lambda item: json.dumps(item, sort_keys=True, default=str))


def job_store(*, tenants: Tenants | None = None, routes: Routes = ROUTES) -> DynamoDBJobStore:
    """The store on the template's tables, whether they have been made or not."""
    return DynamoDBJobStore(
        aws.dynamodb(),
        "jobs",
        ledger_table="ledger",
        routes_table="routes",
        tenants=tenants or Tenants(),
        routes=routes,
        retention=RETENTION,
    )


@pytest.fixture
def environment(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of all deployed functions, set. (`started` gives each function its own.)"""
    variables = {
        "JOBS_TABLE": deployment.jobs_table,
        "LEDGER_TABLE": deployment.ledger_table,
        "ROUTES_TABLE": deployment.routes_table,
        "UPLOADS_BUCKET": deployment.uploads_bucket,
        "RESULTS_BUCKET": deployment.results_bucket,
        "EVENT_BUS": deployment.event_bus,
        "ROUTES": json.dumps(
            [{"provider": "apimodels", "model": "gpt-image-2-beta", "price_usd": "0.06", "max_references": 16}]
        ),
        "PROVIDER_BASE_URL": "https://api.apimodels.app/v1",
        "PROVIDER_KEY_SECRET": deployment.provider_key_secret,
        "KIE_BASE_URL": "https://api.kie.ai/api/v1",
        "KIE_KEY_SECRET": "none",
        "CALLBACK_BASE_URL": "none",
        "DEFAULT_POLICY": "beta-first",
        "TENANTS": "{}",
        "DAILY_BUDGET_USD": "none",
        "MONTHLY_BUDGET_USD": "none",
        "LOCAL_WEBHOOKS": "off",
        "IMAGES_URL": "none",
        "RESULT_ORIGINS": "https://r2.apimodels.app",
        "MAX_RESULT_BYTES": "1048576",
        "JOB_DEADLINE_SECONDS": "1200",
        "UPLOAD_DEADLINE_SECONDS": "21600",
        "JOB_RETENTION_DAYS": "100",
        "STATE_MACHINE_ARN": deployment.state_machine_arn,
        "API_KEY_SECRET": deployment.api_key_secret,
        "KEYS_TABLE": deployment.keys_table,
        "CALLS_TABLE": deployment.calls_table,
        "CALLS_PER_MINUTE": "0",
        "WAITS_PER_CALLER": "10",
        "MODEL_ALIASES": "openai",
        "ENDPOINTS_TABLE": deployment.endpoints_table,
        "DELIVERIES_TABLE": deployment.deliveries_table,
        "REJECTIONS_TABLE": deployment.rejections_table,
        "WAITS_TABLE": deployment.waits_table,
        "REUSE_TABLE": deployment.reuse_table,
        "DELIVERY_MACHINE_ARN": deployment.delivery_machine_arn,
        "WEBHOOK_SECRET": deployment.webhook_secret,
        "POWERTOOLS_SERVICE_NAME": "tests",
        "POWERTOOLS_METRICS_NAMESPACE": "Heliograph/tests",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def jobs(deployment: Deployment, environment: dict[str, str]) -> DynamoDBJobStore:
    """The store that the functions use."""
    return plain_job_store(read_settings(JobStoreSettings, environment))


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Everything that was logged, with all that the lines were made of."""
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    keeping = Keeping()
    loggers = [logging.getLogger(), logging.getLogger(observability.logger.name)]
    for logger in loggers:
        logger.addHandler(keeping)

    def text() -> str:
        errors = (record.exc_info[1] for record in records if record.exc_info)
        traces = ["".join(traceback.format_exception(error)) for error in errors if error]
        return "\n".join([*(repr(record.__dict__) + record.getMessage() for record in records), *traces])

    yield text
    for logger in loggers:
        logger.removeHandler(keeping)
