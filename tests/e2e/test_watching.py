"""What happens is told where it can be counted, and whoever watches finds it."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.observability import resources_of
from tests.e2e.deployed import log_lines
from tests.e2e.world import World, wait_until


def told_of(world: World, job_id: str) -> dict[str, Any]:
    """All that the lines about the job which CloudWatch makes metrics of say; each figure once."""
    told: dict[str, Any] = {}
    for message in log_lines(world, job_id):
        if '"_aws"' in message:
            line = json.loads(message)
            [directive] = line.pop("_aws")["CloudWatchMetrics"]
            assert directive["Namespace"].startswith("Heliograph/")
            metrics = {metric["Name"] for metric in directive["Metrics"]}
            assert not metrics & told.keys(), "a figure was told twice"
            told |= line
    return told


def test_a_jobs_end_is_told_once_with_what_it_took_and_cost(world: World, mark: str) -> None:
    job = world.finished(world.post(prompt=mark)["id"])

    def all_of_it() -> dict[str, Any] | None:
        found = told_of(world, job["id"])
        return found if {"JobsSubmitted", "Polls", "JobsEnded", "ProviderLatency"} <= found.keys() else None

    told = wait_until(all_of_it, seconds=30, what="the job's figures")

    assert (told["source"], told["outcome"], told["route"]) == ("api", "succeeded", "gpt-image-2-beta")
    assert (told["JobsEnded"], told["JobFaults"], told["SpentUsd"]) == ([1], [0], [0.06])
    assert told["JobTime"] == [job["timings"]["total_seconds"]]
    assert told["tenant"] == "default"
    [questions], [latency], [lag], [total] = (
        told[name] for name in ("Polls", "ProviderLatency", "StorageLag", "JobTime")
    )
    assert questions >= 1
    assert 0 <= latency <= total
    assert 0 <= lag <= total


def test_every_alarm_and_the_dashboard_are_there(world: World) -> None:
    watching = world.stack.client("cloudwatch")
    alarms = [alarm for page in watching.get_paginator("describe_alarms").paginate() for alarm in page["MetricAlarms"]]
    assert len(alarms) == len(resources_of("AWS::CloudWatch::Alarm"))
    assert all(dimension["Value"] for alarm in alarms for dimension in alarm["Dimensions"])
    [dashboard] = watching.list_dashboards()["DashboardEntries"]
    body = watching.get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
    assert json.loads(body)["widgets"]
    assert "${" not in body
