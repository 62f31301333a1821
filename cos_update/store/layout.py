"""Where our memory is: in view.pickle, or in state.pickle while view.pickle is written for other services.

The disk decides, for all processes alike: if there is a state.pickle, it is the memory. Only a pass changes that
(`ViewStore.arrange`), so that processes with different settings do not undo each other's work.
"""

from __future__ import annotations

from pathlib import Path

from cos_update.model.errors import ViewError
from cos_update.model.settings import ViewFor
from cos_update.store.opcodes import form_of_file

VIEW_NAME = "view.pickle"
"""The file that other services read, in their format or in ours."""
STATE_NAME = "state.pickle"
"""Our memory, while view.pickle is written for others."""

OTHERS = (ViewFor.CON_OPSTK, ViewFor.CONSER)
"""The services for which view.pickle is not our memory."""

Stamp = tuple[int, int, int]
"""Inode, mtime and size of a file, which differ between saved views."""


class Layout:
    """The two files of one data dir. Queries only stat or read the beginning of the files."""

    def __init__(self, data_dir: Path) -> None:
        self.view = data_dir / VIEW_NAME
        self.state = data_dir / STATE_NAME
        self._form: tuple[Stamp | None, ViewFor | None] = (None, None)

    @property
    def memory(self) -> Path:
        """The file of our memory, which may not exist yet."""
        # A view of other services is not ours, even before the first pass has moved our memory.
        return self.state if self.is_shared() or self.form() in OTHERS else self.view

    def is_shared(self) -> bool:
        """Whether view.pickle is for other services, according to the disk."""
        return stamp_of(self.state) is not None

    def form(self) -> ViewFor | None:
        """The services whose classes view.pickle names; None if it does not exist or names unknown classes."""
        stamp = stamp_of(self.view)
        if stamp is None:
            return None
        if stamp != self._form[0]:
            self._form = (stamp, form_of_file(self.view))
        return self._form[1]

    def is_view_newer(self) -> bool:
        """Whether view.pickle is newer than state.pickle, or there is no state.pickle."""
        state, view = stamp_of(self.state), stamp_of(self.view)
        return view is not None and (state is None or view[1] > state[1])


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None if there is no file. Raises ViewError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ViewError(f"{path} cannot be accessed: {error.strerror}.", "Check the permissions.") from error
    return found.st_ino, found.st_mtime_ns, found.st_size
