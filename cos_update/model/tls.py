"""Hints for certificates that are not trusted, with lines to copy."""

from __future__ import annotations

from urllib.parse import urlsplit

_FOLDER = "/etc/concertim-openstack-service"
_ADDRESS_KEYS = {"openstack": "auth_url", "concertim": "concertim_url", "rmq": "rmq_address"}


def how_to_trust(section: str, address: str) -> str:
    """Both options for config.yaml, and how to fetch the certificate.

    `section` is that of config.yaml, `address` a URL, or `host:port`.
    """
    file = f"{_FOLDER}/{section}-ca.pem"
    return (
        f"Either fetch its certificate (`{_fetching(address)} > {file}`; better the CA's own, from that service's "
        f"operators), compare the fingerprint, and add under `{section}:` the line `verify: {file}`; "
        f"or {_not_at_all(section)}"
    )


def not_trusted(section: str, address: str, reason: str) -> str:
    """The hint for OpenSSL's reason for not trusting the certificate of `address`."""
    if "mismatch" in reason:
        names = f"{_fetching(address)} | openssl x509 -noout -ext subjectAltName"
        key = f"{section}.{_ADDRESS_KEYS[section]}"
        return f"Set {key} to a name that it was issued for (`{names}` shows them), or {_not_at_all(section)}"
    if "expired" in reason or "not yet valid" in reason:
        return f"Have it renewed there, and compare the clocks of both hosts; until then {_not_at_all(section)}"
    return how_to_trust(section, address)


def _not_at_all(section: str) -> str:
    return (
        f"add under `{section}:` the line `verify: false`, and anybody may get the password "
        f"({section}.verify of the configuration)."
    )


def _fetching(address: str) -> str:
    host, port = _peer(address)
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = "" if ":" in host else f" -servername {host}"
    return f"openssl s_client -showcerts -connect {at}{name} </dev/null | sed -n '/-BEGIN C/,/-END C/p'"


def _peer(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return parts.hostname or address, parts.port or 443
    except ValueError:
        return address, 443
