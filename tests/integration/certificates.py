"""Certificates that comply with RFC 5280, or have one fault."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

KEY_USAGE, CRITICAL_CONSTRAINTS, SUBJECT_KEY_ID, AUTHORITY_KEY_ID = "key-usage", "critical", "subject-key-id", "akid"
"""What a certificate may lack."""
_Extension = tuple[x509.ExtensionType, bool]


class Authority:
    """A CA with one key and one name: whatever its certificate lacks, it signed the same ones."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name

    def certificate(self, lacking: str = "") -> str:
        """The path of its own certificate, which may lack something."""
        extensions = [
            (x509.BasicConstraints(ca=True, path_length=None), lacking != CRITICAL_CONSTRAINTS),
            *_identifiers(self._key.public_key(), self._key.public_key(), lacking),
        ]
        if lacking != KEY_USAGE:
            extensions.append((_usage("key_cert_sign", "crl_sign"), True))
        path = self._folder / f"{self._name}{lacking and f'-without-{lacking}'}.pem"
        path.write_bytes(_pem(self._name, self._key, self._name, self._key, extensions))
        return str(path)

    def self_signed(self, *hosts: str) -> str:
        """The path of its own certificate, without a key usage, as a service's at these hosts, and of the key."""
        extensions: list[_Extension] = [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            *_identifiers(self._key.public_key(), self._key.public_key(), ""),
            (x509.SubjectAlternativeName([_alternative(host) for host in hosts]), False),
        ]
        path = self._folder / f"{self._name}-itself.pem"
        path.write_bytes(_pem(self._name, self._key, self._name, self._key, extensions) + _secret(self._key))
        return str(path)

    def sign(self, name: str, *hosts: str, lacking: str = "") -> str:
        """The path of the certificate and key of a service at these hosts, or of a client when there is none."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage("digital_signature"), True),
            *_identifiers(key.public_key(), self._key.public_key(), lacking),
        ]
        if hosts:
            extensions.append((x509.SubjectAlternativeName([_alternative(host) for host in hosts]), False))
        path = self._folder / f"{name}.pem"
        path.write_bytes(_pem(name, key, self._name, self._key, extensions) + _secret(key))
        return str(path)


def server_context(path: str) -> ssl.SSLContext:
    """The context of a server with the certificate and key of that file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: list[_Extension],
) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + timedelta(days=2),
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _identifiers(
    own: ec.EllipticCurvePublicKey, signers: ec.EllipticCurvePublicKey, lacking: str
) -> Iterator[_Extension]:
    if lacking != SUBJECT_KEY_ID:
        yield x509.SubjectKeyIdentifier.from_public_key(own), False
    if lacking != AUTHORITY_KEY_ID:
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(signers), False


def _usage(*wanted: str) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in wanted for name in names})


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
