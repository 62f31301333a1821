"""Certificate verification, the same for every service, and explanations of failures.

Python 3.13 made two of OpenSSL's flags the default: certificates must comply with RFC 5280 (VERIFY_X509_STRICT), and
any trusted certificate ends a chain (VERIFY_X509_PARTIAL_CHAIN). We set the second with every Python version. The
first depends on the settings, with Python's own default.
"""

from __future__ import annotations

import re
import ssl
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography import x509

_INVALID_CA, _NO_AUTHORITY_KEY_ID, _NO_SUBJECT_KEY_ID, _CONSTRAINTS_NOT_CRITICAL, _NO_KEY_USAGE = 79, 85, 86, 89, 92
_STRICT_ONLY = range(80, 94)
"""OpenSSL's codes (x509_vfy.h) for faults that only strict mode rejects, besides some cases of _INVALID_CA."""
_FAULTS = {
    _NO_KEY_USAGE: "no key usage extension",
    _CONSTRAINTS_NOT_CRITICAL: "basic constraints that are not marked critical",
    _NO_SUBJECT_KEY_ID: "no subject key identifier extension",
    _INVALID_CA: "no basic constraints extension",
    _NO_AUTHORITY_KEY_ID: "no authority key identifier extension",
}
"""Descriptions of the faults."""
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


_STRICT_BY_DEFAULT = sys.version_info >= (3, 13)


class Verification(Protocol):
    """A service's verification settings: on, off or a CA file, and whether it is strict."""

    @property
    def verify(self) -> bool | str: ...
    @property
    def verify_strict(self) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a certificate is not trusted, as a clause, and a hint if strict mode is the reason, else ""."""

    reason: str
    hint: str = ""


def apply(context: ssl.SSLContext, *, strict: bool | None) -> ssl.SSLContext:
    """Sets the flags of a context, and returns it."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if _is_strict(strict):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def http_context(*, strict: bool | None) -> ssl.SSLContext:
    """A context for urllib3, which adds the CA's certificates; like urllib3's own, it ignores common names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    return apply(context, strict=strict)


def distrust(error: BaseException, settings: Verification, setting: str) -> Distrust | None:
    """Why a certificate is not trusted, if that caused the error; `setting` is the key, such as `rmq.verify`."""
    cause = next((link for link in chain(error) if isinstance(link, ssl.SSLCertVerificationError)), None)
    if cause is None:
        return None
    words = f"{cause.verify_message[:1].lower()}{cause.verify_message[1:]}"
    ca = settings.verify if isinstance(settings.verify, str) else None
    culprits = _culprits(ca, cause.verify_code) if ca else []
    if not _is_strict(settings.verify_strict) or not (culprits or cause.verify_code in _STRICT_ONLY):
        return Distrust(words)
    return Distrust(
        "; ".join(culprits) or _of_one_unseen(cause.verify_code, ca) or words,
        "Have that certificate reissued (a CA's with basicConstraints=critical,CA:TRUE and keyUsage=critical,"
        f"keyCertSign,cRLSign), or set {setting} to {_relaxed(ca)}: chain and host name are still verified.",
    )


def unfit(ca: str, *, strict: bool | None) -> str:
    """Why a file or folder of CA certificates is unusable, as far as it shows, with a hint; else "".

    One usable certificate is enough, since it is unknown which one a service needs.
    """
    try:
        certificates = list(_certificates(ca))
    except OSError as error:
        return f"{ca} cannot be read: {error.strerror}"
    if not certificates:
        return f"{ca} contains no certificate"
    complaints = [_complaint(certificate, ca) for certificate in certificates if _faults(certificate)]
    if strict is False or len(complaints) < len(certificates):
        return ""
    when = "" if _is_strict(strict) else " from Python 3.13 on"
    return f"{'; '.join(complaints)}, and is rejected{when} unless given as {_relaxed(ca)}"


def _is_strict(strict: bool | None) -> bool:
    return _STRICT_BY_DEFAULT if strict is None else strict


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes and contexts, each once."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]


def _relaxed(ca: str | None) -> str:
    return f"{{ca: {ca}, strict: false}}" if ca else "{strict: false}"


def _of_one_unseen(code: int, ca: str | None) -> str:
    """The fault of a certificate that is not in our files."""
    if code not in _FAULTS:
        return ""
    if code == _NO_AUTHORITY_KEY_ID:
        return f"it, or that of an intermediate CA which is sent along, has {_FAULTS[code]}"
    whose = "an intermediate CA's certificate, which is sent along," if ca else "a CA's certificate"
    return f"{whose} has {_FAULTS[code]}"


def _culprits(ca: str, code: int) -> list[str]:
    """A description for each of our certificates with the fault."""
    try:
        return [_complaint(each, ca) for each in _certificates(ca) if code in _faults(each)]
    except OSError:
        return []


def _complaint(certificate: x509.Certificate, ca: str) -> str:
    faults = " and ".join(_FAULTS[code] for code in _faults(certificate))
    return f"the CA certificate {certificate.subject.rfc4514_string()} in {ca} has {faults}"


def _faults(certificate: x509.Certificate) -> list[int]:
    """The codes of faults in a CA certificate that OpenSSL's strict mode rejects; none for other certificates."""
    from cryptography.x509 import BasicConstraints, KeyUsage, SubjectKeyIdentifier, Version

    found = {type(extension.value): extension for extension in certificate.extensions}
    constraints, usage = found.get(BasicConstraints), found.get(KeyUsage)
    if constraints is None:
        is_ca = certificate.version is Version.v1 or (usage is not None and usage.value.key_cert_sign)
        return [_INVALID_CA] if is_ca else []
    if not constraints.value.ca:
        return []
    wrong = {
        _NO_KEY_USAGE: usage is None,
        _CONSTRAINTS_NOT_CRITICAL: not constraints.critical,
        _NO_SUBJECT_KEY_ID: SubjectKeyIdentifier not in found,
    }
    return [code for code, is_so in wrong.items() if is_so]


def _certificates(ca: str) -> Iterator[x509.Certificate]:
    """The readable certificates of a file, or of all files in a folder. Raises OSError."""
    from cryptography.x509 import load_pem_x509_certificate

    path = Path(ca)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        for text in _PEM.findall(file.read_bytes()) if file.is_file() or file == path else []:
            try:
                # It warns about odd serial numbers, which do not matter here.
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    certificate = load_pem_x509_certificate(text)
                    certificate.extensions  # noqa: B018  parsed only here
            except ValueError:
                continue
            yield certificate
