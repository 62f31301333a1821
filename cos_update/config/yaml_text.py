"""YAML for people and for programs: what would act on a terminal is escaped, as YAML has it."""

from __future__ import annotations

from typing import Any

import yaml


def yaml_text(document: object, *, unicode: bool = True, width: int | None = None) -> str:
    """Plain containers as YAML, in their own order; without `unicode` in ASCII."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=unicode, width=width)


class _Dumper(yaml.SafeDumper):
    """Escapes also what YAML takes for printable: U+0085, and the controls that turn the direction of writing."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """In quotes if there is anything to escape, since escapes are known in double quotes only."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """All that is not ASCII is escaped in a text that needs it."""
        allowed: Any = self.allow_unicode
        self.allow_unicode = allowed and text.isprintable()
        try:
            super().write_double_quoted(text, split)
        finally:
            self.allow_unicode = allowed


_Dumper.add_representer(str, _Dumper.represent_text)
