"""config.yaml and the environment -> settings."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

from cos_update.config import readers
from cos_update.config.document import Item, read
from cos_update.config.keys import FOREIGN, KEYSTONE, SECRETS, SECTIONS, SHARD, TOP, VERIFY, Key, Secret
from cos_update.model.errors import ConfigError
from cos_update.model.settings import BrokerSettings, CloudSettings, ConcertimSettings, Settings, ViewFor

DEFAULT_PATH = Path("/etc/concertim-openstack-service/config.yaml")
TLS_PORT = 5671
_LARGEST_SECRET = 64 * 1024

_Section = CloudSettings | ConcertimSettings | BrokerSettings


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what is odd about the file without being wrong, a sentence each."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def config_path(option: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to read: the option's, else COS_UPDATE_CONFIG's, else the usual one."""
    return option or Path(environ.get("COS_UPDATE_CONFIG") or DEFAULT_PATH)


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Reads and checks the file; secrets and the folders may come from the environment.

    Raises ConfigError that names the file, the line and the key.
    """
    whole = read(path, FOREIGN)
    entries = whole.entries()
    warnings = _unknown(whole, {key.name for key in TOP} | set(SECTIONS) | FOREIGN)
    values = _values(entries, TOP)
    for folder, variable in (("data_dir", "COS_UPDATE_DATA_DIR"), ("log_dir", "COS_UPDATE_LOG_DIR")):
        if environ.get(variable):
            values[folder] = Path(environ[variable]).absolute()
    if word := environ.get("COS_UPDATE_VIEW_FOR"):
        values["view_for"] = _view_for(word)
    for name in SECTIONS:
        if name in entries:
            section = entries[name]
            values[name] = _section(section, name, environ)
            warnings += _unknown(section, _known(name))
            shard = section.entries().get("shard")
            if name == "rmq" and shard is not None:
                warnings += _unknown(shard, {key.name for key in SHARD})
    return Loaded(Settings(source=path, **values), tuple(warnings))


def holds_secrets(path: Path) -> bool:
    """Whether a secret stands in the file itself, rather than in the environment or in a file of its own.

    Raises ConfigError.
    """
    entries = read(path, FOREIGN).entries()
    sections = ((entries[name].entries(), secrets) for name, secrets in SECRETS.items() if name in entries)
    return any(secret.name in section for section, secrets in sections for secret in secrets)


@overload
def require(settings: Settings, name: Literal["openstack"]) -> CloudSettings: ...
@overload
def require(settings: Settings, name: Literal["concertim"]) -> ConcertimSettings: ...
@overload
def require(settings: Settings, name: Literal["rmq"]) -> BrokerSettings: ...
def require(settings: Settings, name: Literal["openstack", "concertim", "rmq"]) -> _Section:
    """The section of that name. Raises ConfigError when the file does not have it."""
    section: _Section | None = getattr(settings, name)
    if section is None:
        raise ConfigError(
            f"{settings.source or 'The configuration'}: the section {name} is missing, and this command needs it.",
            "`cos-update config sample` shows what belongs into it.",
        )
    return section


def _section(section: Item, name: str, environ: Mapping[str, str]) -> _Section:
    entries = section.entries()
    values = _values(entries, SECTIONS[name])
    _verify(entries, values)
    secrets = {secret: _secret(entries, secret, environ) for secret in SECRETS[name]}
    if name == "openstack":
        return _cloud(section, values, secrets)
    for key in SECTIONS[name]:
        if key.required and key.name not in entries:
            raise _missing(section, key.name)
    for secret, value in secrets.items():
        if value is None:
            raise _missing(section, secret.name, f", or as {secret.name}_file, or in the variable {secret.variable}")
        values[secret.field] = value
    return ConcertimSettings(**values) if name == "concertim" else _broker(entries, values)


def _cloud(section: Item, values: dict[str, Any], secrets: Mapping[Secret, str | None]) -> CloudSettings:
    entries = section.entries()
    auth = {name: str(reader(entries[name])) for name, reader in KEYSTONE.items() if name in entries}
    if "cloud" in values:
        credentials = {*KEYSTONE, *(secret.name for secret in secrets)}
        for name in entries:
            if name.removesuffix("_file") in credentials:
                raise entries[name].error(
                    "given together with openstack.cloud, which names a cloud of clouds.yaml.", "Keep one of the two."
                )
        return CloudSettings(**values)
    if "auth_url" not in auth:
        raise _missing(section, "auth_url", ", or cloud with the name of a cloud in clouds.yaml")
    auth.update({secret.name: value for secret, value in secrets.items() if value is not None})
    if "token" in auth:
        values.setdefault("auth_type", "token")
    _check_login(section, auth)
    return CloudSettings(auth=auth, **values)


def _check_login(section: Item, auth: Mapping[str, str]) -> None:
    """A token alone, or a user or application credential with its secret."""
    users = auth.keys() & {"username", "user_id", "application_credential_id", "application_credential_name"}
    if "token" in auth:
        if users:
            item = section.entries()[min(users)]
            raise item.error("given together with a token, which needs no user.", "Keep one of the two.")
        return
    application = auth.keys() & {"application_credential_id", "application_credential_name"}
    password = "application_credential_secret" if application else "password"
    if not users:
        raise _missing(section, "username", ", or application_credential_id")
    if password not in auth:
        variable = next(secret.variable for secret in SECRETS["openstack"] if secret.name == password)
        raise _missing(section, password, f", or as {password}_file, or in the variable {variable}")


def _broker(entries: Mapping[str, Item], values: dict[str, Any]) -> BrokerSettings:
    if values.get("tls") and "port" not in values:
        values["port"] = TLS_PORT
    shard = entries["shard"].entries() if "shard" in entries else {}
    settings = BrokerSettings(**values, **_values(shard, SHARD))
    if settings.shard_index >= settings.shard_count:
        raise shard["index"].expected(f"less than shard.count, which is {settings.shard_count}")
    if bool(settings.client_cert) != bool(settings.client_key):
        given = entries["client_cert" if settings.client_cert else "client_key"]
        raise given.error("client_cert and client_key are needed together.")
    return settings


def _values(entries: Mapping[str, Item], keys: Iterable[Key]) -> dict[str, Any]:
    return {key.field: key.read(entries[key.name]) for key in keys if key.name in entries}


def _verify(entries: Mapping[str, Item], values: dict[str, Any]) -> None:
    """`verify` as such, or in openstacksdk's words: `cacert` with a path, `insecure: true`."""
    given = [name for name in VERIFY if name in entries]
    if len(given) > 1:
        raise entries[given[1]].error(f"given together with {given[0]}, and both say how to verify TLS.", "Keep one.")
    if "verify" in entries:
        item = entries["verify"]
        values["verify"] = item.value if isinstance(item.value, bool) else readers.near_path(item)
    elif "cacert" in entries:
        values["verify"] = readers.near_path(entries["cacert"])
    elif "insecure" in entries:
        values["verify"] = not readers.boolean(entries["insecure"])


