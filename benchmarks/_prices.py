"""What AWS charges, in one place: us-east-1, on demand, first tier, no free tier; in US dollars.

Each price names the page of AWS that says it. Most of those show their figures by script only: these figures were
checked on READ_ON against other public sources that quote them, but for CloudWatch Logs and Express, which were not
found quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

READ_ON = "2026-11-22"


class Architecture(StrEnum):
    """What functions run on."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one unit, and the page that says so."""

    service: str
    unit: str
    usd: Decimal
    source: str


_MILLION = Decimal(1_000_000)
_GB = Decimal(1024**3)
_SFN = "https://aws.amazon.com/step-functions/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_S3 = "https://aws.amazon.com/s3/pricing/"

TRANSITION = Price("Step Functions", "state transition (Standard)", Decimal("0.025") / 1000, _SFN)
EXPRESS_REQUEST = Price("Step Functions", "Express request", Decimal("1.00") / _MILLION, _SFN)
EXPRESS_GB_SECOND = Price("Step Functions", "Express GB-second", Decimal("0.00001667"), _SFN)
INVOCATION = Price("Lambda", "invocation", Decimal("0.20") / _MILLION, _LAMBDA)
GB_SECOND = {
    Architecture.ARM64: Price("Lambda", "GB-second, arm64", Decimal("0.0000133334"), _LAMBDA),
    Architecture.X86_64: Price("Lambda", "GB-second, x86_64", Decimal("0.0000166667"), _LAMBDA),
}
WRITE_UNIT = Price("DynamoDB", "write request unit", Decimal("0.625") / _MILLION, _DYNAMODB)
READ_UNIT = Price("DynamoDB", "read request unit", Decimal("0.125") / _MILLION, _DYNAMODB)
API_CALL = Price("API Gateway", "REST call", Decimal("3.50") / _MILLION, "https://aws.amazon.com/api-gateway/pricing/")
# Sources disagree whether S3's events are free. They are counted: a thousandth of a dollar for a thousand uploads.
EVENT = Price(
    "EventBridge", "event of ours, or of S3", Decimal("1.00") / _MILLION, "https://aws.amazon.com/eventbridge/pricing/"
)
QUEUE_REQUEST = Price("SQS", "request", Decimal("0.40") / _MILLION, "https://aws.amazon.com/sqs/pricing/")
S3_WRITE = Price("S3", "PUT, POST or LIST", Decimal("0.005") / 1000, _S3)
S3_READ = Price("S3", "GET or HEAD", Decimal("0.0004") / 1000, _S3)
LOG_BYTE = Price(
    "CloudWatch Logs", "byte taken in", Decimal("0.50") / _GB, "https://aws.amazon.com/cloudwatch/pricing/"
)
SECRET_CALL = Price(
    "Secrets Manager", "API call", Decimal("0.05") / 10_000, "https://aws.amazon.com/secrets-manager/pricing/"
)
EGRESS_BYTE = Price(
    "Data transfer", "byte to the internet", Decimal("0.09") / _GB, "https://aws.amazon.com/ec2/pricing/on-demand/"
)
# Of all services of an account together, in a month.
FREE_EGRESS_BYTES = 100 * 1024**3

# By the month, whether anything happens or not.
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
ALARM = Price("CloudWatch", "alarm", Decimal("0.10"), _CLOUDWATCH)
DASHBOARD = Price("CloudWatch", "dashboard", Decimal("3.00"), _CLOUDWATCH)
SERIES = Price("CloudWatch", "custom metric", Decimal("0.30"), _CLOUDWATCH)
SECRET = Price("Secrets Manager", "secret", Decimal("0.40"), "https://aws.amazon.com/secrets-manager/pricing/")

EVERY = (
    TRANSITION, INVOCATION, *GB_SECOND.values(), WRITE_UNIT, READ_UNIT, API_CALL, EVENT, QUEUE_REQUEST,
    S3_WRITE, S3_READ, LOG_BYTE, SECRET_CALL, EGRESS_BYTE, ALARM, DASHBOARD, SERIES, SECRET,
)  # fmt: skip

# https://apimodels.app, gpt-image-2-beta.
IMAGE_USD = Decimal("0.06")
# Results of gpt-image-2-beta have 1 to 8 MB.
RESULT_BYTES = 2 * 1024**2
