"""The search: one trial after the other, each proposed from all before it, each on disk before the next begins."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skineval.base.places import RUNS
from skineval.base.terms import Unit
from skineval.tuning.folder import conclude, open_folder, read_ended, write_about
from skineval.tuning.plan import Plan
from skineval.tuning.space import Space
from skineval.tuning.trials import SearchReport, Trial, winner
from skineval.values.recipe import Recipe

#: Said of a strategy that acts on trained networks.
_REFITS = (
    "The strategy changes the head of every trained network, and what the old one scores says little of it: trials "
    "were judged with the new head, at the end of a network and never before."
)


@dataclass(frozen=True, eq=False)
class Search:
    """A search as it ended."""

    folder: Path
    recipe: Recipe  #: the winning one, resolved
    space: Space
    trials: tuple[Trial, ...]  #: in their order; the first is the recipe's own setting
    system: str  #: the model and its imbalance strategy, as `model/imbalance`
    cells: int  #: networks behind every value, one for each fold and seed
    n_images: int  #: of the validation parts
    n_groups: int
    unit: Unit  #: what a group is
    stamps: tuple[str, ...]
    caveat: str = ""  #: why the test part judges no winner fairly: a sentence, empty where it does
    notes: tuple[str, ...] = ()  #: how it was searched, where that is not as usual: sentences

    def __repr__(self) -> str:
        marks = f" [{'; '.join(self.stamps)}]" if self.stamps else ""
        scores = f"best {self.best.score:.3f} (trial {self.best.number}), the recipe's own {self.own.score:.3f}"
        return (
            f"<Search for {self.system} in {self.folder}{marks}: {len(self.trials)} trials, validation part: {scores}>"
        )

    @property
    def own(self) -> Trial:
        """The recipe's own setting."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The trial with the best validation balanced accuracy."""
        return winner(self.trials)


def search(
    plan: Plan, report: SearchReport, *, trials: int = 20, out: Path | None = None, fresh: bool = False
) -> Search:
    """Run what is missing of `trials`, and write the table of all of them and the winning recipe.

    The folder is `out`, by default one under runs/ that is this search's alone; a `fresh` one is emptied first.

    The test part of a fold is not read for it: networks, strategies and scores are handed rows of which none leads to
    it. Where there are several folds it is read for the others, and the search has a caveat. A trial that fails is a
    row with its reason; the recipe's own setting must not fail. Raises CellError where it does, UsageError where the
    folder holds something else, and Interrupted on Ctrl-C, with everything finished on disk.
    """
    with open_folder(out or RUNS / plan.folder_name, plan, fresh) as folder:
        write_about(folder, plan)
        ended, shortage = list(read_ended(folder)), ""
        for trial in ended:  # one killed between its last file and this
            shutil.rmtree(folder.checkpoints(trial.number), ignore_errors=True)
        if len(ended) < trials:
            from skineval.tuning.running import run_trials  # which imports torch

            shortage = run_trials(ended, plan, trials, folder, report)
        conclude(folder, plan, ended)
    prepared, frame = plan.prepared, plan.prepared.table.frame
    cell = prepared.cells[0]
    refits = _REFITS if prepared.catalog.imbalance[cell.imbalance.name].changes_trained else ""
    validation = np.unique(np.concatenate([parts.validation for parts in prepared.parts.values()]))
    return Search(
        folder=folder.path,
        recipe=plan.with_values(winner(ended).parameters),
        space=plan.space,
        trials=tuple(ended),
        system=f"{cell.model}/{cell.imbalance}",
        cells=len(prepared.cells),
        n_images=len(validation),
        n_groups=int(frame["group"].iloc[validation].nunique()),
        unit=prepared.table.unit,
        stamps=prepared.stamps,
        caveat=plan.caveat,
        notes=tuple(note for note in (*prepared.remarks, refits, shortage) if note),
    )