def _secret(entries: Mapping[str, Item], secret: Secret, environ: Mapping[str, str]) -> str | None:
    """A secret: of the environment, else of the file that the environment names, else of config.yaml likewise."""
    if environ.get(secret.variable):
        return environ[secret.variable]
    variable = f"{secret.variable}_FILE"
    if environ.get(variable):
        try:
            return _content(Path(environ[variable]))
        except ConfigError as error:
            raise ConfigError(f"{variable}: {error}", error.hint) from error.__cause__
    item, file_item = entries.get(secret.name), entries.get(f"{secret.name}_file")
    if item is not None and file_item is not None:
        raise file_item.error(f"given together with {secret.name}.", "Keep one of the two.")
    if file_item is not None:
        try:
            return _content(Path(readers.near_path(file_item)))
        except ConfigError as error:
            raise file_item.error(str(error), error.hint) from error.__cause__
    return None if item is None else readers.secret(item)


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


def _known(name: str) -> set[str]:
    known = {key.name for key in SECTIONS[name]} | set(VERIFY) | ({"shard"} if name == "rmq" else set())
    for secret in SECRETS[name]:
        known |= {secret.name, f"{secret.name}_file"}
    return known | (KEYSTONE.keys() if name == "openstack" else set())


def _unknown(section: Item, known: Collection[str]) -> list[str]:
    warnings = []
    for name, item in section.value.items() if isinstance(section.value, dict) else ():
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            guess = f"; is {close[0]} meant?" if close else ""
            warnings.append(f"{item.file}, line {item.line}: unknown key {item.key} is ignored{guess or '.'}")
    return warnings


def _view_for(word: str) -> ViewFor | None:
    known = ["auto", *ViewFor]
    if word.strip().lower() not in known:
        raise ConfigError(f"COS_UPDATE_VIEW_FOR is {word!r:.40}, where one of {', '.join(known)} is expected.")
    return None if word.strip().lower() == "auto" else ViewFor(word.strip().lower())


def _missing(section: Item, name: str, alternative: str = "") -> ConfigError:
    found = Item(section.file, section.line, f"{section.key}.{name}", None)
    return found.error("missing.", f"Add {name} to the section {section.key}{alternative}.")
