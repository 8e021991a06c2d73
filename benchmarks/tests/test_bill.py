"""What a thousand jobs cost, from what one of them used."""

from decimal import Decimal

import pytest

from benchmarks import _prices
from benchmarks._bill import Use, bill, billed_ms, gb_seconds, share_of_picture, total
from benchmarks._prices import Architecture

ARM, X86 = Architecture.ARM64, Architecture.X86_64


def test_a_thousand_jobs_of_forty_transitions_cost_a_dollar() -> None:
    assert bill(Use(transitions=40), ARM)["Step Functions"] == Decimal("1.0000")


def test_calls_of_lambda_and_their_seconds_are_charged_together() -> None:
    use = Use(invocations=10, gb_seconds=1)

    assert bill(use, ARM)["Lambda"] == Decimal("0.0153")
    assert bill(use, X86)["Lambda"] == Decimal("0.0187")


def test_the_architecture_changes_nothing_but_lambda() -> None:
    use = Use(*([1.0] * 13))
    arm, x86 = bill(use, ARM), bill(use, X86)

    assert {service for service in arm if arm[service] != x86[service]} == {"Lambda"}


@pytest.mark.parametrize(
    ("use", "service", "usd"),
    [
        (Use(write_units=100), "DynamoDB", "0.0625"),
        (Use(read_units=100), "DynamoDB", "0.0125"),
        (Use(api_calls=2), "API Gateway", "0.0070"),
        (Use(events=3), "EventBridge", "0.0030"),
        (Use(queue_requests=5), "SQS", "0.0020"),
        (Use(s3_writes=2, s3_reads=10), "S3", "0.0140"),
        (Use(log_bytes=1024**2), "CloudWatch Logs", "0.4883"),
        (Use(secret_calls=2), "Secrets Manager", "0.0100"),
        (Use(egress_bytes=1024**2), "Data transfer", "0.0879"),
    ],
)
def test_each_service_has_its_price(use: Use, service: str, usd: str) -> None:
    told = bill(use, ARM)

    assert told[service] == Decimal(usd)
    assert total(told) == Decimal(usd)


def test_one_percent_of_the_pictures_is_sixty_cents() -> None:
    assert share_of_picture(Decimal("0.60")) == Decimal("0.01")


def test_a_call_is_stretched_to_its_share_of_a_cpu_and_waits_as_long_as_it_did() -> None:
    # 1,769 MB are a whole CPU: half of that works half as fast.
    assert billed_ms(cpu_ms=10, wall_ms=10, memory_mb=1769) == 10
    assert billed_ms(cpu_ms=10, wall_ms=30, memory_mb=1769) == 30
    assert billed_ms(cpu_ms=17.69, wall_ms=20, memory_mb=1000) == 34
    # More than a whole CPU helps a function with one thread no further.
    assert billed_ms(cpu_ms=10, wall_ms=10, memory_mb=3538) == 10
    assert billed_ms(cpu_ms=0, wall_ms=0, memory_mb=128) == 1


def test_gigabyte_seconds_are_memory_times_time() -> None:
    assert gb_seconds(2000, 512) == 1.0


def test_uses_add_up() -> None:
    assert Use(transitions=1, events=2).plus(Use(transitions=3)) == Use(transitions=4, events=2)


def test_every_price_says_where_it_was_read() -> None:
    assert all(price.usd > 0 and price.source.startswith("https://aws.amazon.com/") for price in _prices.EVERY)
