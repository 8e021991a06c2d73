"""Wiring of the OpenAI-compatible image API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.access import wait_cap
from heliograph.runtime.wiring.adapters import event_bus, job_records, ledger_store, object_store, request_rules
from heliograph.runtime.wiring.intake import request_submitter
from heliograph.runtime.wiring.jobs import end_awaiter, job_viewer

if TYPE_CHECKING:
    from heliograph.openai_images.linked_images import ImageLinks
    from heliograph.openai_images.make_images import ImagesService
    from heliograph.runtime.settings.images import ImagesSettings


def image_studio(settings: ImagesSettings) -> ImagesService:
    """What `images` makes pictures with."""
    from heliograph.budgets.exhausted import check_budgets
    from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.openai_images.make_images import ImagesService

    return ImagesService(
        submit=request_submitter(settings),
        await_end=end_awaiter(settings),
        view=job_viewer(),
        check_budgets=partial(
            check_budgets,
            tenants=settings.tenancy,
            ledger=ledger_store(settings.ledger_table),
            bus=event_bus(settings.event_bus),
            clock=SystemClock(),
        ),
        rules=request_rules(settings),
        aliases=settings.model_aliases,
        objects=object_store(),
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        wait_cap=wait_cap(settings, settings.calls_table),
        clock=SystemClock(),
    )


def image_links(settings: ImagesSettings) -> ImageLinks:
    """What `images` makes links with, and follows them by."""
    from heliograph.openai_images.linked_images import ImageLinks
    from heliograph.platform.secrets import read_secret

    return ImageLinks(
        jobs=job_records(settings.jobs_table),
        objects=object_store(),
        clock=SystemClock(),
        secret=partial(read_secret, settings.api_key_secret),
    )
