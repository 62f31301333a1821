"""config.yaml -> settings: validated with line numbers, printed without secrets."""

from __future__ import annotations

from cos_update.config.loading import DEFAULT_PATH, Loaded, config_path, load, require
from cos_update.config.opened import OPENED, is_readable
from cos_update.config.sample import SAMPLE
from cos_update.config.shown import secrets, shown
from cos_update.config.yaml_text import yaml_text

__all__ = [
    "DEFAULT_PATH",
    "OPENED",
    "Loaded",
    "config_path",
    "is_readable",
    "load",
    "require",
    "sample",
    "secrets",
    "shown",
    "yaml_text",
]


def sample() -> str:
    """A commented config.yaml with every key; valid as it stands."""
    return SAMPLE
