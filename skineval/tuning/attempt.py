"""One trial: its networks are trained as those of a bench, on images among which there is no test image."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skineval.catalog.networks import find_head
from skineval.data.splits.split import Parts
from skineval.grid.cell.cell import Cell, Ground, Moment, as_event
from skineval.grid.cell.finishing import finish
from skineval.grid.cell.training import make_objective, train
from skineval.grid.events import Report
from skineval.grid.prepare import Prepared
from skineval.train import checkpoint
from skineval.train.checkpoint import EpochRecord
from skineval.train.fit import validate
from skineval.train.predict import embed, put_on_device
from skineval.tuning.plan import without_test
from skineval.tuning.trials import DONE, PRUNED, State, Trial
from skineval.values.runspec import RunSpec

TENTHS = 10  #: points of a curve for each cell


def curve(scores: Sequence[Sequence[float]], ended: int, epochs: int, cells: int) -> tuple[float, ...]:
    """The height of a trial after each tenth of each of its cells.

    `scores` holds the validation score after every epoch of each cell that has begun, of which the first `ended` have
    ended; `epochs` is how long a cell may train, and `cells` how many a trial has. The height is the sum of the best
    scores so far over `cells`: it never falls, its end is the mean over the cells, and at one point all trials have the
    same cells in it. A cell that stopped early keeps its best score until its end.
    """
    heights: list[float] = []
    before = 0.0
    for place, history in enumerate(scores):
        best = 0.0
        for epoch, score in enumerate(history, start=1):
            best = max(best, score)
            reached = epoch * TENTHS // epochs
            heights += [(before + best) / cells] * (place * TENTHS + reached - len(heights))
        before += best
        if place < ended:
            heights += [before / cells] * ((place + 1) * TENTHS - len(heights))
    return tuple(heights)


class Pruned(Exception):  # noqa: N818 - not an error: the trial has been judged
    """Raised after the epoch, or the cell, in which a trial turned out to be hopeless."""


#: Whether a trial with this curve need not go on; asked after every epoch, or cell, but the last.
IsHopeless: TypeAlias = Callable[[Sequence[float]], bool]


@dataclass(eq=False)
class Grounds:
    """What every trial stands on: a fold without its test part, on the device until another fold is wanted."""

    prepared: Prepared
    store: NDArray[np.uint8]  #: (N, S, S, 3), of all images
    should_stop: Callable[[], bool]
    _current: tuple[int, Ground, Parts] | None = field(default=None, init=False)

    def cell(self, spec: RunSpec) -> Cell:
        """The cell of a specification, in which nothing leads to the test part of its fold."""
        if self._current is None or self._current[0] != spec.fold:
            self._current = None  # on a GPU there is no room for two
            self._current = (spec.fold, *self._of_fold(spec.fold))
        _, ground, parts = self._current
        return ground.cell(spec, parts)

    def _of_fold(self, fold: int) -> tuple[Ground, Parts]:
        prepared, device = self.prepared, self.prepared.device.torch
        seen = without_test(prepared.targets, prepared.parts[fold])
        images = put_on_device(self.store, device, seen.rows)
        return Ground(images, seen.targets, device, prepared.weights, prepared.catalog, self.should_stop), seen.parts


class _Log:
    """The epochs of a trial, judged as they come in; those before an interruption are judged once more.

    Where a head is refitted, an epoch says nothing of the score that is searched for, which is that of the new head:
    such a trial is judged between its cells, and its curve holds what they ended with.
    """

    def __init__(self, cells: int, epochs: int, refits: bool, is_hopeless: IsHopeless) -> None:
        self._cells, self._epochs, self._refits, self._is_hopeless = cells, epochs, refits, is_hopeless
        self.histories: list[list[EpochRecord]] = []
        self._values: list[float] = []  # of the cells that have ended

    def begin(self) -> None:
        """Another cell begins."""
        self.histories.append([])

    def add(self, record: EpochRecord) -> None:
        """An epoch is over; raises Pruned where the next one would be wasted."""
        self.histories[-1].append(record)
        is_last = len(self.histories) == self._cells and record.epoch == self._epochs
        if not self._refits and not is_last:
            self._judge()

    def end(self, value: float) -> None:
        """The cell is over, and this is what a bench would keep of it; raises Pruned as `add` does."""
        self._values.append(value)
        if self._refits and len(self._values) < self._cells:
            self._judge()

    def best(self) -> float:
        """The best score so far of the current cell."""
        return max(record.val_balanced_accuracy for record in self.histories[-1])

    def ended(self, trial: Trial, state: State) -> Trial:
        """The trial as it ended: its value is the mean over the cells that began."""
        records = [record for history in self.histories for record in history]
        is_within = len(self._values) < len(self.histories)
        return dataclasses.replace(
            trial,
            state=state,
            value=statistics.fmean([*self._values, self.best()] if is_within else self._values),
            curve=self._curve(),
            epochs=len(records),
            seconds=round(sum(record.seconds for record in records), 3),
        )

    def _judge(self) -> None:
        if self._is_hopeless(self._curve()):
            raise Pruned

    def _curve(self) -> tuple[float, ...]:
        """The curve so far."""
        ended = len(self._values)
        if self._refits:  # as if a cell were one epoch
            return curve([[value] for value in self._values], ended, 1, self._cells)
        scores = [[record.val_balanced_accuracy for record in history] for history in self.histories]
        return curve(scores, ended, self._epochs, self._cells)


def attempt(
    trial: Trial, cells: Sequence[RunSpec], grounds: Grounds, folder: Path, is_hopeless: IsHopeless, report: Report
) -> Trial:
    """Train the cells of a trial, one after the other, and return it as it ended: done, or pruned.

    Checkpoints go to `folder`, and a trial that was interrupted goes on from them. Raises CellError where a network
    cannot be trained with this setting, whatever a plugin raises, and Interrupted when the search is told to stop.
    """
    refits = grounds.prepared.catalog.imbalance[cells[0].imbalance.name].changes_trained
    log = _Log(len(cells), cells[0].training.epochs, refits, is_hopeless)
    try:
        for cell in cells:
            log.end(_train(cell, grounds, folder / cell.run_id, log, report))
    except Pruned:
        return log.ended(trial, PRUNED)
    return log.ended(trial, DONE)


def _train(spec: RunSpec, grounds: Grounds, folder: Path, log: _Log, report: Report) -> float:
    """Train one cell and return the validation score of what a bench would keep of it."""
    log.begin()
    found = checkpoint.read_progress(folder)
    for record in found.history if found else ():
        log.add(record)

    def observe(moment: Moment) -> None:
        if isinstance(moment, EpochRecord):
            log.add(moment)
        report(as_event(spec, moment))

    cell = grounds.cell(spec)
    trained = train(cell, folder, observe)
    if not cell.strategy.changes_trained:
        return trained.progress.best_score
    stage = dataclasses.replace(cell.stage, precision="fp32")
    head = find_head(trained.network, cell.architecture, len(spec.classes))
    finish(cell, trained.network, embed(trained.network, head, stage, np.arange(len(cell.targets))))
    return validate(trained.network, make_objective(cell, trained.network), cell.stage, trained.progress.best_epoch)[1]
