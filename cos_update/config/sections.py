"""Reads each section of config.yaml from its items into its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cos_update.config import readers
from cos_update.config.document import Item
from cos_update.config.keys import (
    ALIASES,
    FOREIGN_KEYS,
    KEYSTONE,
    SECRETS,
    SECTIONS,
    SHARD,
    VERIFICATION,
    VERIFY,
    Key,
    Secret,
)
from cos_update.config.reading import Reading
from cos_update.config.unknown import meant_by, unknown_items
from cos_update.model.errors import ConfigError
from cos_update.model.settings import (
    BrokerSettings,
    CloudSettings,
    ConcertimSettings,
    CoordinationSettings,
    KillbillSettings,
)

TLS_PORT = 5671
_LARGEST_SECRET = 64 * 1024

Section = CloudSettings | ConcertimSettings | BrokerSettings | KillbillSettings | CoordinationSettings
Secrets = Mapping[Secret, str | None]


def read_section(reading: Reading, name: str, section: Item) -> Section | None:
    """The settings of a section; None if it has faults, which are recorded in `reading`."""
    with reading.noting(name):
        return _Reader(reading, name, section).read()
    return None


def known_keys(name: str) -> set[str]:
    """Every key that a section may have, other services' keys included."""
    known = {key.name for key in SECTIONS[name]} | ({"shard"} if name == "rmq" else set())
    if name != "coordination":
        known |= set(VERIFY)
    for secret in SECRETS[name]:
        known |= {secret.name, f"{secret.name}_file"}
    if name == "openstack":
        known |= KEYSTONE.keys() | ALIASES.keys() | {f"{alias}_file" for alias in _SECRET_ALIASES}
    return known | FOREIGN_KEYS.get(name, frozenset())


_SECRET_ALIASES = [alias for alias, name in ALIASES.items() if name == "password"]


