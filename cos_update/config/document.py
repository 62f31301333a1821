"""config.yaml as a tree of items that know their line and key, so that every complaint can name them.

Only PyYAML's safe loader is used. Sizes are bounded: a file that unfolds into millions of values is refused.
"""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from cos_update.model.errors import ConfigError

LARGEST = 1024 * 1024
"""Bytes that a config.yaml may have."""
MOST_ITEMS = 10_000
"""Values that our sections may unfold into, aliases counted each time."""
_LONGEST_SHOWN = 40
_KINDS = {"timestamp": "a date", "int": "a number", "float": "a number", "bool": "true or false"}
"""YAML's tags in words."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the file: where it stands, and a scalar, a list of items or a dict of items.

    `raw` is the text of a scalar as it was written, "" for the others.
    """

    file: Path
    line: int
    key: str
    value: object = field(repr=False)
    raw: str = field(default="", repr=False)

    def error(self, message: str, hint: str = "") -> ConfigError:
        """The error that names this item."""
        key = f" {self.key}:" if self.key else ""
        return ConfigError(f"{self.file}, line {self.line}:{key} {message}", hint)

    def expected(self, what: str, hint: str = "", secret: bool = False) -> ConfigError:
        """The error for a value that is not `what` it should be; a secret one is not quoted."""
        return self.error(f"expected {what}, found {self._kind() if secret else self._found()}.", hint)

    def entries(self) -> dict[str, Item]:
        """The items of a mapping by their own key; those without a value count as absent. Raises ConfigError."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.expected("keys and values")
        return {name: item for name, item in self.value.items() if item.value is not None}

    def _found(self) -> str:
        if isinstance(self.value, (list, dict)):
            return self._kind()
        shown = self.raw if len(self.raw) <= _LONGEST_SHOWN else self.raw[: _LONGEST_SHOWN - 1] + "…"
        return repr(shown) if isinstance(self.value, str) else shown

    def _kind(self) -> str:
        match self.value:
            case None:
                return "nothing"
            case bool():
                return "true or false"
            case int() | float():
                return "a number"
            case datetime.date():
                return "a date"
            case list():
                return "a list"
            case dict():
                return "keys and values"
        return "a text"


def read(path: Path, foreign: Collection[str] = ()) -> Item:
    """The file as one item; what stands under the top-level keys of `foreign` is not looked at.

    Raises ConfigError for a file that is missing, unreadable, not UTF-8, not YAML, too large or not keys and values.
    """
    loader = _loader(path, _text(path))
    try:
        root = loader.get_single_node()
        whole = Item(path, 1, "", None)
        if root is None:
            return whole
        if not isinstance(root, yaml.MappingNode):
            raise _Tree(path, loader).item(root, "").expected("keys and values")
        return _Tree(path, loader).top(root, foreign)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply to be a configuration.") from error
    finally:
        loader.dispose()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
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
        raise ConfigError(f"{path}: larger than {LARGEST // 1024} KiB, which no configuration is.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 text.", "Save the file as UTF-8.") from error


def _loader(path: Path, text: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(
            f"{path}, line {line}: a character that YAML does not allow (#{error.character:04x})."
        ) from error


def _syntax_error(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    line = f", line {mark.line + 1}" if mark else ""
    return ConfigError(f"{path}{line}: not YAML: {error.problem or error.context}.")


class _Tree:
    """Turns nodes into items, a bounded number of them."""

    def __init__(self, path: Path, loader: yaml.SafeLoader) -> None:
        self._path = path
        self._loader = loader
        self._left = MOST_ITEMS

    def top(self, node: yaml.MappingNode, foreign: Collection[str]) -> Item:
        """The root; foreign sections become items without a value."""
        items = {
            name: Item(self._path, line, name, None) if name in foreign else self.item(value, name, line)
            for name, value, line in self._pairs(node, "")
        }
        return Item(self._path, _line(node), "", items)

    def item(self, node: yaml.Node, key: str, line: int = 0) -> Item:
        """The item of a node. Its line is that of its key, where it has one."""
        self._count(node)
        line = line or _line(node)
        match node:
            case yaml.MappingNode():
                pairs = self._pairs(node, f"{key}." if key else "")
                return Item(
                    self._path, line, key, {name: self._child(key, name, value, at) for name, value, at in pairs}
                )
            case yaml.SequenceNode():
                return Item(self._path, line, key, [self.item(value, key) for value in node.value])
        return Item(self._path, line, key, self._scalar(node, key), str(node.value))

    def _child(self, key: str, name: str, value: yaml.Node, line: int) -> Item:
        return self.item(value, f"{key}.{name}" if key else name, line)

    def _pairs(self, node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, yaml.Node, int]]:
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
                raise Item(self._path, line, prefix + name, None).error(
                    f"given twice, first in line {seen[name]}.", "Remove one of them."
                )
            seen[name] = line
            yield name, value_node, line
        for name, value, line in merged:
            if name not in seen:  # what stands here itself, or was merged first, wins
                seen[name] = line
                yield name, value, line

    def _merged(self, node: yaml.Node, prefix: str) -> Iterator[tuple[str, yaml.Node, int]]:
        """What `<<: *other` brings in, from one mapping or a list of them."""
        self._count(node)
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                raise Item(self._path, _line(node), f"{prefix}<<", None).error("only keys and values can be merged.")
            yield from self._pairs(source, prefix)

    def _scalar(self, node: yaml.Node, key: str) -> object:
        try:
            value: object = self._loader.construct_object(node)
        except yaml.constructor.ConstructorError as error:
            raise self._no_value(node, key, f"not a value that YAML knows: {error.problem}.") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # In the words of whichever Python it is, or in none: PyYAML takes what looks like its kind for one of it.
            kind = _KINDS.get(node.tag.rpartition(":")[2], "a value that YAML knows")
            raise self._no_value(node, key, f"meant as {kind}, and is none.") from error
        return None if isinstance(value, float) and math.isnan(value) else value

    def _no_value(self, node: yaml.Node, key: str, message: str) -> ConfigError:
        hint = "Put it in quotes if it is meant to be a text."
        return Item(self._path, _line(node), key, None).error(message, hint)

    def _count(self, node: yaml.Node) -> None:
        self._left -= 1
        if self._left < 0:
            raise ConfigError(f"{self._path}, line {_line(node)}: unfolds into more than {MOST_ITEMS} values.")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
