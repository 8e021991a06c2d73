"""What it takes to accept a job and to start its workflow."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name, Switch
from heliograph.runtime.settings.default_policy import DefaultPolicy
from heliograph.runtime.settings.jobs import PublishedJobsSettings


class SubmissionSettings(PublishedJobsSettings):
    """The rules that a request is measured by, and the state machine that a job goes through."""

    uploads_bucket: Name
    results_bucket: Name
    default_policy: DefaultPolicy
    # Whether webhooks may go to this very machine: in the local stack only.
    local_webhooks: Switch
    state_machine_arn: Name

    @property
    def reference_buckets(self) -> frozenset[str]:
        """The buckets whose objects may be references."""
        return frozenset({self.uploads_bucket, self.results_bucket})


class RequestSubmissionSettings(SubmissionSettings):
    """The same for jobs of the API."""

    job_deadline_seconds: Annotated[int, Field(ge=60, le=21600)]

    @property
    def job_deadline(self) -> timedelta:
        """How long after its submission a job of the API may still begin or wait for a task."""
        return timedelta(seconds=self.job_deadline_seconds)
