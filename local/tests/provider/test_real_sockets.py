"""Behaviour that needs real sockets: cut connections, two ports, a clean start and a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.provider.serving import listening_socket, origin_of, serve
from local.provider.settings import Settings
from local.provider.simulator import Simulator
from local.tests.provider.simulation import KEY

_ROOT = Path(__file__).parents[3]


class Served:
    """A simulator in a thread, with real ports and next to no latency."""

    def __init__(self) -> None:
        api, results = listening_socket(0), listening_socket(0)
        self.simulator = Simulator(
            Settings(latency_scale=0.001, long_side_px=96, rate_limit=False),
            api_origin=origin_of(api),
            results_origin=origin_of(results),
        )
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            await serve(self.simulator, api, results, self._stop, self._ready.set)

        self._thread = threading.Thread(target=lambda: asyncio.run(run()))
        self._thread.start()
        assert self._ready.wait(10)
        self.client = httpx.Client(trust_env=False, timeout=5)

    def stop(self) -> None:
        self.client.close()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def create(self, prompt: str, **body: Any) -> httpx.Response:
        body_sent = {"model": "gpt-image-2-beta", "prompt": prompt, **body}
        return self.client.post(
            f"{self.simulator.api_bases[0]}/images/generations",
            json=body_sent,
            headers={"authorization": f"Bearer {KEY}"},
        )

    def query(self, task_id: str) -> dict[str, Any]:
        answer = self.client.get(
            f"{self.simulator.api_bases[1]}/images/generations",
            params={"task_id": task_id},
            headers={"authorization": f"Bearer {KEY}"},
        )
        data: dict[str, Any] = answer.json()["data"]
        return data

    def completed(self, prompt: str, **body: Any) -> dict[str, Any]:
        task_id = self.create(prompt, **body).json()["data"]["taskId"]
        return self.until_done(task_id)

    def until_done(self, task_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            data = self.query(task_id)
            if data["state"] in {"completed", "failed"}:
                return data
            time.sleep(0.01)
        raise AssertionError("the task did not end")

    def fault(self, on: str, kind: str, match: str, **parameters: Any) -> None:
        rule = {"on": on, "kind": kind, "match": match, **parameters}
        self.client.post(f"{self.simulator.control_base}/faults", json=rule).raise_for_status()

    def tasks(self, match: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"{self.simulator.control_base}/tasks", params={"match": match})
        tasks: list[dict[str, Any]] = answer.json()["tasks"]
        return tasks


def _read_into(received: bytearray, answer: httpx.Response) -> None:
    for chunk in answer.iter_raw():
        received += chunk


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    started = Served()
    yield started
    started.stop()


def test_an_image_comes_from_another_port_without_a_key(served: Served) -> None:
    data = served.completed("over the wire")
    answer = served.client.get(data["resultUrls"][0])
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert httpx.URL(data["resultUrls"][0]).port != httpx.URL(served.simulator.api_bases[0]).port


@pytest.mark.parametrize(
    ("kind", "reset", "made"),
    [("cut_before", False, 0), ("cut_before", True, 0), ("cut_after", False, 1), ("cut_after", True, 1)],
)
def test_a_cut_create_ends_without_any_answer(served: Served, kind: str, reset: bool, made: int) -> None:
    prompt = f"{kind} {reset}"
    served.fault("create", kind, prompt, reset=reset)
    with pytest.raises(httpx.ReadError if reset else httpx.RemoteProtocolError):
        served.create(prompt)
    assert len(served.tasks(prompt)) == made


def test_a_create_cut_in_its_body_has_shown_the_header_with_the_id(served: Served) -> None:
    served.fault("create", "cut_after_with_header", "half an answer")
    body_sent = {"model": "gpt-image-2-beta", "prompt": "half an answer"}
    url = f"{served.simulator.api_bases[0]}/images/generations"
    headers = {"authorization": f"Bearer {KEY}"}
    with served.client.stream("POST", url, json=body_sent, headers=headers) as answer:
        assert answer.status_code == 200
        [task] = served.tasks("half an answer")
        assert answer.headers["x-apimodels-task-id"] == task["task_id"]
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


@pytest.mark.parametrize(("kind", "error"), [("truncated", httpx.RemoteProtocolError), ("cut", httpx.ReadError)])
def test_a_result_ends_before_its_length_is_reached(served: Served, kind: str, error: type[Exception]) -> None:
    url = served.completed(f"result {kind}")["resultUrls"][0]
    served.fault("result", kind, f"result {kind}", bytes=500, times=1)
    received = bytearray()
    with served.client.stream("GET", url) as answer:
        assert int(answer.headers["content-length"]) > 500
        with pytest.raises(error):
            _read_into(received, answer)
    whole = served.client.get(url).content
    assert 0 < len(received) <= 500
    assert whole.startswith(received)


def test_a_query_can_lose_its_connection(served: Served) -> None:
    task_id = served.create("lost query").json()["data"]["taskId"]
    served.fault("query", "cut", "lost query", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        served.query(task_id)
    assert served.until_done(task_id)["state"] == "completed"


def test_a_cut_leaves_other_connections_alone(served: Served) -> None:
    served.fault("result", "slow_body", "kept alive", seconds=0.2, chunks=4)
    url = served.completed("kept alive")["resultUrls"][0]
    with served.client.stream("GET", url) as slow:
        served.fault("create", "cut_before", "cut beside")
        with pytest.raises(httpx.RemoteProtocolError):
            served.create("cut beside")
        assert len(slow.read()) == int(slow.headers["content-length"])


def test_an_uploaded_file_is_fetched_as_a_reference_over_http(served: Served) -> None:
    image = served.client.get(served.completed("to be edited")["resultUrls"][0]).content
    answer = served.client.post(
        f"{served.simulator.api_bases[0]}/files",
        files={"file": ("a.jpeg", image, "image/jpeg")},
        headers={"authorization": f"Bearer {KEY}"},
    )
    edited = served.completed("edit it", image_url=answer.json()["data"]["publicUrl"])
    assert (edited["state"], edited["modelType"]) == ("completed", "IMAGE_TO_IMAGE")


def test_a_name_for_this_machine_is_private_by_real_dns(served: Served) -> None:
    failed = served.completed("localhost", image_url="http://localhost:9/a.png")
    assert "private/reserved IP addresses not allowed" in failed["failMsg"]


def test_rendering_does_not_hold_up_other_calls(served: Served) -> None:
    body = {"model": "gpt-image-2", "resolution": "4K"}
    task_id = served.create("as large as it gets", **body).json()["data"]["taskId"]
    slowest = 0.0
    states = set()
    for _ in range(40):
        begun = time.monotonic()
        served.client.get(f"{served.simulator.control_base}/settings").raise_for_status()
        states.add(served.tasks("as large as it gets")[0]["state"])
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 0.5
    assert "processing" in states
    served.client.post(f"{served.simulator.control_base}/finish", json={"task_id": task_id}, timeout=30)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_listens_and_ends_cleanly(tmp_path: Path, end: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "local.provider", "--port", "0", "--ready-file", str(ready)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            told = json.loads(ready.read_text())
            assert told == {
                "api_base": line["api_bases"][0],
                "kie_base": line["kie_base"],
                "results_base": line["results_base"],
                "pid": process.pid,
            }
            assert httpx.get(f"{told['api_base']}/models", trust_env=False).status_code == 401
            assert httpx.get(f"{told['kie_base']}/jobs/recordInfo", trust_env=False).json()["code"] == 401
            # A cut is no error of the simulator: its log stays empty, as asserted below.
            httpx.post(f"{line['control']}/faults", json={"on": "create", "kind": "cut_before"}, trust_env=False)
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.post(
                    f"{told['api_base']}/images/generations",
                    json={"model": "gpt-image-2-beta", "prompt": "cut"},
                    headers={"authorization": f"Bearer {KEY}"},
                    trust_env=False,
                )
        finally:
            process.send_signal(end)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
