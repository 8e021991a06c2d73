"""Settings of functions that accept jobs and start their workflows."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from heliograph.runtime.environment import Name, Switch
from heliograph.runtime.settings.default_policy import DefaultPolicy
from heliograph.runtime.settings.jobs import PublishedJobsSettings


class SubmissionSettings(PublishedJobsSettings):
    """The rules that requests are validated by, and the state machine of jobs."""

    uploads_bucket: Name
    results_bucket: Name
    default_policy: DefaultPolicy
    local_webhooks: Switch
    """Whether webhooks may go to this machine: in the local stack only."""
    state_machine_arn: Name

    @property
    def reference_buckets(self) -> frozenset[str]:
        """Buckets whose objects may be references."""
        return frozenset({self.uploads_bucket, self.results_bucket})


class RequestSubmissionSettings(SubmissionSettings):
    """As `SubmissionSettings`, for jobs of the API."""

    job_deadline_seconds: Annotated[int, Field(ge=60, le=21600)]

    @property
    def job_deadline(self) -> timedelta:
        """How long after its submission a job of the API may still begin or wait for a task."""
        return timedelta(seconds=self.job_deadline_seconds)
