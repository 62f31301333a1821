"""Detects which services a pickle is for by reading its opcodes: nothing is loaded, so nothing in it runs."""

from __future__ import annotations

import os
import pickletools
import stat
from collections import deque
from pathlib import Path

from cos_update.model.settings import ViewFor

_HEAD = 64 * 1024
"""The number of bytes to read: the class of the outermost object is among the first few."""
_PACKAGES = {ViewFor.CON_OPSTK: "con_opstk", ViewFor.CONSER: "conser"}
_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


def form_of_file(path: Path) -> ViewFor | None:
    """As `form_of`; None also if it is not a file or cannot be read."""
    try:
        # Must not block on a pipe of that name.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return form_of(file.read(_HEAD)) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except OSError:
        return None


def form_of(head: bytes) -> ViewFor | None:
    """The services whose classes a pickle with this `head` names: `NONE` for a plain dict, None for unknown classes."""
    texts: deque[str] = deque(maxlen=2)
    memo: dict[int, str | None] = {}
    top: str | None = None
    try:
        for opcode, argument, _ in pickletools.genops(head):
            name = opcode.name
            if name in ("PROTO", "FRAME"):
                continue
            if name == "EMPTY_DICT" and not memo and not texts:
                return ViewFor.NONE
            if name in _PUTS or name == "MEMOIZE":
                memo[len(memo) if argument is None else int(argument)] = top
                continue
            top = argument if name in _TEXTS else memo.get(int(argument)) if name in _GETS else None  # type: ignore[arg-type]
            if top is not None:
                texts.append(top)
            module = argument if name == "GLOBAL" else texts[0] if name == "STACK_GLOBAL" and texts else None
            if form := _form_of_module(str(module).split(" ")[0]):
                return form
    except (ValueError, KeyError, IndexError, OverflowError):
        pass  # damaged, or truncated by our limit
    return None


def _form_of_module(module: str) -> ViewFor | None:
    package = module.partition(".")[0]
    return next((form for form, name in _PACKAGES.items() if name == package), None)
