"""How a bench goes, on standard error: rows on a terminal, a line an epoch and a line a cell elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from skineval.base.terms import DONE
from skineval.catalog.specs import EpochEnded
from skineval.cli.board import Board, Display, Row
from skineval.cli.forecast import Forecast
from skineval.grid.events import EMBEDDING, TRAINING, CellBegan, CellFinished, CellsPlanned, PhaseBegan, StepDone
from skineval.report.document import formatting

if TYPE_CHECKING:
    from skineval.values.runspec import RunSpec


class BenchDisplay(Display):
    """Shows a bench on a board."""

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self._all = Row("cells", counted=True)
        self._cells: dict[str, RunSpec] = {}
        self._rows: dict[str, Row] = {}  # of the cells that run
        self._embedded: set[str] = set()  # models of which it was told whether their images are embedded
        self._forecast = Forecast(())
        self._several: tuple[str, ...] = ()  # of folds and seeds, those of which there is more than one

    def __call__(self, event: object) -> None:
        """Show an event."""
        match event:
            case CellsPlanned(cells, finished):
                self._begin(cells, finished)
            case CellBegan(run_id):
                self._forecast.started(self._cells[run_id])
                self._rows[run_id] = self._board.add(self._row(self._cells[run_id]))
            case PhaseBegan(phase, run_id) if run_id:
                self._rows[run_id].phase = "" if phase == TRAINING else phase
                self._tell_embedding(str(self._cells[run_id].model), phase)
            case StepDone():
                self._rows[event.run_id].train(event.done, event.loss, event.images_per_second)
            case EpochEnded():
                self._end_epoch(event)
            case CellFinished():
                self._end(event)
            case _:
                super().__call__(event)
        self._all.left = self._left()

    def _begin(self, cells: Sequence[RunSpec], finished: int) -> None:
        self._end_phase()
        if finished:
            self._board.say(f"{finished} of {finished + len(cells)} cells are done already")
        self._cells = {cell.run_id: cell for cell in cells}
        self._forecast = Forecast(cells)
        self._several = tuple(key for key in ("fold", "seed") if len({getattr(cell, key) for cell in cells}) > 1)
        self._board.expect(map(self._row, cells))
        self._board.remove(self._all)  # that of an earlier bench, where one follows another
        self._all = self._board.add(Row("cells", counted=True, total=len(cells)))

    def _row(self, spec: RunSpec) -> Row:
        return Row(
            f"{spec.model}/{spec.imbalance}",
            " ".join(f"{key} {getattr(spec, key)}" for key in self._several),
            " ".join(f"{key[0]}{getattr(spec, key)}" for key in self._several),
            total=spec.training.epochs,
            epoch=1,
            phase="starting",
        )

    def _end_epoch(self, event: EpochEnded) -> None:
        row = self._rows[event.run_id]
        row.train(event.epoch, event.train_loss, event.images_per_second, event.val_balanced_accuracy)
        if not self._board.shown:
            left = self._left()
            of_all = math.isfinite(left) and len(self._cells) > 1
            for_all = f" (all cells: {formatting.duration(left)})" if of_all else ""
            self._board.say(f"{self._title(event.run_id)}: {row.said()}{for_all}")

    def _end(self, event: CellFinished) -> None:
        title = self._title(event.run_id)
        seconds = self._forecast.ended(self._cells[event.run_id], event.status == DONE)
        self._board.remove(self._rows.pop(event.run_id))
        self._all.done += 1
        if event.status == DONE:
            self._board.say(f"done {title} in {formatting.duration(seconds)}", style="green")
        else:
            self._board.say(f"failed {title}: {event.reason}", style="red")
        if event.lacking:
            self._board.say(f"incomplete {title}: {event.lacking}", style="red")

    def _tell_embedding(self, model: str, phase: str) -> None:
        """Say once of each model whether its images are embedded, where no row shows it."""
        if phase.startswith(EMBEDDING) and not self._board.shown and model not in self._embedded:
            self._embedded.add(model)
            self._board.say(f"{model}: {phase}")

    def _left(self) -> float:
        """Seconds left to all cells; NaN where nobody knows."""
        return self._forecast.left({run_id: row.left for run_id, row in self._rows.items()})

    def _title(self, run_id: str) -> str:
        spec = self._cells[run_id]
        return f"{spec.model}/{spec.imbalance} fold {spec.fold} seed {spec.seed}"
