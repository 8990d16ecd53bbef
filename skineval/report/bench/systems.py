"""What the cells of a bench have predicted, gathered into the systems that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skineval.measure.comparisons import missing_folds
from skineval.report.bench import rows
from skineval.report.document import formatting
from skineval.values.predictions import Predictions
from skineval.values.result import BenchResult, CellResult, EnsembleResult, ExternalTest


@dataclass(frozen=True, eq=False)
class System:
    """A model with its strategy, or an ensemble: what it has predicted, in the order of seeds and folds."""

    name: str
    predictions: tuple[Predictions, ...]  #: one a cell, or one a mean of cells
    made_of: str  #: such as `10 cells`, or `the mean of 3 cells in each of 5 folds`
    cells: tuple[CellResult, ...] = ()  #: none of an ensemble: those of its members are not its own

    @property
    def n_cells(self) -> int:
        """How many cells stand behind it."""
        return sum(one.n_cells for one in self.predictions)

    @property
    def test(self) -> Predictions:
        """The test images of all cells, one after the other; an image occurs once for each seed and copy."""
        return pooled([one.select("test") for one in self.predictions])

    @property
    def first_seed(self) -> Predictions:
        """The test images of all folds of the first seed, each image once."""
        first = self.predictions[0].seed
        everything = pooled([one.select("test") for one in self.predictions if one.seed == first])
        _, once = np.unique(everything.image_ids, return_index=True)
        return everything.take(np.sort(once))


def unranked(bench: BenchResult, external: ExternalTest | None = None) -> dict[str, tuple[int, ...]]:
    """The systems that lack folds which another one has, each with those: its figures are not of what the others' are.

    On the internal test each fold has other images, on an external one other networks.
    """
    predictions: dict[str, list[Predictions]] = {}
    for cell in bench.finished:
        if external is None:
            predictions.setdefault(cell.system, []).append(cell.predictions.select("test"))
        elif cell.run_id in external.predictions:
            predictions.setdefault(cell.system, []).append(external.predictions[cell.run_id])
    for one in (external or bench).ensembles:
        if one.predictions:
            predictions[one.system] = [each if external else each.select("test") for each in one.predictions]
    return missing_folds(predictions)


def ranked(bench: BenchResult) -> list[System]:
    """The systems with finished cells, ensembles among them, in the order of the comparison table."""
    cells: dict[str, list[CellResult]] = {}
    for cell in sorted(bench.finished, key=lambda cell: (cell.seed, cell.fold)):
        cells.setdefault(cell.system, []).append(cell)
    found = [
        System(name, tuple(cell.predictions for cell in mine), formatting.plural(len(mine), "cell"), tuple(mine))
        for name, mine in cells.items()
    ]
    found += [
        System(one.system, _in_order(one.predictions), f"the mean of {members(one)}")
        for one in bench.ensembles
        if one.predictions
    ]
    order = {name: place for place, name in enumerate(rows.ranking(rows.scores(bench.results), unranked(bench)))}
    return sorted(found, key=lambda system: (order.get(system.name, len(order)), system.name))


def members(ensemble: EnsembleResult) -> str:
    """Of how many cells each of its means is: `3 cells in each of 5 folds`, `2 to 3 cells` where some have failed."""
    sizes = [one.n_cells for one in ensemble.predictions]
    fewest, most = min(sizes), max(sizes)
    n = formatting.plural(most, "cell") if fewest == most else f"{fewest} to {formatting.plural(most, 'cell')}"
    return n + rows.each_of(ensemble)


def _in_order(predictions: Sequence[Predictions]) -> tuple[Predictions, ...]:
    return tuple(sorted(predictions, key=lambda one: (one.seed, one.fold)))


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
