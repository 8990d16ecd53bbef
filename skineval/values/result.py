"""A bench as it lies on disk, read into one frozen value: all that a report may know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from skineval.base.terms import Unit, unit_of
from skineval.values.measures import (
    COMPARISON_COLUMNS,
    RESULT_COLUMNS,
    Choice,
    Difference,
    Score,
    Subgroup,
    as_frame,
    system_name,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from skineval.values.environment import Environment
    from skineval.values.predictions import Predictions
    from skineval.values.recipe import Recipe
    from skineval.values.task import Task


@dataclass(frozen=True)
class CellResult:
    """One finished cell."""

    run_id: str
    model: str
    imbalance: str
    fold: int
    seed: int
    predictions: Predictions = field(repr=False)  #: parts "validation" and "test"
    history: pd.DataFrame = field(repr=False)  #: columns of history.csv
    #: images per class of the train part, in the order of `classes`
    train_counts: tuple[int, ...] = field(repr=False)
    #: explainer -> folder of its panels
    explanations: Mapping[str, Path] = field(default_factory=dict, repr=False)
    #: explainer -> how well its maps of some test images agree with outlines: image_id, scores, and that of the middle
    map_scores: Mapping[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    lacking: str = ""  #: explanations and external tests that could not be added, and why
    mapless: Mapping[str, str] = field(default_factory=dict, repr=False)  #: explainer -> why it has no map of it
    network: str = ""  #: run id of its network, which others may have, too, where the strategy is for embeddings
    embedding_space: Path | None = field(default=None, repr=False)  #: of a strategy that made embeddings
    threads: int | None = None  #: that it was trained and predicted with
    reason: str = ""  #: what its record says beside that it is done

    @property
    def system(self) -> str:
        """What is compared: the model and its imbalance strategy, as `model/imbalance`."""
        return system_name(self.model, self.imbalance)


@dataclass(frozen=True)
class EnsembleResult:
    """The mean of finished cells: a system like a model with its strategy, with no cells of its own.

    `predictions` are one for each fold and seed that it is not averaged over, and none where no two members finished.
    """

    model: str  #: as in results.csv, such as `ensemble(resnet18)`, or `ensemble(resnet18;folds)` over folds
    imbalance: str
    over: tuple[str, ...]  #: of "folds", "models" and "seeds"
    members: tuple[str, ...] = field(repr=False)  #: run ids of the cells that were averaged
    n_wanted: int  #: how many cells it would be made of, had all of them finished
    predictions: tuple[Predictions, ...] = field(repr=False)  #: of the parts of its members

    @property
    def system(self) -> str:
        """What is compared, as `CellResult.system`."""
        return system_name(self.model, self.imbalance)


OTHER_CLASS = "a class that the task does not have"  #: why an image is left out of an external test


@dataclass(frozen=True)
class ExternalData:
    """What an external test is made of: about.json, in its order."""

    name: str  #: of its folder in the bench
    data: str  #: name of the data set
    layout: str
    licence: str
    fingerprint: str
    key: str  #: what tells whether a cell has predicted this very data set
    synthetic: bool
    images: int
    lesions_known: bool
    tested_images: int
    tested_lesions: int
    excluded: Mapping[str, int]  #: reason -> images
    notes: tuple[str, ...]
    by_patient: bool = False
    patients: int | None = None
    outside: Mapping[str, int] = field(default_factory=dict)  #: label that no class takes -> images of it

    @property
    def unit(self) -> Unit:
        """What its images are grouped by."""
        return unit_of(lesions_known=self.lesions_known, by_patient=self.by_patient, patients=self.patients)

    @property
    def outside_images(self) -> int:
        """How many of its images are unknown to the bench and of classes that the task does not have."""
        return self.excluded.get(OTHER_CLASS, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """The systems of a bench on one test, and what was measured there."""

    scores: Sequence[Score] = field(default=(), repr=False)
    differences: Sequence[Difference] = field(default=(), repr=False)
    ensembles: Sequence[EnsembleResult] = field(default=(), repr=False)

    @cached_property
    def results(self) -> pd.DataFrame:
        """The scores as results.csv."""
        return as_frame(self.scores, RESULT_COLUMNS)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """The differences as comparisons.csv."""
        return as_frame(self.differences, COMPARISON_COLUMNS)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExternalTest(Measured):
    """A further data set that the cells have predicted, and the measures on it.

    Among its ensembles are those over folds, by names of their own: all predict these images.
    """

    name: str
    about: ExternalData = field(repr=False)
    predictions: Mapping[str, Predictions] = field(repr=False)  #: run id -> predictions, part "external"
    #: the same for its images of classes that the task does not have, part "outside", where these are to be rejected
    outside: Mapping[str, Predictions] | None = field(default=None, repr=False)

    @property
    def made(self) -> tuple[Mapping[str, Predictions], ...]:
        """What every cell is to predict, run id -> predictions."""
        return self.predictions, *([] if self.outside is None else [self.outside])


@dataclass(frozen=True, eq=False, kw_only=True)
class BenchResult(Measured):
    """Everything a bench left on disk, finished or not, and its measures."""

    folder: Path
    recipe: Recipe = field(repr=False)
    environment: Environment = field(repr=False)
    task: Task
    warnings: tuple[str, ...]  #: stamps that every table, figure and report shows: SYNTHETIC, LEAKY, NOT COMPARABLE
    split: pd.DataFrame = field(repr=False)  #: split.csv
    #: attributes.csv: image_id, then a column for each attribute; None of a bench that an earlier version made
    attributes: pd.DataFrame | None = field(default=None, repr=False)
    cells: pd.DataFrame = field(repr=False)  #: cells.csv
    finished: Sequence[CellResult] = field(repr=False)
    externals: Sequence[ExternalTest] = field(default=(), repr=False)
    #: of each model with several strategies, each one minus `none`
    ladders: Sequence[Difference] = field(default=(), repr=False)
    #: of the best system, how good it is on parts of the test images
    subgroups: Sequence[Subgroup] = field(default=(), repr=False)
    #: of every system, what choices made on validation images do to test images
    choices: Sequence[Choice] = field(default=(), repr=False)
    #: image ids -> (n, size, size, 3) uint8; None when the data is no longer where it was
    pixels: Callable[[Sequence[str]], NDArray[np.uint8]] | None = field(default=None, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the columns of predictions."""
        return self.task.classes

    @property
    def unit(self) -> Unit:
        """What images are grouped by, and what is resampled."""
        return self.environment.data.unit

    @property
    def sharing(self) -> frozenset[str]:
        """Run ids of the cells whose time holds the training of a network that other cells have, too."""
        networks = Counter(cell.network or cell.run_id for cell in self.finished)
        return frozenset(cell.run_id for cell in self.finished if cell.network and networks[cell.network] > 1)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Run ids of the cells that are not done, or lack an explanation or external test that the recipe asks for."""
        whole = {
            cell.run_id
            for cell in self.finished
            if {*self.recipe.explainers} <= {*cell.explanations, *cell.mapless}
            and all(cell.run_id in made for external in self.externals for made in external.made)
        }
        return tuple(run_id for run_id in self.cells["run_id"] if run_id not in whole)
