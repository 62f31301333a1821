"""A config.yaml made of a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cos_update.config import Loaded, load
from cos_update.model.errors import ConfigError

OPENSTACK = """
openstack:
  auth_url: http://keystone:5000/v3
  username: concertim
  password: s3cret
  project_name: admin
  user_domain_name: Default
"""
CONCERTIM = """
concertim:
  concertim_url: https://concertim/
  concertim_username: admin
  concertim_password: s3cret
"""
RMQ = """
rmq:
  rmq_username: openstack
  rmq_password: s3cret
  rmq_address: rabbit
"""


class Config:
    """Writes config.yaml and loads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"

    def load(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> Loaded:
        self.path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(self.path, environ or {})

    def complaint(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> str:
        """What is wrong with it, without the path of the file."""
        with pytest.raises(ConfigError) as error:
            _use_all(self.load(text, environ))
        return str(error.value).replace(str(self.path), "config.yaml")


def _use_all(loaded: Loaded) -> None:
    loaded.need(*(fault.section for fault in loaded.faults))
