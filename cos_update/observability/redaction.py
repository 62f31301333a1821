"""Redacts secrets in every text that leaves the program: known values, and anything that looks like a secret."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse

HIDDEN = "***"

_WORDS = "password|passwd|adminpass|secret|cookie"


class Redactor:
    """Redacts the secrets that were added, and anything that looks like one."""

    _PATTERNS = (
        # Authorization: Basic ..., and Bearer ... anywhere
        (
            re.compile(r"""(\bauthorization["']?\s*[:=]\s*[bu]?["']?\w+\s+|\bbearer\s+)[^\s"',]+""", re.I),
            rf"\1{HIDDEN}",
        ),
        # https://user:password@host
        (re.compile(r"(://[^/\s:@]*:)[^\s/]+@"), rf"\1{HIDDEN}@"),
        # "password": "...", 'X-Auth-Token': '...', in JSON and in reprs of dicts
        (re.compile(rf"""((?:{_WORDS}|token)["']\s*:\s*[bu]?)(["'])(?:\\.|(?!\2).)*\2?""", re.I), rf"\1\2{HIDDEN}\2"),
        # password=..., password: ..., X-Auth-Token: ... (keystoneauth writes only the hash of a token)
        (
            re.compile(
                rf"""((?:{_WORDS})(?:=|:\s+)["']?|token=["']?|-token:\s+)(?!\{{SHA256\}})[^\s"'&,;)}}\]]+""", re.I
            ),
            rf"\1{HIDDEN}",
        ),
        # Keystone's Fernet tokens, and JSON web tokens, anywhere
        (re.compile(r"\bgAAAAA[\w-]{20,}=*"), HIDDEN),
        (re.compile(r"\beyJ[\w-]{8,2000}\.[\w-]+\.[\w-]*"), HIDDEN),
    )

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._expression: re.Pattern[str] | None = None

    def add(self, *secrets: str) -> None:
        """Adds values to redact, also in their encoded forms in URLs, JSON and headers."""
        for secret in filter(None, secrets):
            raw = secret.encode(errors="surrogatepass")
            self._known |= {
                secret,
                urllib.parse.quote(raw, safe=""),
                urllib.parse.quote(raw),
                urllib.parse.quote_plus(raw),
                json.dumps(secret)[1:-1],
                repr(secret)[1:-1],
                base64.b64encode(raw).decode(),
            }
        longest_first = sorted(self._known, key=len, reverse=True)
        words = [secret for secret in longest_first if any(secret in word for word in _OWN_WORDS)]
        others = [_standing(secret) for secret in longest_first if secret not in words]
        alternatives = [*others, f"(?P<own>{_OWN})", *map(_standing, words)]
        self._expression = re.compile("|".join(alternatives)) if self._known else None

    def clear(self) -> None:
        """Removes all added values."""
        self._known.clear()
        self._expression = None

    def known(self, text: str) -> str:
        """The text with only added values replaced by `***`, for texts that mention keys like `password:`.

        Names of our own keys and folders stay, even if they contain a secret as a word.
        """
        return text if self._expression is None else self._expression.sub(lambda found: found["own"] or HIDDEN, text)

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by `***`."""
        return self.shapes(self.known(text))

    def shapes(self, text: str) -> str:
        """The text with anything that looks like a secret replaced by `***`."""
        for pattern, replacement in self._PATTERNS:
            text = pattern.sub(replacement, text)
        return text


_SHORT = 6
_SECTIONS = ("openstack", "concertim", "rmq", "killbill", "coordination")
_NAMES = ("concertim-openstack-service", "cos-update", "updates_bulk.log", "updates_mq.log")
_OWN_WORDS = (*_SECTIONS, *_NAMES)
_OWN = rf"\b(?:{'|'.join(_SECTIONS)})(?=\.[a-z_]+\b(?!\.\w))|\b(?:{'|'.join(map(re.escape, _NAMES))})\b"
"""The section of a key (`concertim.verify`), and the program's own names."""


def _standing(secret: str) -> str:
    """A pattern for a secret; short ones match only as whole words, since they occur within many words."""
    return rf"(?<!\w){re.escape(secret)}(?!\w)" if len(secret) < _SHORT else re.escape(secret)


hidden = Redactor()
"""The redactor of all log lines; secrets that are learned later (tokens) may be added."""
