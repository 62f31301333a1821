"""What the process's exit code tells a script."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    """Done; both sides agree, or nothing was to do."""
    FAILED = 1
    """Nothing can be said: no login, no Keystone, a bad configuration."""
    USAGE = 2
    """The command line makes no sense (Click's own)."""
    PARTIAL = 3
    """Done in part: some objects could not be read or were refused; each is named."""
    HELD = 4
    """Removals were held back."""
    DIFFERENT = 5
    """`diff --exit-code`: there is a delta."""
    STALLED = 70
    """Something hung, and the process ended without it (EX_SOFTWARE): its supervisor starts it again."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it."""
    TERMINATED = 143
    """SIGTERM before anything was posted, as shells count it."""
    PIPE_CLOSED = 141
    """Nobody reads the output any more (`| head`), as shells count it."""
