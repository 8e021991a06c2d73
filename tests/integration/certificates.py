"""A certificate authority of our own, for TLS on this machine."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# On every day: OpenSSL looks at the machine's own clock. The end is the one that means "none" (RFC 5280, 4.1.2.5).
_ALWAYS, _FOR_EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class Authority:
    """Signs certificates for names, and is trusted by whom it is given to.

    `is_named`: a certificate names the key that signed it, as RFC 5280 demands (4.2.1.1) and sloppy authorities don't.
    """

    def __init__(self, folder: Path, *, is_named: bool = True) -> None:
        self._folder = folder
        self._is_named = is_named
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("an authority of our own")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = (
            self._begun(self._name, self._key)
            .add_extension(constraints, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._own = own.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate(self) -> str:
        """Its own certificate, which whoever trusts it keeps."""
        return self._own.decode()

    def trusting(self) -> ssl.SSLContext:
        """For clients that trust this authority, and no other."""
        return ssl.create_default_context(cadata=self.certificate)

    def bundle(self) -> Path:
        """A file with this authority's certificate: what `AWS_CA_BUNDLE` names."""
        file = self._folder / "authority.pem"
        file.write_bytes(self._own)
        return file

    def add_to(self, context: ssl.SSLContext) -> None:
        """Lets clients with that context trust this authority, too."""
        context.load_verify_locations(cadata=self._own.decode())

    def serving(self, name: str) -> ssl.SSLContext:
        """For a server that shows a certificate for `name`, or for an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._begun(_named(name), key)
            .add_extension(x509.SubjectAlternativeName([_subject(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{name}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _begun(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        begun = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_ALWAYS)
            .not_valid_after(_FOR_EVER)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if not self._is_named:
            return begun
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return begun.add_extension(signer, critical=False)


def _subject(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
