"""Where in the data dir our memory is: in view.pickle, or beside it when that is written for other services.

The disk says which, to every process alike: where there is a state.pickle, it is the memory. Only a pass changes that
(`ViewStore.arrange`), so that processes which disagree about the setting do not undo each other's work.
"""

from __future__ import annotations

from pathlib import Path

from cos_update.model.errors import ViewError
from cos_update.model.settings import ViewFor
from cos_update.store.opcodes import form_of_file

VIEW_NAME = "view.pickle"
"""What other services read, in their form or in ours."""
STATE_NAME = "state.pickle"
"""Our memory, while view.pickle is written for others."""

OTHERS = (ViewFor.CON_OPSTK, ViewFor.CONSER)
"""Whose view.pickle is not our memory."""

Stamp = tuple[int, int, int]
"""Inode, time of change and size of a file: what tells one saved view from the next."""


class Layout:
    """The two files of one data dir. Asking costs a look at their times."""

    def __init__(self, data_dir: Path) -> None:
        self.view = data_dir / VIEW_NAME
        self.state = data_dir / STATE_NAME
        self._form: tuple[Stamp | None, ViewFor | None] = (None, None)

    @property
    def memory(self) -> Path:
        """The file of our memory, which may not be there yet."""
        # A view of other services is none of ours, even before the first pass has made room for ours.
        return self.state if self.is_shared() or self.form() in OTHERS else self.view

    def is_shared(self) -> bool:
        """Whether view.pickle is for other services, as the disk says."""
        return stamp_of(self.state) is not None

    def form(self) -> ViewFor | None:
        """Whose classes view.pickle names; None when there is none, or nobody's that we know."""
        stamp = stamp_of(self.view)
        if stamp is None:
            return None
        if stamp != self._form[0]:
            self._form = (stamp, form_of_file(self.view))
        return self._form[1]

    def is_view_newer(self) -> bool:
        """Whether view.pickle was written after state.pickle, or there is no state.pickle."""
        state, view = stamp_of(self.state), stamp_of(self.view)
        return view is not None and (state is None or view[1] > state[1])


def stamp_of(path: Path) -> Stamp | None:
    """What tells one saved file from the next; None when there is none. Raises ViewError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ViewError(f"{path} cannot be looked at: {error.strerror}.", "Check the permissions.") from error
    return found.st_ino, found.st_mtime_ns, found.st_size
