"""How a bench goes, on standard error: rows on a terminal, a line an epoch and a line a cell elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from skineval.cli.board import Board, Figures, Row
from skineval.cli.forecast import Forecast
from skineval.cli.output import warn
from skineval.report.document import formatting

if TYPE_CHECKING:
    from skineval.grid.workers.engine import Message
    from skineval.values.runspec import RunSpec

TRAINING = "training"  #: the phase in which there are epochs


class Progressing:
    """Shows a bench on standard error; use as a context manager."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._board = Board(quiet)
        self._all: Row | None = None
        self._phase: Row | None = None
        self._cells: dict[str, Row] = {}
        self._forecast = Forecast(())
        self._several: tuple[str, ...] = ()  # of folds and seeds, those of which there is more than one

    def __enter__(self) -> Progressing:
        self._board.__enter__()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._board.__exit__()

    def images(self, done: int, total: int) -> None:
        """Images decoded into the pixel store."""
        if self._phase is None:
            self._phase = self._board.add(Row("preparing images", counted=True))
        self._phase.count(done, total)

    def begin(self, cells: Sequence[RunSpec], finished: int) -> None:
        """Cells are about to run."""
        self._end_phase()
        if finished:
            self._board.say(f"{finished} of {finished + len(cells)} cells are done already")
        self._forecast = Forecast(cells)
        self._several = tuple(key for key in ("fold", "seed") if len({getattr(cell, key) for cell in cells}) > 1)
        self._board.expect(map(self._row, cells))
        self._all = self._board.add(Row("cells", total=len(cells), counted=True))

    def cell(self, message: Message) -> None:
        """Something happened to a cell."""
        spec, fields = message.spec, message.fields
        if message.kind == "started":
            self._start(spec)
        elif message.kind == "warning":
            self.warn(str(fields["text"]))
        elif message.kind == "ended":
            self._end(spec, fields)
        elif spec.run_id in self._cells:
            self._advance(message)
        self._sum_up()

    def phase(self, text: str) -> None:
        """Something else takes its time."""
        self._end_phase()
        self._phase = self._board.add(Row(text))

    def note(self, text: str) -> None:
        """Something one should know of the data."""
        self._board.say(text)

    def warn(self, text: str) -> None:
        """Something was set aside."""
        if not self._quiet:
            warn(text)

    def _end_phase(self) -> None:
        if self._phase is not None:
            self._board.remove(self._phase)
            self._phase = None

    def _start(self, spec: RunSpec) -> None:
        self._forecast.started(spec)
        self._cells[spec.run_id] = self._board.add(self._row(spec))

    def _row(self, spec: RunSpec) -> Row:
        epochs = spec.training.epochs
        return Row(
            f"{spec.model}/{spec.imbalance}",
            " ".join(f"{key} {getattr(spec, key)}" for key in self._several),
            " ".join(f"{key[0]}{getattr(spec, key)}" for key in self._several),
            total=epochs,
            figures=Figures(1, epochs),
            phase="starting",
        )

    def _advance(self, message: Message) -> None:
        row, fields = self._cells[message.spec.run_id], message.fields
        if message.kind == "phase":
            row.phase = "" if fields["phase"] == TRAINING else fields["phase"]
        elif message.kind in ("step", "epoch"):
            row.train(fields["done"], fields["loss"], fields["rate"], fields.get("score"))
        if message.kind == "epoch" and not self._board.shown:
            self._board.say(f"{_title(message.spec)}: {row.said()}{self._for_all()}")

    def _end(self, spec: RunSpec, fields: Mapping[str, Any]) -> None:
        done = fields["status"] == "done"
        seconds = self._forecast.ended(spec, done)
        if spec.run_id in self._cells:
            self._board.remove(self._cells.pop(spec.run_id))
        if self._all is not None:
            self._all.done += 1
        if done:
            self._board.say(f"done {_title(spec)} in {formatting.duration(seconds)}", style="green")
        else:
            self._board.say(f"failed {_title(spec)}: {fields['reason']}", style="red")
        if fields["lacking"]:
            self._board.say(f"incomplete {_title(spec)}: {fields['lacking']}", style="red")

    def _sum_up(self) -> None:
        if self._all is not None:
            self._all.left = self._forecast.left({run_id: row.left for run_id, row in self._cells.items()})

    def _for_all(self) -> str:
        """The time left to all cells, where there are several."""
        self._sum_up()
        if self._all is None or not math.isfinite(self._all.left) or self._all.total == 1:
            return ""
        return f" (all cells: {formatting.duration(self._all.left)})"


def _title(spec: RunSpec) -> str:
    return f"{spec.model}/{spec.imbalance} fold {spec.fold} seed {spec.seed}"
