"""config.yaml as a tree of items that carry their line, key and text, so that every error can name them.

Scalars stay as written: the reader of the key decides what a value means, not YAML's type resolution. Only the parser
of PyYAML's safe loader is used. Sizes are bounded: a file whose aliases expand into millions of values is refused.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import yaml

from cos_update.config import opened
from cos_update.model.errors import ConfigError

LARGEST = 1024 * 1024
"""Maximum size of config.yaml, in bytes."""
MOST_ITEMS = 10_000
"""Maximum number of values in our sections after alias expansion."""
MASK = "***"
_LONGEST_SHOWN = 40
_SHORT = 5
_QUOTE = "A string that begins with a special character needs quotes: '...'."


class Guess(StrEnum):
    """The type that YAML would resolve a scalar to."""

    TEXT = "a string"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    DATE = "a date"
    NULL = "nothing"


_GUESSES = {
    "str": Guess.TEXT,
    "value": Guess.TEXT,
    "merge": Guess.TEXT,
    "int": Guess.NUMBER,
    "float": Guess.NUMBER,
    "bool": Guess.BOOLEAN,
    "timestamp": Guess.DATE,
    "null": Guess.NULL,
}
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the file with its position: a scalar as written, a list of items or a dict of items.

    None stands for a blank value. `guess` is the type that YAML would give a scalar. No error may quote `secrets`.
    """

    file: Path
    line: int
    key: str
    value: str | list[Item] | dict[str, Item] | None = field(repr=False)
    guess: Guess = Guess.TEXT
    secrets: Set[str] = field(default=frozenset(), repr=False)

    @property
    def is_null(self) -> bool:
        """Whether the value is blank, or a word that YAML reads as null."""
        return self.value is None or self.guess is Guess.NULL

    def error(self, message: str, hint: str = "") -> ConfigError:
        """An error that names the file, line and key of this item."""
        key = f" {self.key}:" if self.key else ""
        return ConfigError(f"{self.file}, line {self.line}:{key} {message}", hint, self.line)

    def expected(self, what: str, hint: str = "", secret: bool = False) -> ConfigError:
        """The error for a value that is not `what` was expected; secret values are not quoted."""
        return self.error(f"expected {what}, found {self._kind() if secret else self._found()}.", hint)

    def entries(self) -> dict[str, Item]:
        """The items of a mapping by key, without blank ones. Raises ConfigError."""
        if self.is_null:
            return {}
        if not isinstance(self.value, dict):
            # Not quoted: `password:secret` without a space is a string, and ends up here.
            raise self.expected("keys and values", "Each is `key: value`, with a space after the colon.", secret=True)
        return {name: item for name, item in self.value.items() if item.value is not None}

    def _found(self) -> str:
        if not isinstance(self.value, str):
            return self._kind()
        if any(_holds(self.value, secret) for secret in self.secrets):
            return MASK
        shown = self.value if len(self.value) <= _LONGEST_SHOWN else self.value[: _LONGEST_SHOWN - 1] + "…"
        return repr(shown) if self.guess is Guess.TEXT else shown

    def _kind(self) -> str:
        match self.value:
            case None:
                return "nothing"
            case list():
                return "a list"
            case dict():
                return "keys and values"
        return "a string"


@dataclass(frozen=True, slots=True)
class Document:
    """A whole file, and its faults that leave the rest readable, each with its key."""

    root: Item
    faults: tuple[tuple[str, ConfigError], ...] = ()
    secrets: Set[str] = field(default=frozenset(), repr=False)
    """The secrets that the file itself contains."""


def read(path: Path, known: Collection[str], secret_keys: Collection[str] = ()) -> Document:
    """Parses the file, of its top-level keys only those in `known`.

    Raises ConfigError for a file that is missing, unreadable, not UTF-8, not YAML, too large or not keys and values.
    """
    loader = _loader(path, _text(path))
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(Item(path, 1, "", None))
        tree = _Tree(path, secret_keys)
        if not isinstance(root, yaml.MappingNode):
            raise tree.item(root, "").expected("keys and values", secret=True)
        return Document(tree.top(root, known), tuple(tree.faults), tree.secrets)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply to be a configuration.") from error
    finally:
        loader.dispose()


def _text(path: Path) -> str:
    try:
        content = opened.content(path, LARGEST + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such file.",
            f"Begin with `cos-update config sample > {path}`, or name another file with --config or COS_UPDATE_CONFIG.",
        ) from error
    except PermissionError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}.",
            f"This runs as uid {os.geteuid()} and gid {os.getegid()}: chgrp {os.getegid()} {path}; chmod 640 {path}",
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.", "Check the permissions.") from error
    if len(content) > LARGEST:
        raise ConfigError(f"{path}: larger than {LARGEST // 1024} KiB, too large for a configuration.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text.", "Save the file as UTF-8.", line) from error


