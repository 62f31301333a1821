"""systemd units for the daemons, with the paths of this installation."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Literal

from cos_update.cli.context import Context
from cos_update.cli.installation import Installation

_TITLES = {
    "bulk": "bring Concertim in line with OpenStack continuously",
    "listen": "post OpenStack's changes to Concertim as they occur",
}
_UNIT = """\
# /etc/systemd/system/{name}.service
[Unit]
Description={title}
Wants=network-online.target
After=network-online.target{engines}

[Service]
Type=exec
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
User=cos-update
Group=cos-update
UMask=0027
Restart=on-failure
RestartSec=10
# A wrong command line needs a person to fix it.
RestartPreventExitStatus=2
# More than shutdown_timeout of the configuration{leases}.
TimeoutStopSec={stop:.0f}

# It writes to these folders and uses the network, and needs nothing else.
ReadWritePaths={folders}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
# openstacksdk asks for the addresses of this host over AF_NETLINK.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


_ENGINES = " etcd.service redis-server.service redis-sentinel.service"
"""Where coordination's engine may run on this machine too, it starts first and stops last."""


def unit(daemon: Literal["bulk", "listen"], context: Context, installation: Installation) -> str:
    """A unit that runs `daemon` with the program, configuration and folders of this command."""
    settings = installation.settings
    given = {"--data-dir": context.data_dir, "--log-dir": context.log_dir}
    folders = [word for name, folder in given.items() if folder for word in (name, str(folder.absolute()))]
    command = [*_program(), "--config", str(installation.config), *folders, daemon]
    return _UNIT.format(
        name=f"cos-update-{daemon}",
        title=f"cos-update {daemon}: {_TITLES[daemon]}",
        command=" ".join(_word(word).replace("$", "$$") for word in command),
        engines=_ENGINES if installation.site else "",
        leases=", twice: the leases are returned after the work" if installation.site else "",
        stop=installation.stop_after,
        # With the minus, a missing folder is reported by the program itself, with a hint.
        folders=" ".join(_word(f"-{folder.absolute()}") for folder in (settings.data_dir, settings.log_dir)),
    )


def _program() -> list[str]:
    """The command line of this installation; systemd requires an absolute path."""
    script = Path(sysconfig.get_path("scripts"), "cos-update")
    return [str(script)] if script.exists() else [sys.executable, "-m", "cos_update"]


def _word(word: str) -> str:
    """One word in systemd's quoting (systemd.syntax, systemd.service)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if any(char in word for char in " \t'\"\\;") else escaped
