"""The whole application on this machine: simulators stand in for the provider and AWS, the rest is real."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local import deployment
from local.processes import Running, start, stop
from operations import provider_key


@dataclass(frozen=True, slots=True)
class Stack:
    """Addresses and ids of a running stack.

    `outputs` are those of template.yaml. `api_url` and `images_url` are followed by `/v1/…`."""

    endpoint: str
    provider_url: str
    api_url: str
    images_url: str
    api_key: str
    outputs: Mapping[str, str]
    pids: tuple[int, ...]

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator's root user."""
        client: Callable[..., Any] = deployment.session().client  # typed for literal names only
        return client(service, endpoint_url=self.endpoint)


@dataclass(frozen=True, slots=True)
class Pace:
    """Factors for the provider's 15-40 s and for the workflow's waits, and the long side of images."""

    latency_scale: float = 0.1
    wait_scale: float = 0.1
    image_px: int = 1280


def bring_up(
    folder: Path,
    *,
    pace: Pace,
    parameters: Mapping[str, str] | None = None,
    second_provider: bool = False,
    emulator_port: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> Stack:
    """Starts the simulators, builds and deploys the template. If a step fails, it ends what it started."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as undo:

        def begin(name: str, module: str, *arguments: str) -> Running:
            running = start(name, module, *arguments, folder=folder)
            undo.callback(stop, running.pid)
            return running

        report("starting the AWS emulator and the provider simulator")
        emulator = begin(
            *("emulator", "local.emulator", "--port", str(emulator_port), "--state-dir", str(folder / "emulator")),
            *("--wait-scale", str(pace.wait_scale)),
        )
        endpoint = str(emulator.addresses["endpoint"])
        provider = begin(
            *("provider", "local.provider", "--port", "0", "--latency-scale", str(pace.latency_scale)),
            # The uploads bucket's presigned links are on loopback here.
            *("--allow-reference-origin", endpoint, "--no-rate-limit", "--long-side-px", str(pace.image_px)),
        )
        secret_store = deployment.session().client("secretsmanager", endpoint_url=endpoint)
        report("building template.yaml (sam build)")
        template = deployment.build(folder)
        report("deploying it (sam deploy)")
        outputs = deployment.deploy(
            template,
            endpoint,
            {
                "ProviderBaseUrl": provider.addresses["api_base"],
                "ResultOrigins": provider.addresses["results_base"],
                "KieBaseUrl": provider.addresses["kie_base"],
                "LocalWebhooks": "on",
                # There is one key for all callers, and tests poll many times per second.
                "CallsPerMinute": "0",
                **({"KieKeySecret": _kie_key(secret_store)} if second_provider else {}),
                **(parameters or {}),
            },
        )
        _route_callbacks(str(provider.addresses["api_base"]).removesuffix("/v1"), endpoint, outputs["ApiId"])
        provider_key.put(secret_store, outputs["ProviderKeySecret"], f"sk_{secrets.token_hex(16)}")
        api_key = secret_store.get_secret_value(SecretId=outputs["ApiKeySecret"])["SecretString"]
        undo.pop_all()
        return Stack(
            endpoint=endpoint,
            provider_url=str(provider.addresses["api_base"]).removesuffix("/v1"),
            api_url=f"{endpoint}/_aws/execute-api/{outputs['ApiId']}/live",
            images_url=_here(endpoint, outputs["ImagesUrl"]),
            api_key=api_key,
            outputs=outputs,
            pids=(provider.pid, emulator.pid),
        )


def _here(endpoint: str, function_url: str) -> str:
    """A function URL's address on this machine. Elsewhere DNS resolves it."""
    url_id = function_url.removeprefix("https://").partition(".")[0]
    return f"{endpoint}/_aws/lambda-url/{url_id}"


def _kie_key(secret_store: Any) -> str:
    """Creates a secret with a key for the second provider; returns its ARN."""
    return str(secret_store.create_secret(Name="kie-key", SecretString=secrets.token_hex(16))["ARN"])


def _route_callbacks(provider_url: str, endpoint: str, api_id: str) -> None:
    """Sends the provider's callbacks for the API's public name to this machine. Elsewhere DNS resolves it."""
    public = f"https://{api_id}.execute-api.{deployment.REGION}.amazonaws.com"
    here = f"{endpoint}/_aws/execute-api/{api_id}"
    settings = {"callback_origins": {public: here}}
    httpx.post(f"{provider_url}/_sim/settings", json=settings, timeout=30).raise_for_status()


def bring_down(stack: Stack) -> None:
    """Ends what `bring_up` started."""
    for pid in stack.pids:
        stop(pid)


@contextlib.contextmanager
def running(
    folder: Path, *, pace: Pace, parameters: Mapping[str, str] | None = None, second_provider: bool = False
) -> Iterator[Stack]:
    """A stack for the duration of the block."""
    stack = bring_up(folder, pace=pace, parameters=parameters, second_provider=second_provider)
    try:
        yield stack
    finally:
        bring_down(stack)
