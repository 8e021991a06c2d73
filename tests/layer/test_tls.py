"""TLS with the built layer: the trimmed SDK and the split certificates, against a real server on this machine.

No authority of the internet's signs a certificate for `localhost`. So the same layer is taken as it was built, where an
authority of our own is a stranger; and with that authority in it, put where the build puts the others.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trim

from tests.contract.deployed import Deployed
from tests.contract.transformed import PARTITIONS
from tests.integration.certificates import Authority
from tests.layer.building import built, interpreters, lambdas_version

REFUSED = "CERTIFICATE_VERIFY_FAILED"
BUNDLES = {
    region: {
        function["Environment"]["Variables"]["AWS_CA_BUNDLE"]
        for function in Deployed(region=region).of_type("AWS::Lambda::Function").values()
    }
    for region in PARTITIONS
}
_PATIENCE_SECONDS = 60
_CALLS = """
import json, os, sys
import httpx
from heliograph.platform import aws, tls as trust
from heliograph.platform.http_transport import BoundedTransport

def outcome(call):
    try:
        return call()
    except Exception as error:
        return f"{type(error).__module__}.{type(error).__name__}: {str(error) or error.__cause__}"

url = os.environ["AWS_ENDPOINT_URL"]
context = trust.ssl_context()
print(json.dumps({
    "sdk": outcome(lambda: aws.secrets_manager().get_secret_value(SecretId="a-secret")["SecretString"]),
    "bounded": outcome(lambda: httpx.Client(transport=BoundedTransport(context)).get(url).json()["SecretString"]),
    "httpx": outcome(lambda: httpx.Client(verify=context).get(url).json()["SecretString"]),
    "packages": [sys.modules[name].__file__ for name in ("botocore", "httpx", "certifi", "heliograph.platform.aws")],
}))
"""


@dataclass(frozen=True)
class Layer:
    """A layer, and the Python that it was built for."""

    python: Path
    folder: Path

    def calls(self, url: str, *, ca_bundle: str = "/opt/amazon-roots.pem") -> dict[str, Any]:
        """What came of a call of AWS, and of two elsewhere. Nothing else is on the path."""
        said = subprocess.run(
            [self.python, "-S", "-s", "-P", "-c", _CALLS],
            env={
                "PYTHONPATH": str(self.folder / "python"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PATH": os.environ["PATH"],
                "HOME": os.devnull,
                "AWS_CA_BUNDLE": ca_bundle.replace("/opt", str(self.folder)),
                "AWS_ENDPOINT_URL": url,
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
        assert said.returncode == 0, said.stderr[-4000:]
        outcome: dict[str, Any] = json.loads(said.stdout)
        assert all(path.startswith(str(self.folder)) for path in outcome.pop("packages"))
        return outcome

    def trusting(self, authority: Authority, folder: Path, *, for_aws: bool = True, elsewhere: bool = True) -> Layer:
        """The same layer with one more authority, where the build would put it."""
        packages = folder / "python"
        packages.mkdir(parents=True)
        for entry in (self.folder / "python").iterdir():
            if entry.name == "heliograph":
                shutil.copytree(entry, packages / entry.name)
            else:
                (packages / entry.name).symlink_to(entry)
        bundle = (self.folder / "amazon-roots.pem").read_text()
        (folder / "amazon-roots.pem").write_text(bundle + authority.certificate * for_aws)
        if elsewhere:
            trim.hash_roots(authority.certificate, folder / "one more")
            shutil.copytree(folder / "one more", packages / "heliograph" / "platform" / "roots", dirs_exist_ok=True)
        return Layer(self.python, folder)


class _Answering(BaseHTTPRequestHandler):
    """Says the same to everybody."""

    def do_GET(self) -> None:
        said = b'{"SecretString": "told"}'
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET  # noqa: N815 - http.server's own name

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Serving(ThreadingHTTPServer):
    """A server whose callers may hang up during the handshake."""

    def handle_error(self, *_: object) -> None:
        """Nothing: the caller tells."""


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[str]:
    """A server that shows its certificate; where it is."""
    with _Serving(("127.0.0.1", 0), _Answering) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(_PATIENCE_SECONDS)


@pytest.fixture(scope="module", params=sorted({*interpreters(), lambdas_version()}))
def layer(request: pytest.FixtureRequest) -> Layer:
    """Built for the Python that runs here, and for the functions' own."""
    version: str = request.param
    if version not in interpreters():
        pytest.skip(f"there is no Python {version} here")
    return Layer(interpreters()[version], built(version))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_certificate_of_an_authority_in_the_layer_is_believed(
    layer: Layer, authority: Authority, tmp_path: Path
) -> None:
    with serving(authority.serving("localhost")) as url:
        outcome = layer.trusting(authority, tmp_path / "layer").calls(url)
    assert outcome == {"sdk": "told", "bounded": "told", "httpx": "told"}


def test_a_certificate_of_a_stranger_is_refused(layer: Layer, authority: Authority) -> None:
    with serving(authority.serving("localhost")) as url:
        outcome = layer.calls(url)
    assert outcome["sdk"].startswith("botocore.exceptions.SSLError")
    assert outcome["bounded"].startswith("httpx.ConnectError")
    assert outcome["httpx"].startswith("httpx.ConnectError")
    assert all(REFUSED in said for said in outcome.values())


def test_a_certificate_for_another_host_is_refused(layer: Layer, authority: Authority, tmp_path: Path) -> None:
    with serving(authority.serving("elsewhere.test")) as url:
        outcome = layer.trusting(authority, tmp_path / "layer").calls(url)
    assert "hostname 'localhost' doesn't match 'elsewhere.test'" in outcome["sdk"]
    for way in ("bounded", "httpx"):
        assert REFUSED in outcome[way]
        assert "not valid for 'localhost'" in outcome[way]


@pytest.mark.parametrize("for_aws", [True, False])
def test_aws_and_the_rest_of_the_world_are_believed_by_lists_of_their_own(
    layer: Layer, authority: Authority, tmp_path: Path, for_aws: bool
) -> None:
    trusting = layer.trusting(authority, tmp_path / "layer", for_aws=for_aws, elsewhere=not for_aws)
    with serving(authority.serving("localhost")) as url:
        outcome = trusting.calls(url)
    believed = {way for way, said in outcome.items() if said == "told"}
    assert believed == ({"sdk"} if for_aws else {"bounded", "httpx"})
    assert all(REFUSED in said for way, said in outcome.items() if way not in believed)


@pytest.mark.parametrize("region", PARTITIONS)
def test_the_bundle_that_the_template_names_is_in_the_layer(layer: Layer, authority: Authority, region: str) -> None:
    [bundle] = BUNDLES[region]
    # A file that is not there is another error.
    with serving(authority.serving("localhost")) as url:
        assert REFUSED in layer.calls(url, ca_bundle=bundle)["sdk"]
