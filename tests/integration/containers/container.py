"""Containers as Docker starts them, without Docker: namespaces, mounts, capabilities, and process 1 of the Dockerfile.

The root filesystem is that of an image which tests/images.sh has built, where COS_UPDATE_TEST_IMAGES names the folder
of those; else this machine's own with the project as it is installed here. Either way it is only the lower layer: what
the tests write goes into a tmpfs of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from namespaces import with_own_mounts

PROJECT = Path(__file__).parents[3]
DOCKERFILES = {"bulk": "updates_bulk", "listen": "updates_mq"}
IMAGES = os.environ.get("COS_UPDATE_TEST_IMAGES", "")

DATA, LOG, CONFIG = "/app/var/data", "/app/var/log", "/etc/concertim-openstack-service/config.yaml"
UID = 10001

DOCKERS = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service", "net_raw",
    "sys_chroot", "mknod", "audit_write", "setfcap",
)  # fmt: skip
"""The capabilities that Docker leaves to a container's root."""

GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL, if nobody says anything else."""


@dataclass(frozen=True)
class Image:
    """What a Dockerfile says, and where its root filesystem is; "/" stands for this machine's own."""

    root: str
    environment: Mapping[str, str]
    entrypoint: Sequence[str]
    command: Sequence[str]

    @classmethod
    def of(cls, daemon: str) -> Image:
        """The image of `bulk` or `listen`."""
        text = (PROJECT / "Dockerfiles" / f"Dockerfile.{DOCKERFILES[daemon]}").read_text()
        last = text[text.rindex("\nFROM ") :].replace("\\\n", " ")
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        for line in re.findall(r"^ENV (.*)$", last, re.MULTILINE):
            for name, value in (word.split("=", 1) for word in shlex.split(line)):
                environment[name] = value.replace("$PATH", environment["PATH"])
        root = f"{IMAGES}/{DOCKERFILES[daemon]}" if IMAGES else "/"
        return cls(root, environment, _array(last, "ENTRYPOINT"), _array(last, "CMD"))


def _array(text: str, instruction: str) -> list[str]:
    return [str(word) for word in json.loads(re.findall(rf"^{instruction} (\[.*\])$", text, re.MULTILINE)[-1])]


def why_not() -> str:
    """Why no container can be started here, or ""."""
    if os.geteuid() != 0:
        return "only root may make the namespaces and mounts of a container"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(_outer(_layers("/", folder)), capture_output=True, text=True)
    if tried.returncode:
        return f"this machine does not let root make the namespaces and mounts of a container: {tried.stderr.strip()}"
    return ""