class _Reader:
    """Reads one section: records every fault, and skips checks that depend on a faulty value."""

    def __init__(self, reading: Reading, name: str, section: Item) -> None:
        self._reading = reading
        self._name = name
        self._section = section
        self._entries = section.entries()

    def read(self) -> Section | None:
        """The settings, or None. Raises ConfigError for an error that makes the whole section unusable."""
        if self._name == "openstack":
            self._rename()
        values = self._reading.values(self._name, self._entries, SECTIONS[self._name])
        if self._name != "coordination":
            with self._noting():
                self._verify(values)
        secrets = {secret: self._secret(secret) for secret in SECRETS[self._name]}
        if self._name == "openstack":
            return self._cloud(values, secrets)
        self._need_all(secrets)
        values |= {secret.field: value for secret, value in secrets.items() if value is not None}
        if self._name == "rmq":
            return self._broker(values)
        if self._name == "coordination":
            return self._coordination(values)
        if self._is_broken:
            return None
        return KillbillSettings(**values) if self._name == "killbill" else ConcertimSettings(**values)

    @property
    def _is_broken(self) -> bool:
        return self._reading.is_broken(self._name)

    def _noting(self) -> Any:
        return self._reading.noting(self._name)

    def _rename(self) -> None:
        """Replaces aliases by the keys' own names."""
        both = dict(ALIASES) | {f"{alias}_file": f"{ALIASES[alias]}_file" for alias in _SECRET_ALIASES}
        for alias, name in both.items():
            item = self._entries.pop(alias, None)
            if item is None:
                continue
            if name in self._entries:
                self._reading.add(self._name, item.error(f"given together with {name}.", "Keep one of the two."))
                continue
            self._entries[name] = item
            self._reading.note(item, f"read as {name}")

    def _need_all(self, secrets: Secrets) -> None:
        for key in SECTIONS[self._name]:
            if key.required and key.name not in self._entries:
                self._reading.add(self._name, self._missing(key.name))
        for secret, value in secrets.items():
            if value is None and not self._is_given(secret):
                self._reading.add(self._name, self._missing_secret(secret))

    def _is_given(self, secret: Secret) -> bool:
        """Whether the secret is given in any form, even an invalid one."""
        environ = self._reading.environ
        in_file = secret.name in self._entries or f"{secret.name}_file" in self._entries
        return in_file or bool(environ.get(secret.variable) or environ.get(f"{secret.variable}_FILE"))

    def _missing(self, name: str, alternative: str = "") -> ConfigError:
        found = Item(self._section.file, self._section.line, f"{self._section.key}.{name}", None)
        meant = meant_by(name, unknown_items(self._section, known_keys(self._name)))
        return found.error("missing.", meant or f"Add {name} to the section {self._section.key}{alternative}.")

    def _missing_secret(self, secret: Secret) -> ConfigError:
        return self._missing(secret.name, f", or as {secret.name}_file, or in the variable {secret.variable}")

    def _cloud(self, values: dict[str, Any], secrets: Secrets) -> CloudSettings | None:
        keys = [Key(name, name, reader) for name, reader in KEYSTONE.items()]
        auth: dict[str, str] = self._reading.values(self._name, self._entries, keys)
        if "cloud" in values:
            for name, item in self._entries.items():
                if name.removesuffix("_file") in {*KEYSTONE, *(secret.name for secret in secrets)}:
                    text = "given together with openstack.cloud, which names a cloud of clouds.yaml."
                    self._reading.add(self._name, item.error(text, "Keep one of the two."))
            return None if self._is_broken else CloudSettings(**values)
        if "auth_url" not in self._entries:
            alternative = ", or cloud with the name of a cloud in clouds.yaml"
            self._reading.add(self._name, self._missing("auth_url", alternative))
        given = {secret.name: value for secret, value in secrets.items() if value is not None}
        self._check_login({name for name in (*KEYSTONE, *given) if name in self._entries or name in given}, secrets)
        if "project_id" in auth and auth.pop("project_name", None) is not None:
            self._reading.note(self._entries["project_name"], "ignored: project_id is given")
        if "token" in given:
            values.setdefault("auth_type", "token")
        return None if self._is_broken else CloudSettings(auth=auth | given, **values)

    def _check_login(self, given: set[str], secrets: Secrets) -> None:
        """Accepts a token alone, or a user or application credential with its secret."""
        users = given & {"username", "user_id", "application_credential_id", "application_credential_name"}
        if "token" in given:
            if users:
                item = self._entries[min(users)]
                text = "given together with a token, which needs no user."
                self._reading.add(self._name, item.error(text, "Keep one of the two."))
            return
        application = users & {"application_credential_id", "application_credential_name"}
        name = "application_credential_secret" if application else "password"
        secret = next(secret for secret in secrets if secret.name == name)
        if not users:
            self._reading.add(self._name, self._missing("username", ", or application_credential_id"))
        if name not in given and not self._is_given(secret):
            self._reading.add(self._name, self._missing_secret(secret))

    def _broker(self, values: dict[str, Any]) -> BrokerSettings | None:
        if values.get("tls") and "port" not in values:
            values["port"] = TLS_PORT
        shard: dict[str, Item] = {}
        with self._noting():
            shard = self._entries["shard"].entries() if "shard" in self._entries else {}
        values |= self._reading.values(self._name, shard, SHARD)
        index, count = values.get("shard_index", 0), values.get("shard_count", 1)
        if index >= count:
            self._reading.add(self._name, shard["index"].expected(f"less than shard.count, which is {count}"))
        if ("client_cert" in self._entries) != ("client_key" in self._entries):
            given = self._entries["client_cert" if "client_cert" in self._entries else "client_key"]
            self._reading.add(self._name, given.error("client_cert and client_key are needed together."))
        return None if self._is_broken else BrokerSettings(**values)

    def _coordination(self, values: dict[str, Any]) -> CoordinationSettings | None:
        if not readers.is_backend_url(values.get("backend_url", "")) and not self._is_broken:
            # Of the environment or a file, which no reader has looked at.
            text = f"expected an address that begins with one of {', '.join(readers.BACKENDS)}."
            self._reading.add(self._name, ConfigError(f"coordination.backend_url: {text}"))
        return None if self._is_broken else CoordinationSettings(**values)

    def _verify(self, values: dict[str, Any]) -> None:
        """`verify` as a scalar or a mapping, or openstacksdk's keys: `cacert` with a path, `insecure: true`."""
        given = [name for name in VERIFY if name in self._entries]
        if len(given) > 1:
            text = f"given together with {given[0]}, but both configure TLS verification."
            raise self._entries[given[1]].error(text, "Keep one.")
        if given == ["verify"] and isinstance(self._entries["verify"].value, dict):
            values |= self._reading.values(self._name, self._entries["verify"].entries(), VERIFICATION)
            self._reading.given.add(self._entries["verify"].key)
            return
        reader = {"verify": readers.verify, "cacert": readers.near_path, "insecure": readers.boolean}
        for name in given:
            if not self._entries[name].is_null:
                value = self._reading.value(self._entries[name], reader[name](self._entries[name]))
                values["verify"] = not value if name == "insecure" else value

    def _secret(self, secret: Secret) -> str | None:
        """A secret: from the environment, the file that it names, config.yaml, or the file that config.yaml names."""
        with self._noting():
            return self._read_secret(secret)
        return None

    def _read_secret(self, secret: Secret) -> str | None:
        environ = self._reading.environ
        if environ.get(secret.variable):
            return environ[secret.variable]
        variable = f"{secret.variable}_FILE"
        if environ.get(variable):
            try:
                return _content(Path(environ[variable]))
            except ConfigError as error:
                raise ConfigError(f"{variable}: {error}", error.hint) from error.__cause__
        item, file_item = self._entries.get(secret.name), self._entries.get(f"{secret.name}_file")
        if item is not None and file_item is not None:
            raise file_item.error(f"given together with {secret.name}.", "Keep one of the two.")
        if file_item is not None:
            try:
                return _content(Path(readers.near_path(file_item)))
            except ConfigError as error:
                raise file_item.error(str(error), error.hint) from error.__cause__
        if item is None or item.key in self._reading.unreadable:
            return None
        return str(self._reading.value(item, secret.read(item), secret=True))


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_SECRET + 1)
        value = content.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and who may read it."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.") from error
    if not value or len(content) > _LARGEST_SECRET:
        raise ConfigError(f"{path} is {'empty' if not value else 'too large for a secret'}.")
    return value
