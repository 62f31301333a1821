"""`cos-update completion`: the script that completes commands, options and names in a shell.

The scripts are Click's. They ask the program itself at every press of Tab, so they need no update when it changes.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from cos_update.cli.output.encoding import echo
from cos_update.model.errors import CosUpdateError
from cos_update.model.exit_codes import ExitCode

_SYSTEM = {
    "bash": "/usr/share/bash-completion/completions/cos-update",
    "zsh": "/usr/share/zsh/vendor-completions/_cos-update",
    "fish": "/usr/share/fish/vendor_completions.d/cos-update.fish",
}
"""Debian's system-wide folders for completion scripts."""

_USER = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/cos-update"),
    "zsh": ("ZDOTDIR", "", ".zfunc/_cos-update"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/cos-update.fish"),
}
"""A user's folders: the variable that names the folder, its default below the home directory, and the file in it."""


@click.command(
    epilog="""\b
Examples:
  cos-update completion bash > cos-update.bash
  cos-update completion zsh
"""
)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(list(_SYSTEM)))
@click.option("--install", is_flag=True, help="Install it where the shell looks; as root, for all users.")
@click.pass_context
def completion(ctx: click.Context, shell: str, install: bool) -> ExitCode:
    """Print or install the completion for a shell."""
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    assert completer is not None
    script = completer(ctx.find_root().command, {}, "cos-update", "_COS_UPDATE_COMPLETE").source().rstrip()
    if not install:
        echo(script)
        return ExitCode.DONE
    path = _place(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{script}\n")
    echo(f"{path}: written; takes effect in a new {shell}")
    if shell == "zsh" and os.geteuid() != 0:
        echo("~/.zshrc needs, before compinit: fpath+=(~/.zfunc)")
    return ExitCode.DONE


def _place(shell: str) -> Path:
    if os.geteuid() == 0:
        return Path(_SYSTEM[shell])
    variable, default, file = _USER[shell]
    if folder := os.environ.get(variable):
        return Path(folder) / file
    try:
        return Path.home() / default / file
    except RuntimeError:
        raise CosUpdateError("There is no home directory to install into.", "Set HOME, or print the script.") from None
