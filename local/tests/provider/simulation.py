"""A simulator in this process with a clock that tests move: nothing sleeps, and nothing leaves the machine."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from PIL import Image, ImageDraw

from local.provider.settings import Settings
from local.provider.simulator import Simulator

KEY = "sk_test0123456789abcdef"
OTHER_KEY = "sk_other0123456789abcdef"
API = "http://api.test"
RESULTS = "http://results.test"


@dataclass
class TurnableClock:
    """A clock that stands still until a test moves it."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class CallbackReceiver:
    """The callbacks received, and the status codes of the next answers."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    watching: Callable[[], None] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.watching is not None:
            self.watching()
        self.bodies.append(json.loads(request.content))
        self.urls.append(str(request.url))
        return httpx.Response(self.answers.pop(0) if self.answers else 200)

    @property
    def states(self) -> list[str]:
        return [body["data"]["state"] for body in self.bodies]


class Simulation:
    """A simulator, its clock, a callback receiver and a small web of reference images."""

    def __init__(self, **settings: Any) -> None:
        self.clock = TurnableClock()
        self.receiver = CallbackReceiver()
        self.web: dict[str, httpx.Response] = {}
        self.addresses: dict[str, list[str]] = {}
        self.fetched: list[httpx.Request] = []
        self._runner = asyncio.Runner()
        self.simulator = Simulator(
            Settings(**{"long_side_px": 96, "rate_limit": False} | settings),
            api_origin=API,
            results_origin=RESULTS,
            clock=self.clock,
            reference_transport=httpx.MockTransport(self._serve_reference),
            callback_transport=httpx.MockTransport(self.receiver),
            resolve=self._resolve,
            query_patience_seconds=20,
        )

    def close(self) -> None:
        self.simulator.close()
        self._runner.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = KEY,
        base: str = "/v1",
        **request: Any,
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return self._ask(self.simulator.api, method, f"{API}{base}{path}", headers=headers, **request)

    def at_once(self, *calls: tuple[str, str]) -> list[httpx.Response]:
        """Several calls of the API that are all under way before the first is answered."""

        async def ask() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.simulator.api)) as client:
                headers = {"authorization": f"Bearer {KEY}"}
                return await asyncio.gather(
                    *(client.request(method, f"{API}/v1{path}", headers=headers) for method, path in calls)
                )

        return self._runner.run(ask())

    def create(self, *, key: str | None = KEY, base: str = "/v1", **body: Any) -> httpx.Response:
        sent = {"model": "gpt-image-2-beta", "prompt": "a quiet harbour"} | body
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.call("POST", "/images/generations", key=key, base=base, json=sent)

    def task(self, **body: Any) -> str:
        answer = self.create(**body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["taskId"])

    def ask(self, task_id: str, *, key: str = KEY) -> httpx.Response:
        return self.call("GET", "/images/generations", key=key, params={"task_id": task_id})

    def query(self, task_id: str) -> dict[str, Any]:
        answer = self.ask(task_id)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def finished(self, **body: Any) -> dict[str, Any]:
        task_id = self.task(**body)
        self.advance(60)
        return self.query(task_id)

    def result(self, url: str, method: str = "GET", **headers: str) -> httpx.Response:
        return self._ask(self.simulator.results, method, url, headers={"user-agent": "a test"} | headers)

    def image(self, data: dict[str, Any]) -> Image.Image:
        return Image.open(io.BytesIO(self.result(data["resultUrls"][0]).content))

    def control(self, method: str, path: str, **request: Any) -> Any:
        answer = self._ask(self.simulator.api, method, f"{API}/_sim{path}", **request)
        assert answer.status_code < 400, answer.text
        return answer.json()

    def fault(self, on: str, kind: str, **parameters: Any) -> str:
        return str(self.control("POST", "/faults", json={"on": on, "kind": kind, **parameters})["id"])

    def accounts(self, key: str = KEY) -> dict[str, Any]:
        account: dict[str, Any] = self.control("GET", "/accounts", params={"key": key})
        return account

    def advance(self, seconds: float) -> None:
        """Moves the clock, and advances everything that is due by then."""
        self.clock.now += seconds
        # Twice: a finished task's callback is due at the same moment.
        for _ in range(2):
            self._runner.run(self.simulator.pump(wait=True))

    def put_on_the_web(self, url: str, data: bytes, *, status: int = 200, address: str = "93.184.216.34") -> str:
        self.web[url] = httpx.Response(status, content=data)
        self.addresses.setdefault(httpx.URL(url).host, [address])
        return url

    def _ask(self, app: Any, method: str, url: str, **request: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
                built = client.build_request(method, url, **request)
                if request.get("headers", {}).get("user-agent") == "":
                    del built.headers["user-agent"]
                return await client.send(built)

        return self._runner.run(ask())

    def _serve_reference(self, request: httpx.Request) -> httpx.Response:
        self.fetched.append(request)
        found = self.web.get(str(request.url))
        if found is None:
            return httpx.Response(404)
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    async def _resolve(self, host: str, _: int) -> list[str]:
        if host not in self.addresses:
            raise OSError(host)
        return self.addresses[host]


def photo(colour: str = "teal", size: tuple[int, int] = (120, 80), kind: str = "PNG", **saving: Any) -> bytes:
    """An image with something in it: a plain background and a pale disc."""
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill="ivory")
    out = io.BytesIO()
    image.save(out, kind, **saving)
    return out.getvalue()
