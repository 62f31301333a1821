"""Both daemons as services of Docker Compose, with the paths of this installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from cos_update import __version__
from cos_update.cli.installation import Installation
from cos_update.config import DEFAULT_PATH

DATA_DIR = "/app/var/data"
LOG_DIR = "/app/var/log"
"""The folders in the images."""

_FILE = """\
# Both daemons of cos-update, sharing one host's folders. The images are built from the project's Dockerfiles.
# Docker creates missing folders, and the containers take them over from root when they start.
{several}x-common: &common
  # Not needed if OpenStack, Concertim and RabbitMQ can be reached from a Docker network.
  network_mode: host
  read_only: true
  security_opt: ["no-new-privileges:true"]
  restart: unless-stopped
  # More than shutdown_timeout of the configuration.
  stop_grace_period: {stop:.0f}s
{hostname}{environment}  volumes:
{volumes}
x-health: &health
  interval: 30s
  timeout: 10s
  start_period: 60s
  retries: 3

services:
  bulk:
    <<: *common
    image: concertim_bulk_updates:{version}
    healthcheck:
      <<: *health
      test: [CMD, cos-update, health, bulk]
  listener:
    <<: *common
    image: concertim_mq_listener:{version}
    healthcheck:
      <<: *health
      test: [CMD, cos-update, health, {listen}]
"""
_SEVERAL = """\
# One of several machines: print this file on each of them. They share the configuration, and no folder.
"""
_HOSTNAME = """\
  # What this machine is called among the others; both containers of it alike.
  hostname: {site}
"""
_FILE_MOUNT = """\
    - type: bind
      source: {source}
      target: {target}
      read_only: true
      bind: {{create_host_path: false}}
"""
_FOLDER_MOUNT = """\
    - type: bind
      source: {source}
      target: {target}
      bind: {{create_host_path: true}}
"""


def compose_file(installation: Installation) -> str:
    """A compose.yaml with the services `bulk` and `listener`, which mount the files and folders in effect."""
    rmq = installation.settings.rmq
    return _FILE.format(
        version=__version__,
        stop=installation.stop_after,
        several=_SEVERAL if installation.site else "",
        hostname=_HOSTNAME.format(site=json.dumps(installation.site)) if installation.site else "",
        environment=_environment(installation),
        volumes="".join(_volumes(installation)),
        listen="listen" if rmq is None or rmq.shard_count == 1 else f"listen-{rmq.shard_index}",
    )


def _environment(installation: Installation) -> str:
    """The environment of the services. Files keep their paths, so that paths in the configuration stay valid."""
    if installation.config == DEFAULT_PATH:
        return ""
    return f"  environment:\n    COS_UPDATE_CONFIG: {_word(installation.config)}\n"


def _volumes(installation: Installation) -> Iterator[str]:
    for path in (installation.config, *installation.other_files):
        yield _FILE_MOUNT.format(source=_word(path), target=_word(path))
    for folder, target in ((installation.settings.data_dir, DATA_DIR), (installation.settings.log_dir, LOG_DIR)):
        yield _FOLDER_MOUNT.format(source=_word(folder.absolute()), target=target)


def _word(path: Path) -> str:
    """A path as a YAML string, with dollar signs escaped, which Compose would read as variables."""
    text = str(path).replace("$", "$$")
    is_plain = text.isascii() and text.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum()
    return text if is_plain else json.dumps(text)
