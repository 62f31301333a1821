"""YAML output for people and programs: terminal control characters are written as YAML escapes."""

from __future__ import annotations

from typing import Any

import yaml


def yaml_text(document: object, *, unicode: bool = True, width: int | None = None) -> str:
    """Plain containers as YAML, in insertion order; ASCII only unless `unicode`."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=unicode, width=width)


class _Dumper(yaml.SafeDumper):
    """Also escapes characters that YAML counts as printable: U+0085 and the bidirectional controls."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Quotes text that needs escapes, since YAML has escapes in double quotes only."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Escapes everything but ASCII in a text that needs escapes."""
        allowed: Any = self.allow_unicode
        self.allow_unicode = allowed and text.isprintable()
        try:
            super().write_double_quoted(text, split)
        finally:
            self.allow_unicode = allowed


_Dumper.add_representer(str, _Dumper.represent_text)
