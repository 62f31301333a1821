"""The exit codes for scripts: a single table, which `--help` prints."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command, each with its meaning in words.

    From 128 on they are what shells report for a process ended by a signal.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        """Makes the integer value the code."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done; both sides agree, or there was nothing to do"
    FAILED = (
        1,
        "failed: no login, no Keystone, a bad configuration, standard output that cannot be written; "
        "check, health: something is wrong",
    )
    USAGE = 2, "invalid command line"
    IN_PART = 3, "done in part: some objects could not be read or were rejected; each is named"
    HELD_BACK = 4, "removals were held back"
    DIFFERENT = 5, "diff --exit-code: there are differences"
    STALLED = 70, "something hung; a daemon must be restarted"
    BUSY = 75, "bulk --once: another bulk is running on this data dir"
    HUNG_UP = 129, "the terminal went away (SIGHUP) before anything was posted"
    INTERRUPTED = 130, "Ctrl-C before anything was posted, or pressed twice"
    PIPE_CLOSED = 141, "the reader of the output is gone (... | head -1)"
    TERMINATED = 143, "SIGTERM before anything was posted"
