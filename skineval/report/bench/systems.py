"""What the cells of a bench have predicted, gathered into the systems that are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skineval.report.bench.leaderboard import Leaderboard
from skineval.report.bench.notes import members
from skineval.report.document import formatting
from skineval.values.predictions import Predictions, concatenated
from skineval.values.result import BenchResult, CellResult


@dataclass(frozen=True, eq=False)
class System:
    """A model with its strategy, or an ensemble: what it has predicted, in the order of seeds and folds."""

    name: str
    predictions: tuple[Predictions, ...]  #: one a cell, or one a mean of cells
    made_of: str  #: such as `10 cells`, or `the mean of 3 cells in each of 5 folds`
    cells: tuple[CellResult, ...] = ()  #: none of an ensemble: those of its members are not its own

    @property
    def test(self) -> Predictions:
        """The test images of all cells, one after the other; an image occurs once for each seed and copy."""
        return concatenated([one.select("test") for one in self.predictions])

    @property
    def first_seed(self) -> Predictions:
        """The test images of all folds of the first seed, each image once."""
        first = self.predictions[0].seed
        everything = concatenated([one.select("test") for one in self.predictions if one.seed == first])
        _, once = np.unique(everything.image_ids, return_index=True)
        return everything.take(np.sort(once))


def ranked(bench: BenchResult, board: Leaderboard) -> list[System]:
    """The systems with finished cells, ensembles among them, in the order of the leaderboard."""
    cells: dict[str, list[CellResult]] = {}
    for cell in sorted(bench.finished, key=_seed_and_fold):
        cells.setdefault(cell.system, []).append(cell)
    found = [
        System(name, tuple(cell.predictions for cell in mine), formatting.plural(len(mine), "cell"), tuple(mine))
        for name, mine in cells.items()
    ]
    found += [
        System(one.system, tuple(sorted(one.predictions, key=_seed_and_fold)), f"the mean of {members(one)}")
        for one in bench.ensembles
        if one.predictions
    ]
    order = {name: place for place, name in enumerate(board.systems)}
    return sorted(found, key=lambda system: (order.get(system.name, len(order)), system.name))


def _seed_and_fold(one: CellResult | Predictions) -> tuple[int, int]:
    return one.seed, one.fold
