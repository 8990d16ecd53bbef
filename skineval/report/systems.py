"""The finished cells of a bench, gathered into the systems they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skineval.grid.result import BenchResult, CellResult
from skineval.measure.predictions import Predictions
from skineval.report import rows


@dataclass(frozen=True, eq=False)
class System:
    """A model with its strategy: all of its finished cells, in the order of folds and seeds."""

    name: str
    cells: tuple[CellResult, ...]

    @property
    def test(self) -> Predictions:
        """The test images of all cells, one after the other; an image occurs once for each seed."""
        return pooled([cell.predictions.select("test") for cell in self.cells])

    @property
    def first_seed(self) -> Predictions:
        """The test images of all folds of the first seed: each image once, as far as folds do not overlap."""
        first = self.cells[0].seed
        return pooled([cell.predictions.select("test") for cell in self.cells if cell.seed == first])


def ranked(bench: BenchResult) -> list[System]:
    """The systems with finished cells, in the order of the comparison table."""
    found: dict[str, list[CellResult]] = {}
    for cell in sorted(bench.finished, key=lambda cell: (cell.seed, cell.fold)):
        found.setdefault(rows.system_name(cell.model, cell.imbalance), []).append(cell)
    order = {name: place for place, name in enumerate(rows.ranking(rows.scores(bench.results)))}
    names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return [System(name, tuple(found[name])) for name in names]


def pooled(many: Sequence[Predictions]) -> Predictions:
    """All images of these predictions, one after the other."""
    return replace(
        many[0],
        image_ids=np.concatenate([one.image_ids for one in many]),
        lesion_ids=np.concatenate([one.lesion_ids for one in many]),
        groups=np.concatenate([one.groups for one in many]),
        parts=np.concatenate([one.parts for one in many]),
        targets=np.concatenate([one.targets for one in many]),
        probabilities=np.concatenate([one.probabilities for one in many]),
    )
