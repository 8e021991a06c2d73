"""The whole API against its own description: schemathesis, with all its checks, in all its phases.

It works as an admin of a tenant of its own, so that it can cancel and retry nobody else's jobs.
"""

from __future__ import annotations

import os
import subprocess
import sys

from local.deployment import PROJECT
from tests.e2e.world import World

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


def test_the_whole_api_is_as_it_is_described(world: World, mark: str, photo: bytes) -> None:
    others = [key["id"] for key in world.call("GET", "/v1/keys").json()["data"]]
    mine = world.call("POST", "/v1/keys", json={"name": mark, "tenant": mark, "scopes": ["admin"]}).json()
    upload = {"content_type": "image/png", "size_bytes": len(photo)}
    form = world.call("POST", "/v1/uploads", key=mine["key"], json=upload).json()
    sent = world.http.post(form["url"], data=form["fields"], files={"file": photo})
    for prompt in ("one", "two"):
        job = {"prompt": f"{prompt} {mark}", "references": [form["id"]]}
        assert world.call("POST", "/v1/jobs", key=mine["key"], json=job).status_code == 202, sent.text
    listed = world.call("GET", "/v1/jobs", key=mine["key"], params={"limit": 1}).json()

    finished = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/e2e/schemathesis.toml", "run"),
            *(f"{world.stack.api_url}/v1/openapi.json", "--url", world.stack.api_url),
            *("--checks", ",".join(sorted(CHECKS)), "--phases", "examples,coverage,fuzzing,stateful", "--no-color"),
        ],
        cwd=PROJECT,
        env={
            **os.environ,
            "PYTHONPATH": "layers/core:.",
            "API_KEY": mine["key"],
            "SENT_PICTURE": form["id"],
            "SENT_PICTURE_PLACE": listed["data"][0]["request"]["references"][0],
            "OWN_CURSOR": listed["next_cursor"],
            "OTHER_KEYS": " ".join([*others, mine["id"]]),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert all(f"✅ {phase}" in finished.stdout for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"))
