"""Why a request to OpenStack has failed, as the operating system or the service itself puts it.

keystoneauth's messages name classes instead of reasons; the reasons are in the exceptions that it wraps.
"""

from __future__ import annotations

import html
import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from http.client import BadStatusLine
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cos_update import tls
from cos_update.concurrency import open_files
from cos_update.concurrency.calls import CallTimeoutError
from cos_update.model.settings import CloudSettings
from cos_update.model.tls import not_trusted

LONGEST = 200
"""Maximum length of a service's message."""
AGAIN = frozenset({408, 413, 429, 500, 502, 503, 504})
"""413 is the 429 of older rate limits of Nova and Cinder."""
PROXY_LOGIN = 407
_OF_THE_LIBRARY = re.compile(r" \(HTTP \d+\)( \(Request-ID: .*\))?$")
"""The suffix that keystoneauth adds to messages."""
E = TypeVar("E", bound=BaseException)


class Cause(Enum):
    """The cause of a failure, as far as it determines what to do."""

    ANSWER = "answer"
    """The service answered with an error or something unexpected."""
    FOREIGN = "foreign"
    """The response is not from the service at all."""
    UNREACHABLE = "unreachable"
    NAME = "name"
    """The host's name cannot be resolved."""
    CERTIFICATE = "certificate"
    TLS = "tls"
    PROXY = "proxy"
    FILES = "files"
    """This process cannot open more files or connections."""
    ADDRESS = "address"
    """The address is not a valid URL."""
    GATEWAY = "gateway"
    """Something in front of the service requires its own login."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed: `text` for people, without a full stop; `is_passing`: a retry may succeed."""

    text: str
    cause: Cause = Cause.OTHER
    is_passing: bool = False
    status: int | None = None
    advice: str = ""
    """What to do, if that depends on this particular failure."""


def explained(error: BaseException, settings: CloudSettings) -> Failure:
    """The failure behind an exception of keystoneauth, openstacksdk or requests."""
    chain = tuple(tls.chain(error))
    url = next((found for link in chain if (found := _url(link))), "")
    address = without_credentials(url)
    failure = (
        _of_certificate(error, settings, address) or _of_wire(chain, address, settings.timeout) or _of_answer(chain)
    )
    if not (proxy := _proxy_for(url)):
        return failure
    is_at_fault = any(type(link).__name__ == "ProxyError" for link in chain)
    text = f"{failure.text} (through the proxy {proxy})"
    return replace(failure, text=text, cause=Cause.PROXY if is_at_fault else failure.cause)


def foreign(response: Any) -> Failure:
    """The failure behind a successful response that is not JSON."""
    text = f"the response from {without_credentials(str(response.url))} is not JSON"
    words = words_of(response)
    return Failure(f"{text} ({words})" if words else text, Cause.FOREIGN, is_passing=True)


def answered(status: int, response: Any, otherwise: str = "") -> Failure:
    """The failure behind an error response, with the service's own message if there is one."""
    words = words_of(response) or shortened(otherwise)
    cause = Cause.PROXY if status == PROXY_LOGIN else Cause.ANSWER
    return Failure(f"{status}: {words}" if words else str(status), cause, status in AGAIN, status)


def words_of(response: Any) -> str:
    """The error message of a response, in any service's format, or the beginning of a page or text; else ""."""
    if response is None:
        return ""
    try:
        body = response.json()
    except ValueError:
        return _plain(str(getattr(response, "text", "") or ""))
    return error_message(body)


