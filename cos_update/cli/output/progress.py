"""The progress display of a pass on a terminal; it disappears at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cos_update.cli.stop import Stop, stopping
from cos_update.model.progress import Progress
from cos_update.observability.observer import Observer, ObserverGroup
from cos_update.planning.outcome import Outcome

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

SIDES = ("Keystone", "Nova", "Heat", "Cinder", "Neutron", "Concertim")
_LABEL = 10
"""Width of the label column."""
_SHORTEST_BAR, _LONGEST_BAR = 8, 30
_PER_SECOND = 10


@contextmanager
def waiting(*observers: Observer, within: float, shown: bool, posts: bool = True) -> Iterator[tuple[Observer, Stop]]:
    """For work in the foreground: the observer of its progress, and the event that Ctrl-C sets.

    Progress is drawn on a terminal, if `shown`. Ctrl-C ends the process at once until there is a plan, and at any time
    if the work `posts` nothing; else within `within` seconds.
    """
    with stopping(within=within, in_hand=False, posts=posts) as stop:
        observers = (*observers, stop)
        if not (shown and sys.stderr.isatty() and sys.stdout.isatty()):
            yield ObserverGroup(*observers), stop
            return
        with ProgressDisplay() as display:
            stop.on_finishing, stop.before_leaving = display.finish, display.close
            stop.hides_caret = display.is_drawn
            yield ObserverGroup(*observers, display), stop


class ProgressDisplay(Observer):
    """Draws at the bottom of the terminal between `start` and `close`; a context manager that calls both.

    Draws nothing on a terminal without cursor control (TERM=dumb).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._began = clock()
        self._read: dict[str, Progress] = {}
        self._posting_since: float | None = None
        self._total = 0
        self._done = 0
        self._is_finishing = False

    def __enter__(self) -> ProgressDisplay:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        if not console.is_interactive:
            return
        self._live = Live(
            console=console,
            get_renderable=lambda: self.drawn(console),
            refresh_per_second=_PER_SECOND,
            transient=True,
        )
        self._live.start()

    @property
    def is_drawn(self) -> bool:
        """Whether it is drawn on the terminal."""
        return self._live is not None

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def finish(self) -> None:
        """Switches to "finishing": operations in progress are completed, and no new ones start."""
        self._is_finishing = True

    def reading(self, progress: Progress) -> None:
        """Records the progress of one side."""
        with self._lock:
            if self._posting_since is not None:
                # Racks that another process had locked are read once more.
                self._posting_since, self._read = None, {}
                self._began = self._clock()
            known = self._read.get(progress.side)
            if known is None or not known.is_over:
                self._read[progress.side] = progress

    def planned(self, actions: int) -> None:
        """Switches to posting, after drawing the reading at least once, however quick it was."""
        if self._live is not None:
            self._live.refresh()
        with self._lock:
            self._posting_since = self._clock()
            self._total, self._done = actions, 0

    def outcome(self, outcome: Outcome) -> None:
        with self._lock:
            self._done += 1

    def drawn(self, console: Console) -> RenderableType:
        """The current display."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            if self._posting_since is not None:
                return self._posting(console, self._clock() - self._posting_since)
            unicode = console.encoding.startswith("utf")
            pieces = [_side(name, self._read.get(name), unicode=unicode) for name in SIDES]
            lines = _filled("reading", pieces, console.width)
            seconds = f"{self._clock() - self._began:.0f} s"
            if all(name in self._read and self._read[name].is_over for name in SIDES):
                lines = [*lines, f"{'comparing':<{_LABEL}}{seconds}"]
            else:
                lines = _filled("reading", [*pieces, seconds], console.width)
            return Group(*(Text(line, no_wrap=True, overflow="crop") for line in lines))

    def _posting(self, console: Console, seconds: float) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        label = "finishing" if self._is_finishing else "posting"
        figures = f"{self._done} / {self._total}{_pace(self._done, self._total, seconds)}"
        bar = min(_LONGEST_BAR, console.width - _LABEL - 2 - len(figures) - 1)
        line = Table.grid()
        cells: list[RenderableType] = [Text(f"{label:<{_LABEL}}", no_wrap=True)]
        if bar >= _SHORTEST_BAR:
            cells += [ProgressBar(max(self._total, 1), self._done, width=bar), "  "]
        line.add_row(*cells, Text(figures, no_wrap=True, overflow="crop"))
        return line


def _side(name: str, progress: Progress | None, *, unicode: bool) -> str:
    under_way = "…" if unicode else ".."
    if progress is None:
        return f"{name} {under_way}"
    if not progress.is_over:
        of = f"/{progress.of}" if progress.of is not None else ""
        return f"{name} {progress.count}{of}{under_way}"
    if progress.has_gaps:
        return f"{name} {'✗' if unicode else '!'} {progress.count}"
    return f"{name} {'✓' if unicode else 'ok'} {progress.count}"


def _filled(label: str, pieces: Iterable[str], width: int) -> list[str]:
    """The pieces in lines of at most `width` columns, with the label before the first."""
    return list(_lines(f"{label:<{_LABEL}}", pieces, width))


def _lines(head: str, pieces: Iterable[str], width: int) -> Iterator[str]:
    line, is_empty = head, True
    for piece in pieces:
        if not is_empty and len(line) + 2 + len(piece) > width:
            yield line
            line, is_empty = " " * _LABEL, True
        line += piece if is_empty else f"  {piece}"
        is_empty = False
    yield line


def _pace(done: int, total: int, seconds: float) -> str:
    """The rate per second and the estimated time left; "" until there is enough data for an estimate."""
    if done == 0 or seconds < 1:
        return ""
    pace = done / seconds
    left = round((total - done) / pace)
    return f"  {pace:.{0 if pace >= 10 else 1}f}/s  {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
