"""The program on a terminal: a person sees what is drawn, waits, and presses keys."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from fcntl import ioctl
from pathlib import Path

from world import World

CTRL_C = b"\x03"
CTRL_D = b"\x04"
_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal:
    """A process on a terminal; `seen` is all that it has sent there."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.seen = ""
        self._terminal = terminal
        self._raw = b""

    @property
    def is_gone(self) -> bool:
        return self._terminal == -1

    def press(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def hang_up(self) -> None:
        """Closes the window: the kernel sends SIGHUP, and nothing can be read or written any more."""
        os.close(self._terminal)
        self._terminal = -1

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Waits until the text was sent, wherever it stands."""
        self._read_until(lambda: text in self.seen, seconds)
        assert text in self.seen, self.seen

    def end(self, seconds: float = 60) -> int:
        """Waits for the process's end; its exit code."""
        if not self.is_gone:
            self._read_until(lambda: False, seconds)
        return self.process.wait(seconds)

    @property
    def screen(self) -> str:
        """What is there to see at last."""
        return screen(self.seen)

    def _read_until(self, is_enough: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_enough():
            assert select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0], self.seen
            try:
                piece = os.read(self._terminal, 65536)
            except OSError:  # the other end is closed
                return
            self._raw += piece
            self.seen = self._raw.decode(errors="replace")


def on_terminal(
    world: World,
    *arguments: str,
    before: Sequence[str] = (),
    columns: int = 80,
    environ: Mapping[str, str] | None = None,
) -> AbstractContextManager[Terminal]:
    """The real program with a world's configuration, in its folder, on a terminal of that width."""
    config = str(world.folder / "config.yaml")
    return program_on_terminal(
        "--config", config, *arguments, before=before, columns=columns, environ=environ, cwd=world.folder
    )


@contextmanager
def program_on_terminal(
    *arguments: str,
    before: Sequence[str] = (),
    columns: int = 80,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Terminal]:
    """The real program, `before` its command line, on a terminal of that width, with Ctrl-C as a terminal has it."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "LC_ALL")}
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "cos_update", *arguments],
        env={**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environ or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait()
        if not terminal.is_gone:
            terminal.hang_up()


def screen(sent: str) -> str:
    """What stands on an endlessly high screen after all that was sent; colours are left out."""
    lines, row, column, at = [""], 0, 0, 0
    while at < len(sent):
        if control := _CONTROL.match(sent, at):
            count, kind = control.group(1), control.group(2)
            if kind == "A":
                row = max(0, row - int(count or 1))
            elif kind == "K" and count == "2":
                lines[row] = ""
            at = control.end()
            continue
        char = sent[at]
        at += 1
        if char == "\r":
            column = 0
        elif char == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        else:
            lines[row] = lines[row][:column].ljust(column) + char + lines[row][column + 1 :]
            column += 1
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")
