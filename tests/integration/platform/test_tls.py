"""Which certificates are believed: the same ones under every Python."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from heliograph.platform import tls as trust

from tests.integration.certificates import Authority

NAME = "hooks.example.com"


@pytest.fixture(params=["the layer's folder", "certifi's bundle"])
def context(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """As every client of a process has it, made anew."""
    if request.param == "the layer's folder":
        monkeypatch.setattr(trust, "_ROOTS", tmp_path)
    made = trust.ssl_context.__wrapped__()
    assert isinstance(made, ssl.SSLContext)
    return made


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Both sides of a handshake, in memory. Raises what the client raises."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=NAME)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, answering, asking):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_certificate_as_the_rfc_has_it_is_believed(tmp_path: Path, context: ssl.SSLContext) -> None:
    authority = Authority(tmp_path)
    authority.add_to(context)
    shake_hands(context, authority.serving(NAME))


def test_a_certificate_that_does_not_name_its_signer_is_not_believed_under_any_python(
    tmp_path: Path, context: ssl.SSLContext
) -> None:
    authority = Authority(tmp_path, is_named=False)
    authority.add_to(context)
    with pytest.raises(ssl.SSLCertVerificationError, match="Missing Authority Key Identifier"):
        shake_hands(context, authority.serving(NAME))


def test_an_authority_that_nobody_knows_is_not_believed(tmp_path: Path, context: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(context, Authority(tmp_path).serving(NAME))


def test_every_python_checks_the_same(context: ssl.SSLContext) -> None:
    assert context.verify_flags == (
        ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
    )
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
