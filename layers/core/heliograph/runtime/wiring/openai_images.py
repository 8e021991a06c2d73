"""Wiring of the OpenAI-compatible image API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from heliograph.platform import aws
from heliograph.platform.clock import SystemClock
from heliograph.runtime.wiring.access import wait_cap
from heliograph.runtime.wiring.adapters import job_records, object_store
from heliograph.runtime.wiring.budgets import budget_announcer
from heliograph.runtime.wiring.intake import job_submitter
from heliograph.runtime.wiring.jobs import job_viewer, job_waiter

if TYPE_CHECKING:
    from heliograph.openai_images.linked_images import ImageLinks
    from heliograph.openai_images.make_images import ImagesService
    from heliograph.runtime.settings.create_openai_images import CreateOpenAiImagesSettings


def images_service(settings: CreateOpenAiImagesSettings) -> ImagesService:
    """For `POST /v1/images/…`."""
    from heliograph.budgets.announce import BudgetChecker
    from heliograph.intake.adapters.dynamodb_recent_calls import DynamoDBRecentCalls
    from heliograph.openai_images.make_images import ImagesService

    return ImagesService(
        submitter=job_submitter(settings),
        waiter=job_waiter(settings),
        viewer=job_viewer(),
        budgets=BudgetChecker(
            tenants=settings.tenancy, announcer=budget_announcer(settings.ledger_table, settings.event_bus)
        ),
        aliases=settings.model_aliases,
        objects=object_store(),
        recent_calls=DynamoDBRecentCalls(aws.dynamodb(), settings.calls_table),
        wait_cap=wait_cap(settings, settings.calls_table),
        clock=SystemClock(),
    )


def image_links(settings: CreateOpenAiImagesSettings) -> ImageLinks:
    """For links to results, and for the calls that follow them."""
    from heliograph.openai_images.linked_images import ImageLinks
    from heliograph.platform.secrets import read_secret

    return ImageLinks(
        jobs=job_records(settings.jobs_table),
        objects=object_store(),
        clock=SystemClock(),
        secret=partial(read_secret, settings.api_key_secret),
    )
