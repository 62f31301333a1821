"""What the process's exit code tells a script: the one table of them, which `--help` prints."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command, each with its meaning in words.

    From 128 on they are what shells report of a process that a signal has ended.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        """As an integer each is its code."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done; both sides agree, or nothing was to do"
    FAILED = (
        1,
        "failed: no login, no Keystone, a bad configuration, standard output that cannot be written; "
        "check, health: something is not in order",
    )
    USAGE = 2, "the command line makes no sense"
    IN_PART = 3, "done in part: some objects could not be read or were refused; each is named"
    HELD_BACK = 4, "removals were held back"
    DIFFERENT = 5, "diff --exit-code: there is a delta"
    STALLED = 70, "something hung; a daemon is to be started again"
    BUSY = 75, "bulk --once: another bulk is at work on this data dir"
    HUNG_UP = 129, "the terminal went away (SIGHUP) before anything was posted"
    INTERRUPTED = 130, "Ctrl-C before anything was posted, or pressed twice"
    PIPE_CLOSED = 141, "nobody reads the output any more (... | head -1)"
    TERMINATED = 143, "SIGTERM before anything was posted"