def _loader(path: Path, text: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(
            f"{path}, line {line}: a character that YAML does not allow (#{error.character:04x}).", line=line
        ) from error


def _syntax_error(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    """A syntax error without those of the parser's words that may quote a password."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    problem = str(error.problem or error.context)
    hint = ""
    if "undefined alias" in problem:
        problem, hint = "a value begins with *, but no anchor has that name", _QUOTE
    elif "undefined tag handle" in problem:
        problem, hint = "a value begins with !, but no tag has that name", _QUOTE
    elif "cannot start any token" in problem or "alphabetic or numeric character" in problem:
        hint = _QUOTE
    elif "mapping values are not allowed" in problem:
        hint = "A string that contains a colon and a space needs quotes: '...'."
    return ConfigError(f"{path}{f', line {line}' if line else ''}: not YAML: {problem}.", hint, line)


class _Tree:
    """Turns nodes into items, up to a maximum number. Problems with single values are collected in `faults`."""

    def __init__(self, path: Path, secret_keys: Collection[str]) -> None:
        self._path = path
        self._secret_keys = secret_keys
        self._left = MOST_ITEMS
        self.faults: list[tuple[str, ConfigError]] = []
        self.secrets: set[str] = set()

    def top(self, node: yaml.MappingNode, known: Collection[str]) -> Item:
        """The root; unknown keys become items without a value."""
        items = {
            name: self.item(value, name, line) if name in known else Item(self._path, line, name, None)
            for name, value, line in self._pairs(node, "", known)
        }
        return Item(self._path, _line(node), "", items)

    def item(self, node: yaml.Node, key: str, line: int = 0) -> Item:
        """The item of a node, at the line of its key if it has one."""
        self._count(node)
        line = line or _line(node)
        match node:
            case yaml.MappingNode():
                pairs = self._pairs(node, f"{key}." if key else "")
                children = {name: self._child(key, name, value, at) for name, value, at in pairs}
                return Item(self._path, line, key, children, secrets=self.secrets)
            case yaml.SequenceNode():
                parts = [self.item(value, key) for value in node.value]
                return Item(self._path, line, key, parts, secrets=self.secrets)
        return self._scalar(node, key, line)

    def _child(self, key: str, name: str, value: yaml.Node, line: int) -> Item:
        item = self.item(value, f"{key}.{name}" if key else name, line)
        if name in self._secret_keys and isinstance(item.value, str) and item.value:
            self.secrets.add(item.value)
        return item

    def _pairs(
        self, node: yaml.MappingNode, prefix: str, known: Collection[str] | None = None
    ) -> Iterator[tuple[str, yaml.Node, int]]:
        """Key, value and line; the first of duplicate keys. `known`: the keys whose duplicates are faults."""
        seen: dict[str, int] = {}
        merged: list[tuple[str, yaml.Node, int]] = []
        for key_node, value_node in node.value:
            self._count(key_node)
            line = _line(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged.extend(self._merged(value_node, prefix))
                continue
            name = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if name in seen:
                if known is None or name in known:
                    self._note(prefix + name, line, f"given twice, first in line {seen[name]}.", "Remove one of them.")
                continue
            seen[name] = line
            yield name, value_node, line
        for name, value, line in merged:
            if name not in seen:  # own keys, and earlier merges, take precedence
                seen[name] = line
                yield name, value, line

    def _merged(self, node: yaml.Node, prefix: str) -> Iterator[tuple[str, yaml.Node, int]]:
        """The pairs that `<<: *other` merges, from one mapping or a list of them."""
        self._count(node)
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(source, yaml.MappingNode):
                yield from self._pairs(source, prefix)
            else:
                self._note(f"{prefix}<<", _line(node), "only keys and values can be merged.")

    def _scalar(self, node: yaml.Node, key: str, line: int) -> Item:
        guess = _GUESSES.get(str(node.tag).removeprefix(_TAG))
        if guess is None:
            self._note(key, line, "unknown YAML tag: the value begins with !.", _QUOTE)
        is_blank = guess is Guess.NULL and node.value == ""
        value = None if is_blank else str(node.value)
        return Item(self._path, line, key, value, guess or Guess.TEXT, self.secrets)

    def _note(self, key: str, line: int, message: str, hint: str = "") -> None:
        self.faults.append((key, Item(self._path, line, key, None).error(message, hint)))

    def _count(self, node: yaml.Node) -> None:
        self._left -= 1
        if self._left < 0:
            raise ConfigError(f"{self._path}, line {_line(node)}: expands into more than {MOST_ITEMS} values.")


def _holds(text: str, secret: str) -> bool:
    """Whether the text contains the secret; short secrets only as whole words, since they occur within many words."""
    return text.strip() == secret.strip() or (len(secret) > _SHORT and secret in text)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