@dataclass
class Container:
    """One container; `mounts` are paths of the host by the paths within (":ro" at their end as Docker has it).

    `user` is that of `--user` ("1000:1000"), `capabilities` what its root has.
    """

    image: Image
    mounts: Mapping[str, Path]
    user: str = ""
    capabilities: Sequence[str] = DOCKERS
    read_only: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._outer: subprocess.Popen[str] | None = None
        self._output = Path(self._scratch.name, "output")

    def start(self, *arguments: str) -> Container:
        """As `docker run`, with these words after the image's name; returns when process 1 runs the program."""
        program = [*self.image.entrypoint, *(arguments or self.image.command)]
        script = _layers(self.image.root, self._scratch.name) + self._mounts()
        script += f"exec chroot {self._root} {shlex.join(self._as_user(program))}\n"
        with self._output.open("w") as output:
            self._outer = subprocess.Popen(_outer(script), stdout=output, stderr=output, text=True)
        return self

    def run(self, *arguments: str) -> tuple[int, str]:
        """As `docker run` in the foreground: the exit code and all output."""
        self.start(*arguments)
        assert self._outer is not None
        return self._outer.wait(150), self.output()

    def output(self) -> str:
        """What `docker logs` would show."""
        return self._output.read_text()

    @property
    def pid(self) -> int:
        """Process 1, by its number on the host."""
        assert self._outer is not None
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        assert children, f"process 1 has ended: {self.output()}"
        return int(children[0])

    def status(self) -> dict[str, list[str]]:
        """The fields of /proc/1/status."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: words.split() for name, words in (line.split(":", 1) for line in lines)}

    def execute(self, *words: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """As `docker exec`."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--root", "--wd"]
        return subprocess.run(
            [*enter, *self._as_user(words, user or self.user)], capture_output=True, text=True, timeout=150
        )

    def follow(self, *words: str) -> subprocess.Popen[str]:
        """As `docker exec` of a long-running command."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--root", "--wd"]
        return subprocess.Popen([*enter, *self._as_user(words)], stdout=subprocess.PIPE, text=True)

    def stop(self) -> int:
        """As `docker stop`: the exit code, which is 137 when it had to be killed."""
        assert self._outer is not None
        os.kill(self.pid, signal.SIGTERM)
        try:
            return self._outer.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            return 137

    def kill(self) -> None:
        """As `docker rm --force`."""
        if self._outer is not None:
            if self._outer.poll() is None:
                # Process 1 itself, and with it all of its namespace: one that has changed its user outlives its parent.
                with contextlib.suppress(AssertionError, OSError):
                    os.kill(self.pid, signal.SIGKILL)
                self._outer.kill()
            self._outer.wait()
        self._scratch.cleanup()

    @staticmethod
    def on_the_host(commands: str) -> int:
        """As its root types them; the exit code."""
        return subprocess.run(commands, shell=True).returncode

    @property
    def _root(self) -> str:
        return f"{self._scratch.name}/root"

    def _mounts(self) -> str:
        lines = []
        for inside, outside in self.mounts.items():
            path, _, options = inside.partition(":")
            make = "mkdir -p" if outside.is_dir() else 'd() { mkdir -p "$(dirname "$1")"; touch "$1"; }; d'
            lines.append(f"{make} {self._root}{path}; mount --bind {outside} {self._root}{path}")
            if options == "ro":
                lines.append(f"mount -o remount,bind,ro {self._root}{path}")
        if self.read_only:
            lines.append(f"mount -o remount,bind,ro {self._root}")
        return "\n".join(lines) + "\n"

    def _as_user(self, program: Sequence[str], user: str | None = None) -> list[str]:
        user = self.user if user is None else user
        uid, _, gid = (user or "0:0").partition(":")
        bounding = ",".join(["-all", *(f"+{name}" for name in self.capabilities)])
        drop = [f"--bounding-set={bounding}", "--inh-caps=-all", f"--reuid={uid}", f"--regid={gid or 0}"]
        environment = {**self.image.environment, "HOME": "/root", **self.environment}
        variables = [f"{name}={value}" for name, value in environment.items()]
        return ["setpriv", *drop, "--clear-groups", "env", "-i", *variables, *program]


def _outer(script: str) -> list[str]:
    return [*with_own_mounts("--pid", "--fork", "--kill-child"), "sh", "-ec", script]


def _layers(lower: str, scratch: str) -> str:
    """What makes the root filesystem, as a script."""
    root = f"{scratch}/root"
    lines = [
        f"mkdir -p {root} {scratch}/layer",
        f"mount -t tmpfs -o mode=755 tmpfs {scratch}/layer",
        f"mkdir {scratch}/layer/upper {scratch}/layer/work",
        f"cd {scratch}/layer; mount -t overlay -o lowerdir={lower},upperdir=upper,workdir=work overlay {root}",
        f"mkdir -p {root}/proc {root}/dev {root}/tmp",
        f"mount -t proc proc {root}/proc",
        f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
        *(f"touch {root}/dev/{name}; mount --bind /dev/{name} {root}/dev/{name}" for name in _DEVICES),
        f"mkdir -m 1777 {root}/dev/shm; mount -t tmpfs tmpfs {root}/dev/shm",
        f"ln -s /proc/self/fd {root}/dev/fd",
    ]
    return "\n".join(lines + (_as_image(root) if lower == "/" else [])) + "\n"


_DEVICES = ("null", "zero", "full", "random", "urandom")


def _as_image(root: str) -> list[str]:
    """This machine's filesystem made into what the Dockerfile makes: the user, the folders, and the program for all.

    The folders above the program may be closed to others; they are opened in the layer only.
    """
    needed = {Path(sys.prefix), Path(sys.base_prefix), PROJECT}
    above = {str(folder) for path in needed for folder in (path, *path.parents)}
    lines = [f"chmod o+rx {root}{folder}" for folder in sorted(above)]
    lines += [
        f"echo cos-update:x:{UID}:{UID}::/app:/usr/sbin/nologin >> {root}/etc/passwd",
        f"mkdir -p {root}/app; ln -sfn {sysconfig.get_path('data')} {root}/app/venv",
        f"install -d -o {UID} -g {UID} {root}{DATA} {root}{LOG}",
    ]
    return lines


def owner(path: Path) -> tuple[int, str]:
    """Who owns a file, itself and not what it points to, and what may be done with it: (0, "644")."""
    found = path.lstat()
    return found.st_uid, f"{stat.S_IMODE(found.st_mode):o}"
