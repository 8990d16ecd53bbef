"""How work goes, on standard error: rows with bars, drawn again and again; lines alone where nobody would see rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skineval.cli.forecast import Pace
from skineval.cli.output import complain, is_terminal, warn
from skineval.grid.events import ImagesDecoded, Noted, PhaseBegan, Warned
from skineval.report.document import formatting

EPOCH = 5  #: columns that `12/30` takes


@dataclass(eq=False)
class Row:
    """One line of a board; NaN is what is not known yet."""

    name: str  #: cut where there is no room for it
    mark: str = ""  #: what else it is called by where there is room, and in short, which is never cut
    short: str = ""
    total: int | None = None  #: None: nobody knows
    done: float = 0.0
    counted: bool = False  #: how much is done stands behind the name
    epoch: int = 0  #: the current one of a training, which is counted in epochs, from 1; 0: it is none
    loss: float = math.nan
    score: float = math.nan  #: validation balanced accuracy of the last epoch that is over
    rate: float = math.nan  #: images per second
    left: float = math.nan  #: seconds
    phase: str = ""  #: what it does, where that is not to train
    pace: Pace = field(default_factory=Pace)
    since: float = field(default_factory=time.monotonic)

    def count(self, done: int, total: int) -> None:
        """So much is done, of so much."""
        self.pace.at(done / max(total, 1))
        self.done, self.total, self.left = done, total, self.pace.left(1.0)

    def train(self, done: float, loss: float, rate: float, score: float | None = None) -> None:
        """So many epochs are done; with a score, one has just ended. What is NaN is as it was."""
        assert self.total is not None
        self.pace.at(done)
        self.done, self.left = done, self.pace.left(self.total)
        self.epoch = min(math.floor(done) + (score is None), self.total)
        self.loss = self.loss if math.isnan(loss) else loss
        self.score = self.score if score is None else score
        self.rate = self.rate if math.isnan(rate) else rate

    @property
    def figures(self) -> tuple[str, ...]:
        """Epoch (`3/30`), loss, validation balanced accuracy and images per second; empty where nothing is trained."""
        if not self.epoch:
            return ("",) * 4
        loss, score = map(formatting.decimal, (self.loss, self.score))
        return f"{self.epoch}/{self.total}", loss, score, formatting.count(self.rate)

    def called(self, width: int) -> str:
        """The name in at most `width` columns."""
        name = formatting.plain(self.name)
        if self.counted and self.total is not None:
            name += f" {formatting.count(self.done)}/{formatting.count(self.total)}"
        elif self.counted and self.done:
            name += f" {formatting.count(self.done)}"
        for mark in (self.mark, self.short):
            whole = f"{name} {mark}".rstrip()
            if cell_len(whole) <= width:
                return whole
        end = f"… {self.short}" if self.short else "…"
        return set_cell_size(name, max(width - cell_len(end), 0)) + end

    def said(self) -> str:
        """An epoch that is over, as a line of a log says it."""
        epoch, loss, score, rate = self.figures
        left = formatting.duration(self.left)
        return f"epoch {epoch}, loss {loss}, validation balanced accuracy {score}, {rate} images/s, {left} left"


@dataclass(frozen=True)
class _Layout:
    """What of a row is shown in how many columns."""

    bar: int
    gap: int
    heads: tuple[str, ...]  #: of epoch, loss, validation balanced accuracy, rate and time left; "": not shown
    time: Callable[[float], str]  #: how a time is written, and how long that gets
    longest: int

    def line(self, words: tuple[str, ...], epoch: int) -> str:
        """The figures of a row in their columns, where the longest count of epochs takes so many."""
        columns = zip(words, self.heads, (epoch, 5, 5, 6, self.longest), strict=True)
        return (" " * self.gap).join(word.rjust(max(len(head), n)) for word, head, n in columns if head)


def _clock(seconds: float) -> str:
    """A time in few columns, such as 1:02, 1:05:00 or 12 h."""
    if not math.isfinite(seconds):
        return formatting.MISSING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours > 9:
        return f"{hours} h"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


#: By the columns that a terminal has at least.
_LAYOUTS = {
    130: _Layout(
        24, 2, ("epoch", "loss", "validation balanced accuracy", "images/s", "time left"), formatting.duration, 12
    ),
    85: _Layout(16, 2, ("epoch", "loss", "bal. accuracy", "images/s", "time left"), formatting.duration, 12),
    58: _Layout(6, 1, ("epoch", "loss", "b.acc", "im/s", "left"), _clock, 7),
    0: _Layout(6, 1, ("epoch", "", "b.acc", "", "left"), _clock, 7),
}


class Board:
    """Rows on a terminal; use as a context manager. Whatever is said stays above them."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self.shown = not quiet and is_terminal() and not self._console.is_dumb_terminal  #: whether rows are seen
        self._rows: list[Row] = []
        self._names = 0  # columns of the longest name so far: bars stay where they are
        self._live = Live(
            console=self._console, get_renderable=self._drawn, refresh_per_second=5, transient=True, auto_refresh=True
        )

    def __enter__(self) -> Board:
        if self.shown:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._live.stop()

    def add(self, row: Row) -> Row:
        """Show one more row, below the others."""
        self._rows = [*self._rows, row]
        return row

    def remove(self, row: Row) -> None:
        """Show a row no longer."""
        self._rows = [other for other in self._rows if other is not row]

    def expect(self, rows: Iterable[Row]) -> None:
        """Leave room for the names of these rows from now on, so that no bar has to move when they come."""
        self._names = max([self._names, *(cell_len(row.called(self._console.width)) for row in rows)])

    def say(self, words: str, style: str = "") -> None:
        """One line that stays."""
        if not self._quiet:
            self._console.print(Text(formatting.plain(words), style=style), soft_wrap=not self.shown)

    def warn(self, text: str) -> None:
        """A warning that stays."""
        if not self._quiet:
            warn(text, self._console)

    def complain(self, text: str) -> None:
        """An error that stays, however quiet it is to be, while the work goes on."""
        complain(text, console=self._console)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Within, no row is on the terminal, and what is written to standard output goes there."""
        if self.shown:
            self._live.stop()
        yield
        if self.shown:
            self._live.start()

    def _drawn(self) -> Table:
        rows, width = self._rows, self._console.width
        layout = next(layout for least, layout in _LAYOUTS.items() if width >= least)
        epoch = max([EPOCH, *(len(row.figures[0]) for row in rows)])
        heads = layout.line(layout.heads, epoch)
        self.expect(rows)
        names = max(min(self._names, width - layout.bar - len(heads) - 2 * layout.gap), 8)
        grid = Table(
            box=None, padding=(0, layout.gap, 0, 0), pad_edge=False, show_header=any(row.epoch for row in rows)
        )
        grid.add_column(width=names, no_wrap=True)
        grid.add_column(width=layout.bar, no_wrap=True)
        grid.add_column(Text(heads, style="dim"), width=len(heads), no_wrap=True, overflow="ellipsis")
        for row in rows:
            bar = ProgressBar(row.total or None, row.done, width=layout.bar)
            grid.add_row(Text(row.called(names)), bar, Text(_told(row, layout, epoch)))
        return grid


class Display:
    """Shows the events of a run on a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._phase: Row | None = None  # what is done before and after all training

    def __call__(self, event: object) -> None:
        """Show an event; what is not known is not shown."""
        match event:
            case ImagesDecoded(done, total):
                if self._phase is None:
                    self._phase = self._board.add(Row("preparing images", counted=True))
                self._phase.count(done, total)
            case PhaseBegan(phase, run_id=""):
                self._end_phase()
                self._phase = self._board.add(Row(phase))
            case Noted(text):
                self._board.say(text)
            case Warned(text):
                self._board.warn(text)

    def _end_phase(self) -> None:
        if self._phase is not None:
            self._board.remove(self._phase)
            self._phase = None


@contextmanager
def counting(what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be called with how much is done and how much there is; the bar goes when all is done."""
    with Board(quiet) as board:
        yield board.add(Row(what, counted=True)).count


def _told(row: Row, layout: _Layout, epoch: int) -> str:
    """What stands behind the bar of a row."""
    if row.phase:
        return row.phase
    if row.total is None:
        return formatting.duration(time.monotonic() - row.since)
    return layout.line((*row.figures, layout.time(row.left)), epoch)