def _plain(text: str) -> str:
    """A text, or the text of an HTML page, shortened."""
    return shortened(re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", text, flags=re.S | re.I))


def error_message(body: object) -> str:
    """The message of an error body in any service's format; "" for other bodies."""
    if not isinstance(body, Mapping):
        return ""
    if "explanation" in body:
        return shortened(str(body["explanation"]))
    inner = next((value for value in body.values() if isinstance(value, Mapping)), {})
    return shortened(str(inner.get("message") or inner.get("title") or ""))


def hint(failure: Failure, *, is_login: bool) -> str:
    """What to do about a failed login at Keystone, or a failing endpoint of the catalog."""
    where = "openstack.auth_url" if is_login else "the endpoint in the catalog (`openstack endpoint list`)"
    match failure.cause:
        case Cause.CERTIFICATE:
            return failure.advice
        case Cause.TLS:
            return f"Check {where}: is it http:// or https://, and is the port right?"
        case Cause.PROXY:
            return "Check the proxy in the environment (http_proxy, https_proxy), or name the host in no_proxy."
        case Cause.GATEWAY:
            return f"Check {where}, and whether a gateway or proxy in front of it must let this machine through."
        case Cause.FILES:
            return open_files.HINT
        case Cause.NAME:
            return f"Check the host in {where}, and this machine's DNS."
        case Cause.ADDRESS:
            return f"Check {where}: it must begin with http:// or https:// and name a host."
        case Cause.FOREIGN:
            return f"Check {where}, and whether it is {'Keystone' if is_login else 'that service'} that answers there."
        case Cause.UNREACHABLE:
            return f"Check {where}, and whether the service runs and can be reached from here."
    return _hint_of_login(failure) if is_login else ""


def _hint_of_login(failure: Failure) -> str:
    text = failure.text.lower()
    if "expired" in text and "password" in text:
        return "Give the user a new password (`openstack user password set`) and set openstack.password to it."
    match failure.status:
        case 400 if "domain" in text:
            return "Set openstack.user_domain_name and openstack.project_domain_name."
        case 400:
            return "Check the section openstack of the configuration."
        case 401:
            return "Check username, password, domain and project in the section openstack of the configuration."
        case 403:
            return "Ask Keystone's operators what the user of the section openstack may do."
        case 404 | 405:
            return "Check openstack.auth_url: its path usually ends in /v3."
        case 413:
            return "Check the length of the values in the section openstack, and the limits of a proxy before Keystone."
        case status if status is not None and status >= 500:
            return "Look into Keystone's log, and that of any proxy in front of it."
    return hint(Failure("", Cause.FOREIGN), is_login=True)


def without_credentials(url: str) -> str:
    """An address that is safe to print: without user, password and query."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.rpartition("@")[2][:LONGEST]
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/")[:LONGEST] if host else url[:LONGEST]


def _of_certificate(error: BaseException, settings: CloudSettings, address: str) -> Failure | None:
    """Why a certificate is not trusted, which no retry would fix; None for other errors."""
    distrust = tls.distrust(error, settings, "openstack.verify")
    if distrust is None:
        return None
    host = without_credentials(address).partition("://")[2].partition("/")[0]
    where = f"https://{host}" if host else "the service"
    advice = distrust.hint or not_trusted("openstack", where, distrust.reason)
    return Failure(f"the certificate of {where} is not trusted: {distrust.reason}", Cause.CERTIFICATE, advice=advice)


def _of_wire(chain: Sequence[BaseException], address: str, timeout: float) -> Failure | None:
    """The connection failure of a request; None if there was a response."""
    from requests import exceptions
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError, ReadTimeoutError

    to, from_ = (f" to {address}", f" from {address}") if address else ("", "")
    if hanging := _first(chain, CallTimeoutError):
        return Failure(f"the request{to} hangs: {hanging}", Cause.UNREACHABLE)
    number = next(
        (each.errno for each in chain if isinstance(each, OSError) and each.errno in open_files.TOO_MANY), None
    )
    if number is not None:
        return Failure(f"no connection{to}: {os.strerror(number)}", Cause.FILES, is_passing=True)
    if nameless := _first(chain, socket.gaierror):
        return Failure(f"no connection{to}: {nameless.strerror or nameless}", Cause.NAME, is_passing=True)
    if (tls := _first(chain, ssl.SSLError)) and not isinstance(tls, ssl.SSLEOFError):
        return Failure(f"no TLS connection{to}: {(tls.reason or str(tls)).lower().replace('_', ' ')}", Cause.TLS)
    if _first(chain, NewConnectionError) and (words := _words_of_system(chain)):
        return Failure(f"no connection{to}: {words}", Cause.UNREACHABLE, is_passing=True)
    if _first(chain, ConnectTimeoutError) or _first(chain, exceptions.ConnectTimeout):
        return Failure(f"no connection{to} within {timeout:g} s", Cause.UNREACHABLE, is_passing=True)
    if _first(chain, ReadTimeoutError) or _first(chain, TimeoutError) or _first(chain, exceptions.ReadTimeout):
        return Failure(f"no answer within {timeout:g} s{from_}", Cause.UNREACHABLE, is_passing=True)
    if wrong := _first(chain, exceptions.InvalidURL, exceptions.MissingSchema, exceptions.InvalidSchema):
        return Failure(f"invalid address: {shortened(str(wrong))}", Cause.ADDRESS)
    if (other := _first(chain, BadStatusLine)) and not isinstance(other, ConnectionError):
        return Failure(f"what answers at {address} does not speak HTTP", Cause.TLS)
    if words := _words_of_system(chain):
        return Failure(f"no connection{to}: {words}", Cause.UNREACHABLE, is_passing=True)
    if _first(chain, ProtocolError, ssl.SSLEOFError, exceptions.ChunkedEncodingError, ConnectionError):
        return Failure(f"no complete answer{from_}: the connection was closed", Cause.UNREACHABLE, is_passing=True)
    return None


def _of_answer(chain: Sequence[BaseException]) -> Failure:
    """The failure that a response reports; the library's own error if no request was sent."""
    for each in chain:
        status = getattr(each, "http_status", None)
        if getattr(each, "is_of_gateway", False):
            return Failure("401: something in front of it requires its own login", Cause.GATEWAY, is_passing=True)
        if isinstance(status, int) and status:
            return answered(status, getattr(each, "response", None), _OF_THE_LIBRARY.sub("", str(each)))
    outermost = chain[0]
    response = next((found for each in chain if (found := getattr(each, "response", None)) is not None), None)
    is_misshapen = any(isinstance(each, ValueError) or type(each).__name__ == "DiscoveryFailure" for each in chain)
    if is_misshapen:
        words = f"not a response of an OpenStack service ({words_of(response) or _plain(str(outermost))})"
        return Failure(words, Cause.FOREIGN, is_passing=True)
    return Failure(shortened(str(outermost)) or type(outermost).__name__)


def _words_of_system(chain: Sequence[BaseException]) -> str:
    return next((found for each in chain if (found := _words(each))), "")


def _words(error: BaseException) -> str:
    """The operating system's message; urllib3 reports a proxy's response as an OSError of its own."""
    if not isinstance(error, OSError) or type(error).__module__ != "builtins":
        return ""
    return error.strerror or shortened(str(error))


def _first(chain: Sequence[BaseException], *kinds: type[E]) -> E | None:
    return next((link for link in chain if isinstance(link, kinds)), None)


def _url(error: BaseException) -> str:
    request = getattr(error, "request", None)
    return str(getattr(request, "url", None) or getattr(error, "url", None) or "")


def _proxy_for(url: str) -> str:
    """The proxy that the environment configures for an address, safe to print; "" for none."""
    if not url:
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    try:
        return without_credentials(select_proxy(url, get_environ_proxies(url)) or "")
    except ValueError:
        return ""


def shortened(text: str) -> str:
    """The beginning of a foreign text, on one line."""
    line = " ".join(html.unescape(text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
