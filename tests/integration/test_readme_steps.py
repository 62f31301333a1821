"""The steps of the README, typed as printed, on a temporary copy of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from namespaces import with_own_mounts
from world import World

ROOT = Path(__file__).parents[2]
CONFIG = "/etc/concertim-openstack-service/config.yaml"
COPY = """
set -euo pipefail
mount -t tmpfs none "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay none -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
for each in proc sys dev; do mount --rbind "/$each" "$0/root/$each"; done
mount --rbind "$2" "$0/root/$2"
exec chroot "$0/root" bash -euo pipefail -c "cd '$PWD'; $1"
"""
"""What is written lands in memory; the world's folder is the same inside and outside."""


def section(title: str) -> str:
    text = (ROOT / "README.md").read_text()
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    return str(found)


def blocks(text: str) -> Iterator[list[str]]:
    """The indented commands, block by block."""
    for block in re.findall(r"(?:^ {4,}\S.*\n)+", text, re.MULTILINE):
        yield [line.strip() for line in block.splitlines()]


def test_a_bare_host_is_installed_configured_and_run_as_the_readme_says(world: World, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("to lay a copy over this machine takes root")
    install = next(blocks(section("Install")))
    (configure,) = (block for block in blocks(section("Configure")) if any("config sample" in line for line in block))
    run = next(blocks(section("Run")))[0].partition("#")[0]
    settings = yaml.safe_load((world.folder / "config.yaml").read_text())
    filled = tmp_path / "filled.yaml"
    filled.write_text(yaml.safe_dump({k: v for k, v in settings.items() if k not in ("data_dir", "log_dir")}))
    steps = []
    for line in (*install, *configure, run, "cos-update status"):
        steps.append(line)
        if "config sample" in line:
            steps.append(f"cat {filled} > {CONFIG}")
    over = tmp_path / "over"
    over.mkdir()
    done = subprocess.run(
        [
            *with_own_mounts(),
            "bash",
            "-c",
            COPY,
            over,
            "\n".join(("set -x", *steps)),
            tmp_path,
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("COS_UPDATE_", "PYTHON"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    if done.stderr.startswith(("unshare:", "mount:")):
        pytest.skip(f"no copy can be laid over this machine: {done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "created), 0 refused" in done.stdout
    assert "the last pass ended at" in done.stdout
