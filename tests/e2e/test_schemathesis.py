"""The whole API against its own description: schemathesis, with all its checks, in all its phases.

It works as an admin of a tenant of its own, so that it can cancel and retry nobody else's jobs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from heliograph.api.openapi import openai as images

from local.deployment import PROJECT
from tests.e2e.receiver import receiving
from tests.e2e.world import World, wait_until

CHECKS = {
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
    "object_level_authorization",
}


def test_the_whole_api_is_as_it_is_described(world: World, mark: str, photo: bytes, tmp_path: Path) -> None:
    others = [key["id"] for key in world.call("GET", "/v1/keys").json()["data"]]
    mine = world.call("POST", "/v1/keys", json={"name": mark, "tenant": mark, "scopes": ["admin"]}).json()
    other = world.call("POST", "/v1/keys", json={"name": mark, "tenant": f"not-{mark}"}).json()
    keys = {"owner": mine["key"], "stranger": other["key"]}
    users = [{"name": name, "fixedHeaders": [_bearer(key)]} for name, key in keys.items()]
    (tmp_path / "keys.json").write_text(json.dumps({"auth": users}))
    call = partial(world.call, key=mine["key"])
    form = call("POST", "/v1/uploads", json={"content_type": "image/png", "size_bytes": len(photo)}).json()
    assert world.http.post(form["url"], data=form["fields"], files={"file": photo}).status_code == 204
    with receiving() as receiver:
        endpoint_id = call("POST", "/v1/webhook-endpoints", json={"url": receiver.url("first")}).json()["id"]
        for prompt in ("one", "two"):
            assert call("POST", "/v1/jobs", json={"prompt": f"{prompt} {mark}", "references": [form["id"]]}).is_success
            # One a second.
            wait_until(
                lambda: call("POST", f"/v1/webhook-endpoints/{endpoint_id}/test").is_success, seconds=10, what="a test"
            )
        jobs, deliveries = (call("GET", f"/v1/{what}", params={"limit": 1}).json() for what in ("jobs", "deliveries"))

        finished = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/e2e/schemathesis.toml", "run"),
                *(f"{world.stack.api_url}/v1/openapi.json", "--url", world.stack.api_url),
                *("--checks", ",".join(sorted(CHECKS)), "--phases", "examples,coverage,fuzzing,stateful", "--no-color"),
                # At an address of its own; the official client tests it.
                *("--exclude-tag", images.TAG["name"]),
            ],
            cwd=PROJECT,
            env={
                **os.environ,
                "PYTHONPATH": "layers/core:.",
                "KEYS_FILE": str(tmp_path / "keys.json"),
                "SENT_PICTURE": form["id"],
                "SENT_PICTURE_PLACE": jobs["data"][0]["request"]["references"][0],
                "OWN_JOBS_CURSOR": jobs["next_cursor"],
                "OWN_DELIVERIES_CURSOR": deliveries["next_cursor"],
                "OTHER_KEYS": " ".join([*others, mine["id"], other["id"]]),
                "OWN_TENANT": mark,
                "RECEIVER": receiver.url("any"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "will not run" not in finished.stdout
    assert all(f"✅ {phase}" in finished.stdout for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"))


def _bearer(key: str) -> dict[str, str]:
    return {"name": "Authorization", "value": f"Bearer {key}"}
